"""The metrics of ingress-nginx: what its dashboards and alerts ask for, in both data planes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.directories import short_directory
from tests.live.headgate_process import HeadgateProcess
from tests.live.json_objects import ManifestFolder, config_map, endpoints, ingress_class, path, service, tls_secret
from tests.live.test_live_community import community
from tests.nginx_binaries import ANY_NGINX, LUA
from tests.waiting import wait_until

C = "nginx_ingress_controller_"
FORMAT = (
    "seen [$proxy_upstream_name] [$proxy_alternative_upstream_name] $namespace/$ingress_name"
    " $service_name:$service_port $req_id"
)
SHOP = {"ingress": "shop", "namespace": "default", "host": "shop.test"}


@pytest.fixture(scope="module", params=["files", "live"])
def headgate(request: pytest.FixtureRequest, tea: int) -> Iterator[HeadgateProcess]:
    plane = request.param
    if plane == "live" and not LUA:
        pytest.skip("no nginx with Lua (tools/lua_nginx.sh)")
    with ExitStack() as stack:
        directory = stack.enter_context(short_directory())
        manifests = ManifestFolder(directory / "manifests")
        shop = community("shop", {"shop.test": [path("tea"), path("none", "/none")]})
        shop["spec"]["tls"] = [{"hosts": ["shop.test"], "secretName": "pair"}]
        shop["metadata"]["annotations"]["nginx.ingress.kubernetes.io/ssl-redirect"] = "false"
        config = config_map("ours", "config", log_format_upstream=FORMAT)
        manifests.put(
            config, ingress_class(controller="k8s.io/ingress-nginx"), service("tea"), service("none"), shop,
            endpoints("tea", "127.0.0.1", port=tea), tls_secret("pair", "shop.test"),
        )  # fmt: skip
        found = HeadgateProcess(
            directory, (LUA if plane == "live" else ANY_NGINX) or "", f"--manifests={manifests.path}",
            f"-data-plane={plane}", "--enable-metrics", "--election-id=lease", "--configmap=ours/config",
            "--exclude-socket-metrics=nginx_ingress_controller_bytes_sent",
        )  # fmt: skip
        stack.callback(found.stop)
        found.start_ready()
        for _ in range(3):
            assert found.get("shop.test").status == 200
        assert found.get("shop.test", "/none").status == 503
        assert found.get("unknown.test").status == 404
        wait_until(lambda: sum_of(found, "requests", **SHOP) == 4)
        yield found


def sum_of(headgate: HeadgateProcess, name: str, /, **labels: str) -> float:
    return sum(one.value for one in headgate.samples() if one.name == C + name and labels.items() <= one.labels.items())


def live(headgate: HeadgateProcess) -> bool:
    return "-data-plane=live" in headgate.flags


def test_requests_by_ingress_service_and_status(headgate: HeadgateProcess) -> None:
    assert sum_of(headgate, "requests", **SHOP, service="tea", status="2xx", canary="") == 3
    assert sum_of(headgate, "requests", **SHOP, status="5xx") == 1
    assert {one.labels["host"] for one in headgate.samples() if one.name == f"{C}requests"} == {"shop.test"}
    (all_of,) = {one.labels["controller_pod"] for one in headgate.samples() if one.name == f"{C}requests"}
    assert all_of == "headgate-0"


def test_durations_and_sizes(headgate: HeadgateProcess) -> None:
    labels = {"ingress": "shop", "service": "tea", "status": "200"}
    for name in ("request_duration_seconds", "response_duration_seconds"):
        assert sum_of(headgate, f"{name}_count", **labels) == 3
        assert sum_of(headgate, f"{name}_bucket", **labels, le="+Inf") == 3
        assert 0 <= sum_of(headgate, f"{name}_sum", **labels) < 60
    names = {one.name for one in headgate.samples()}
    assert f"{C}bytes_sent_count" not in names
    if live(headgate):
        assert sum_of(headgate, "request_size_count", **SHOP) == 4
        assert sum_of(headgate, "response_size_sum", **SHOP) > 100
        assert sum_of(headgate, "header_duration_seconds_count", **labels) == 3


def test_the_controller_and_its_nginx(headgate: HeadgateProcess) -> None:
    assert sum_of(headgate, "config_last_reload_successful") == 1
    assert sum_of(headgate, "success") >= 1
    assert sum_of(headgate, "errors") == 0
    assert sum_of(headgate, "config_last_reload_successful_timestamp_seconds") > 1_700_000_000
    assert sum_of(headgate, "ssl_expire_time_seconds", host="shop.test", secret_name="pair") > 1_700_000_000
    assert sum_of(headgate, "leader_election_status", name="lease") in {0, 1}
    assert sum_of(headgate, "nginx_process_requests_total") >= 5
    assert sum_of(headgate, "nginx_process_connections", state="active") >= 1
    assert sum_of(headgate, "nginx_process_num_procs") >= 2
    assert sum_of(headgate, "nginx_process_resident_memory_bytes") > 1 << 20
    assert sum_of(headgate, "build_info") == 1


def test_its_own_names_are_there_too(headgate: HeadgateProcess) -> None:
    names = {one.name for one in headgate.samples()}
    assert {"headgate_http_requests_total", f"{C}nginx_reloads_total", "process_cpu_seconds_total"} <= names
    lines = [(one.name, tuple(sorted(one.labels.items()))) for one in headgate.samples()]
    assert len(lines) == len(set(lines))


def test_the_variables_of_the_access_log(headgate: HeadgateProcess) -> None:
    found = re.compile(r"^seen (\[\S*\] \[\] \S+ \S+) [0-9a-f]{32}$", re.MULTILINE)
    seen = Counter(found.findall(headgate.log_text()))
    assert seen["[default-tea-80] [] default/shop tea:80"] == 3
    assert seen["[default-none-80] [] default/shop none:80"] == 1
