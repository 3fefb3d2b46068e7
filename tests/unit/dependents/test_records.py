"""The DNSEndpoint that a VirtualServer asks for, from the addresses of the controller."""

from __future__ import annotations

from typing import Any

import pytest

from headgate.api.nginx_org import DNSEndpoint, VirtualServer
from headgate.dependents.forms import Answer, Json, body, changed, differs
from headgate.dependents.records import RECORDS, dns_endpoint
from headgate.reporting.status import address
from headgate.reporting.status_forms import Exposure

V4, V4_TOO, V6, NAME = "203.0.113.1", "203.0.113.2", "2001:db8::1", "lb.example.com"


def item(**dns: Any) -> VirtualServer:
    meta = {"name": "cafe", "namespace": "default", "uid": "1", "labels": {"team": "web"}}
    return VirtualServer.convert({"metadata": meta, "spec": {"host": "cafe.test", "externalDNS": dns}})


def answer(*addresses: str, **dns: Any) -> Answer:
    return dns_endpoint(item(enable=True, **dns), Exposure(tuple(map(address, addresses))))


def endpoints(*addresses: str, **dns: Any) -> list[Json]:
    found = answer(*addresses, **dns)
    assert found.wanted
    assert (found.wanted.name, found.wanted.labels) == ("cafe", {"team": "web"})
    every: list[Json] = found.wanted.spec["endpoints"]
    return every


@pytest.mark.parametrize(
    ("addresses", "given", "records"),
    [
        ((V4,), "", {"A": [V4]}),
        ((V4, V4_TOO), "", {"A": [V4, V4_TOO]}),
        ((V6,), "", {"AAAA": [V6]}),
        ((V6, V4), "", {"A": [V4], "AAAA": [V6]}),
        ((NAME,), "", {"CNAME": [NAME]}),
        ((V4, V6), "A", {"A": [V4]}),
        ((V4, V6), "aaaa", {"AAAA": [V6]}),
        ((V4, NAME), "CNAME", {"CNAME": [NAME]}),
        ((V4, NAME), "TXT", {"TXT": [V4, NAME]}),
    ],
)
def test_addresses_become_records_of_their_type(addresses: tuple[str, ...], given: str, records: Json) -> None:
    dns = {"recordType": given} if given else {}
    found = endpoints(*addresses, **dns)
    assert found == [{"dnsName": "cafe.test", "recordType": kind, "targets": records[kind]} for kind in records]
    assert answer(*addresses, **dns).problems == ()


@pytest.mark.parametrize(
    ("dns", "field", "value"),
    [
        ({"recordTTL": 300}, "recordTTL", 300),
        ({"labels": {"a": "b"}}, "labels", {"a": "b"}),
        ({"providerSpecific": [{"name": "x", "value": "y"}]}, "providerSpecific", [{"name": "x", "value": "y"}]),
    ],
)
def test_each_field_is_passed_on(dns: Json, field: str, value: Any) -> None:
    (record,) = endpoints(V4, **dns)
    assert record[field] == value


def test_a_host_name_beside_addresses_is_left_out_and_reported() -> None:
    found = answer(V4, NAME)
    assert found.wanted
    assert [one["targets"] for one in found.wanted.spec["endpoints"]] == [[V4]]
    (problem,) = found.problems
    assert str(problem).startswith(f"status.externalEndpoints: '{NAME}' is a host name beside IP addresses")
    assert str(problem).endswith("(it is left out of the DNSEndpoint)")


@pytest.mark.parametrize(
    ("addresses", "dns", "words"),
    [
        (("not a name",), {}, "status.externalEndpoints: has no valid target"),
        ((NAME,), {"recordType": "A"}, "status.externalEndpoints: has no target for a record of type A"),
        ((V4,), {"recordType": "A B"}, "spec.externalDNS.recordType: 'A B' is not a type of records"),
        ((V4,), {"recordTTL": -1}, "spec.externalDNS.recordTTL: '-1' is out of range"),
    ],
)
def test_a_mistake_is_a_problem_and_decides_nothing(addresses: tuple[str, ...], dns: Json, words: str) -> None:
    found = answer(*addresses, **dns)
    assert (found.wanted, found.keep) == (None, True)
    assert str(found.problems[-1]).startswith(words)
    assert str(found.problems[-1]).endswith("(no DNSEndpoint is made or changed)")


def test_without_addresses_what_is_there_stays() -> None:
    unknown, none = dns_endpoint(item(enable=True), None), answer()
    assert (unknown.keep, unknown.waiting, unknown.problems) == (True, "", ())
    assert (none.keep, none.problems) == (True, ())
    assert "-external-service" in none.waiting


@pytest.mark.parametrize("dns", [{}, {"enable": False, "recordTTL": 5}])
def test_a_virtual_server_that_does_not_ask_wants_none(dns: Json) -> None:
    found = dns_endpoint(item(**dns), Exposure((address(V4),)))
    assert (found.wanted, found.keep) == (None, False)


def test_what_was_made_does_not_differ_and_another_address_does() -> None:
    first, second = answer(V4, labels={"a": "b"}).wanted, answer(V4_TOO).wanted
    assert first
    assert second
    found = DNSEndpoint.convert(body(RECORDS, item(), first)).builtins()
    assert not differs(RECORDS, found, first)
    assert differs(RECORDS, found, second)
    assert changed(RECORDS, found, second)["spec"] == second.spec
