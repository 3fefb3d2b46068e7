"""The fields of a VirtualServer from which other objects are made: a Certificate, and a DNSEndpoint.

A mistake here does not refuse the VirtualServer: only the object is not made.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from headgate.api.nginx_org.virtualserver import CertManager, ExternalDNS, VirtualServerSpec
from headgate.problems import ObjectRef, Problem
from headgate.validation.fields import Fault
from headgate.validation.rules import Rules

CERT_MANAGER: Final = "spec.tls.cert-manager"
EXTERNAL_DNS: Final = "spec.externalDNS"
WITH_CERT_MANAGER: Final = "enable-cert-manager"
WITH_EXTERNAL_DNS: Final = "enable-external-dns"
NO_CERTIFICATE: Final = "no Certificate is made or changed"
NO_RECORD: Final = "no DNSEndpoint is made or changed"

USAGES: Final = (
    "signing", "digital signature", "content commitment", "key encipherment", "key agreement", "data encipherment",
    "cert sign", "crl sign", "encipher only", "decipher only", "any", "server auth", "client auth", "code signing",
    "email protection", "s/mime", "ipsec end system", "ipsec tunnel", "ipsec user", "timestamping", "ocsp signing",
    "microsoft sgc", "netscape sgc",
)  # fmt: skip
"""The usages of cert-manager.io/v1."""
_NS_PER: Final = {
    "ns": 1,
    "us": 10**3,
    "µs": 10**3,
    "μs": 10**3,
    "ms": 10**6,
    "s": 10**9,
    "m": 60 * 10**9,
    "h": 3600 * 10**9,
}
_DURATION = re.compile(r"(?:(?:\d+(?:\.\d*)?|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+")
_PART = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)")
_RECORD_TYPE = re.compile(r"[A-Za-z][A-Za-z0-9]*")
LONGEST_TTL: Final = 2**31 - 1
"""Seconds (RFC 2181 §8)."""


def nanoseconds(text: str) -> int | None:
    """Return a duration as Go writes it (``2160h``, ``1h30m``), ``None`` if *text* is none or not more than 0."""
    if not _DURATION.fullmatch(text):
        return None
    return round(sum(float(number) * _NS_PER[unit] for number, unit in _PART.findall(text))) or None


def usages(text: str | None) -> tuple[str, ...]:
    """Return the usages in a text in which commas separate them."""
    return tuple(filter(None, (usage.strip() for usage in (text or "").split(","))))


def certificate_faults(manager: CertManager) -> Iterator[Fault]:
    """Yield why no Certificate can be made of *manager*."""
    if bool(manager.issuer) == bool(manager.cluster_issuer):
        found = "both" if manager.issuer else "neither"
        yield CERT_MANAGER, "", f"must have exactly one of issuer, cluster-issuer, and has {found}"
    if manager.cluster_issuer:
        for name, value in {"issuer-kind": manager.issuer_kind, "issuer-group": manager.issuer_group}.items():
            if value:
                yield f"{CERT_MANAGER}.{name}", value, "belongs to issuer, and cannot be used with cluster-issuer"
    for name, value in {"duration": manager.duration, "renew-before": manager.renew_before}.items():
        if value and nanoseconds(value) is None:
            yield f"{CERT_MANAGER}.{name}", value, "is not a duration; write hours, minutes and seconds, such as 2160h"
    for usage in usages(manager.usages):
        if usage not in USAGES:
            yield f"{CERT_MANAGER}.usages", usage, f"is not one of {', '.join(USAGES)}"


def record_faults(dns: ExternalDNS) -> Iterator[Fault]:
    """Yield why no DNSEndpoint can be made of *dns*."""
    if dns.record_type and not _RECORD_TYPE.fullmatch(dns.record_type):
        yield f"{EXTERNAL_DNS}.recordType", dns.record_type, "is not a type of records; use A, AAAA or CNAME"
    if dns.record_ttl is not None and not 0 <= dns.record_ttl <= LONGEST_TTL:
        yield f"{EXTERNAL_DNS}.recordTTL", str(dns.record_ttl), f"is out of range; use 0 to {LONGEST_TTL}"


def dependents_problems(origin: ObjectRef, spec: VirtualServerSpec, rules: Rules) -> Iterator[Problem]:
    """Yield why objects that *spec* asks for are not made; the VirtualServer is served all the same."""
    if manager := spec.tls.cert_manager if spec.tls else None:
        faults = certificate_faults(manager) if WITH_CERT_MANAGER in rules.gates else _off(CERT_MANAGER)
        yield from (Problem(origin, *fault, NO_CERTIFICATE) for fault in faults)
    if spec.external_dns and spec.external_dns.enable:
        faults = record_faults(spec.external_dns) if WITH_EXTERNAL_DNS in rules.gates else _off(EXTERNAL_DNS)
        yield from (Problem(origin, *fault, NO_RECORD) for fault in faults)


def _off(field: str) -> Iterator[Fault]:
    flag = WITH_CERT_MANAGER if field == CERT_MANAGER else WITH_EXTERNAL_DNS
    yield field, "", f"needs -{flag}"
