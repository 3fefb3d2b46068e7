"""Certificates and DNSEndpoints of VirtualServers in a cluster: made, kept up to date, deleted, and left alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.directories import short_directory
from tests.k8s.apiserver import CUSTOM, OPTIONAL, UPSTREAM
from tests.live.headgate_process import HeadgateProcess
from tests.live.json_objects import Json, ingress_class, service
from tests.live.scripted_cluster import ScriptedCluster
from tests.nginx_binaries import ANY_NGINX
from tests.waiting import wait_until

CERTIFICATE, RECORD, UPSTREAM_RECORD = "Certificate", "DNSEndpoint", f"DNSEndpoint.{UPSTREAM}"
OURS, THEIRS = "dnsendpoints", f"dnsendpoints.{UPSTREAM}"
Setup = tuple[HeadgateProcess, ScriptedCluster]


def issued(name: str) -> Json:
    return {"secret": f"{name}-tls", "cert-manager": {"cluster-issuer": "ca"}}


def virtual_server(name: str, labels: Json | None = None, **spec: Any) -> Json:
    route = {"path": "/", "action": {"return": {"body": name}}}
    return {
        "apiVersion": "k8s.nginx.org/v1",
        "kind": "VirtualServer",
        "metadata": {"name": name, "namespace": "default", "labels": labels or {}},
        "spec": {"host": f"{name}.test", "routes": [route], **spec},
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


def reasons(cluster: ScriptedCluster, name: str, kind: str = "VirtualServer") -> list[str]:
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


@pytest.fixture(scope="module")
def setup() -> Iterator[Setup]:
    """A cluster with all definitions, and a Headgate that makes both kinds; each test has its own VirtualServer."""
    yield from started("-enable-cert-manager", "-enable-external-dns")


@pytest.fixture
def undefined() -> Iterator[Setup]:
    """The same without the definitions of both kinds."""
    yield from started("-enable-cert-manager", "-enable-external-dns", defined=CUSTOM)


def test_a_certificate_is_made_updated_and_deleted(setup: Setup) -> None:
    _, cluster = setup
    cluster.put(virtual_server("cafe", labels={"team": "web"}, tls=issued("cafe")))
    wait_until(lambda: spec(cluster, CERTIFICATE, "cafe-tls"))
    made = found(cluster, CERTIFICATE, "cafe-tls")
    owner = found(cluster, "VirtualServer", "cafe")["metadata"]["uid"]
    assert made["metadata"]["ownerReferences"] == [
        {"apiVersion": "k8s.nginx.org/v1", "kind": "VirtualServer", "name": "cafe", "uid": owner, "controller": True}
    ]
    assert made["metadata"]["labels"] == {"team": "web"}
    assert made["spec"] == {
        "secretName": "cafe-tls", "dnsNames": ["cafe.test"], "issuerRef": {"name": "ca", "kind": "ClusterIssuer"},
        "usages": ["digital signature", "key encipherment"],
    }  # fmt: skip
    cluster.do(lambda server: server.put({**made, "spec": {**made["spec"], "privateKey": {"size": 4096}}}))
    cluster.put(
        virtual_server("cafe", tls={"secret": "cafe-tls", "cert-manager": {"issuer": "own", "duration": "720h"}})
    )
    wait_until(lambda: spec(cluster, CERTIFICATE, "cafe-tls").get("duration") == "720h")
    changed = spec(cluster, CERTIFICATE, "cafe-tls")
    assert (changed["issuerRef"], changed["privateKey"]) == ({"name": "own", "kind": "Issuer"}, {"size": 4096})
    cluster.put(virtual_server("cafe", tls={"secret": "other-tls", "cert-manager": {"issuer": "own"}}))
    wait_until(lambda: spec(cluster, CERTIFICATE, "other-tls") and not found(cluster, CERTIFICATE, "cafe-tls"))
    cluster.put(virtual_server("cafe", tls={"secret": "other-tls"}))
    wait_until(lambda: not found(cluster, CERTIFICATE, "other-tls"))
    create, update, delete = (f"{verb}{CERTIFICATE}" for verb in ("Create", "Update", "Delete"))
    wait_until(lambda: reasons(cluster, "cafe") == [create, update, create, delete, delete])


def test_a_change_of_labels_alone_reaches_what_was_made(setup: Setup) -> None:
    _, cluster = setup
    dns = {"enable": True}
    cluster.put(virtual_server("labelled", labels={"team": "web"}, tls=issued("labelled"), externalDNS=dns))
    made = ["CreateCertificate", "CreateDNSEndpoint"]
    wait_until(lambda: sorted(reasons(cluster, "labelled")) == made)
    labels = {"team": "shop", "tier": "front"}
    cluster.put(virtual_server("labelled", labels=labels, tls=issued("labelled"), externalDNS=dns))
    for kind, name in ((CERTIFICATE, "labelled-tls"), (RECORD, "labelled")):
        wait_until(lambda kind=kind, name=name: found(cluster, kind, name)["metadata"]["labels"] == labels)
    wait_until(lambda: sorted(reasons(cluster, "labelled")) == [*made, "UpdateCertificate", "UpdateDNSEndpoint"])


def test_what_somebody_changed_is_put_right_and_what_somebody_deleted_is_made_again(setup: Setup) -> None:
    _, cluster = setup
    cluster.put(virtual_server("mended", tls=issued("mended")))
    wait_until(lambda: spec(cluster, CERTIFICATE, "mended-tls"))
    made = found(cluster, CERTIFICATE, "mended-tls")
    cluster.put({**made, "spec": {**made["spec"], "dnsNames": ["evil.test"]}})
    wait_until(lambda: spec(cluster, CERTIFICATE, "mended-tls")["dnsNames"] == ["mended.test"])
    cluster.delete(CERTIFICATE, "mended-tls")
    wait_until(lambda: spec(cluster, CERTIFICATE, "mended-tls"))


def test_an_object_of_somebody_else_stays_as_it_is_until_its_name_is_free(setup: Setup) -> None:
    _, cluster = setup
    theirs = {
        "apiVersion": "cert-manager.io/v1",
        "kind": CERTIFICATE,
        "metadata": {"name": "taken-tls"},
        "spec": {"a": 1},
    }
    cluster.put(theirs)
    cluster.put(virtual_server("taken", tls=issued("taken")))
    wait_until(lambda: reasons(cluster, "taken") == ["BadConfig"])
    assert spec(cluster, CERTIFICATE, "taken-tls") == {"a": 1}
    (_, message) = cluster.messages("taken", "VirtualServer")
    assert message.startswith("Certificate default/taken-tls was not made by Headgate: it stays as it is")
    cluster.delete(CERTIFICATE, "taken-tls")
    wait_until(lambda: spec(cluster, CERTIFICATE, "taken-tls").get("secretName") == "taken-tls")


def test_a_virtual_server_that_is_refused_keeps_its_certificate_and_one_of_another_class_loses_it(setup: Setup) -> None:
    headgate, cluster = setup
    cluster.put(virtual_server("moved", tls=issued("moved")))
    wait_until(lambda: spec(cluster, CERTIFICATE, "moved-tls"))
    before = found(cluster, CERTIFICATE, "moved-tls")
    cluster.put(virtual_server("moved", routes=[{"path": "without-slash", "action": {"return": {"body": "x"}}}]))
    wait_until(lambda: headgate.get("moved.test").status == 404)
    cluster.put(virtual_server("late", tls={"secret": "late-tls", "cert-manager": {"issuer": "own"}}))
    wait_until(lambda: spec(cluster, CERTIFICATE, "late-tls"))
    assert found(cluster, CERTIFICATE, "moved-tls") == before
    cluster.put(virtual_server("moved", tls=issued("moved"), ingressClassName="other"))
    wait_until(lambda: not found(cluster, CERTIFICATE, "moved-tls"))
    wait_until(lambda: "DeleteCertificate" in reasons(cluster, "moved"))


def test_a_mistake_is_reported_and_leaves_the_certificate_as_it_is(setup: Setup) -> None:
    _, cluster = setup
    cluster.put(virtual_server("wrong", tls=issued("wrong")))
    wait_until(lambda: spec(cluster, CERTIFICATE, "wrong-tls"))
    before = found(cluster, CERTIFICATE, "wrong-tls")
    manager = {"cluster-issuer": "ca", "duration": "90d"}
    cluster.put(virtual_server("wrong", tls={"secret": "wrong-tls", "cert-manager": manager}))
    wait_until(lambda: "BadConfig" in reasons(cluster, "wrong"))
    sentence = "spec.tls.cert-manager.duration: '90d' is not a duration"
    assert any(message.startswith(sentence) for message in cluster.messages("wrong", "VirtualServer"))
    wait_until(lambda: found(cluster, "VirtualServer", "wrong")["status"]["state"] == "Warning")
    assert found(cluster, CERTIFICATE, "wrong-tls") == before


def test_records_follow_the_addresses_and_outlive_their_absence(setup: Setup) -> None:
    _, cluster = setup
    cluster.put(front("203.0.113.1"))
    dns = {"enable": True, "recordTTL": 60, "providerSpecific": [{"name": "a", "value": "b"}]}
    cluster.put(virtual_server("named", externalDNS=dns))
    wait_until(lambda: spec(cluster, RECORD, "named"))
    (record,) = spec(cluster, RECORD, "named")["endpoints"]
    assert record == {
        "dnsName": "named.test", "recordType": "A", "targets": ["203.0.113.1"], "recordTTL": 60,
        "providerSpecific": [{"name": "a", "value": "b"}],
    }  # fmt: skip
    cluster.put(front())
    wait_until(
        lambda: "externalEndpoints" not in str(found(cluster, "VirtualServer", "named")["status"]["externalEndpoints"])
    )
    cluster.put(front("203.0.113.2", "2001:db8::1"))
    wait_until(lambda: [one["recordType"] for one in spec(cluster, RECORD, "named")["endpoints"]] == ["A", "AAAA"])
    cluster.put(virtual_server("named", externalDNS={"enable": False}))
    wait_until(lambda: not found(cluster, RECORD, "named"))
    wait_until(lambda: reasons(cluster, "named") == ["CreateDNSEndpoint", "UpdateDNSEndpoint", "DeleteDNSEndpoint"])
    assert reasons(cluster, "named", kind=RECORD) == ["CreateDNSEndpoint", "UpdateDNSEndpoint"]


def test_definitions_that_are_missing_are_reported_once_and_used_when_they_come(undefined: Setup) -> None:
    headgate, cluster = undefined
    notes = [entry["definitions"] for entry in headgate.log_records("custom resources are missing")]
    both = f"dnsendpoints.{UPSTREAM}, dnsendpoints.externaldns.nginx.org"
    assert notes == ["certificates.cert-manager.io", both]
    cluster.put(virtual_server("cafe", tls=issued("cafe"), externalDNS={"enable": True}))
    wait_until(lambda: headgate.get("cafe.test").body == "cafe")
    wait_until(lambda: found(cluster, "VirtualServer", "cafe").get("status", {}).get("externalEndpoints"))
    define(cluster, *OPTIONAL)
    wait_until(lambda: spec(cluster, CERTIFICATE, "cafe-tls") and spec(cluster, RECORD, "cafe"))
    assert cluster.asked("POST", "certificates") == 1


def test_a_refusal_of_the_api_server_is_reported_and_the_object_made_when_it_ends(setup: Setup) -> None:
    headgate, cluster = setup
    cluster.do(lambda server: server.forbid("create", "certificates"))
    cluster.do(lambda server: server.fail("POST", "/dnsendpoints$"))
    cluster.put(virtual_server("denied", tls=issued("denied"), externalDNS={"enable": True}))
    wait_until(lambda: "BadConfig" in reasons(cluster, "denied") and spec(cluster, RECORD, "denied"))
    assert headgate.get("denied.test").status
    cluster.do(lambda server: server.allow("create", "certificates"))
    wait_until(lambda: spec(cluster, CERTIFICATE, "denied-tls"))
    assert reasons(cluster, "denied").count("BadConfig") == 1


def test_a_conflict_is_answered_with_the_newest_version(setup: Setup) -> None:
    _, cluster = setup
    cluster.put(virtual_server("raced", tls=issued("raced")))
    wait_until(lambda: spec(cluster, CERTIFICATE, "raced-tls"))
    cluster.do(lambda server: server.fail("PUT", "/certificates/raced-tls$", status=409, reason="Conflict"))
    cluster.put(virtual_server("raced", tls={"secret": "raced-tls", "cert-manager": {"issuer": "own"}}))
    wait_until(lambda: spec(cluster, CERTIFICATE, "raced-tls")["issuerRef"]["name"] == "own")
    assert cluster.asked("PUT", "certificates/raced-tls") == 2


def test_the_dnsendpoint_is_of_the_kind_that_the_cluster_has(undefined: Setup) -> None:
    """ExternalDNS 0.21 reads the kind of another group; with both, that of the F5 controller is written."""
    headgate, cluster = undefined
    dns = {"enable": True, "recordTTL": 60}
    cluster.put(virtual_server("cafe", externalDNS=dns))
    define(cluster, THEIRS)
    wait_until(lambda: spec(cluster, UPSTREAM_RECORD, "cafe"))
    made = found(cluster, UPSTREAM_RECORD, "cafe")
    assert (made["apiVersion"], made["kind"]) == ("externaldns.k8s.io/v1alpha1", "DNSEndpoint")
    assert made["spec"]["endpoints"][0]["targets"] == ["203.0.113.1"]
    assert made["metadata"]["ownerReferences"][0]["name"] == "cafe"
    theirs = {"apiVersion": "externaldns.k8s.io/v1alpha1", "kind": RECORD, "metadata": {"name": "own"}, "spec": {}}
    cluster.put(theirs)
    define(cluster, OURS)
    wait_until(lambda: spec(cluster, RECORD, "cafe") and not found(cluster, UPSTREAM_RECORD, "cafe"))
    assert spec(cluster, RECORD, "cafe") == made["spec"]
    assert found(cluster, UPSTREAM_RECORD, "own")
    define(cluster, OURS, there=False)
    wait_until(lambda: spec(cluster, UPSTREAM_RECORD, "cafe") == made["spec"])
    logged = headgate.log_records("custom resources are missing")
    assert len([entry for entry in logged if UPSTREAM in entry["definitions"]]) == 1


def test_a_start_with_both_kinds_deletes_no_record_before_the_other_is_there(undefined: Setup) -> None:
    headgate, cluster = undefined
    cluster.put(virtual_server("cafe", externalDNS={"enable": True}))
    define(cluster, THEIRS)
    wait_until(lambda: spec(cluster, UPSTREAM_RECORD, "cafe"))
    headgate.stop()
    define(cluster, OURS)
    cluster.do(lambda server: server.forbid("create", OURS))
    headgate.start_ready()
    wait_until(lambda: "BadConfig" in reasons(cluster, "cafe"))
    assert spec(cluster, UPSTREAM_RECORD, "cafe")
    cluster.do(lambda server: server.allow("create", OURS))
    wait_until(lambda: spec(cluster, RECORD, "cafe") and not found(cluster, UPSTREAM_RECORD, "cafe"))


def test_a_class_that_changed_while_nobody_led_leaves_nothing_behind_that_was_made_here(undefined: Setup) -> None:
    headgate, cluster = undefined
    define(cluster, *OPTIONAL)
    cluster.put(virtual_server("moved", tls=issued("moved"), externalDNS={"enable": True}))
    cluster.put(virtual_server("stays", tls=issued("stays")))
    wait_until(lambda: spec(cluster, CERTIFICATE, "moved-tls") and spec(cluster, RECORD, "moved"))
    wait_until(lambda: spec(cluster, CERTIFICATE, "stays-tls"))
    made = found(cluster, CERTIFICATE, "moved-tls")
    assert made["metadata"]["annotations"] == {"headgate/ingress-class": "nginx"}
    headgate.stop()
    cluster.put(virtual_server("moved", tls=issued("moved"), ingressClassName="other"))
    owned = {"metadata": {"ownerReferences": made["metadata"]["ownerReferences"]}, "spec": {"secretName": "x"}}
    for name, marks in (("unmarked", {}), ("adopted", {"headgate/ingress-class": "other"})):
        metadata = {**owned["metadata"], "name": name, "annotations": marks}
        cluster.put({"apiVersion": "cert-manager.io/v1", "kind": CERTIFICATE, **owned, "metadata": metadata})
    headgate.start_ready()
    wait_until(lambda: not found(cluster, CERTIFICATE, "moved-tls") and not found(cluster, RECORD, "moved"))
    wait_until(lambda: "DeleteCertificate" in reasons(cluster, "moved"))
    for name in ("unmarked", "adopted", "stays-tls"):
        assert spec(cluster, CERTIFICATE, name)


def test_a_role_without_the_newer_group_is_enough_for_the_other_one(undefined: Setup) -> None:
    """The role of the F5 controller knows its own group only."""
    headgate, cluster = undefined
    headgate.stop()
    define(cluster, *OPTIONAL)
    for verb in ("list", "watch"):
        cluster.do(lambda server, verb=verb: server.forbid(verb, THEIRS))
    cluster.put(virtual_server("cafe", externalDNS={"enable": True}))
    headgate.start_ready()
    wait_until(lambda: spec(cluster, RECORD, "cafe"))
