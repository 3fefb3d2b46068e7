"""Servers that nginx's workers are told while they run: what sees a change, and what survives what."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import stat
from collections.abc import AsyncIterator, Iterable, Mapping
from pathlib import Path

import pytest
from msgspec import structs

from headgate.ir import File, FileSet, Outcome, Release
from headgate.ir.layout import LIVE_SOCKET
from headgate.ir.live import LiveUpstream, Peer
from headgate.nginx import Binary, probe, procfs
from headgate.nginx.control import ask
from headgate.nginx.directories import worker_user
from headgate.render import Renderer
from headgate.translate import Environment
from headgate.translate.main import translate_main
from tests.background import in_background
from tests.nginx.nginx_under_test import FileManager, NginxUnderTest, both_workers, origin
from tests.nginx_binaries import LUA
from tests.waiting import eventually

TEA, COFFEE, MILK = "127.0.0.2", "127.0.0.3", "127.0.0.4"
BLOCK = 'upstream {name} {{ server 0.0.0.1; balancer_by_lua_block {{ headgate.balance("{name}") }} keepalive 8; }}'


@pytest.fixture
async def binary() -> Binary:
    if not LUA:
        pytest.skip("no nginx with Lua (tools/lua_nginx.sh)")
    return await probe(LUA)


@pytest.fixture
async def port() -> AsyncIterator[int]:
    """The port of a server on every loopback address that answers with the address it was asked at."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        name: str = writer.get_extra_info("sockname")[0]
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while True:
                await reader.readuntil(b"\r\n\r\n")
                writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: {len(name)}\r\n\r\n{name}".encode())
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "0.0.0.0", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()


def upstream(port: int, *addresses: str) -> LiveUpstream:
    return LiveUpstream(peers=tuple(Peer(address, port) for address in addresses))


class Plane:
    """Releases of one server on one host, whose upstreams are told."""

    def __init__(self, nginx: NginxUnderTest, binary: Binary, memory: str = "64m") -> None:
        self.nginx = nginx
        env = Environment(layout=nginx.layout, capabilities=binary.capabilities, user=worker_user(nginx.layout))
        main = structs.replace(env.params.main, worker_processes="2")
        env = structs.replace(env, params=structs.replace(env.params, main=main))
        self._files = Renderer().main(translate_main(env, names=1, longest=10))
        live = Renderer().main(translate_main(structs.replace(env, data_plane="live"), names=1, longest=10))
        self._live = structs.replace(live, data=live.data.replace(b"headgate 64m", f"headgate {memory}".encode()))

    def server(self, name: str = "tea", extra: str = "") -> File:
        """The default server, which passes everything to the upstream *name*."""
        text = (
            f"{BLOCK.format(name=name)}\nserver {{ listen 127.0.0.1:{self.nginx.port} default_server; {extra}\n"
            f"location / {{ proxy_set_header Connection ''; proxy_pass http://{name}; }} }}\n"
        )
        claims = frozenset({f"upstream {name}", "server any"})
        return File("conf.d/default-shop.conf", text.encode(), origin=origin("shop"), claims=claims)

    def release(self, live: Mapping[str, LiveUpstream] | None, *files: File) -> Release:
        main = self._files if live is None else self._live
        return Release(FileSet([main, *(files or [self.server()])]), live)


@pytest.fixture
def plane(nginx: NginxUnderTest, binary: Binary) -> Plane:
    return Plane(nginx, binary)


async def answers(nginx: NginxUnderTest, count: int = 8) -> set[str]:
    """Who answers, on new connections, which reach both workers."""
    return set(await asyncio.gather(*(nginx.get("any") for _ in range(count))))


async def test_every_request_after_a_push_sees_it_and_nothing_is_reloaded(
    plane: Plane, nginx: NginxUnderTest, manager: FileManager, port: int
) -> None:
    assert (await manager.start(plane.release({"tea": upstream(port, TEA)}))).ok
    workers = await both_workers(manager.master_pid)
    for address in (COFFEE, TEA) * 10:
        result = await manager.apply(plane.release({"tea": upstream(port, address)}))
        assert (result.outcome, result.reloaded, result.pushed) == (Outcome.APPLIED, False, 1)
        assert await answers(nginx) == {address}
    assert await both_workers(manager.master_pid) == workers
    assert (manager.stats.endpoints, manager.stats.other) == (0, 1)


async def test_what_is_equal_is_not_told_again(plane: Plane, manager: FileManager, port: int) -> None:
    await manager.start(plane.release({"tea": upstream(port, TEA)}))
    result = await manager.apply(plane.release({"tea": upstream(port, TEA)}))
    assert (result.outcome, result.pushed) == (Outcome.UNCHANGED, 0)


async def test_requests_are_shared_and_an_upstream_without_its_object_answers_500(
    plane: Plane, nginx: NginxUnderTest, manager: FileManager, port: int
) -> None:
    await manager.start(plane.release({"tea": upstream(port, TEA, COFFEE, MILK)}))
    assert await answers(nginx, 24) == {TEA, COFFEE, MILK}
    await manager.apply(plane.release({}))
    assert "500 Internal Server Error" in await nginx.get("any")


@pytest.mark.parametrize("times", [1, 3])
async def test_a_worker_that_is_killed_is_replaced_by_one_that_knows_what_was_told(
    plane: Plane, nginx: NginxUnderTest, manager: FileManager, port: int, times: int
) -> None:
    await manager.start(plane.release({"tea": upstream(port, TEA)}))
    await manager.apply(plane.release({"tea": upstream(port, COFFEE)}))
    for _ in range(times):
        before = await both_workers(manager.master_pid)
        for pid in before:
            os.kill(pid, signal.SIGKILL)
        await eventually(lambda before=before: len(procfs.workers(manager.master_pid or 0) - before) == 2)
        await eventually(lambda: nginx.get("any"))
        assert await answers(nginx) == {COFFEE}


