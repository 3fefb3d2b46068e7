"""Splits and matches, session cookies, and connections that are not kept."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.live.json_objects import Json, config_map, endpoints, ingress, path, service
from tests.routes.routed_nginx import LOOPBACK, RoutedNginx
from tests.routes.served import Question, assert_alike, both, question, varied
from tests.routes.test_attached_objects import MASTER, MINION, custom, first, to, upstream
from tests.routes.test_changed_paths import rewriting

INNER = "/internal_location_"


def split(where: str, *shares: tuple[int, Any]) -> Json:
    return {"path": where, "splits": [{"weight": weight, "action": action} for weight, action in shares]}


def condition(value: str, **source: str) -> Json:
    return {**source, "value": value}


def matching(where: str, *cases: Json, **otherwise: Any) -> Json:
    return {"path": where, "matches": list(cases), **(otherwise or {"action": {"pass": "tea"}})}


def case(*conditions: Json, **action: Any) -> Json:
    return {"conditions": list(conditions), **(action or {"action": {"pass": "coffee"}})}


TEA, COFFEE, NONE = ({"pass": name} for name in ("tea", "coffee", "none"))
CASES = [
    case(condition("v1", header="x-version"), condition("!Green", argument="blend")),
    case(condition("default", cookie="user"), action={"return": {"code": 201, "body": "user ${request_uri}"}}),
    case(condition("Ä", header="x-version"), action={"redirect": {"url": "http://match.test${request_uri}"}}),
    case(condition("POST", variable="$request_method"), splits=[
        {"weight": 100, "action": NONE}, {"weight": 0, "action": TEA},
    ]),
    case(condition("", header="x-empty"), condition("x", argument="only"),
         action={"proxy": {"upstream": "coffee", "rewritePath": "/matched"}}),
]  # fmt: skip


def virtual_server(*routes: Json, **more: Any) -> Json:
    limited = upstream("limited", "tea", **{"client-max-body-size": "10"})
    upstreams = [upstream("tea"), upstream("coffee"), upstream("none"), limited]
    return custom("VirtualServer", "vs", "vs.test", upstreams=upstreams, routes=list(routes), **more)


OBJECTS = [
    config_map(),
    virtual_server(
        matching("/m", *CASES),
        split("/all", (100, TEA), (0, COFFEE)), split("/never", (0, COFFEE), (100, {"pass": "limited"})),
        split("~ ^/re/(.*)", (100, rewriting("/", "/new/$1")["action"]), (0, COFFEE)),
        split("/p", (100, rewriting("/", "/replaced")["action"]), (0, COFFEE)),
        to("/", "coffee"), {"path": "/sub", "route": "sub"},
        matching("~ ^/mat", *CASES[:1]),
        tls={"secret": "cert-a"},
    ),
    custom("VirtualServerRoute", "sub", "vs.test", upstreams=[upstream("tea"), upstream("coffee")],
           subroutes=[split("/sub/s", (0, TEA), (100, COFFEE)), matching("/sub/m", *CASES[:3])]),
    ingress("sticky", "sticky.test", sticky_cookie_services="serviceName=tea seat expires=1h domain=.x.test path=/"),
    ingress("seat", "seat.test", sticky_cookie_services="serviceName=tea seat httponly"),
    ingress("closed", "closed.test", keepalive="0"),
]  # fmt: skip
HEADERS = [
    (), ("X-Version: v1",), ("X-Version: V1", "Cookie: user=default"), ("Cookie: user=DEFAULT",),
    ("X-Version: \xc3\xa4",), ("X-Version: \xc3\x84",), ("X-Empty: ",), ("X-Version: v1x",), ("Cookie: seat=abc",),
]  # fmt: skip
PATHS = [
    "/", "/m", "/m/x%2Fy?blend=green", "/m?blend=GREEN", "/m?only=x", "/m/\xc3\xa4?only=X", "/all", "/all/a%20b?x=%2F",
    "/never", "/never/x", "/re/a%20b", "/re/\xc3\xa4/y?z", "/r%65/x", "/p", "/p/x", "/sub", "/sub/s/x", "/sub/m",
    *(f"{INNER}{end}" for end in ("splits_0_split_0", "splits_0_split_1", "matches_0_match_0", "matches_0_default")),
    f"{INNER}x", "/matx",
]  # fmt: skip
HOSTS = ["closed.test", "seat.test", "sticky.test", "vs.test"]


def asked() -> list[Question]:
    found = [(each, None) for target in PATHS for headers in HEADERS for each in varied("vs.test", target, *headers)]
    found += [(question("vs.test", target), "vs.test") for target in PATHS]
    return found + [
        (each, None) for host in HOSTS[:3] for headers in HEADERS for each in varied(host, "/a%20b", *headers)
    ]


def timeless(answer: bytes) -> bytes:
    return re.sub(rb"expires=[^;]*", b"", answer)


def test_what_chooses_a_path_or_a_server_is_that_of_server_blocks(backends: list[Json]) -> None:
    questions = asked()
    pairs = both([*OBJECTS, *backends], questions, "-nginx-configmaps=ours/config", routed=HOSTS)
    assert_alike(questions, [(timeless(block), timeless(route)) for block, route in pairs])
    answers = b"".join(route for _, route in pairs)
    for text in (b"user /m", b"Location: http://match.test/m", b"URI: /matched", b"URI: /new/a", b"URI: /replaced/x",
                 b"502 Bad", b"413 ", b"Set-Cookie: seat=", b"max-age=3600"):  # fmt: skip
        assert text in answers, text


async def test_weights_change_without_a_reload_and_share_requests(routed: RoutedNginx) -> None:
    async def shares(count: int = 60) -> Counter[str]:
        found = [await first(routed, "vs.test", "/") for _ in range(count)]
        return Counter(text.rpartition(" ")[2] for text in found)

    await routed.apply(ingress("one", "one.test"), virtual_server(split("/", (100, TEA), (0, COFFEE))))
    assert await shares(20) == {"tea": 20}
    for weights, least in [((50, 50), 10), ((1, 99), 0), ((80, 20), 1)]:
        changed = virtual_server(split("/", (weights[0], TEA), (weights[1], COFFEE)))
        assert not (await routed.apply(changed)).reloaded
        found = await shares()
        assert min(found["tea"], found["coffee"]) >= least, found
        assert (found["tea"] > found["coffee"]) is (weights[0] > 50) or weights[0] == 50, found
    assert not (await routed.apply(virtual_server(split("/", (0, TEA), (100, COFFEE))))).reloaded
    assert await shares(20) == {"coffee": 20}
    assert routed.dedicated() == {}


async def test_a_client_keeps_its_server_by_its_cookie(routed: RoutedNginx, backends: list[Json]) -> None:
    ports = [each["ports"][0]["port"] for each in backends if each["kind"] == "EndpointSlice"]
    both_servers = [endpoints("two", LOOPBACK, port=port) for port in ports]
    for number, each in enumerate(both_servers):
        each["metadata"]["name"] = f"two-{number}"
    sticky = ingress("two", {"two.test": [path("two")]}, sticky_cookie_services="serviceName=two seat")
    await routed.apply(service("two"), *both_servers, sticky)
    assert list(routed.hosts) == ["two.test"]
    servers = set()
    for _ in range(20):
        head = (await routed.answer("two.test")).partition("\r\n\r\n")[0]
        (cookie,) = re.findall(r"Set-Cookie: (seat=\w+)", head)
        name = await first_with(routed, cookie)
        servers.add(name)
        assert {await first_with(routed, cookie) for _ in range(5)} == {name}
    assert len(servers) == 2


async def first_with(nginx: RoutedNginx, cookie: str) -> str:
    return (await nginx.get("two.test", Cookie=cookie)).partition("\n")[0]


async def test_minions_have_session_cookies_of_their_own(routed: RoutedNginx) -> None:
    seated = {"sticky_cookie_services": "serviceName=tea place"}
    await routed.apply(
        ingress("shop", {"shop.test": []}, **MASTER),
        ingress("a", {"shop.test": [path("tea", "/a")]}, **MINION, **seated),
        ingress("b", {"shop.test": [path("coffee", "/b")]}, **MINION),
    )
    assert list(routed.hosts) == ["shop.test"]
    assert "Set-Cookie: place=" in await routed.answer("shop.test", "/a")
    assert "Set-Cookie" not in await routed.answer("shop.test", "/b")


@contextlib.asynccontextmanager
async def counting() -> AsyncIterator[tuple[int, list[bytes]]]:
    """A backend that keeps connections; yield its port, and the heads of the first requests of each connection."""
    heads: list[bytes] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError), contextlib.closing(writer):
            heads.append(await reader.readuntil(b"\r\n\r\n"))
            while True:
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
                await reader.readuntil(b"\r\n\r\n")

    server = await asyncio.start_server(talk, LOOPBACK, 0)
    async with server:
        yield server.sockets[0].getsockname()[1], heads


@pytest.mark.parametrize("keepalive", ["0", "16"])
async def test_connections_to_backends_are_kept_unless_keepalive_is_0(routed: RoutedNginx, keepalive: str) -> None:
    async with counting() as (port, heads):
        one = ingress("one", {"one.test": [path("one")]}, keepalive=keepalive)
        await routed.apply(service("one"), endpoints("one", LOOPBACK, port=port), one)
        assert list(routed.hosts) == ["one.test"]
        assert {await routed.get("one.test") for _ in range(20)} == {"200 ok"}
        # Each of the two workers keeps connections of its own.
        assert len(heads) == 20 if keepalive == "0" else len(heads) <= 2
