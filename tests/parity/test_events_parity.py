"""Every event of the incumbent on an Ingress, the ConfigMap or the Pod is said, or is declined with a reason."""

import csv
from pathlib import Path

import pytest

from headgate.problems import ObjectRef, Problem, Severity
from headgate.reporting.verdicts import (
    Refusal,
    Subject,
    Verdict,
    for_config_map,
    for_ingress,
    secret_deleted,
    secret_rejected,
    secret_updated,
)

PLUS = "NGINX Plus only"
DECLINED = {
    ("Ingress", "RejectedWithError"): "removing files is part of one apply; its failure is told once, by the apply",
    ("Pod", "UpdatedWithError"): "a failed apply is told on the objects that it keeps back",
    ("Pod", "UpdatePodLabel"): "Headgate does not label its own Pod",
    ("Pod", "SecretError"): "a Secret missing at the start does not end Headgate; it is told as Rejected",
    ("Pod", "FileError"): "Headgate needs no CA bundle of the operating system",
    ("Pod", "ConfigMapError"): PLUS,
    ("Pod", "ServiceFailedToCreate"): PLUS,
    ("Pod", "LicenseExpiry"): PLUS,
    ("Pod", "UsageGraceEnding"): PLUS,
    ("Pod", "AppProtectAPIVersionSelected"): PLUS,
    ("Pod", "PLMStorageConfigured"): PLUS,
}

INGRESS = Subject(ObjectRef("Ingress", "shop", "cafe"))
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
    *for_config_map(CONFIG),
    *for_config_map(CONFIG, [WARNING]),
    secret_updated(POD, SECRET),
    secret_deleted(POD, SECRET),
    secret_rejected(POD, SECRET, [BROKEN]),
)
KNOWN = {(verdict.ref.kind, verdict.reason): verdict.type.value for verdict in SAID}


def rows() -> list[tuple[str, str, str]]:
    """Return kind, reason and type of the rows that are about our kinds."""
    with (Path(__file__).parent / "nic-events.csv").open(newline="") as table:
        found = [(row["object_kinds"].split(" ")[0], row["reason"], row["type"]) for row in csv.DictReader(table)]
        table.seek(0)
        kinds = [row["object_kinds"] for row in csv.DictReader(table)]
    ours = ("Ingress", "ConfigMap (main", "Pod")
    return sorted({row for row, kind in zip(found, kinds, strict=True) if kind.startswith(ours)})


@pytest.mark.parametrize(("kind", "reason", "type_"), rows())
def test_said_or_declined(kind: str, reason: str, type_: str) -> None:
    if (kind, reason) in DECLINED:
        assert (kind, reason) not in KNOWN
    else:
        assert KNOWN[kind, reason] == type_


def test_nothing_is_declined_that_does_not_exist() -> None:
    assert DECLINED.keys() <= {(kind, reason) for kind, reason, _ in rows()}
