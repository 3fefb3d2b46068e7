"""Queues of upstreams as they are pushed and written, and what is reported where requests do not wait."""

from __future__ import annotations

from typing import Any

import pytest

from headgate.api import ConfigMap, Ingress, Policy
from headgate.api.nginx_org import VirtualServer
from headgate.ir.live import Queue
from tests.simulated_cluster import CURRENT, SimulatedCluster, api_object
from tests.unit.translate.test_checks import HTTP, pod, tea
from tests.unit.translate.test_live_only import LUA

FLAGS = ("--manifests=.", "-enable-snippets", "-nginx-configmaps=shop/config", "-live-routes=false")
WAIT = 'access_by_lua_block { return headgate.wait("vs_shop_cafe_tea") }'
READ = "rewrite_by_lua_block { return headgate.read_body() }"


def queued(
    *more: Any,
    able: Any = LUA,
    spec: Any = None,
    route: Any = None,
    **upstream: Any,
) -> tuple[Queue | None, str, str]:
    """Return what is pushed for the upstream of a VirtualServer, its file, and what its owner is told."""
    upstreams = [{"name": "tea", "service": "tea", "port": 80, "queue": {"size": 10}, **upstream}]
    routes = [{"path": "/", "action": {"pass": "tea"}, **(route or {})}]
    spec = {"host": "cafe.test", "upstreams": upstreams, "routes": routes, **(spec or {})}
    item = api_object(VirtualServer, metadata={"namespace": "shop", "name": "cafe"}, spec=spec)
    return of_cluster(item, *tea(), *more, able=able)


def of_cluster(item: Any, *more: Any, able: Any = LUA) -> tuple[Queue | None, str, str]:
    cluster = SimulatedCluster(FLAGS, able)
    cluster.put(item, *more)
    release = cluster.process_batch()
    verdict = cluster.statuses.current[item.ref]
    text = next(file.data.decode() for file in release.files.values() if file.origin == item.ref)
    upstreams = release.live.upstreams.values() if release.live else ()
    return next((each.queue for each in upstreams), None), text, f"{verdict.reason}: {verdict.message}"


def config(**data: str) -> Any:
    return api_object(ConfigMap, metadata={"namespace": "shop", "name": "config"}, data=data)


def test_requests_wait_in_the_locations_of_the_upstream() -> None:
    found, text, told = queued(**{"max-conns": 1, "queue": {"size": 20, "timeout": "2m"}})
    assert found == Queue(20, 120)
    assert f"{READ}\n        {WAIT}\n        lua_check_client_abort on;\n" in text
    assert told.startswith("AddedOrUpdated: ")


def test_the_default_of_the_timeout_is_a_minute() -> None:
    assert queued(**{"max-conns": 1})[0] == Queue(10, 60)


def test_another_upstream_does_not_wait() -> None:
    _, text, _ = queued(queue=None)
    assert "headgate.wait" not in text


def test_bodies_of_grpc_are_not_read_before() -> None:
    _, text, _ = queued(config(http2="true"), **{"max-conns": 1, "type": "grpc"})
    assert WAIT in text
    assert READ not in text


def test_a_body_is_not_read_before_where_a_snippet_decides_about_it() -> None:
    _, text, _ = queued(**{"max-conns": 1}, route={"location-snippets": "proxy_request_buffering off;"})
    assert WAIT in text
    assert READ not in text


def test_a_queue_in_files_is_reported() -> None:
    found, text, told = queued(**{"max-conns": 1}, able=CURRENT)
    assert found is None
    assert "headgate.wait" not in text
    assert "spec.upstreams[0].queue: needs the live data plane" in told
    assert "(a request that no endpoint can take does not wait, and gets 502)" in told


def test_a_queue_without_a_limit_is_reported() -> None:
    assert "spec.upstreams[0].queue: does nothing without max-conns or health checks" in queued()[2]
    assert "queue" not in queued(healthCheck={"enable": True})[2]


@pytest.mark.parametrize(
    "snippet", ["access_by_lua_block { return ngx.exit(403) }", "rewrite_by_lua_file x;", "lua_check_client_abort off;"]
)
@pytest.mark.parametrize("place", ["server-snippets", "location-snippets", "configmap"])
def test_a_handler_of_a_snippet_is_not_replaced(snippet: str, place: str) -> None:
    _, text, told = queued(
        *([config(**{"server-snippets": snippet})] if place == "configmap" else []),
        **{"max-conns": 1},
        spec={place: snippet} if place == "server-snippets" else None,
        route={place: snippet} if place == "location-snippets" else None,
    )
    assert "headgate.wait" not in text
    assert snippet in text
    assert "spec.upstreams[0].queue: cannot be used beside a snippet with access_by_lua" in told


def test_answers_from_a_cache_do_not_wait() -> None:
    cache = {"cacheZoneName": "tea", "cacheZoneSize": "1m"}
    policy = api_object(Policy, metadata={"namespace": "shop", "name": "cache"}, spec={"cache": cache})
    for found in (
        queued(policy, **{"max-conns": 1}, route={"policies": [{"name": "cache"}]}),
        queued(**{"max-conns": 1}, route={"location-snippets": "proxy_cache off;"}),
    ):
        _, text, told = found
        assert "headgate.wait" not in text
        assert "spec.upstreams[0].queue: cannot be used where responses are cached" in told


def ingress(**annotations: str) -> Any:
    backend = {"service": {"name": "tea", "port": {"number": 80}}}
    rule = {"host": "a.test", "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}
    own = {f"nginx.com/health-checks{name.replace('_', '-')}": value for name, value in annotations.items()}
    metadata = {"namespace": "shop", "name": "cafe", "annotations": {"nginx.com/health-checks": "true", **own}}
    return api_object(Ingress, metadata=metadata, spec={"ingressClassName": "nginx", "rules": [rule]})


def test_requests_of_an_ingress_wait_as_long_as_its_probe_may_take() -> None:
    probe = pod("a", {**HTTP, "timeoutSeconds": 3})
    found, text, told = of_cluster(ingress(_mandatory="true", _mandatory_queue="100"), *tea(), probe)
    assert found == Queue(100, 3)
    assert 'headgate.wait("shop-cafe-a.test-tea-80")' in text
    assert told.startswith("AddedOrUpdated: ")


def test_a_queue_of_an_ingress_needs_mandatory_checks() -> None:
    cluster = SimulatedCluster(FLAGS, LUA)
    item = ingress(_mandatory_queue="100")
    cluster.put(item, *tea())
    cluster.process_batch()
    told = cluster.reported()["shop/cafe"]
    assert "nginx.com/health-checks-mandatory-queue: '100' needs nginx.com/health-checks-mandatory: \"true\"" in told
