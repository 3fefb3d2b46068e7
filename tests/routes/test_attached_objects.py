"""Paths of several objects in one host: masters with minions, VirtualServers with VirtualServerRoutes."""

from __future__ import annotations

from typing import Any

from tests.live.json_objects import Json, config_map, ingress, path
from tests.routes.routed_nginx import RoutedNginx
from tests.routes.served import Question, assert_alike, both, question, varied

MASTER = {"mergeable_ingress_type": "master"}
MINION = {"mergeable_ingress_type": "minion"}
PATHS = [
    "/", "/tea", "/tea/", "/tea/x", "/TEA", "/tea%2Fx", "/teas", "//tea", "/tea/../coffee", "/tea?q=%2F/coffee",
    "/coffee", "/coffee/", "/coffee/deep", "/coffee/deep/er", "/coffee/deeper", "/exact", "/exact/", "/a%20b",
    "/a%20b/c", "/%C3%A4", "/%c3%a4/x", "/slash", "/slash/", "/slash/y", "/none", "/answer", "/answer/x", "/.",
    "/tea/%2e%2e/coffee",
]  # fmt: skip


def custom(kind: str, name: str, host: str, **spec: Any) -> Json:
    metadata = {"name": name, "namespace": "default"}
    return {"apiVersion": "k8s.nginx.org/v1", "kind": kind, "metadata": metadata, "spec": {"host": host, **spec}}


def upstream(name: str, service: str = "", **more: Any) -> Json:
    return {"name": name, "service": service or name, "port": 80, **more}


def to(where: str, name: str, **more: Any) -> Json:
    return {"path": where, "action": {"pass": name}, **more}


def mergeable(host: str, tls: str, **annotations: str) -> list[Json]:
    """A master, and minions with settings of their own."""
    name = host.removesuffix(".test")
    return [
        ingress(name, {host: []}, tls={tls: [host]}, ssl_redirect="false", **MASTER, **annotations),
        ingress(f"{name}-tea", {host: [path("tea", "/tea"), path("tea", "/exact", "Exact")]}, **MINION),
        ingress(
            f"{name}-coffee",
            {host: [path("coffee", "/coffee"), path("tea", "/coffee/deep/"), path("none", "/none")]},
            add_header="X-Minion: m", proxy_set_headers="X-Own: o", client_max_body_size="10",
            proxy_read_timeout="7s", **MINION,
        ),
        ingress(
            f"{name}-odd",
            {host: [path("coffee", "/a%20b"), path("tea", "/ä"), path("tea", "/slash/", "ImplementationSpecific")]},
            websocket_services="tea", proxy_hide_headers="X-Powered-By", proxy_redirect_from="http://x/",
            proxy_redirect_to="/", **MINION,
        ),
    ]  # fmt: skip


def delegating(host: str) -> list[Json]:
    """A VirtualServer that delegates paths."""
    answer = {"return": {"code": 200, "body": "hello ${request_uri}", "headers": [{"name": "X-A", "value": "b"}]}}
    changed = {
        "proxy": {
            "upstream": "coffee",
            "requestHeaders": {"set": [{"name": "X-Own", "value": "${request_uri}"}], "pass": True},
            "responseHeaders": {"add": [{"name": "X-B", "value": "c", "always": True}], "hide": ["Server"]},
        }
    }
    return [
        custom(
            "VirtualServer", "vs", host,
            tls={"secret": "cert-a"},
            upstreams=[upstream("own", "tea")],
            routes=[to("/", "own"), {"path": "/tea", "route": "teas"}, {"path": "/coffee", "route": "coffees"},
                    {"path": "/answer", "route": "answers"}, {"path": "=/exact", "route": "exact"}],
        ),
        custom("VirtualServerRoute", "teas", host, upstreams=[upstream("tea")],
               subroutes=[to("/tea/x", "tea"), to("/tea", "tea")]),
        custom("VirtualServerRoute", "coffees", host, upstreams=[upstream("coffee", **{"client-max-body-size": "10"})],
               subroutes=[to("/coffee", "coffee"), {"path": "/coffee/deep", "action": changed}]),
        custom("VirtualServerRoute", "answers", host, subroutes=[{"path": "/answer", "action": answer}]),
        custom("VirtualServerRoute", "exact", host, upstreams=[upstream("exact", "coffee")],
               subroutes=[to("=/exact", "exact")]),
    ]  # fmt: skip


