"""The words that owners of objects read, and that scripts of operators look for."""

import msgspec
import pytest

from headgate.api import Ingress
from headgate.problems import ObjectRef, Problem, Severity
from headgate.reporting.verdicts import (
    EventType,
    Refusal,
    State,
    Subject,
    Verdict,
    for_config_map,
    for_ingress,
    secret_deleted,
    secret_rejected,
    secret_updated,
)

CAFE = Subject(Ingress.KIND.ref("shop", "cafe"), "uid-1", "networking.k8s.io/v1")
CONFIG = Subject(ObjectRef("ConfigMap", "edge", "nginx-config"))
POD = Subject(ObjectRef("Pod", "edge", "headgate-0"))
SECRET = ObjectRef("Secret", "edge", "default-tls")


def warning(reason: str, field: str = "", effect: str = "") -> Problem:
    return Problem(CAFE.ref, field, "", reason, effect)


def error(reason: str, code: str = "", effect: str = "") -> Problem:
    return Problem(CAFE.ref, "spec.rules[0].host", "a_b", reason, effect, Severity.ERROR, code)


def told(verdict: Verdict) -> tuple[object, ...]:
    return verdict.state, verdict.reason, verdict.type, verdict.served, verdict.message


def test_an_ingress_without_problems_is_added() -> None:
    assert told(for_ingress(CAFE)) == (
        State.VALID,
        "AddedOrUpdated",
        EventType.NORMAL,
        True,
        "Configuration for shop/cafe was added or updated",
    )


def test_warnings_are_listed_in_the_message() -> None:
    found = [warning("has no endpoints", "service tea"), warning("has no endpoints", "service tea")]
    assert told(for_ingress(CAFE, found)) == (
        State.WARNING,
        "AddedOrUpdatedWithWarning",
        EventType.WARNING,
        True,
        "Configuration for shop/cafe was added or updated with warning(s): service tea: has no endpoints",
    )


def test_warnings_are_introduced_once_wherever_they_were_found() -> None:
    verdict = for_ingress(CAFE, [warning("one")], [warning("two"), warning("one"), warning("three")])
    assert verdict.message == "Configuration for shop/cafe was added or updated with warning(s): one; two; three"


def test_warnings_of_the_generation_alone_follow_a_semicolon() -> None:
    assert for_ingress(CAFE, (), [warning("two")]).message == (
        "Configuration for shop/cafe was added or updated ; with warning(s): two"
    )


def test_the_message_of_nginx_is_repeated_on_one_line() -> None:
    refusal = Refusal("[emerg] unknown directive\n in shop-cafe.conf:3")
    assert told(for_ingress(CAFE, (), (), refusal)) == (
        State.INVALID,
        "AddedOrUpdatedWithError",
        EventType.WARNING,
        True,
        (
            "Configuration for shop/cafe was added or updated but was not applied: "
            "[emerg] unknown directive in shop-cafe.conf:3; the previous configuration is kept"
        ),
    )


def test_a_refusal_of_nginx_comes_before_all_warnings() -> None:
    verdict = for_ingress(CAFE, [warning("one")], [warning("two")], Refusal("[emerg] no"))
    assert verdict.message == (
        "Configuration for shop/cafe was added or updated but was not applied: [emerg] no; "
        "the previous configuration is kept ; with warning(s): one; two"
    )


def test_what_was_never_served_shows_no_address() -> None:
    verdict = for_ingress(CAFE, (), (), Refusal("[emerg] no", kept=False))
    assert not verdict.served
    assert verdict.message.endswith("but was not applied: [emerg] no; nothing is served for it")
    verdict = for_ingress(CAFE, (), (), Refusal("[emerg] no", kept=False, closed=True))
    assert verdict.message.endswith("[emerg] no; its requests are answered 500, not served unguarded")


def test_a_refused_ingress_lists_only_what_refuses() -> None:
    verdict = for_ingress(CAFE, [warning("odd"), error("is not a host"), error("is taken", "Rejected")])
    assert told(verdict) == (
        State.INVALID,
        "Rejected",
        EventType.WARNING,
        False,
        (
            "shop/cafe was rejected: with error: spec.rules[0].host: 'a_b' is not a host; "
            "spec.rules[0].host: 'a_b' is taken"
        ),
    )


