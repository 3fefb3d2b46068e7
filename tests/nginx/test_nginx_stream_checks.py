"""Health checks of servers of TCP: nginx's workers run them in Lua, and njs gives unhealthy servers no sessions."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
from collections.abc import AsyncIterator
from typing import Any

import pytest

from headgate.ir import Release
from headgate.ir.check import LiveCheck, TcpCheck
from headgate.ir.layout import LIVE_SOCKET
from headgate.nginx import Binary, probe, procfs
from headgate.nginx.control import ask
from tests.nginx.nginx_under_test import FileManager, NginxUnderTest, both_workers
from tests.nginx.stream_plane import StreamPlane, naming, stream
from tests.nginx_binaries import LUA
from tests.waiting import eventually

TEA, COFFEE, MILK = "127.0.0.2", "127.0.0.3", "127.0.0.4"
FAST = 0.1


@pytest.fixture
async def binary() -> Binary:
    if not LUA:
        pytest.skip("no nginx with Lua (tools/lua_nginx.sh)")
    found = await probe(LUA)
    if found.capabilities.stream_js is None:
        pytest.skip("no njs module for streams")
    return found


@pytest.fixture
def plane(nginx: NginxUnderTest, binary: Binary) -> StreamPlane:
    return StreamPlane(nginx, binary)


class Talker:
    """A server on every loopback address that answers a line with what is set for the address it was asked at."""

    def __init__(self) -> None:
        self.answers = {TEA: b"PONG\n", COFFEE: b"PONG\n"}
        self.asked: list[bytes] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            self.asked.append(await reader.readline())
            writer.write(self.answers.get(writer.get_extra_info("sockname")[0], b""))
            await writer.drain()
        writer.close()


@pytest.fixture
async def talker() -> AsyncIterator[tuple[Talker, int]]:
    talker = Talker()
    server = await asyncio.start_server(talker.serve, "0.0.0.0", 0)
    yield talker, server.sockets[0].getsockname()[1]
    server.close()


def check(**tcp: Any) -> LiveCheck:
    return LiveCheck(path="", headers=(), interval=FAST, connect=1, send=1, read=1, tcp=TcpCheck(**tcp))


def checked(plane: StreamPlane, port: int, *addresses: str, **settings: Any) -> Release:
    settings = {"max_fails": 0, "check": check(), **settings}  # sessions alone would never leave a server out
    return plane.release({"tea": stream(port, *addresses, **settings)})


async def states(nginx: NginxUnderTest) -> dict[str, str]:
    answer = await ask(nginx.layout.socket(LIVE_SOCKET), "/v1/health", 5)
    assert answer
    return {server.rpartition(":")[0]: state for _, server, state, *_ in json.loads(answer.body)["servers"]}


async def test_a_server_that_cannot_be_connected_gets_no_sessions_until_it_can(
    plane: StreamPlane, nginx: NginxUnderTest, manager: FileManager
) -> None:
    async with naming(TEA) as port:
        async with naming(COFFEE, port=port):
            await manager.start(checked(plane, port, TEA, COFFEE))
            await eventually(lambda: states(nginx), lambda found: found == {TEA: "up", COFFEE: "up"})
            assert set(await plane.ask_many(20)) == {TEA, COFFEE}
        await eventually(lambda: states(nginx), lambda found: found[COFFEE] == "unhealthy")
        await eventually(lambda: plane.ask_many(20), lambda found: set(found) == {TEA})
        # Neither a reload, nor another server, nor a worker that ends is a reason to ask it.
        assert (await manager.reload()).ok
        assert set(await plane.ask_many(20)) == {TEA}
        assert (await manager.apply(checked(plane, port, TEA, COFFEE, max_fails=0, fail_timeout=1))).pushed == 1
        assert set(await plane.ask_many(20)) == {TEA}
        before = await both_workers(manager.master_pid)
        for pid in before:
            os.kill(pid, signal.SIGKILL)
        await eventually(lambda: len(procfs.workers(manager.master_pid or 0) - before) == 2)
        await eventually(plane.ask)
        assert set(await plane.ask_many(20)) == {TEA}
        async with naming(COFFEE, port=port):
            await eventually(lambda: plane.ask_many(20), lambda found: set(found) == {TEA, COFFEE})
    await eventually(lambda: states(nginx), lambda found: set(found.values()) == {"unhealthy"})
    await eventually(lambda: plane.ask_many(4), lambda found: set(found) == {""})


@pytest.mark.parametrize(
    "tcp",
    [{"expect": b"PONG".hex()}, {"regex": "^P.NG"}, {"regex": "^pong", "ignore_case": True}],
    ids=["text", "regex", "case"],
)
async def test_what_a_server_must_answer(
    plane: StreamPlane, nginx: NginxUnderTest, manager: FileManager, talker: tuple[Talker, int], tcp: dict[str, Any]
) -> None:
    server, port = talker
    await manager.start(checked(plane, port, TEA, COFFEE, MILK, check=check(send=b"PING\x00\n".hex(), **tcp)))
    expected = {TEA: "up", COFFEE: "up", MILK: "unhealthy"}
    await eventually(lambda: states(nginx), lambda found: found == expected)
    assert set(server.asked) <= {b"PING\x00\n", b""}
    server.answers[COFFEE] = b"ERROR\n"
    await eventually(lambda: states(nginx), lambda found: found == {**expected, COFFEE: "unhealthy"})


async def test_checks_end_with_the_upstream_that_asks_for_them(
    plane: StreamPlane, nginx: NginxUnderTest, manager: FileManager
) -> None:
    async with naming(TEA) as port:
        await manager.start(checked(plane, port, TEA, COFFEE))
        await eventually(lambda: plane.ask_many(20), lambda found: set(found) == {TEA})
        await manager.apply(plane.tea(port, TEA, COFFEE, max_fails=0))
        assert set(await plane.ask_many(20)) == {TEA, ""}
        await eventually(lambda: states(nginx), lambda found: not found)
