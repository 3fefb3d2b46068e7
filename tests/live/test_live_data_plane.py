"""Endpoints change without a reload where nginx has Lua, unless the ConfigMap or a flag excludes that."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from headgate.ir import Layout
from headgate.offline import generate_folder
from headgate.render.renderer import MAIN
from tests.live.headgate_process import HeadgateProcess, StartHeadgate
from tests.live.json_objects import ManifestFolder, config_map, endpoints, ingress, path, service
from tests.nginx_binaries import LUA, capabilities, prepare, refusal
from tests.simulated_cluster import flags
from tests.test_cases import FREE
from tests.waiting import wait_until

TEMPLATE = (Path(__file__).parents[2] / "headgate" / "render" / "templates" / MAIN).read_text()
INCLUDE = '{% include "blocks/live.j2" %}'
FLAGS = ("-nginx-configmaps=ours/config", "-enable-snippets")
EFFECT = "endpoints change by reloads"


@pytest.fixture(autouse=True)
def needs_lua() -> None:
    if not LUA:
        pytest.skip("no nginx with Lua (tools/lua_nginx.sh)")


class Endpoints:
    """A Service whose endpoint changes between the two backends."""

    def __init__(self, headgate: HeadgateProcess, manifests: ManifestFolder, tea: int, coffee: int) -> None:
        self.headgate, self._manifests, self._ports = headgate, manifests, {"tea": tea, "coffee": coffee}
        self._now = "tea"

    def reloads(self) -> bool:
        """Change the endpoint; return whether that took a reload."""
        before = len(self._applied())
        self._now = "coffee" if self._now == "tea" else "tea"
        self._manifests.put(endpoints("tea", "127.0.0.1", port=self._ports[self._now]))
        wait_until(lambda: len(self._applied()) > before)
        assert f"Server name: {self._now}" in self.headgate.get("tea.test").body
        return self._applied()[-1] == "nginx reloaded"

    def _applied(self) -> list[str]:
        return [
            record["msg"]
            for record in self.headgate.log_records()
            if record["msg"].startswith("nginx ") and "took_ms" in record
        ]

    def configure(self, **data: str) -> list[str]:
        """Change the ConfigMap; return the messages of the events about that."""
        seen = len(self.headgate.events("ConfigMap ours/config"))
        self._manifests.put(config_map(**data))
        wait_until(lambda: len(self.headgate.events("ConfigMap ours/config")) > seen)
        return [message for _, message in self.headgate.events("ConfigMap ours/config")[seen:]]


def test_what_excludes_the_live_data_plane_is_reported_and_endpoints_change_by_reloads(
    new_headgate: StartHeadgate, manifests: ManifestFolder, tea: int, coffee: int
) -> None:
    manifests.put(ingress("tea", "tea.test"), config_map(main_template=TEMPLATE.replace(INCLUDE, "")))
    headgate = new_headgate(f"--manifests={manifests.path}", *FLAGS, nginx=LUA or "")
    headgate.start_ready()
    change = Endpoints(headgate, manifests, tea, coffee)
    (_, told), *_ = headgate.events("ConfigMap ours/config")
    assert told.startswith("main-template: does not contain what nginx needs to learn of endpoints")
    assert INCLUDE in told
    assert EFFECT in told
    assert change.reloads()

    assert EFFECT not in "".join(change.configure(main_template=TEMPLATE))
    assert not change.reloads()
    paths, load = directives(headgate, "lua_package_"), directives(headgate, "load_module")
    told = "".join(change.configure(http_snippets=f"{paths}\nlua_shared_dict mine 1m;", main_snippets=load))
    assert "http-snippets: 'lua_package_path' cannot be used beside the Lua code" in told
    assert EFFECT in told
    assert change.reloads()
    assert EFFECT not in "".join(change.configure())
    assert not change.reloads()


def directives(headgate: HeadgateProcess, name: str) -> str:
    """Return the directives of the Lua module that begin with *name*."""
    lines = (line.strip() for line in headgate.file("nginx.conf").splitlines())
    return "\n".join(line for line in lines if line.startswith(name) and "ngx_stream" not in line)


def test_a_template_of_a_flag_that_excludes_the_live_data_plane_is_logged(
    new_headgate: StartHeadgate, manifests: ManifestFolder, directory: Path, tea: int, coffee: int
) -> None:
    template = directory / "main.j2"
    template.write_text(TEMPLATE.replace(INCLUDE, ""))
    manifests.put(ingress("tea", "tea.test"))
    headgate = new_headgate(f"--manifests={manifests.path}", f"-main-template-path={template}", nginx=LUA or "")
    headgate.start_ready()
    assert EFFECT in headgate.log_records("endpoints change by reloads")[0]["what"]
    assert Endpoints(headgate, manifests, tea, coffee).reloads()


@pytest.mark.parametrize("plane", ["files", "live"])
def test_directories_may_have_spaces_and_quotes(directory: Path, manifests: ManifestFolder, plane: str) -> None:
    manifests.put(ingress("tea", "tea.test"), ingress("none", "none.test"), service("none"))
    place = Layout.under(str(directory / """it's "p" {;"""))
    prepare(place)
    argv = [f"--manifests={manifests.path}", f"-data-plane={plane}", "-nginx-status=false"]
    outcome = generate_folder(flags([*argv, *FREE]), place, capabilities(LUA or ""))
    outcome.write(Path(place.conf))
    if outcome.live:
        Path(place.live_state).write_bytes(outcome.live.data)
    assert [str(problem) for _, problem in outcome.problems if "No endpoints" not in str(problem)] == []
    assert refusal(LUA or "", place) == ""


