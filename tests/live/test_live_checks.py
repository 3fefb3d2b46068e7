"""Health checks of a VirtualServer: what clients, the status, the metrics and the log show."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from headgate.commands.status import main
from tests.live.headgate_process import HeadgateProcess, StartHeadgate
from tests.live.json_objects import Json, ManifestFolder, ingress
from tests.nginx_binaries import LUA
from tests.waiting import wait_until

HOST = "cafe.test"
TEA, COFFEE = "127.0.0.2", "127.0.0.3"
METRIC = "nginx_ingress_nginxplus_upstream_server_"
CHECK = {"enable": True, "path": "/healthz", "interval": "100ms", "fails": 2, "passes": 2}


@pytest.fixture(autouse=True)
def needs_lua() -> None:
    if not LUA:
        pytest.skip("no nginx with Lua (tools/lua_nginx.sh)")


class Server(http.server.ThreadingHTTPServer):
    """Answers with its address on every loopback address; ``broken`` ones answer 500 at ``/healthz``."""

    def __init__(self) -> None:
        super().__init__(("0.0.0.0", 0), Handler)
        self.broken: set[str] = set()
        self.hosts: set[str] = set()

    @property
    def port(self) -> int:
        return int(self.server_address[1])


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        address = self.connection.getsockname()[0]
        checked = self.path == "/healthz"
        if checked:
            self.server.hosts.add(self.headers["Host"])
        self.send_response(500 if checked and address in self.server.broken else 200)
        self.end_headers()
        self.wfile.write(address.encode())

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as found:
        thread = threading.Thread(target=found.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        yield found
        found.shutdown()


def slices(server: Server) -> Json:
    """EndpointSlice of ``tea`` with both addresses."""
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": "tea-1", "namespace": "default", "labels": {"kubernetes.io/service-name": "tea"}},
        "addressType": "IPv4",
        "ports": [{"name": "http", "port": server.port}],
        "endpoints": [
            {
                "addresses": [address],
                "conditions": {"ready": True},
                "targetRef": {"kind": "Pod", "name": f"tea-{number}"},
            }
            for number, address in enumerate((TEA, COFFEE))
        ],
    }


def virtual_server(**check: Any) -> Json:
    upstream = {"name": "tea", "service": "tea", "port": 80, "healthCheck": {**CHECK, **check}}
    return {
        "apiVersion": "k8s.nginx.org/v1",
        "kind": "VirtualServer",
        "metadata": {"name": "cafe", "namespace": "default"},
        "spec": {"host": HOST, "upstreams": [upstream], "routes": [{"path": "/", "action": {"pass": "tea"}}]},
    }


def answers(headgate: HeadgateProcess) -> set[str]:
    return {headgate.get(HOST).body for _ in range(16)}


def test_an_unhealthy_server_is_left_out_and_shown(
    new_headgate: StartHeadgate,
    manifests: ManifestFolder,
    server: Server,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def addresses() -> str:
        capsys.readouterr()
        assert main(["-o", "wide", f"--prefix={headgate.prefix}"], {}) == 0
        out = capsys.readouterr().out
        return next(line for line in out.splitlines() if line.startswith(HOST))

    def series(name: str) -> dict[str, float]:
        samples = [sample for sample in headgate.samples() if sample.name == METRIC + name]
        return {sample.labels["pod_name"]: sample.value for sample in samples}

    manifests.put(slices(server), virtual_server())
    headgate = new_headgate(f"--manifests={manifests.path}", nginx=LUA or "")
    headgate.start_ready()
    assert answers(headgate) == {TEA, COFFEE}
    assert f"{TEA}:{server.port},{COFFEE}:{server.port} " in wait_until(addresses)
    server.broken = {COFFEE}
    row = wait_until(addresses, lambda row: "(unhealthy)" in row)
    assert f"{TEA}:{server.port},{COFFEE}:{server.port} (unhealthy)" in row
    assert " 1/2 " in row
    assert answers(headgate) == {TEA}
    assert series("state") == {"tea-0": 1, "tea-1": 6}
    assert series("health_checks_unhealthy") == {"tea-0": 0, "tea-1": 1}
    assert series("health_checks_checks")["tea-1"] >= series("health_checks_fails")["tea-1"] >= 2
    (line,) = [record["message"] for record in headgate.log_records("nginx") if "is unhealthy" in str(record)]
    assert f"upstream vs_default_cafe_tea: server {COFFEE}:{server.port} is unhealthy: status 500" in line
    server.broken.clear()
    wait_until(addresses, lambda row: "(unhealthy)" not in row)
    assert answers(headgate) == {TEA, COFFEE}
    assert server.hosts == {"vs_default_cafe_tea"}
    assert not headgate.log_records("nginx reloaded")

    manifests.put(virtual_server(enable=False))
    wait_until(lambda: series("state"), lambda found: found == {})


def pod(name: str, **probe: Any) -> Json:
    http = {"path": "/healthz", "port": 8080, "httpHeaders": [{"name": "Host", "value": "tea.example.com"}]}
    container = {
        "name": "tea",
        "ports": [{"containerPort": 8080}],
        "readinessProbe": {"httpGet": http, "periodSeconds": 1, "failureThreshold": 1, **probe},
    }
    metadata = {"name": name, "namespace": "default"}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": [container]}}


def test_an_ingress_has_its_endpoints_checked_as_their_pods_say(
    new_headgate: StartHeadgate, manifests: ManifestFolder, server: Server
) -> None:
    def states() -> dict[str, float]:
        samples = [sample for sample in headgate.samples() if sample.name == f"{METRIC}state"]
        return {sample.labels["pod_name"]: sample.value for sample in samples}

    item = ingress("cafe", HOST)
    annotations = {"nginx.com/health-checks": "true", "nginx.com/health-checks-mandatory": "true"}
    item["metadata"]["annotations"] = annotations
    server.broken = {COFFEE}
    manifests.put(slices(server), item, pod("tea-0"), pod("tea-1"))
    headgate = new_headgate(f"--manifests={manifests.path}", nginx=LUA or "")
    headgate.start_ready()
    wait_until(states, lambda found: found == {"tea-0": 1, "tea-1": 6})
    assert answers(headgate) == {TEA}
    assert server.hosts == {"tea.example.com"}

    manifests.put(pod("tea-0", httpGet=None), pod("tea-1", httpGet=None))
    wait_until(states, lambda found: found == {})
    words = "nginx.com/health-checks: finds no readinessProbe with httpGet in a Pod of service tea"
    last = lambda: headgate.events("Ingress default/cafe")[-1]  # noqa: E731 - it is reported after it is pushed
    wait_until(last, lambda found: found[0] == "AddedOrUpdatedWithWarning" and words in found[1])
    assert answers(headgate) == {TEA, COFFEE}


def test_requests_of_an_ingress_wait_until_one_passes(
    new_headgate: StartHeadgate, manifests: ManifestFolder, server: Server
) -> None:
    item = ingress("cafe", HOST)
    item["metadata"]["annotations"] = {
        "nginx.com/health-checks": "true",
        "nginx.com/health-checks-mandatory": "true",
        "nginx.com/health-checks-mandatory-queue": "1",
    }
    server.broken = {TEA, COFFEE}
    patient = {"timeoutSeconds": 60, "periodSeconds": 1}
    manifests.put(slices(server), item, pod("tea-0", **patient), pod("tea-1", **patient))
    headgate = new_headgate(f"--manifests={manifests.path}", nginx=LUA or "")
    headgate.start_ready()
    with ThreadPoolExecutor(2) as clients:
        asked = [clients.submit(headgate.get, HOST) for _ in range(2)]
        wait_until(lambda: sum(each.done() for each in asked) == 1)
        server.broken = set()
        assert sorted(each.result().status for each in asked) == [200, 502], "one may wait"
