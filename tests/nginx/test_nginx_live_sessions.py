"""Clients keep their servers by a cookie: in every worker, and whatever becomes of workers and servers."""

from __future__ import annotations

import asyncio
import hashlib
import os
import signal
from typing import NamedTuple

import pytest
from msgspec import structs
from showcase.ports import free_port

from headgate.ir import Release
from headgate.ir.live import Cookie, Peer
from headgate.nginx import Binary, probe, procfs
from tests.nginx.live_plane import BLOCK, COFFEE, MILK, TEA, Plane, upstream
from tests.nginx.nginx_under_test import FileManager, NginxUnderTest, both_workers
from tests.nginx_binaries import LUA
from tests.waiting import eventually

NAME = "seat"


@pytest.fixture
async def binary() -> Binary:
    if not LUA:
        pytest.skip("no nginx with Lua (tools/lua_nginx.sh)")
    return await probe(LUA)


class Answer(NamedTuple):
    """The server that answered, and the values of the cookies that the client gets."""

    server: str
    given: tuple[str, ...]


async def get(nginx: NginxUnderTest, value: str = "", path: str = "/") -> Answer:
    """Ask on a connection of its own, with the cookie *value*."""
    reader, writer = await asyncio.open_connection("127.0.0.1", nginx.port)
    writer.write(f"GET {path} HTTP/1.0\r\nCookie: {NAME}={value}\r\n\r\n".encode())
    head, _, body = (await reader.read()).decode().partition("\r\n\r\n")
    writer.close()
    mark = f"set-cookie: {NAME}="
    lines = [line.removeprefix(mark) for line in head.lower().splitlines() if line.startswith(mark)]
    return Answer(body, tuple(line.partition(";")[0] for line in lines))


def value_of(address: str, port: int) -> str:
    return hashlib.md5(f"{address}:{port}".encode(), usedforsecurity=False).hexdigest()


def sticky(plane: Plane, port: int, *addresses: str) -> Release:
    return plane.tea(port, *addresses, cookie=Cookie(NAME))


async def kept(nginx: NginxUnderTest, value: str) -> set[Answer]:
    """The answers to a client with that cookie, by both workers."""
    return set(await asyncio.gather(*(get(nginx, value) for _ in range(12))))


async def test_a_cookie_names_its_server_in_all_workers_and_over_changes_of_other_servers(
    plane: Plane, nginx: NginxUnderTest, manager: FileManager, port: int
) -> None:
    coffee = value_of(COFFEE, port)
    await manager.start(sticky(plane, port, TEA, COFFEE, MILK))
    for addresses in ((TEA, COFFEE, MILK), (MILK, COFFEE), (COFFEE,), ("127.0.0.5", COFFEE, TEA)):
        await manager.apply(sticky(plane, port, *addresses))
        assert await kept(nginx, coffee) == {Answer(COFFEE, ())}
    for pid in await both_workers(manager.master_pid):
        os.kill(pid, signal.SIGKILL)
    await eventually(lambda: len(procfs.workers(manager.master_pid or 0)) == 2)
    await eventually(lambda: nginx.get("any"))
    assert await kept(nginx, coffee) == {Answer(COFFEE, ())}
    await manager.reload()
    assert await kept(nginx, coffee) == {Answer(COFFEE, ())}


async def test_a_client_whose_server_is_gone_gets_another_and_keeps_that(
    plane: Plane, nginx: NginxUnderTest, manager: FileManager, port: int
) -> None:
    await manager.start(sticky(plane, port, TEA, COFFEE))
    await manager.apply(sticky(plane, port, TEA, MILK))
    answer = await get(nginx, value_of(COFFEE, port))
    assert answer in {Answer(at, (value_of(at, port),)) for at in (TEA, MILK)}
    assert await kept(nginx, answer.given[0]) == {Answer(answer.server, ())}


async def test_each_upstream_of_a_request_gives_its_cookie(
    plane: Plane, nginx: NginxUnderTest, manager: FileManager, port: int
) -> None:
    """As with nginx's own: an error page of another upstream answers."""
    page = "proxy_next_upstream off; error_page 502 = @page; location @page { proxy_pass http://pages; }"
    server = plane.server(extra=page)
    server = structs.replace(server, data=BLOCK.format(name="pages").encode() + server.data)
    dead, cookie = free_port(), Cookie(NAME)
    live = {"tea": upstream(dead, TEA, cookie=cookie), "pages": upstream(port, MILK, cookie=cookie)}
    await manager.start(plane.release(live, server))
    assert await get(nginx) == Answer(MILK, (value_of(TEA, dead), value_of(MILK, port)))


async def test_a_server_that_drains_keeps_its_clients_and_gets_no_others(
    plane: Plane, nginx: NginxUnderTest, manager: FileManager, port: int
) -> None:
    draining = (Peer(COFFEE, port), Peer("127.0.0.5", dead := free_port()))
    await manager.start(plane.tea(port, TEA, cookie=Cookie(NAME), draining=draining))
    assert await kept(nginx, value_of(COFFEE, port)) == {Answer(COFFEE, ())}
    assert await kept(nginx, "") == {Answer(TEA, (value_of(TEA, port),))}
    moved = await kept(nginx, value_of("127.0.0.5", dead))
    assert moved == {Answer(TEA, (value_of(TEA, port),))}, "one that is gone before its time"
    await manager.apply(sticky(plane, port, TEA))
    assert await kept(nginx, value_of(COFFEE, port)) == {Answer(TEA, (value_of(TEA, port),))}