def test_files_say_the_servers_where_any_location_has_a_log_handler_of_its_own(manifests: ManifestFolder) -> None:
    handler = "log_by_lua_block { local seen = 1 }"
    routes: list[dict[str, Any]] = [{"path": path, "action": {"pass": "tea"}} for path in ("/a", "/b")]
    hosts: dict[str, dict[str, Any]] = {
        "plain": {"routes": routes},
        "server": {"routes": routes, "server-snippets": handler},
        "route": {"routes": [routes[0], {**routes[1], "location-snippets": handler}]},
    }
    upstreams = [{"name": "tea", "service": "tea", "port": 80}]
    for name, spec in hosts.items():
        metadata = {"name": name, "namespace": "default"}
        kind = {"apiVersion": "k8s.nginx.org/v1", "kind": "VirtualServer"}
        manifests.put({**kind, "metadata": metadata, "spec": {"host": f"{name}.test", "upstreams": upstreams, **spec}})
    argv = [f"--manifests={manifests.path}", "-data-plane=live", "-live-routes=false", "-enable-snippets"]
    files = generate_folder(flags(argv), None, capabilities(LUA or "")).files
    live = {name for name in hosts if b"balancer_by_lua" in files[f"conf.d/vs_default_{name}.conf"].data}
    assert live == {"plain"}


@pytest.mark.parametrize("plane", ["files", "live"])
def test_lines_are_sent_where_no_worker_counts_and_workers_are_told_upstreams_that_they_do_not_know(
    manifests: ManifestFolder, directory: Path, plane: str
) -> None:
    names = {"type": "ExternalName", "externalName": "localhost"}
    snippet = {"location_snippets": "access_log /dev/null;"}
    manifests.put(ingress("tea", "tea.test", **snippet), ingress("far", {"far.test": [path("far")]}))
    manifests.put(service("far", **names))
    place = Layout.under(str(directory / "p"))
    prepare(place)
    latency = ("-enable-prometheus-metrics", "-enable-latency-metrics")
    argv = [
        f"--manifests={manifests.path}",
        f"-data-plane={plane}",
        "-enable-snippets",
        "-nginx-status=false",
        *latency,
    ]
    outcome = generate_folder(flags([*argv, *FREE]), place, capabilities(LUA or ""))
    outcome.write(Path(place.conf))
    if outcome.live:
        Path(place.live_state).write_bytes(outcome.live.data)
    assert refusal(LUA or "", place) == ""
    files = {name: outcome.files[name].data.decode() for name in ("nginx.conf", "conf.d/default-tea.conf")}
    assert {("response_time;" in text) for text in files.values()} == {plane == "files"}
    assert ("headgate.count()" in files["nginx.conf"]) is (plane == "live")
    assert "latency_upstream" not in files["conf.d/default-tea.conf"]
    named = "set $latency_upstream default-far-far.test-far-80;"
    assert (named in outcome.files["conf.d/default-far.conf"].data.decode()) is (plane == "live")


def test_a_lua_module_that_cannot_be_loaded_is_reported_and_endpoints_are_in_files(
    new_headgate: StartHeadgate, manifests: ManifestFolder, directory: Path
) -> None:
    usr, own = Path(LUA or "").parents[1], directory / "unpacked" / "usr"
    modules = own / "lib" / "nginx" / "modules"
    modules.mkdir(parents=True)
    (own / "sbin").mkdir()
    (own / "share").symlink_to(usr / "share")
    for there in (usr / "lib").iterdir():
        if there.name != "nginx":
            (own / "lib" / there.name).symlink_to(there)
    for module in (usr / "lib" / "nginx" / "modules").iterdir():
        (modules / module.name).symlink_to(module)
    (modules / "ngx_http_lua_module.so").unlink()
    (modules / "ngx_http_lua_module.so").write_bytes(b"of another build")
    (own / "sbin" / "nginx").symlink_to(usr / "sbin" / "nginx")
    manifests.put(ingress("tea", "tea.test"))
    headgate = new_headgate(f"--manifests={manifests.path}", nginx=str(own / "sbin" / "nginx"))
    headgate.start_ready()
    assert headgate.get("tea.test").status == 200
    (warning,) = [record for record in headgate.log_records() if record["msg"] == "Lua module unusable"]
    assert "ngx_http_lua_module.so" in warning["reason"]
    assert "balancer_by_lua" not in headgate.file("conf.d/default-tea.conf")
