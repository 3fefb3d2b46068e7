"""Methods that compare how long servers take to answer."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

import pytest
from showcase.ports import free_port

from headgate.ir.live import LiveUpstream, Method, Peer, Times
from headgate.nginx import Binary, probe
from tests.nginx.live_plane import COFFEE, TEA, Held, Plane, listening, upstream
from tests.nginx.nginx_under_test import FileManager, NginxUnderTest
from tests.nginx_binaries import LUA
from tests.waiting import eventually

KNOWN = """location = /know { content_by_lua_block {
    for _, peer in ipairs(require("headgate.state").get("u", "tea").peers) do
        if peer.address == ngx.var.arg_server then
            peer.takes, peer.measured_at = tonumber(ngx.var.arg_takes), ngx.now() - (ngx.var.arg_ago or 0)
        end
    end
} }
location = /takes { content_by_lua_block {
    for _, peer in ipairs(require("headgate.state").get("u", "tea").peers) do
        if peer.address == ngx.var.arg_server then ngx.print(peer.takes) end
    end
} }
location = /longer { content_by_lua_block {
    for _, peer in ipairs(require("headgate.state").get("u", "tea").peers) do
        peer.started = peer.started - 100 * peer.active
    end
} }"""
PAUSE_S = 0.05


@pytest.fixture
async def binary() -> Binary:
    if not LUA:
        pytest.skip("no nginx with Lua (tools/lua_nginx.sh)")
    return await probe(LUA)


@pytest.fixture
def plane(nginx: NginxUnderTest, binary: Binary) -> Plane:
    return Plane(nginx, binary, workers=1)


async def started(plane: Plane, manager: FileManager, tea: LiveUpstream) -> None:
    assert (await manager.start(plane.release({"tea": tea}, plane.server(extra=KNOWN)))).ok
    await plane.nginx.get("any")


async def know(nginx: NginxUnderTest, server: str, takes: float, ago: float = 0) -> None:
    await nginx.get("any", f"/know?server={server}&takes={takes}&ago={ago}")


async def takes(nginx: NginxUnderTest, server: str) -> float:
    return float(await nginx.get("any", f"/takes?server={server}"))


async def ten(nginx: NginxUnderTest) -> list[str]:
    return [await nginx.get("any") for _ in range(10)]


@pytest.mark.parametrize("method", ["least_time", "random_two_least_time"])
async def test_requests_go_to_the_server_that_takes_less_time_until_that_is_long_ago(
    plane: Plane, nginx: NginxUnderTest, manager: FileManager, port: int, method: Method
) -> None:
    await started(plane, manager, upstream(port, TEA, COFFEE, method=method, times=Times("header")))
    await know(nginx, COFFEE, 500)
    assert await ten(nginx) == [TEA] * 10
    await know(nginx, COFFEE, 500, ago=1000)
    await know(nginx, TEA, 500)
    assert await ten(nginx) == [COFFEE] * 10


class InParts(Held):
    """A server whose body ends when it is released."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.0 200 OK\r\n\r\nbegin")
            self.asked += 1
            await self.release.wait()
            writer.write(b" end")
        writer.close()


@pytest.fixture
async def in_parts() -> AsyncIterator[tuple[InParts, int]]:
    server = InParts()
    async with listening(TEA, server.serve) as port:
        yield server, port


@pytest.mark.parametrize("of", ["header", "last_byte"])
async def test_the_time_is_that_of_the_header_or_of_the_last_byte(
    plane: Plane, nginx: NginxUnderTest, manager: FileManager, in_parts: tuple[InParts, int], of: str
) -> None:
    server, port = in_parts
    tea = upstream(port, TEA, method="least_time", times=Times("header" if of == "header" else "last_byte"))
    assert (await manager.start(plane.release({"tea": tea}, plane.server(extra=KNOWN)))).ok
    began = time.monotonic()
    asked = asyncio.create_task(nginx.get("any"))
    await eventually(lambda: server.asked == 1)
    await asyncio.sleep(PAUSE_S)
    server.release.set()
    assert await asked == "begin end"
    whole = time.monotonic() - began
    found = await eventually(lambda: takes(nginx, TEA), lambda found: found >= PAUSE_S - 0.002 or of == "header")
    assert found <= whole - PAUSE_S + 0.002 or of == "last_byte"


@pytest.mark.parametrize("peaks", [True, False])
async def test_a_peak_counts_at_once(plane: Plane, nginx: NginxUnderTest, manager: FileManager, peaks: bool) -> None:
    held = Held("held")
    async with listening(TEA, held.serve) as port:
        tea = upstream(port, TEA, method="random_two_least_time", times=Times("header", peaks=peaks))
        assert (await manager.start(plane.release({"tea": tea}, plane.server(extra=KNOWN)))).ok
        began = time.monotonic()
        asked = asyncio.create_task(nginx.get("any"))
        await eventually(lambda: held.asked == 1)
        await asyncio.sleep(PAUSE_S)
        await know(nginx, TEA, 0.001, ago=1)
        held.release.set()
        assert await asked == "held"
        whole = time.monotonic() - began
        found = await eventually(lambda: takes(nginx, TEA), lambda found: found != 0.001)
        assert found >= PAUSE_S - 0.002 if peaks else found < whole / 2


@pytest.mark.parametrize(("inflight", "server"), [(True, COFFEE), (False, TEA)])
async def test_requests_that_are_under_way_count_where_they_are_to(
    plane: Plane, nginx: NginxUnderTest, manager: FileManager, inflight: bool, server: str
) -> None:
    held = Held(TEA)
    async with listening(TEA, held.serve) as port, listening(COFFEE, port=port):
        tea = upstream(port, TEA, COFFEE, method="least_time", times=Times("header", inflight=inflight))
        assert (await manager.start(plane.release({"tea": tea}, plane.server(extra=KNOWN)))).ok
        await know(nginx, COFFEE, 50)
        first = asyncio.create_task(nginx.get("any"))
        await eventually(lambda: held.asked == 1)
        await nginx.get("any", "/longer")
        second = asyncio.create_task(nginx.get("any"))
        await eventually(lambda: held.asked == 2 or second.done())
        held.release.set()
        assert await asyncio.gather(first, second) == [TEA, server]


async def test_a_server_that_fails_is_not_the_fastest(
    plane: Plane, nginx: NginxUnderTest, manager: FileManager, port: int
) -> None:
    peers = (Peer(TEA, port), Peer(COFFEE, free_port()))
    tea = LiveUpstream(peers=peers, max_fails=0, method="least_time", times=Times("header"))
    await started(plane, manager, tea)
    assert await ten(nginx) == [TEA] * 10
    assert await takes(nginx, COFFEE) >= 1
    alone = LiveUpstream(peers=peers[1:], max_fails=0, method="least_time", times=Times("header"))
    assert (await manager.apply(plane.release({"tea": alone}, plane.server(extra=KNOWN)))).ok
    await know(nginx, COFFEE, 0)
    assert "502 Bad Gateway" in await nginx.get("any")
    assert await eventually(lambda: takes(nginx, COFFEE)) >= 1, "the last try, too"
