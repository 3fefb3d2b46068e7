"""With ``-live-routes`` hosts and paths change without a reload; the log and ``headgate status`` say so."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from tests.live.headgate_process import HeadgateProcess, StartHeadgate
from tests.live.json_objects import ManifestFolder, endpoints, ingress, path, service, tls_secret
from tests.nginx_binaries import BINARIES, LUA
from tests.waiting import wait_until


@pytest.fixture(autouse=True)
def needs_lua() -> None:
    if not LUA:
        pytest.skip("no nginx with Lua (tools/lua_nginx.sh)")


def virtual_server(name: str, service: str = "tea") -> dict[str, object]:
    upstreams = [{"name": "up", "service": service, "port": 80}]
    spec = {"host": f"{name}.test", "upstreams": upstreams, "routes": [{"path": "/", "action": {"pass": "up"}}]}
    metadata = {"name": name, "namespace": "default"}
    return {"apiVersion": "k8s.nginx.org/v1", "kind": "VirtualServer", "metadata": metadata, "spec": spec}


def status(headgate: HeadgateProcess, *more: str) -> str:
    command = [sys.executable, "-m", "headgate", "status", f"--prefix={headgate.prefix}", *more]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_hosts_and_paths_come_change_and_go_without_a_reload_and_the_log_and_the_status_say_so(
    new_headgate: StartHeadgate, manifests: ManifestFolder, tea: int, coffee: int
) -> None:
    assert tea
    manifests.put(service("coffee"), endpoints("coffee", "127.0.0.1", port=coffee))
    tls: dict[str, Any] = {"tls": {"cert": ["new.test"]}, "ssl_redirect": "false"}
    manifests.put(ingress("tea", "tea.test"), tls_secret("cert", "new.test"), virtual_server("vs"))
    manifests.put(ingress("own", "own.test", server_snippets="# own"))
    headgate = new_headgate(f"--manifests={manifests.path}", "-live-routes", "-enable-snippets", nginx=LUA or "")
    headgate.start_ready()
    reloads = headgate.reloads()

    def updates(name: str) -> int:
        return len([each for each in headgate.log_records("nginx updated without a reload") if name in str(each)])

    for number, (name, item) in enumerate(
        [
            ("Ingress default/new", ingress("new", {"new.test": [path("coffee")]}, **tls)),
            ("Ingress default/new", ingress("new", {"new.test": [path("coffee"), path("tea", "/t")]}, **tls)),
            ("VirtualServer default/other", virtual_server("other", "coffee")),
        ]
    ):
        before = updates(name)
        manifests.put(item)
        wait_until(lambda name=name, before=before: updates(name) > before)
        assert headgate.reloads() == reloads, number
    assert "Server name: tea" in headgate.get("new.test", "/t").body
    assert "Server name: coffee" in headgate.get_tls("new.test").body
    assert "Server name: coffee" in headgate.get("other.test").body
    said = status(headgate)
    assert "; 4 of 5 hosts are routed at run time (-o wide says" in said
    assert "  own.test: a snippet of the server\n" in status(headgate, "-o=wide")
    assert "routed at run time" in headgate.file("conf.d/_default-server.conf"), "for who looks for its file"
    manifests.delete(ingress("new", "new.test"))
    wait_until(lambda: headgate.get("new.test").status == 404)
    assert headgate.reloads() == reloads
    assert "1 host" in wait_until(lambda: status(headgate), lambda text: "Ingress default/new" in text)


def test_an_nginx_that_cannot_route_hosts_is_named_in_the_log_and_serves_blocks(
    new_headgate: StartHeadgate, manifests: ManifestFolder, tea: int
) -> None:
    binary = next((path for name, path in BINARIES.items() if name != "lua"), "")
    if not binary or not tea:
        pytest.skip("no nginx without Lua")
    manifests.put(ingress("tea", "tea.test"))
    line = "-live-routes is on, but the live data plane is off: every host has a server block"
    for flags in ([], ["-live-routes"]):
        headgate = new_headgate(f"--manifests={manifests.path}", *flags, nginx=binary)
        headgate.start_ready()
        assert (line in headgate.log_text()) is bool(flags)
        assert "tea.test" in headgate.file("conf.d/default-tea.conf")
        assert ("no host is routed at run time: the live data plane is off" in status(headgate)) is bool(flags)
        headgate.stop()