async def test_a_master_that_is_killed_is_restarted_with_what_was_told(
    plane: Plane, nginx: NginxUnderTest, manager: FileManager, port: int
) -> None:
    await manager.start(plane.release({"tea": upstream(port, TEA)}))
    await manager.apply(plane.release({"tea": upstream(port, COFFEE)}))
    first = manager.master_pid
    assert first
    async with in_background(manager.run()):
        os.kill(first, signal.SIGKILL)
        await eventually(lambda: manager.master_pid not in {first, None})
        await eventually(lambda: manager.stats.other == 2)
        assert await answers(nginx) == {COFFEE}
        await manager.apply(plane.release({"tea": upstream(port, MILK)}))
        assert await answers(nginx) == {MILK}


async def test_a_reload_keeps_what_was_told_and_brings_what_is_new(
    plane: Plane, nginx: NginxUnderTest, manager: FileManager, port: int
) -> None:
    await manager.start(plane.release({"tea": upstream(port, TEA)}))
    await manager.apply(plane.release({"tea": upstream(port, COFFEE)}))
    new = {"tea": upstream(port, COFFEE), "milk": upstream(port, MILK)}
    assert (await manager.apply(plane.release(new, plane.server("milk")))).reloaded
    assert await answers(nginx) == {MILK}
    assert (await manager.apply(plane.release({"tea": upstream(port, TEA)}))).reloaded
    assert await answers(nginx) == {TEA}


async def test_a_file_that_nginx_refuses_does_not_cost_the_last_one_its_upstream(
    plane: Plane, nginx: NginxUnderTest, manager: FileManager, port: int
) -> None:
    await manager.start(plane.release({"tea": upstream(port, TEA)}))
    broken = plane.server("milk", extra="nonsense on;")
    result = await manager.apply(plane.release({"milk": upstream(port, MILK)}, broken))
    assert list(result.refused) == [origin("shop")]
    assert await answers(nginx) == {TEA}
    assert (await manager.apply(plane.release({"milk": upstream(port, MILK)}, plane.server("milk")))).ok
    assert await answers(nginx) == {MILK}


async def test_a_memory_that_is_full_is_named_and_costs_nothing_that_was_told(
    nginx: NginxUnderTest, binary: Binary, manager: FileManager, port: int
) -> None:
    plane = Plane(nginx, binary, memory="64k")
    await manager.start(plane.release({"tea": upstream(port, TEA)}))
    many = {f"tea{number}": upstream(port, *[f"10.0.{number}.{last}" for last in range(30)]) for number in range(99)}
    result = await manager.apply(plane.release({"tea": upstream(port, COFFEE), **many}))
    assert result.outcome is Outcome.FAILED
    assert re.search(r"the memory of the live state is full \(\d+ of 65536 bytes are used\)", result.error)
    assert await answers(nginx) == {TEA}
    assert (await manager.apply(plane.release({"tea": upstream(port, COFFEE)}))).ok
    assert await answers(nginx) == {COFFEE}


async def test_a_state_that_somebody_else_changed_is_told_again(
    plane: Plane, nginx: NginxUnderTest, manager: FileManager, port: int
) -> None:
    await manager.start(plane.release({"tea": upstream(port, TEA)}))
    socket = nginx.layout.socket(LIVE_SOCKET)
    state = await ask(socket, "/v1/state", 5)
    assert state
    epoch = json.loads(state.body)["epoch"]
    change = {"epoch": epoch, "from": 0, "to": 7, "set": {"u:tea": {"peers": [{"a": MILK, "p": port}]}}, "delete": []}
    answer = await ask(socket, "/v1/state", 5, json.dumps(change).encode())
    assert answer
    assert answer.code == 200
    assert await answers(nginx) == {MILK}
    assert (await manager.apply(plane.release({"tea": upstream(port, COFFEE)}))).pushed == 1
    assert await answers(nginx) == {COFFEE}


async def test_files_may_take_over_and_hand_back(
    plane: Plane, nginx: NginxUnderTest, manager: FileManager, port: int
) -> None:
    await manager.start(plane.release({"tea": upstream(port, TEA)}))
    result = await manager.apply(plane.release(None, nginx.server("tea")))
    assert result.ok, result.error
    assert await nginx.get("tea") == "tea"
    assert (await manager.apply(plane.release({"tea": upstream(port, COFFEE)}))).ok
    assert await answers(nginx) == {COFFEE}


def mode(path: str) -> int:
    return stat.S_IMODE(Path(path).stat().st_mode)


def wrong(changes: Iterable[object]) -> list[bytes]:
    return [each if isinstance(each, bytes) else json.dumps(each).encode() for each in changes]


async def test_only_the_owner_reaches_the_state_and_what_is_no_change_is_refused(
    plane: Plane, nginx: NginxUnderTest, manager: FileManager, port: int
) -> None:
    await manager.start(plane.release({"tea": upstream(port, TEA)}))
    assert [mode(nginx.layout.live_state), mode(f"{nginx.layout.run}/live")] == [0o600, 0o700]
    socket = nginx.layout.socket(LIVE_SOCKET)
    whole = {"epoch": "", "from": 0, "to": 1, "set": {}, "delete": []}
    codes = {}
    for body in wrong((b"", b"{", b"[]", {}, {**whole, "set": 1}, {**whole, "to": "x"}, whole, {**whole, "epoch": 1})):
        answer = await ask(socket, "/v1/state", 5, body)
        codes[body[:20]] = answer.code if answer else 0
    assert set(codes.values()) <= {400, 409}, codes
    assert await answers(nginx) == {TEA}
