"""Every event of the incumbent is said, or is known to be absent with a reason."""

import csv
from pathlib import Path

import pytest

from headgate.api import GlobalConfiguration, Ingress, TransportServer, VirtualServer, VirtualServerRoute
from headgate.api.nginx_org import Policy
from headgate.dependents.keeper import bad, done
from headgate.problems import ObjectRef, Problem, Severity
from headgate.reporting.reference import ABSENT_EVENTS, EVENTS, absent_event
from headgate.reporting.verdicts import (
    Refusal,
    Subject,
    Verdict,
    endpoints_drained,
    for_config_map,
    for_custom,
    for_global_configuration,
    for_ingress,
    for_policy,
    log_level_set,
    nginx_restarted,
    secret_deleted,
    secret_rejected,
    secret_updated,
)

INGRESS = Subject(Ingress.KIND.ref("shop", "cafe"))
ROUTE = Subject(VirtualServerRoute.KIND.ref("shop", "cafe"))
SERVER = Subject(VirtualServer.KIND.ref("shop", "cafe"))
STREAM = Subject(TransportServer.KIND.ref("shop", "cafe"))
POLICY = Subject(Policy.KIND.ref("shop", "guard"))
LISTENERS = Subject(GlobalConfiguration.KIND.ref("edge", "listeners"))
CONFIG = Subject(ObjectRef("ConfigMap", "edge", "nginx-config"))
POD = Subject(ObjectRef("Pod", "edge", "headgate-0"))
SECRET = ObjectRef("Secret", "edge", "tls")
WARNING = Problem(INGRESS.ref, "", "", "odd")
ORPHAN = Problem(INGRESS.ref, "", "", "no master", "", Severity.ERROR, "NoIngressMasterFound")
BROKEN = Problem(INGRESS.ref, "", "", "bad", "", Severity.ERROR)

SAID: tuple[Verdict, ...] = (
    for_ingress(INGRESS),
    for_ingress(INGRESS, [WARNING]),
    for_ingress(INGRESS, (), (), Refusal("no")),
    for_ingress(INGRESS, [BROKEN]),
    for_ingress(INGRESS, [ORPHAN]),
    for_custom(ROUTE),
    for_custom(ROUTE, [WARNING]),
    for_custom(ROUTE, (), (), Refusal("no")),
    for_custom(ROUTE, [BROKEN]),
    *(
        for_custom(ROUTE, [Problem(ROUTE.ref, "", "", "alone", "", Severity.ERROR, reason)])
        for reason in ("NoVirtualServerFound", "Ignored")
    ),
    *(
        verdict
        for subject in (SERVER, STREAM)
        for verdict in (
            for_custom(subject),
            for_custom(subject, [WARNING]),
            for_custom(subject, (), (), Refusal("no")),
            for_custom(subject, [BROKEN]),
        )
    ),
    *(
        done(SERVER, verb, kind, "")
        for verb in ("Create", "Update", "Delete")
        for kind in ("Certificate", "DNSEndpoint")
    ),
    bad(SERVER, ""),
    for_policy(POLICY),
    for_policy(POLICY, [WARNING]),
    for_policy(POLICY, [BROKEN]),
    for_global_configuration(LISTENERS),
    for_global_configuration(LISTENERS, [WARNING]),
    *for_config_map(CONFIG),
    *for_config_map(CONFIG, [WARNING]),
    secret_updated(POD, SECRET),
    secret_deleted(POD, SECRET),
    secret_rejected(POD, SECRET, [BROKEN]),
    nginx_restarted(POD, "it died"),
    log_level_set(POD, "info", "debug"),
    endpoints_drained(POD, ["10.0.0.7"], 1, undo=False),
    endpoints_drained(POD, ["10.0.0.7"], 1, undo=True),
)
KNOWN = {(verdict.ref.kind, verdict.reason): verdict.type.value for verdict in SAID}


def rows() -> list[tuple[str, str, str]]:
    """Return kind, reason and type of every row; the first of several kinds stands for all."""
    with (Path(__file__).parent / "nic-events.csv").open(newline="") as table:
        found = {(kind_of(row["object_kinds"]), row["reason"], row["type"]) for row in csv.DictReader(table)}
    return sorted(found)


def kind_of(words: str) -> str:
    """Return the kind that a row is about; the ConfigMap of NGINX Plus is one of its own."""
    return "ConfigMap (mgmt)" if words == "ConfigMap (mgmt)" else words.partition(" ")[0].rstrip(",")


@pytest.mark.parametrize(("kind", "reason", "type_"), rows())
def test_every_event_of_the_incumbent_exists_or_has_a_reason(kind: str, reason: str, type_: str) -> None:
    absent = absent_event(kind, reason)
    if absent:
        assert absent.reason
        assert (kind, reason) not in KNOWN
    else:
        assert KNOWN[kind, reason] == type_


def test_nothing_is_absent_that_does_not_exist() -> None:
    known = {f"{kind}/{reason}" for kind, reason, _ in rows()} | {f"{kind}/*" for kind, _, _ in rows()}
    assert ABSENT_EVENTS.keys() <= known


def test_the_reference_page_lists_exactly_the_events() -> None:
    assert {(row.kind, row.reason): row.type.value for row in EVENTS} == KNOWN