@pytest.mark.parametrize(
    ("problem", "reason", "message"),
    [
        (
            error("All hosts are taken by other resources", "Rejected"),
            "Rejected",
            "All hosts are taken by other resources",
        ),
        (
            error("Ingress master is invalid or doesn't exist", "NoIngressMasterFound", "not served"),
            "NoIngressMasterFound",
            "Ingress master is invalid or doesn't exist (not served)",
        ),
    ],
)
def test_a_problem_with_a_code_is_the_whole_message(problem: Problem, reason: str, message: str) -> None:
    verdict = for_ingress(CAFE, [warning("odd"), problem])
    assert (verdict.reason, verdict.message, verdict.served) == (reason, message, False)


def test_an_error_of_the_generation_refuses_too() -> None:
    assert for_ingress(CAFE, (), [error("internal error")]).reason == "Rejected"


def test_config_map() -> None:
    (clean,) = for_config_map(CONFIG)
    assert told(clean)[:3] == (State.VALID, "Updated", EventType.NORMAL)
    assert clean.message == "ConfigMap edge/nginx-config updated without error"


def test_every_bad_key_of_a_config_map_is_reported() -> None:
    problems = [Problem(CONFIG.ref, "proxy-read-timeout", "soon", "is not a time", "using 60s")]
    key, whole = for_config_map(CONFIG, problems)
    assert (key.reason, key.message) == ("InvalidValue", "proxy-read-timeout: 'soon' is not a time (using 60s)")
    assert (whole.reason, whole.type) == ("UpdatedWithError", EventType.WARNING)
    assert whole.message == "ConfigMap edge/nginx-config updated with errors. Ignoring invalid values"


def test_a_config_map_that_nginx_refuses_is_reported() -> None:
    (whole,) = for_config_map(CONFIG, (), Refusal("[emerg] bad"))
    assert whole.reason == "UpdatedWithError"
    assert whole.message == (
        "ConfigMap edge/nginx-config was updated but was not applied: [emerg] bad; the previous configuration is kept"
    )


def test_a_message_has_no_contradiction() -> None:
    """What is refused is not called updated without error, whatever else there is to say."""
    problems = [Problem(CONFIG.ref, "proxy-read-timeout", "soon", "is not a time")]
    refused = [for_ingress(CAFE, found, made, Refusal("no"))
               for found in ((), [warning("one")]) for made in ((), [warning("two")])]  # fmt: skip
    refused += [for_config_map(CONFIG, found, Refusal("no"))[-1] for found in ((), problems)]
    for verdict in refused:
        assert verdict.message.count(" was ") == 2
        assert "without error" not in verdict.message
        assert " ; but" not in verdict.message


@pytest.mark.parametrize("found", [(), (warning("one"),), (warning("one"), warning("two"))])
@pytest.mark.parametrize("passing", [True, False])
def test_a_warning_may_be_over_in_a_moment_if_each_problem_may(found: tuple[Problem, ...], passing: bool) -> None:
    ready = tuple(msgspec.structs.replace(problem, passing=True) for problem in found)
    last = () if passing else (warning("stays"),)
    assert for_ingress(CAFE, ready, last).passing == (passing and bool(found))
    assert not for_ingress(CAFE, (*ready, error("bad"))).passing
    assert not for_ingress(CAFE, ready, (), Refusal("no")).passing


def test_events_about_secrets_of_flags_are_on_the_pod() -> None:
    assert secret_updated(POD, SECRET).reason == "SecretUpdated"
    deleted = secret_deleted(POD, SECRET)
    assert (deleted.reason, deleted.type) == ("SecretDeleted", EventType.WARNING)
    assert "its last content stays" in deleted.message
    rejected = secret_rejected(POD, SECRET, [Problem(SECRET, "tls.key", "", "does not match tls.crt")])
    assert rejected.ref == POD.ref
    assert rejected.message.startswith(
        "Secret edge/default-tls was rejected with error: tls.key: does not match tls.crt"
    )
