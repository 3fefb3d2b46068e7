"""What is pushed for an upstream, and what is reported where servers are in files."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import structs

from headgate.api import ConfigMap, EndpointSlice, Ingress, Service
from headgate.api.nginx_org import VirtualServer
from headgate.ir import Capabilities, Layout
from headgate.ir.live import Cookie, LiveUpstream, LuaModules, Peer, Times
from headgate.problems import ObjectRef
from headgate.settings import ConfigParams, Words
from headgate.settings.upstream import UpstreamSettings
from headgate.translate import Environment, unsupported_keys
from headgate.translate.live_only import LIVE
from tests.simulated_cluster import CURRENT, SimulatedCluster, api_object

LUA = structs.replace(CURRENT, lua=LuaModules((), "lua", "libraries"))
OLD_LUA = Capabilities(lua=LUA.lua)


def cluster_with(
    annotations: dict[str, str], capabilities: Capabilities = LUA, external: str = "", flags: tuple[str, ...] = ()
) -> tuple[LiveUpstream | None, str]:
    """Return what is pushed for the only upstream, if anything, and what its owner is told."""
    cluster = SimulatedCluster(("--manifests=.", "-enable-snippets", *flags), capabilities)
    backend = {"service": {"name": "tea", "port": {"number": 80}}}
    rule = {"host": "a.test", "http": {"paths": [{"path": "/tea", "pathType": "Exact", "backend": backend}]}}
    spec: dict[str, Any] = {"ingressClassName": "nginx", "rules": [rule]}
    service = {"type": "ExternalName", "externalName": external} if external else {"ports": [{"port": 80}]}
    labels = {"kubernetes.io/service-name": "tea"}
    endpoints = [
        {"addresses": ["10.0.0.1"]},
        {"addresses": ["10.0.0.2"], "conditions": {"ready": False, "serving": True, "terminating": True}},
        {"addresses": ["10.0.0.3"], "conditions": {"ready": False, "serving": False, "terminating": True}},
    ]
    cluster.put(
        api_object(Ingress, metadata={"namespace": "shop", "name": "cafe", "annotations": annotations}, spec=spec),
        api_object(Service, metadata={"namespace": "shop", "name": "tea"}, spec=service),
        api_object(EndpointSlice, metadata={"namespace": "shop", "name": "tea", "labels": labels}, addressType="IPv4",
             ports=[{"port": 80}], endpoints=endpoints),
    )  # fmt: skip
    live = cluster.process_batch().live
    return next(iter(live.upstreams.values())) if live and live.upstreams else None, cluster.reported()["shop/cafe"]


STICKY = {"nginx.org/sticky-cookie-services": "serviceName=tea seat secure expires=90m domain=.a.test"}
SLOW = {"nginx.com/slow-start": "30s", "nginx.org/lb-method": "least_conn"}


def test_a_cookie_and_slow_start_are_pushed() -> None:
    pushed, told = cluster_with(STICKY | SLOW, OLD_LUA)
    assert pushed
    assert pushed.cookie == Cookie("seat", 5400, "; domain=.a.test; secure")
    assert pushed.slow_start == 30
    assert pushed.peers == (Peer("10.0.0.1", 80),)
    assert pushed.draining == (Peer("10.0.0.2", 80),), "it terminates and still serves"
    assert "(" not in told


@pytest.mark.parametrize(
    ("circumstances", "why"),
    [
        ({"flags": ("-data-plane=files",)}, LIVE),
        ({"capabilities": CURRENT}, LIVE),
        ({"external": "tea.test"}, "the live data plane, and these servers are in files: nginx resolves their name"),
    ],
)
def test_slow_start_is_reported_where_servers_are_in_files(circumstances: dict[str, Any], why: str) -> None:
    pushed, told = cluster_with(SLOW, **circumstances)
    assert pushed is None
    assert f"nginx.com/slow-start: '30s' needs {why} (there is no slow start)" in told


def test_what_keeps_servers_in_files_is_named() -> None:
    annotations = {
        "the variables of its method": {"nginx.org/lb-method": "hash $mine"},
        "a log handler": {"nginx.org/location-snippets": "log_by_lua_block { }"},
    }
    for words, annotation in annotations.items():
        pushed, told = cluster_with(SLOW | STICKY | annotation, OLD_LUA)
        assert pushed is None
        assert words in told
        assert "nginx.org/sticky-cookie-services: needs nginx 1.29.6" in told


@pytest.mark.parametrize("method", ["random two least_conn", "hash $request_uri consistent", "ip_hash", ""])
def test_slow_start_is_reported_for_a_method_that_has_none(method: str) -> None:
    pushed, told = cluster_with(SLOW | {"nginx.org/lb-method": method} if method else {"nginx.com/slow-start": "30s"})
    assert pushed
    assert pushed.draining is None, "there are no sessions"
    assert pushed.slow_start is None
    words = (
        f"does not apply to the method {method or 'random two least_conn'}; use round_robin, least_conn or least_time"
    )
    assert f"nginx.com/slow-start: '30s' {words}" in told


@pytest.mark.parametrize(
    ("method", "external", "backup"),
    [
        ("round_robin", "10.9.9.9", "10.9.9.9"),
        ("random", "10.9.9.9", "10.9.9.9"),
        ("round_robin", "spare.test", "in the file"),
        ("random", "spare.test", "reported"),
    ],
)
def test_a_backup_is_pushed_unless_nginx_resolves_its_name(method: str, external: str, backup: str) -> None:
    """A method that nginx has no backup with is that of the ConfigMap."""
    cluster = SimulatedCluster(("--manifests=.", "-nginx-configmaps=shop/config"), LUA)
    labels = {"kubernetes.io/service-name": "tea"}
    upstreams = [{"name": "tea", "service": "tea", "port": 80, "backup": "spare", "backupPort": 81}]
    routes = [{"path": "/", "action": {"pass": "tea"}}]
    settings = {"resolver-addresses": "10.0.0.53", "lb-method": method}
    cluster.put(
        api_object(ConfigMap, metadata={"namespace": "shop", "name": "config"}, data=settings),
        api_object(VirtualServer, metadata={"namespace": "shop", "name": "cafe"},
                   spec={"host": "a.test", "upstreams": upstreams, "routes": routes}),
        api_object(Service, metadata={"namespace": "shop", "name": "tea"}, spec={"ports": [{"port": 80}]}),
        api_object(Service, metadata={"namespace": "shop", "name": "spare"},
                   spec={"type": "ExternalName", "externalName": external}),
        api_object(EndpointSlice, metadata={"namespace": "shop", "name": "tea", "labels": labels}, addressType="IPv4",
                   ports=[{"port": 80}], endpoints=[{"addresses": ["10.0.0.1"]}]),
    )  # fmt: skip
    generation = cluster.process_batch()
    (name,) = generation.upstreams
    pushed = generation.live.upstreams.get(name) if generation.live else None
    assert (pushed is None) is (backup == "in the file")
    assert (b" backup resolve;" in cluster.texts().get("conf.d/vs_shop_cafe.conf", b"")) is (backup == "in the file")
    if pushed:
        assert pushed.backup == ((Peer(backup, 81),) if backup == external else None)
    told = "".join(verdict.message for verdict in cluster.statuses.current.values())
    assert ("cannot be used with the method random in files" in told) is (backup == "reported")


@pytest.mark.parametrize(
    ("method", "times", "files"),
    [
        ("least_time header", Times("header"), "least_conn"),
        ("least_time last_byte inflight", Times("last_byte", inflight=True), "least_conn"),
        ("random two least_time=last_byte", Times("last_byte"), "random two least_conn"),
        ("ewma", Times("header", peaks=True), "least_conn"),
    ],
)
def test_a_method_that_compares_times_is_that_of_nginx_in_files(method: str, times: Times, files: str) -> None:
    pushed, told = cluster_with({"nginx.org/lb-method": method})
    assert pushed
    assert pushed.times == times
    assert "(" not in told
    pushed, told = cluster_with({"nginx.org/lb-method": method}, CURRENT)
    assert pushed is None
    assert f"nginx.org/lb-method: '{method}' needs {LIVE} ({files} is used)" in told


def test_slow_start_applies_to_least_time() -> None:
    pushed, told = cluster_with({"nginx.com/slow-start": "30s", "nginx.org/lb-method": "least_time header"})
    assert pushed
    assert pushed.slow_start == 30
    assert "(" not in told


def test_a_method_of_the_configmap_is_reported_there_alone() -> None:
    params = ConfigParams(upstream=UpstreamSettings(lb_method=Words(("ewma",))))
    env = Environment(layout=Layout.container(), capabilities=CURRENT, params=params)
    (found,) = unsupported_keys(env, ObjectRef("ConfigMap", "shop", "config"))
    assert (found.field, found.reason, found.effect) == ("lb-method", f"needs {LIVE}", "least_conn is used")
    able = structs.replace(env, capabilities=LUA, data_plane="live")
    assert not list(unsupported_keys(able, found.origin))
