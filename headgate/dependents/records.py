"""DNSEndpoints for VirtualServers: ``spec.externalDNS`` and the addresses of the controller become records. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Final

import msgspec

from headgate.api.core import LoadBalancerIngress
from headgate.api.external_dns import UpstreamDNSEndpoint
from headgate.api.nginx_org import DNSEndpoint, VirtualServer
from headgate.api.nginx_org.virtualserver import ExternalDNS
from headgate.dependents.forms import Answer, DependentKind, Json, Wanted, without_empty
from headgate.problems import Problem
from headgate.reporting.status_forms import Addresses, Exposure
from headgate.validation.dependents import NO_RECORD, record_faults
from headgate.validation.text import domain_fault

ADDRESSES: Final = "status.externalEndpoints"
WAITING: Final = "the controller has no address; -external-service or external-status-address has it"

Targets = Mapping[str, tuple[str, ...]]
"""Targets by the type of their record: A, AAAA, CNAME, and ``""`` for those that are none."""


def dns_endpoint(item: VirtualServer, exposure: Exposure | None) -> Answer:
    """Return the DNSEndpoint that *item* asks for; it has the name of *item*.

    While the controller has no address, what is there stays: an address that is missing for a moment must not
    delete records.
    """
    spec, dns = item.spec, item.spec.external_dns if item.spec else None
    if not (spec and dns and dns.enable):
        return Answer()
    faults = [*record_faults(dns)]
    if faults:
        return Answer(problems=tuple(Problem(item.ref, *fault, NO_RECORD) for fault in faults), keep=True)
    if exposure is None or not exposure.addresses:
        return Answer(keep=True, waiting=WAITING if exposure else "")
    targets = _targets(exposure.addresses)
    chosen, left = _chosen(targets, (dns.record_type or "").upper())
    problems = [Problem(item.ref, ADDRESSES, text, why, "it is left out of the DNSEndpoint") for text, why in left]
    if not chosen:
        why = f"has no target for a record of type {dns.record_type}" if dns.record_type else "has no valid target"
        return Answer(problems=(*problems, Problem(item.ref, ADDRESSES, "", why, NO_RECORD)), keep=True)
    endpoints = [_endpoint(spec.host, kind, found, dns) for kind, found in chosen.items()]
    return Answer(Wanted(item.metadata.name, {"endpoints": endpoints}, item.metadata.labels or {}), tuple(problems))


def _endpoint(host: str, kind: str, targets: tuple[str, ...], dns: ExternalDNS) -> Json:
    found: Json = {"dnsName": host, "recordType": kind, "targets": list(targets)}
    found |= {"recordTTL": dns.record_ttl} if dns.record_ttl else {}
    found |= {"labels": dns.labels} if dns.labels else {}
    properties = [msgspec.to_builtins(each) for each in dns.provider_specific or ()]
    return found | ({"providerSpecific": properties} if properties else {})


def _targets(addresses: Addresses) -> Targets:
    found: dict[str, tuple[str, ...]] = {}
    for address in addresses:
        kind, text = _target(address)
        found[kind] = (*found.get(kind, ()), text)
    return found


def _target(address: LoadBalancerIngress) -> tuple[str, str]:
    """Return the type of the record that *address* needs, ``""`` if it can be no target, and its text."""
    text = address.ip or address.hostname or ""
    try:
        return ("A" if ipaddress.ip_address(text).version == 4 else "AAAA"), text  # noqa: PLR2004 - IPv4
    except ValueError:
        return ("" if domain_fault(text) else "CNAME"), text


def _chosen(targets: Targets, wanted: str) -> tuple[Targets, list[tuple[str, str]]]:
    """Return the targets by type of record, and which are left out, and why; *wanted* is the type that is given.

    With a type, the addresses of other types are left out because the owner wants that.
    """
    left = [(text, "is neither an IP address nor a DNS name") for text in targets.get("", ())]
    valid = {kind: targets[kind] for kind in ("A", "AAAA", "CNAME") if kind in targets}
    if wanted in {"A", "AAAA", "CNAME"}:
        return {kind: valid[kind] for kind in valid if kind == wanted}, left
    if wanted:
        every = tuple(text for found in valid.values() for text in found)
        return ({wanted: every} if every else {}), left
    if len(valid) > 1 and "CNAME" in valid:  # RFC 1034 §3.6.2
        why = "is a host name beside IP addresses, and a CNAME cannot stand beside other records"
        left += [(text, why) for text in valid.pop("CNAME")]
    return valid, left


RECORDS: Final = DependentKind(
    model=DNSEndpoint, decided=("endpoints",), wanted=dns_endpoint, plain=without_empty, tells=True
)
UPSTREAM_RECORDS: Final = msgspec.structs.replace(RECORDS, model=UpstreamDNSEndpoint, instead_of=RECORDS)
"""Those that ExternalDNS 0.21 and later reads, where the cluster does not have the others."""
