"""What a failure of a pushed server changes for it, and for the others of its upstream."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest
from msgspec import structs
from showcase.ports import free_port

from headgate.ir.live import LiveUpstream, Peer
from headgate.nginx import Binary, probe
from tests.nginx.live_plane import BLOCK, COFFEE, MILK, TEA, Held, Plane, answers, listening, upstream
from tests.nginx.nginx_under_test import FileManager, NginxUnderTest
from tests.nginx_binaries import LUA
from tests.waiting import eventually

HOUR = 3600.0


@pytest.fixture
async def binary() -> Binary:
    if not LUA:
        pytest.skip("no nginx with Lua (tools/lua_nginx.sh)")
    return await probe(LUA)


@pytest.fixture
def plane(nginx: NginxUnderTest, binary: Binary) -> Plane:
    return Plane(nginx, binary, workers=1)


async def broken(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.0 500 Internal Server Error\r\n\r\nbroken")
    writer.close()


@pytest.mark.parametrize("then", ["", MILK])
async def test_a_server_is_not_charged_with_the_failure_of_an_upstream_in_files_that_follows(
    plane: Plane, nginx: NginxUnderTest, manager: FileManager, port: int, then: str
) -> None:
    next_page = "@pages" if then else "/none"
    pages = (
        "proxy_intercept_errors on; recursive_error_pages on; error_page 500 = @files;"
        f"location @files {{ error_page 502 = {next_page}; proxy_pass http://127.0.0.1:{free_port()}; }}"
        "location @pages { proxy_pass http://pages; } location = /none { return 200 none; }"
    )
    server = plane.server(extra=pages)
    server = structs.replace(server, data=BLOCK.format(name="pages").encode() + server.data)
    async with listening(TEA, broken) as other:
        tea = LiveUpstream(peers=(Peer(TEA, other), Peer(COFFEE, port)), fail_timeout=HOUR)
        await manager.start(plane.release({"tea": tea, "pages": upstream(port, MILK)}, server))
        assert Counter([await nginx.get("any") for _ in range(12)]) == {COFFEE: 6, then or "none": 6}


async def test_a_second_try_at_the_server_that_failed_takes_a_place_there(
    plane: Plane, nginx: NginxUnderTest, manager: FileManager
) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        asked.append(writer)
        if len(asked) == 2:
            await full.release.wait()
        writer.write(b"" if len(asked) == 1 else b"HTTP/1.0 200 OK\r\n\r\ntea")
        writer.close()

    full, asked = Held(), list[object]()
    async with listening(COFFEE, full.serve) as port, listening(TEA, serve, port):
        await manager.start(plane.tea(port, COFFEE, max_conns=1, max_fails=0))
        first = asyncio.create_task(nginx.get("any"))
        await eventually(lambda: full.asked == 1)
        await manager.apply(plane.tea(port, COFFEE, TEA, max_conns=1, max_fails=0))
        second = asyncio.create_task(nginx.get("any"))
        await eventually(lambda: len(asked) == 2)
        assert "502 Bad Gateway" in await nginx.get("any")
        full.release.set()
        await asyncio.gather(first, second)
        assert await nginx.get("any") == "tea", "the place is free again"


@pytest.mark.parametrize("most", [None, 50])
async def test_servers_that_all_failed_are_asked_again_at_each_request(
    plane: Plane, nginx: NginxUnderTest, manager: FileManager, most: int | None
) -> None:
    dead = free_port()
    tea = upstream(dead, TEA, COFFEE, max_conns=most, fail_timeout=HOUR)
    await manager.start(plane.release({"tea": tea}))
    for _ in range(2):
        assert "502 Bad Gateway" in await nginx.get("any")
    async with listening(TEA, port=dead), listening(COFFEE, port=dead):
        assert await answers(nginx) == {TEA, COFFEE}


async def test_a_server_that_failed_is_left_out_while_the_others_are_full(
    plane: Plane, nginx: NginxUnderTest, manager: FileManager
) -> None:
    held = Held("tea")
    async with listening(TEA, held.serve) as port:
        await manager.start(plane.tea(port, TEA, COFFEE, max_conns=2, fail_timeout=HOUR))
        asked = [asyncio.create_task(nginx.get("any")) for _ in range(2)]
        await eventually(lambda: held.asked == 2)
        async with listening(COFFEE, port=port):
            assert "502 Bad Gateway" in await nginx.get("any")
        held.release.set()
        assert await asyncio.gather(*asked) == ["tea", "tea"]


VERSION = """location = /version { content_by_lua_block { ngx.print(ngx.shared.headgate:get("version")) } }
location = /watched { content_by_lua_block { ngx.print(require("headgate.state").get("u", "tea").watched_until) } }"""


async def test_a_failure_is_announced_once_and_again_when_the_server_is_asked_after_fail_timeout(
    plane: Plane, nginx: NginxUnderTest, manager: FileManager
) -> None:
    async def version() -> int:
        return int(await nginx.get("any", "/version"))

    async def ask() -> int:
        await nginx.get("any")
        return await version()

    server, dead = plane.server(extra=VERSION), free_port()
    servers = TEA, COFFEE, MILK
    await manager.start(plane.release({"tea": upstream(dead, *servers, fail_timeout=HOUR)}, server))
    for _ in range(10):
        await nginx.get("any")
    assert await version() == len(servers)
    await manager.apply(plane.release({"tea": upstream(dead, COFFEE, "127.0.0.5", fail_timeout=0.1)}, server))
    before = await ask()
    await eventually(ask, lambda after: after > before + 2)


async def test_nothing_is_left_to_be_watched_when_a_server_is_well_again(
    plane: Plane, nginx: NginxUnderTest, manager: FileManager, port: int
) -> None:
    dead = free_port()
    tea = LiveUpstream(peers=(Peer(TEA, port), Peer(COFFEE, dead)), fail_timeout=0.3)
    await manager.start(plane.release({"tea": tea}, plane.server(extra=VERSION)))
    await eventually(
        lambda: asyncio.gather(nginx.get("any"), nginx.get("any", "/watched")), lambda two: two[1] != "nil"
    )
    async with listening(COFFEE, port=dead):
        await eventually(lambda: nginx.get("any"), lambda answer: answer == COFFEE)
        assert await nginx.get("any", "/watched") == "nil"
