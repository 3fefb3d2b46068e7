"""Certificates and DNSEndpoints of VirtualServers in a cluster: made, kept up to date, deleted, and left alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.directories import short_directory
from tests.k8s.apiserver import CUSTOM, OPTIONAL
from tests.live.headgate_process import HeadgateProcess
from tests.live.json_objects import Json, ingress_class, service
from tests.live.scripted_cluster import ScriptedCluster
from tests.nginx_binaries import ANY_NGINX
from tests.waiting import wait_until

HOST = "cafe.test"
CERTIFICATE, RECORD = "Certificate", "DNSEndpoint"
ISSUED = {"secret": "cafe-tls", "cert-manager": {"cluster-issuer": "ca"}}
Setup = tuple[HeadgateProcess, ScriptedCluster]


def virtual_server(name: str = "cafe", host: str = HOST, labels: Json | None = None, **spec: Any) -> Json:
    route = {"path": "/", "action": {"return": {"body": name}}}
    return {
        "apiVersion": "k8s.nginx.org/v1",
        "kind": "VirtualServer",
        "metadata": {"name": name, "namespace": "default", "labels": labels or {}},
        "spec": {"host": host, "routes": [route], **spec},
    }


def front(*addresses: str) -> Json:
    made = service("front", "ours", type="LoadBalancer", ports=[{"port": 80}])
    return {**made, "status": {"loadBalancer": {"ingress": [{"ip": address} for address in addresses]}}}


def define(cluster: ScriptedCluster, *plurals: str, there: bool = True) -> None:
    for plural in plurals:
        cluster.do(lambda server, plural=plural: server.absent(plural, now=not there))  # type: ignore[misc]


def found(cluster: ScriptedCluster, kind: str, name: str) -> Json:
    """Return an object, empty if there is none."""
    objects = cluster.do(lambda server: server.all(kind))
    return next((item for item in objects if item["metadata"]["name"] == name), {})


def spec(cluster: ScriptedCluster, kind: str, name: str) -> Json:
    inner: Json = found(cluster, kind, name).get("spec", {})
    return inner


def reasons(cluster: ScriptedCluster, name: str = "cafe", kind: str = "VirtualServer") -> list[str]:
    return [reason for reason in cluster.reasons(name, kind) if not reason.startswith("AddedOrUpdated")]


def started(*flags: str, defined: tuple[str, ...] = (*CUSTOM, *OPTIONAL)) -> Iterator[Setup]:
    with ExitStack() as stack:
        directory = stack.enter_context(short_directory())
        cluster = stack.enter_context(ScriptedCluster(directory))
        define(cluster, *defined)
        cluster.put(ingress_class(), front("203.0.113.1"))
        given = (f"--kubeconfig={cluster.kubeconfig}", "-external-service=front", *flags)
        headgate = HeadgateProcess(directory, ANY_NGINX, *given)
        stack.callback(headgate.stop)
        headgate.start_ready()
        yield headgate, cluster


@pytest.fixture
def setup() -> Iterator[Setup]:
    """A cluster with all definitions, and a Headgate that makes both kinds."""
    yield from started("-enable-cert-manager", "-enable-external-dns")


@pytest.fixture
def undefined() -> Iterator[Setup]:
    """The same without the definitions of both kinds."""
    yield from started("-enable-cert-manager", "-enable-external-dns", defined=CUSTOM)


def test_a_certificate_is_made_updated_and_deleted(setup: Setup) -> None:
    _, cluster = setup
    cluster.put(virtual_server(labels={"team": "web"}, tls=ISSUED))
    wait_until(lambda: spec(cluster, CERTIFICATE, "cafe-tls"))
    made = found(cluster, CERTIFICATE, "cafe-tls")
    owner = found(cluster, "VirtualServer", "cafe")["metadata"]["uid"]
    assert made["metadata"]["ownerReferences"] == [
        {"apiVersion": "k8s.nginx.org/v1", "kind": "VirtualServer", "name": "cafe", "uid": owner, "controller": True}
    ]
    assert made["metadata"]["labels"] == {"team": "web"}
    assert made["spec"] == {
        "secretName": "cafe-tls", "dnsNames": [HOST], "issuerRef": {"name": "ca", "kind": "ClusterIssuer"},
        "usages": ["digital signature", "key encipherment"],
    }  # fmt: skip
    cluster.do(lambda server: server.put({**made, "spec": {**made["spec"], "privateKey": {"size": 4096}}}))
    cluster.put(virtual_server(tls={"secret": "cafe-tls", "cert-manager": {"issuer": "own", "duration": "720h"}}))
    wait_until(lambda: spec(cluster, CERTIFICATE, "cafe-tls").get("duration") == "720h")
    changed = spec(cluster, CERTIFICATE, "cafe-tls")
    assert (changed["issuerRef"], changed["privateKey"]) == ({"name": "own", "kind": "Issuer"}, {"size": 4096})
    cluster.put(virtual_server(tls={"secret": "other-tls", "cert-manager": {"issuer": "own"}}))
    wait_until(lambda: spec(cluster, CERTIFICATE, "other-tls") and not found(cluster, CERTIFICATE, "cafe-tls"))
    cluster.put(virtual_server(tls={"secret": "other-tls"}))
    wait_until(lambda: not found(cluster, CERTIFICATE, "other-tls"))
    create, update, delete = (f"{verb}{CERTIFICATE}" for verb in ("Create", "Update", "Delete"))
    wait_until(lambda: reasons(cluster) == [create, update, create, delete, delete])


def test_what_somebody_changed_is_put_right_and_what_somebody_deleted_is_made_again(setup: Setup) -> None:
    _, cluster = setup
    cluster.put(virtual_server(tls=ISSUED))
    wait_until(lambda: spec(cluster, CERTIFICATE, "cafe-tls"))
    made = found(cluster, CERTIFICATE, "cafe-tls")
    cluster.put({**made, "spec": {**made["spec"], "dnsNames": ["evil.test"]}})
    wait_until(lambda: spec(cluster, CERTIFICATE, "cafe-tls")["dnsNames"] == [HOST])
    cluster.delete(CERTIFICATE, "cafe-tls")
    wait_until(lambda: spec(cluster, CERTIFICATE, "cafe-tls"))


def test_an_object_of_somebody_else_stays_as_it_is_until_its_name_is_free(setup: Setup) -> None:
    _, cluster = setup
    theirs = {
        "apiVersion": "cert-manager.io/v1",
        "kind": CERTIFICATE,
        "metadata": {"name": "cafe-tls"},
        "spec": {"a": 1},
    }
    cluster.put(theirs)
    cluster.put(virtual_server(tls=ISSUED))
    wait_until(lambda: reasons(cluster) == ["BadConfig"])
    assert spec(cluster, CERTIFICATE, "cafe-tls") == {"a": 1}
    (_, message) = cluster.messages("cafe", "VirtualServer")
    assert message.startswith("Certificate default/cafe-tls was not made by Headgate: it stays as it is")
    cluster.put(virtual_server())
    cluster.put(virtual_server(tls=ISSUED))
    cluster.delete(CERTIFICATE, "cafe-tls")
    wait_until(lambda: spec(cluster, CERTIFICATE, "cafe-tls").get("secretName") == "cafe-tls")


def test_a_virtual_server_that_is_refused_keeps_its_certificate_and_one_of_another_class_loses_it(setup: Setup) -> None:
    headgate, cluster = setup
    cluster.put(virtual_server(tls=ISSUED))
    wait_until(lambda: spec(cluster, CERTIFICATE, "cafe-tls"))
    before = found(cluster, CERTIFICATE, "cafe-tls")
    cluster.put(virtual_server(gunzip="yes"))
    wait_until(lambda: headgate.get(HOST).status == 404)
    cluster.put(virtual_server("late", "late.test", tls={"secret": "late-tls", "cert-manager": {"issuer": "own"}}))
    wait_until(lambda: spec(cluster, CERTIFICATE, "late-tls"))
    assert found(cluster, CERTIFICATE, "cafe-tls") == before
    cluster.put(virtual_server(tls=ISSUED, ingressClassName="other"))
    wait_until(lambda: not found(cluster, CERTIFICATE, "cafe-tls"))
    wait_until(lambda: "DeleteCertificate" in reasons(cluster))


def test_a_mistake_is_reported_and_leaves_the_certificate_as_it_is(setup: Setup) -> None:
    _, cluster = setup
    cluster.put(virtual_server(tls=ISSUED))
    wait_until(lambda: spec(cluster, CERTIFICATE, "cafe-tls"))
    before = found(cluster, CERTIFICATE, "cafe-tls")
    manager = {"cluster-issuer": "ca", "duration": "90d"}
    cluster.put(virtual_server(tls={"secret": "cafe-tls", "cert-manager": manager}))
    wait_until(lambda: "BadConfig" in reasons(cluster))
    sentence = "spec.tls.cert-manager.duration: '90d' is not a duration"
    assert any(message.startswith(sentence) for message in cluster.messages("cafe", "VirtualServer"))
    wait_until(lambda: found(cluster, "VirtualServer", "cafe")["status"]["state"] == "Warning")
    assert found(cluster, CERTIFICATE, "cafe-tls") == before


def test_records_follow_the_addresses_and_outlive_their_absence(setup: Setup) -> None:
    _, cluster = setup
    dns = {"enable": True, "recordTTL": 60, "providerSpecific": [{"name": "a", "value": "b"}]}
    cluster.put(virtual_server(externalDNS=dns))
    wait_until(lambda: spec(cluster, RECORD, "cafe"))
    (record,) = spec(cluster, RECORD, "cafe")["endpoints"]
    assert record == {
        "dnsName": HOST, "recordType": "A", "targets": ["203.0.113.1"], "recordTTL": 60,
        "providerSpecific": [{"name": "a", "value": "b"}],
    }  # fmt: skip
    cluster.put(front())
    wait_until(
        lambda: "externalEndpoints" not in str(found(cluster, "VirtualServer", "cafe")["status"]["externalEndpoints"])
    )
    cluster.put(front("203.0.113.2", "2001:db8::1"))
    wait_until(lambda: [one["recordType"] for one in spec(cluster, RECORD, "cafe")["endpoints"]] == ["A", "AAAA"])
    cluster.put(virtual_server(externalDNS={"enable": False}))
    wait_until(lambda: not found(cluster, RECORD, "cafe"))
    wait_until(lambda: reasons(cluster) == ["CreateDNSEndpoint", "UpdateDNSEndpoint", "DeleteDNSEndpoint"])
    assert reasons(cluster, kind=RECORD) == ["CreateDNSEndpoint", "UpdateDNSEndpoint"]


def test_definitions_that_are_missing_are_reported_once_and_used_when_they_come(undefined: Setup) -> None:
    headgate, cluster = undefined
    notes = [entry["definitions"] for entry in headgate.log_records("custom resources are missing")]
    assert notes == ["certificates.cert-manager.io", "dnsendpoints.externaldns.nginx.org"]
    cluster.put(virtual_server(tls=ISSUED, externalDNS={"enable": True}))
    wait_until(lambda: headgate.get(HOST).status)
    define(cluster, *OPTIONAL)
    wait_until(lambda: spec(cluster, CERTIFICATE, "cafe-tls") and spec(cluster, RECORD, "cafe"))
    assert cluster.asked("POST", "certificates") == 1


def test_a_refusal_of_the_api_server_is_reported_and_the_object_made_when_it_ends(setup: Setup) -> None:
    headgate, cluster = setup
    cluster.do(lambda server: server.forbid("create", "certificates"))
    cluster.do(lambda server: server.fail("POST", "/dnsendpoints$"))
    cluster.put(virtual_server(tls=ISSUED, externalDNS={"enable": True}))
    wait_until(lambda: "BadConfig" in reasons(cluster) and spec(cluster, RECORD, "cafe"))
    assert headgate.get(HOST).status
    cluster.do(lambda server: server.allow("create", "certificates"))
    wait_until(lambda: spec(cluster, CERTIFICATE, "cafe-tls"))
    assert reasons(cluster).count("BadConfig") == 1


def test_a_conflict_is_answered_with_the_newest_version(setup: Setup) -> None:
    _, cluster = setup
    cluster.put(virtual_server(tls=ISSUED))
    wait_until(lambda: spec(cluster, CERTIFICATE, "cafe-tls"))
    cluster.do(lambda server: server.fail("PUT", "/certificates/cafe-tls$", status=409, reason="Conflict"))
    cluster.put(virtual_server(tls={"secret": "cafe-tls", "cert-manager": {"issuer": "own"}}))
    wait_until(lambda: spec(cluster, CERTIFICATE, "cafe-tls")["issuerRef"]["name"] == "own")
    assert cluster.asked("PUT", "certificates/cafe-tls") == 2
