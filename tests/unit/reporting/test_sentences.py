"""What happened to an object, in the words of its event."""

import pytest
from msgspec.structs import replace

from headgate.api import ConfigMap, Ingress, Policy, VirtualServer
from headgate.problems import Problem, Severity, some
from headgate.reporting.sentences import Occasion, change, sentence
from headgate.reporting.verdicts import Refusal, Subject, Verdict, for_config_map, for_custom, for_ingress, for_policy

CAFE = Subject(Ingress.KIND.ref("default", "cafe"))
SETTINGS = Subject(ConfigMap.KIND.ref("ours", "config"))
WARNING = Problem(CAFE.ref, "spec.tls[0].secretName", "gone", "does not exist")
ERROR = Problem(CAFE.ref, "spec.rules[0].host", "a..b", "is not a host name", severity=Severity.ERROR)
LOST = Problem(CAFE.ref, "", "", "All hosts are taken by other resources", severity=Severity.ERROR, code="Rejected")


@pytest.mark.parametrize(
    ("found", "refusal", "outcome"),
    [
        ((), None, "serves a.test, b.test"),
        ((WARNING,), None, "serves a.test, b.test; with warning(s): spec.tls[0].secretName: 'gone' does not exist"),
        ((ERROR,), None, "refused: spec.rules[0].host: 'a..b' is not a host name"),
        ((LOST,), None, "refused: All hosts are taken by other resources"),
        (
            (),
            Refusal("unknown directive"),
            "was not applied: unknown directive; the previous configuration is kept",
        ),
    ],
)
def test_an_ingress_is_described_in_the_words_of_its_event(
    found: tuple[Problem, ...], refusal: Refusal | None, outcome: str
) -> None:
    verdict = for_ingress(CAFE, found, (), refusal)
    assert sentence(verdict, "changed", ("a.test", "b.test")) == f"Ingress default/cafe: changed, {outcome}"
    assert outcome.partition(": ")[2] in verdict.message


@pytest.mark.parametrize(
    "verdict",
    [
        for_custom(Subject(VirtualServer.KIND.ref("default", "cafe")), (ERROR,)),
        for_policy(Subject(Policy.KIND.ref("default", "cafe")), (ERROR,)),
    ],
)
def test_a_refused_custom_resource_is_named_once(verdict: Verdict) -> None:
    assert sentence(verdict, "changed", ()) == (
        f"{verdict.ref}: changed, refused: spec.rules[0].host: 'a..b' is not a host name"
    )


def test_a_valid_object_whose_hosts_have_no_listener_is_not_served() -> None:
    verdict = replace(for_custom(Subject(VirtualServer.KIND.ref("default", "cafe"))), served=False)
    assert sentence(verdict, "added", ()) == "VirtualServer default/cafe: added, not served"


def test_hosts_without_a_name_and_many_hosts_are_described() -> None:
    assert sentence(for_ingress(CAFE), "", ("",)).endswith(": serves every host without another holder")
    assert some(["a", "b", "c"]) == "a, b, c"
    assert some(["a", "b", "c", *"d" * 1000]) == "a, b, c and 1,000 more"


def test_a_config_map_has_a_line_for_each_key_and_one_for_the_whole() -> None:
    key = Problem(SETTINGS.ref, "keepalive", "x", "is not a number")
    lines = [sentence(verdict, "changed", ()) for verdict in for_config_map(SETTINGS, (key,))]
    assert lines == [
        "ConfigMap ours/config: keepalive: 'x' is not a number",
        "ConfigMap ours/config updated with errors. Ignoring invalid values",
    ]


def test_what_was_reported_before_and_did_not_change_itself_has_no_word_for_it() -> None:
    assert change(Occasion(changed=True), known=False) == "added"
    assert change(Occasion(changed=True), known=True) == "changed"
    assert change(Occasion(), known=True) == ""
