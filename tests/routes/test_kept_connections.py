"""Clients whose connections are kept lose nothing while hosts change between routes and server blocks."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import Mapping

import pytest

from tests.background import in_background
from tests.live.json_objects import ingress, path, secret
from tests.routes.routed_nginx import LOOPBACK, RoutedNginx

Seen = Counter[tuple[str, str]]
BLOCK = {"server_snippets": "# own"}


async def ask_on(nginx: RoutedNginx, host: str, seen: Seen, pause: float) -> None:
    """Ask on one connection for as long as nginx keeps it, then on the next; count statuses with who answered."""
    while True:
        reader, writer = await asyncio.open_connection(LOOPBACK, nginx.http)
        try:
            while True:
                writer.write(f"GET / HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
                try:
                    head = (await reader.readuntil(b"\r\n\r\n")).decode()
                except asyncio.IncompleteReadError as error:
                    if error.partial:
                        seen["cut", ""] += 1
                    break  # closed while idle: the client asks again
                size = next(int(line[15:]) for line in head.lower().splitlines() if line.startswith("content-length:"))
                body = (await reader.readexactly(size)).decode()
                seen[head.split(" ")[1], body.partition("\n")[0]] += 1
                if "connection: close" in head.lower():
                    break
                await asyncio.sleep(pause)
        except ConnectionError:
            pass
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


@pytest.mark.parametrize("wildcard", [False, True])
async def test_no_request_on_a_connection_that_is_kept_is_lost_while_its_host_changes(
    routed: RoutedNginx, *, wildcard: bool
) -> None:
    seen, others = Seen(), Seen()
    host = "*.one.test" if wildcard else "one.test"
    name = "a.one.test" if wildcard else host

    def one(seconds: int, **more: str) -> Mapping[str, object]:
        return ingress("one", {host: [path("tea")]}, proxy_read_timeout=f"{seconds}s", **more)

    await routed.apply(one(60), ingress("two", {"two.test": [path("coffee")]}))
    async with contextlib.AsyncExitStack() as stack:
        for pause in (0, 0.01, 0.1, 0.4, 0.9):
            await stack.enter_async_context(in_background(ask_on(routed, name, seen, pause)))
            await stack.enter_async_context(in_background(ask_on(routed, "two.test", others, pause)))
        for number in range(4):
            await routed.apply(one(60, **BLOCK))
            await routed.apply(one(70 + number))
            await routed.apply(one(60, **BLOCK), ingress(f"n{number}", f"n{number}.test"))
            await routed.apply(one(60))
    assert seen.keys() == {("200", "Server name: tea")}
    assert others.keys() == {("200", "Server name: coffee")}


@pytest.mark.parametrize("change", ["guard", "other object", "deleted"])
async def test_a_connection_that_was_kept_does_not_lead_past_a_guard_or_to_an_object_that_lost_its_host(
    routed: RoutedNginx, change: str
) -> None:
    old, new = "2024-01-01T00:00:00Z", "2025-01-01T00:00:00Z"
    one = ingress("one", "one.test", created=old)
    users = secret("users", kind="nginx.org/htpasswd", htpasswd=b"a:$apr1$x$y")
    await routed.apply(one, users, ingress("two", "two.test"))
    reader, writer = await asyncio.open_connection(LOOPBACK, routed.http)

    async def ask() -> str:
        writer.write(b"HEAD / HTTP/1.1\r\nHost: one.test\r\n\r\n")
        return (await reader.readuntil(b"\r\n\r\n")).decode().split(" ")[1]

    try:
        assert await ask() == "200"
        if change == "guard":
            await routed.apply(ingress("one", "one.test", created=old, basic_auth_secret="users"))
        else:
            routed.delete(one)
        if change == "other object":
            await routed.apply(ingress("other", {"one.test": [path("none")]}, created=new, **BLOCK))
        await routed.apply(ingress("three", "three.test", proxy_read_timeout="7s"))
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            assert await ask() != "200"
    finally:
        writer.close()


async def test_a_host_that_asks_for_passwords_by_turns_in_a_server_block_and_in_a_route_is_always_there(
    routed: RoutedNginx,
) -> None:
    seen: Counter[str] = Counter()

    async def ask() -> None:
        while True:
            seen[(await routed.get("one.test"))[:3]] += 1

    users = secret("users", kind="nginx.org/htpasswd", htpasswd=b"a:$apr1$x$y")
    await routed.apply(ingress("one", "one.test"), users, ingress("two", "two.test"))
    async with in_background(ask()), in_background(ask()):
        for number in range(3):
            await routed.apply(ingress("one", "one.test", **BLOCK))
            await routed.apply(ingress("one", "one.test", basic_auth_secret="users", proxy_read_timeout=f"{number}1s"))
            assert {await routed.get("one.test") for _ in range(8)} == {"401"}
            await routed.apply(ingress("one", "one.test", basic_auth_secret="users", **BLOCK))
            assert {await routed.get("one.test") for _ in range(8)} == {"401"}
            await routed.apply(ingress("one", "one.test"))
    assert seen.keys() == {"200", "401"}
