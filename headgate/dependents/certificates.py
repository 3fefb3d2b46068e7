"""Certificates of cert-manager for VirtualServers: ``spec.tls.cert-manager`` becomes a Certificate. Pure."""

from __future__ import annotations

from typing import Any, Final

from headgate.api.cert_manager import Certificate
from headgate.api.nginx_org import VirtualServer
from headgate.api.nginx_org.virtualserver import CertManager
from headgate.dependents.forms import Answer, DependentKind, Json, Wanted, without_empty
from headgate.problems import Problem
from headgate.reporting.status_forms import Exposure
from headgate.validation.dependents import NO_CERTIFICATE, certificate_faults, nanoseconds, usages

TEMPORARY: Final = "cert-manager.io/issue-temporary-certificate"
USUAL: Final = ("digital signature", "key encipherment")
_DURATIONS: Final = ("duration", "renewBefore")


def certificate(item: VirtualServer, _: Exposure | None = None) -> Answer:
    """Return the Certificate that *item* asks for; its name is that of the Secret, which cert-manager makes."""
    spec, tls = item.spec, item.spec.tls if item.spec else None
    if not (spec and tls and tls.cert_manager and tls.secret):
        return Answer()
    manager = tls.cert_manager
    problems = tuple(Problem(item.ref, *fault, NO_CERTIFICATE) for fault in certificate_faults(manager))
    if problems:
        return Answer(problems=problems, keep=True)
    wanted: Json = {
        "secretName": tls.secret,
        "dnsNames": [spec.host],
        "issuerRef": _issuer(manager),
        "usages": list(usages(manager.usages) or USUAL),
    }
    more = {"commonName": manager.common_name, "duration": manager.duration, "renewBefore": manager.renew_before}
    wanted |= {key: value for key, value in more.items() if value}
    annotations = {TEMPORARY: "true" if manager.issue_temp_cert else None}
    return Answer(Wanted(tls.secret, wanted, item.metadata.labels or {}, annotations))


def _issuer(manager: CertManager) -> Json:
    if manager.cluster_issuer:
        return {"name": manager.cluster_issuer, "kind": "ClusterIssuer"}
    group = {"group": manager.issuer_group} if manager.issuer_group else {}
    return {"name": manager.issuer, "kind": manager.issuer_kind or "Issuer", **group}


def _plain(spec: Json) -> Any:
    """Return *spec* with durations as numbers and the defaults of cert-manager for the issuer."""
    found = dict(spec)
    for key in _DURATIONS:
        if isinstance(text := found.get(key), str):
            found[key] = nanoseconds(text) or text
    if isinstance(issuer := found.get("issuerRef"), dict):
        defaults = {"kind": issuer.get("kind") or "Issuer", "group": issuer.get("group") or Certificate.KIND.group}
        found["issuerRef"] = {**issuer, **defaults}
    return without_empty(found)


CERTIFICATES: Final = DependentKind(
    model=Certificate,
    decided=("secretName", "dnsNames", "issuerRef", "usages", "commonName", *_DURATIONS),
    wanted=certificate,
    plain=_plain,
)
