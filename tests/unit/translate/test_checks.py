"""Health checks as they are pushed to nginx's workers, and what is reported of those that are not run."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest

from headgate.api import EndpointSlice, Ingress, Pod, Policy, Secret, Service
from headgate.api.nginx_org import VirtualServer
from headgate.ir.check import LiveCheck, TlsClient
from headgate.ir.live import LiveObjects
from headgate.resolve.checks import status_ranges
from tests.k8s.certificates import Authority
from tests.simulated_cluster import CURRENT, SimulatedCluster, api_object
from tests.unit.translate.test_live_only import LUA

FOLDER = ("--manifests=.",)
NAME = "vs_shop_cafe_tea"
HEADERS = (("Host", NAME), ("Connection", "close"))
UNCHECKED = "(its endpoints are not checked)"


def tea(**spec: Any) -> list[Any]:
    """Return a Service with two endpoints, of the Pods a and b."""
    endpoints = [
        {"addresses": [f"10.0.0.{number}"], "targetRef": {"kind": "Pod", "name": name}}
        for number, name in enumerate("ab", 1)
    ]
    metadata = {"namespace": "shop", "name": "tea-1", "labels": {"kubernetes.io/service-name": "tea"}}
    ports = [{"port": 80, "targetPort": 8080}]
    return [
        api_object(Service, metadata={"namespace": "shop", "name": "tea"}, spec={"ports": ports, **spec}),
        api_object(
            EndpointSlice, metadata=metadata, addressType="IPv4", ports=[{"port": 8080}], endpoints=endpoints
        ),
    ]  # fmt: skip


def pushed(check: dict[str, Any], *more: Any, able: Any = LUA, **upstream: Any) -> tuple[LiveCheck | None, str]:
    """Return the check that is pushed for the upstream of a VirtualServer, and what its owner is told."""
    upstreams = [{"name": "tea", "service": "tea", "port": 80, "healthCheck": check, **upstream}]
    policies = [{"name": item.metadata.name} for item in more if isinstance(item, Policy)]
    routes = [{"path": "/", "action": {"pass": "tea"}, "policies": policies}]
    spec = {"host": "cafe.test", "upstreams": upstreams, "routes": routes}
    item = api_object(VirtualServer, metadata={"namespace": "shop", "name": "cafe"}, spec=spec)
    return of_cluster(item, *(more if any(isinstance(each, Service) for each in more) else (*tea(), *more)), able=able)


def of_cluster(item: Any, *more: Any, able: Any = LUA) -> tuple[LiveCheck | None, str]:
    cluster = SimulatedCluster(FOLDER, able)
    cluster.put(item, *more)
    live = cluster.process_batch().live or LiveObjects()
    verdict = cluster.statuses.current[item.ref]
    return next((each.check for each in live.upstreams.values()), None), f"{verdict.reason}: {verdict.message}"


def test_every_field_is_pushed() -> None:
    asked = {
        "enable": True,
        "path": "/healthz?a=1",
        "interval": "1m",
        "jitter": "500ms",
        "fails": 3,
        "passes": 2,
        "port": 8081,
        "tls": {"enable": True},
        "connect-timeout": "1s",
        "send-timeout": "2s",
        "read-timeout": "3s",
        "headers": [{"name": "host", "value": "tea.example.com"}, {"name": "X-A", "value": 'a \\"b\\"'}],
        "statusMatch": "! 500-599 404",
        "mandatory": True,
        "persistent": True,
    }
    found, told = pushed(asked)
    assert found == LiveCheck(
        path="/healthz?a=1",
        headers=(("host", "tea.example.com"), ("Connection", "close"), ("X-A", 'a "b"')),
        interval=60,
        jitter=0.5,
        fails=3,
        passes=2,
        port=8081,
        tls=True,
        connect=1,
        send=2,
        read=3,
        status=((500, 599), (404, 404)),
        negated=True,
        mandatory=True,
    )
    assert told.startswith("AddedOrUpdated: ")


def test_what_is_not_said_is_as_for_requests() -> None:
    timeouts = {"connect-timeout": "4s", "send-timeout": "5s", "read-timeout": "6s"}
    found, _ = pushed({"enable": True}, tls={"enable": True}, **timeouts)
    assert found == LiveCheck(path="/", headers=HEADERS, tls=True, connect=4, send=5, read=6)
    assert pushed({"enable": True})[0] == LiveCheck(path="/", headers=HEADERS)
    found, _ = pushed({"enable": True, "tls": {"enable": False}}, tls={"enable": True})
    assert found
    assert not found.tls


def test_an_upstream_of_type_grpc_is_checked_by_the_health_protocol() -> None:
    found, told = pushed({"enable": True, "grpcService": "tea.Tea", "grpcStatus": 0}, type="grpc")
    assert found == LiveCheck(path="/", headers=HEADERS, grpc="tea.Tea")
    assert UNCHECKED not in told
    assert pushed({"enable": True}, type="grpc")[0] == LiveCheck(path="/", headers=HEADERS, grpc="")


def test_a_check_that_is_not_enabled_is_not_pushed() -> None:
    found, told = pushed({"path": "/healthz"})
    assert found is None
    assert told.startswith("AddedOrUpdated: ")


@pytest.mark.parametrize(
    ("text", "ranges", "negated"),
    [
        ("", ((200, 399),), False),
        ("200", ((200, 200),), False),
        ("200 204 301-302", ((200, 200), (204, 204), (301, 302)), False),
        ("! 500", ((500, 500),), True),
        ("! 500-503 404", ((500, 503), (404, 404)), True),
    ],
)
def test_status_match_is_ranges(text: str, ranges: Any, negated: bool) -> None:
    assert status_ranges(text) == (ranges, negated)


EGRESS = api_object(
    Policy,
    metadata={"namespace": "shop", "name": "egress"},
    spec={"egressMTLS": {"verifyServer": False, "serverName": True}},
)
EXTERNAL = api_object(
    Service, metadata={"namespace": "shop", "name": "tea"}, spec={"type": "ExternalName", "externalName": "tea.test"}
)


@pytest.mark.parametrize(
    ("circumstances", "more", "why"),
    [
        ({"able": CURRENT}, (), "needs the live data plane (-data-plane=live and an nginx with Lua)"),
        ({}, (EXTERNAL,), "needs the live data plane, and these servers are in files: nginx resolves their name"),
    ],
)
def test_a_check_that_cannot_be_run_is_reported(circumstances: dict[str, Any], more: Any, why: str) -> None:
    given = {"enable": True, **circumstances.pop("check", {})}
    found, told = pushed(given, *more, **circumstances)
    assert found is None
    assert f"spec.upstreams[0].healthCheck: {why}" in told
    assert UNCHECKED in told


def test_tls_is_that_of_the_policy() -> None:
    found, told = pushed({"enable": True}, EGRESS, tls={"enable": True})
    assert found
    assert found.secure == TlsClient(
        depth=1,
        name=f"{NAME}_shop_egress",
        send_name=True,
        protocols=("TLSv1", "TLSv1.1", "TLSv1.2"),
        ciphers="DEFAULT",
    )
    assert UNCHECKED not in told


def test_files_of_the_policy_are_those_of_requests() -> None:
    issuer = Authority()
    certificate, key = issuer.issue("client")
    secrets = {
        "authority": ("nginx.org/ca", {"ca.crt": issuer.pem}),
        "client": ("kubernetes.io/tls", {"tls.crt": certificate, "tls.key": key}),
    }
    authority, secret = (
        api_object(
            Secret,
            metadata={"namespace": "shop", "name": name},
            type=kind,
            data={field: base64.b64encode(text).decode() for field, text in data.items()},
        )
        for name, (kind, data) in secrets.items()
    )
    spec = {"verifyServer": True, "verifyDepth": 3, "sslName": "tea.test", "protocols": "TLSv1.3", "ciphers": "HIGH",
            "trustedCertSecret": "authority", "tlsSecret": "client"}  # fmt: skip
    policy = api_object(Policy, metadata={"namespace": "shop", "name": "egress"}, spec={"egressMTLS": spec})
    found, _ = pushed({"enable": True}, policy, authority, secret, tls={"enable": True})
    assert found
    assert found.secure
    assert found.secure.ca
    assert found.secure.certificate
    assert (Path(found.secure.ca).name, Path(found.secure.certificate).name) == ("shop-authority-ca.crt", "shop-client")
    assert found.secure == TlsClient(
        verify=True, ca=found.secure.ca, depth=3, name="tea.test", certificate=found.secure.certificate,
        protocols=("TLSv1.3",), ciphers="HIGH",
    )  # fmt: skip


def test_grpc_over_tls_chooses_http2_and_may_expect_another_status() -> None:
    found, told = pushed({"enable": True, "grpcStatus": 12}, type="grpc", tls={"enable": True})
    assert found
    assert (found.grpc_status, found.secure) == (12, TlsClient(alpn="h2"))
    assert UNCHECKED not in told


def test_a_policy_for_tls_does_not_keep_checks_without_tls_from_being_run() -> None:
    found, told = pushed({"enable": True, "tls": {"enable": False}, "port": 8081}, EGRESS, tls={"enable": True})
    assert found
    assert UNCHECKED not in told


def test_keepalive_of_checks_is_reported() -> None:
    found, told = pushed({"enable": True, "keepalive-time": "30s"})
    assert found
    assert "spec.upstreams[0].healthCheck.keepalive-time: '30s' has no effect" in told


@pytest.mark.parametrize(
    "hostile",
    [
        {"path": "/a b"},
        {"path": "/a\r\nX-Other: 1"},
        {"path": "/a\0"},
        {"headers": [{"name": "X-A", "value": "a\r\nX-Other: 1"}]},
        {"headers": [{"name": "X-A", "value": "a\\nX-Other: 1"}]},
        {"headers": [{"name": "X-A", "value": "a\\rX-Other: 1"}]},
        {"headers": [{"name": "X-A\r\nX-Other", "value": "a"}]},
        {"headers": [{"name": "X-A: 1", "value": "a"}]},
        {"headers": [{"name": "", "value": "a"}]},
    ],
)
def test_what_would_leave_its_line_is_refused(hostile: dict[str, Any]) -> None:
    found, told = pushed({"enable": True, **hostile})
    assert found is None
    assert told.startswith("Rejected: ")


# --- readiness probes ---------------------------------------------------------------------------------


def pod(called: str, probe: dict[str, Any] | None, **port: Any) -> Any:
    container = {"name": "tea", "ports": [{"containerPort": 8080, **port}], "readinessProbe": probe}
    other = {"name": "other", "ports": [{"containerPort": 9}], "readinessProbe": {"httpGet": {"path": "/other"}}}
    return api_object(
        Pod, metadata={"namespace": "shop", "name": called}, spec={"containers": [other, container]}
    )  # fmt: skip


def probed(*pods: Any, service: dict[str, Any] | None = None, mandatory: str = "false") -> tuple[LiveCheck | None, str]:
    """Return the check that is pushed for an Ingress, and what its owner is told."""
    annotations = {"nginx.com/health-checks": "true", "nginx.com/health-checks-mandatory": mandatory}
    backend = {"service": {"name": "tea", "port": {"number": 80}}}
    rule = {"host": "a.test", "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}
    metadata = {"namespace": "shop", "name": "cafe", "annotations": annotations}
    item = api_object(Ingress, metadata=metadata, spec={"ingressClassName": "nginx", "rules": [rule]})
    return of_cluster(item, *tea(**(service or {})), *pods)


HTTP = {"httpGet": {"path": "/healthz", "port": 1}}
INGRESS_NAME = "shop-cafe-a.test-tea-80"


def test_the_readiness_probe_is_pushed() -> None:
    http = {"path": "/ready", "port": 1, "scheme": "HTTPS", "httpHeaders": [{"name": "X-A", "value": "1"}]}
    probe = {"httpGet": http, "periodSeconds": 7, "timeoutSeconds": 3, "failureThreshold": 4, "successThreshold": 2}
    found, told = probed(pod("a", probe), mandatory="true")
    assert found == LiveCheck(
        path="/ready",
        headers=(("Host", INGRESS_NAME), ("Connection", "close"), ("X-A", "1")),
        interval=7,
        fails=4,
        passes=2,
        tls=True,
        connect=3,
        send=3,
        read=3,
        mandatory=True,
    )
    assert told.startswith("AddedOrUpdated: ")


def test_a_probe_has_the_defaults_of_kubernetes_and_is_that_of_the_first_pod_that_has_one() -> None:
    found, _ = probed(pod("b", {"httpGet": {"path": "second"}}), pod("a", None))
    assert found
    assert (found.path, found.interval, found.fails, found.passes, found.read) == ("/second", 10, 3, 1, 1)


@pytest.mark.parametrize(
    ("port", "target", "fits"),
    [({}, 8080, True), ({"name": "web"}, "web", True), ({"name": "web"}, "other", False), ({}, 8081, False)],
)
def test_the_container_is_that_of_the_port(port: dict[str, Any], target: int | str, fits: bool) -> None:
    found, told = probed(pod("a", HTTP, **port), service={"ports": [{"port": 80, "targetPort": target}]})
    assert (found is not None) is fits
    if not fits:
        assert "nginx.com/health-checks: finds no readinessProbe with httpGet in a Pod of service tea" in told


def test_a_service_without_known_pods_is_reported() -> None:
    found, told = probed()
    assert found is None
    assert "nginx.com/health-checks: finds no Pod behind service tea" in told


@pytest.mark.parametrize(
    "http",
    [
        {"path": "/a b"},
        {"path": "/a\r\nX-Other: 1"},
        {"path": "/", "httpHeaders": [{"name": "X-A", "value": "a\r\nX-Other: 1"}]},
        {"path": "/", "httpHeaders": [{"name": "X A", "value": "a"}]},
    ],
)
def test_a_probe_that_would_leave_its_line_is_not_used(http: dict[str, Any]) -> None:
    found, told = probed(pod("a", {"httpGet": http}))
    assert found is None
    assert "in the readinessProbe of a Pod of service tea" in told or "in the path of the readinessProbe" in told
    assert UNCHECKED in told


def test_mandatory_alone_is_refused() -> None:
    metadata = {"namespace": "shop", "name": "cafe", "annotations": {"nginx.com/health-checks-mandatory": "true"}}
    backend = {"service": {"name": "tea", "port": {"number": 80}}}
    rule = {"host": "a.test", "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}
    item = api_object(Ingress, metadata=metadata, spec={"ingressClassName": "nginx", "rules": [rule]})
    _, told = of_cluster(item, *tea())
    assert "nginx.com/health-checks-mandatory: 'true' needs nginx.com/health-checks: \"true\"" in told


def test_a_probe_that_changes_changes_the_checks() -> None:
    annotations = {"nginx.com/health-checks": "true"}
    backend = {"service": {"name": "tea", "port": {"number": 80}}}
    rule = {"host": "a.test", "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}
    metadata = {"namespace": "shop", "name": "cafe", "annotations": annotations}
    cluster = SimulatedCluster(FOLDER, LUA)
    cluster.put(
        api_object(Ingress, metadata=metadata, spec={"ingressClassName": "nginx", "rules": [rule]}),
        *tea(),
        pod("a", HTTP),
    )
    assert [
        each.check and each.check.path for each in (cluster.process_batch().live or LiveObjects()).upstreams.values()
    ] == ["/healthz"]
    cluster.put(pod("a", {"httpGet": {"path": "/other"}}))
    assert [
        each.check and each.check.path for each in (cluster.process_batch().live or LiveObjects()).upstreams.values()
    ] == ["/other"]