OBJECTS = [
    config_map(proxy_hide_headers="X-All", add_header="X-All: z"),
    *mergeable("plain.test", "cert-a"),
    *mergeable(
        "set.test", "cert-b", hsts="true", server_tokens="false", add_header="X-Master: y", app_root="/tea",
        proxy_set_headers="X-Master: y", proxy_hide_headers="Server", client_max_body_size="100",
    ),
    *mergeable("to.test", "cert-b", redirect_to_https="true", http_redirect_code="308"),
    *delegating("vs.test"),
    ingress("alone", "alone.test"),
]  # fmt: skip
FLAGS = ("-nginx-configmaps=ours/config", "-enable-snippets")
HOSTS = ["plain.test", "set.test", "to.test", "vs.test"]


def asked() -> list[Question]:
    return [
        (each, host if secure else None)
        for host in HOSTS
        for target in PATHS
        for secure in (False, True)
        for each in ([question(host, target)] if secure else varied(host, target, "X-Forwarded-Proto: http"))
    ]


def test_paths_of_several_objects_are_answered_as_by_server_blocks(backends: list[Json]) -> None:
    questions = asked()
    pairs = both([*OBJECTS, *backends], questions, *FLAGS, routed=[*HOSTS, "alone.test"])
    assert_alike(questions, pairs)
    answers = b"".join(route for _, route in pairs)
    for text in (b"Server name: coffee", b"Server name: tea", b"X-Minion: ", b"hello /answer", b"502 Bad", b"413 "):
        assert answers.count(text) > 5, text


async def first(nginx: RoutedNginx, host: str, where: str) -> str:
    return (await nginx.get(host, where)).partition("\n")[0]


async def test_minions_come_change_and_go_without_a_reload(routed: RoutedNginx) -> None:
    master = ingress("shop", {"shop.test": []}, **MASTER)

    def minion(name: str, service: str = "tea", **more: str) -> Json:
        return ingress(name, {"shop.test": [path(service, f"/{name}")]}, **MINION, **more)

    assert (await routed.apply(master, minion("a"))).reloaded
    for number in range(5):
        assert not (await routed.apply(minion(f"b{number}", "coffee"))).reloaded
        assert await first(routed, "shop.test", f"/b{number}/x") == "200 Server name: coffee"
    assert not (await routed.apply(minion("a", "coffee"))).reloaded
    assert await first(routed, "shop.test", "/a") == "200 Server name: coffee"
    routed.delete(minion("b0"))
    assert not (await routed.apply()).reloaded
    assert await routed.get("shop.test", "/b0") == "404"
    assert await first(routed, "shop.test", "/b1") == "200 Server name: coffee"
    assert routed.dedicated() == {}


async def test_a_minion_that_limits_requests_gives_its_host_a_server_block_and_back(routed: RoutedNginx) -> None:
    plain = ingress("a", {"shop.test": [path("tea", "/a")]}, **MINION)
    await routed.apply(ingress("shop", {"shop.test": []}, **MASTER), plain)
    limited = ingress("a", {"shop.test": [path("tea", "/a")]}, limit_req_rate="1r/m", **MINION)
    await routed.apply(limited)
    assert list(routed.hosts) == []
    assert {(await routed.get("shop.test", "/a"))[:3] for _ in range(4)} == {"200", "429"}
    await routed.apply(plain)
    assert list(routed.hosts) == ["shop.test"]
    assert await first(routed, "shop.test", "/a") == "200 Server name: tea"


async def test_a_minion_that_is_to_ask_for_passwords_is_not_served_without_while_nginx_refuses_its_master(
    routed: RoutedNginx,
) -> None:
    plain = ingress("a", {"shop.test": [path("tea", "/a")]}, **MINION)
    await routed.apply(ingress("shop", {"shop.test": []}, **MASTER), plain)
    guarded = ingress("a", {"shop.test": [path("tea", "/a")]}, basic_auth_secret="absent", **MINION)
    broken = ingress("shop", {"shop.test": []}, server_snippets="nonsense on;", **MASTER)
    result = await routed.apply(guarded, broken)
    assert [ref.name for ref in result.refused] == ["shop"]
    assert not (await routed.get("shop.test", "/a")).startswith("200")


async def test_a_host_of_several_objects_stays_as_it_was_while_nginx_refuses_its_master(routed: RoutedNginx) -> None:
    minion = ingress("a", {"shop.test": [path("tea", "/a")]}, **MINION)
    await routed.apply(ingress("shop", {"shop.test": []}, **MASTER), minion)
    broken = ingress("shop", {"shop.test": []}, server_snippets="nonsense on;", **MASTER)
    result = await routed.apply(broken, ingress("two", "two.test", proxy_read_timeout="7s"))
    assert [ref.name for ref in result.refused] == ["shop"]
    assert await first(routed, "shop.test", "/a") == "200 Server name: tea"
