"""Servers of TCP and UDP that are pushed to nginx's workers: who is chosen, who sees a change, what survives."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import stat
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec import structs
from showcase.ports import free_port

from headgate.ir import File, Outcome, Release
from headgate.ir.layout import STREAMS_SOCKET
from headgate.ir.live import LiveStream, Peer
from headgate.nginx import Binary, probe, procfs
from headgate.nginx.control import ask
from headgate.nginx.live import stream_state
from headgate.settings import Snippet
from headgate.translate.live_streams import ring
from tests.background import in_background
from tests.nginx.nginx_under_test import FileManager, NginxUnderTest, both_workers, origin
from tests.nginx.stream_plane import StreamPlane, naming, stream
from tests.nginx_binaries import LUA
from tests.waiting import eventually

TEA, COFFEE, MILK, DEAD = "127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.5"


@pytest.fixture
async def binary() -> Binary:
    if not LUA:
        pytest.skip("no nginx with Lua (tools/lua_nginx.sh)")
    found = await probe(LUA)
    if found.capabilities.stream_js is None:
        pytest.skip("no njs module for streams")
    return found


@pytest.fixture
async def port() -> AsyncIterator[int]:
    """The port of servers on three addresses; on that of DEAD nobody listens."""
    async with naming(TEA, COFFEE, MILK) as found:
        yield found


@pytest.fixture
def plane(nginx: NginxUnderTest, binary: Binary) -> StreamPlane:
    return StreamPlane(nginx, binary)


# --- changes ------------------------------------------------------------------------------------------


async def test_every_session_after_a_push_sees_it_nothing_is_reloaded_and_those_that_last_stay(
    plane: StreamPlane, manager: FileManager, port: int
) -> None:
    assert (await manager.start(plane.tea(port, TEA))).ok
    workers = await both_workers(manager.master_pid)
    reader, writer = await asyncio.open_connection("127.0.0.1", plane.port)
    assert (await reader.readline()).decode().strip() == TEA
    for address in (COFFEE, TEA) * 25:
        result = await manager.apply(plane.tea(port, address))
        assert (result.outcome, result.reloaded, result.pushed) == (Outcome.APPLIED, False, 1)
        assert {await plane.ask() for _ in range(4)} == {address}
        assert await plane.datagram() == address
    writer.write(b"still here\n")
    assert await reader.readline() == b"still here\n"
    writer.close()
    assert (await manager.apply(plane.tea(port, TEA))).outcome is Outcome.UNCHANGED
    assert await both_workers(manager.master_pid) == workers
    assert (manager.stats.endpoints, manager.stats.other) == (0, 1)


async def test_endpoints_that_change_under_load_never_get_a_session_after_they_are_gone(
    plane: StreamPlane, manager: FileManager, port: int
) -> None:
    await manager.start(plane.tea(port, TEA, COFFEE))
    present, wrong, total = {TEA, COFFEE}, Counter[str](), 0
    ends = False

    async def client() -> None:
        nonlocal total
        while not ends:
            before = set(present)  # what may serve: all that was there from the start of the connection on
            served = await plane.ask()
            total += 1
            if served not in before | present:
                wrong[served] += 1

    async with asyncio.TaskGroup() as group:
        for _ in range(8):
            group.create_task(client())
        for turn in range(40):
            wanted = ({TEA, COFFEE}, {COFFEE, MILK}, {MILK, TEA})[turn % 3]
            present |= wanted
            assert (await manager.apply(plane.tea(port, *sorted(wanted)))).ok
            present &= wanted
        ends = True
    assert wrong == Counter()
    assert total > 40


async def test_a_thousand_ports_are_pushed_at_once(plane: StreamPlane, manager: FileManager, port: int) -> None:
    many = {f"u{number}": stream(port, TEA, COFFEE) for number in range(1000)}
    await manager.start(plane.tea(port, TEA))
    result = await manager.apply(plane.release({**many, "tea": stream(port, COFFEE)}))
    assert (result.pushed, result.reloaded) == (1001, False)
    assert await plane.ask() == COFFEE
    changed = {name: stream(port, MILK) for name in many}
    assert (await manager.apply(plane.release({**changed, "tea": stream(port, MILK)}))).pushed == 1001
    assert await plane.ask() == MILK
    assert (await manager.apply(plane.tea(port, TEA))).pushed == 1001  # a thousand are deleted


async def test_an_upstream_of_a_thousand_servers_is_taken(plane: StreamPlane, manager: FileManager, port: int) -> None:
    servers = tuple(Peer(f"[fd00:1234:5678:9abc:def0:1234:5678:{number:x}]", 65535) for number in range(999))
    await manager.start(plane.tea(port, TEA))
    result = await manager.apply(plane.release({"tea": LiveStream(peers=(*servers, Peer(COFFEE, port)))}))
    assert (result.outcome, result.reloaded) == (Outcome.APPLIED, False)
    assert (await manager.apply(plane.tea(port, COFFEE))).pushed == 1
    assert await plane.ask() == COFFEE


# --- what survives ------------------------------------------------------------------------------------


async def test_a_worker_that_is_killed_is_replaced_by_one_that_knows_what_was_told(
    plane: StreamPlane, manager: FileManager, port: int
) -> None:
    await manager.start(plane.tea(port, TEA))
    await manager.apply(plane.tea(port, COFFEE))
    before = await both_workers(manager.master_pid)
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    await eventually(lambda: len(procfs.workers(manager.master_pid or 0) - before) == 2)
    await eventually(plane.ask)
    assert set(await plane.ask_many(8)) == {COFFEE}
    assert (await manager.apply(plane.tea(port, MILK))).pushed == 1
    assert set(await plane.ask_many(8)) == {MILK}


async def test_a_master_that_is_killed_is_restarted_with_what_was_told(
    plane: StreamPlane, manager: FileManager, port: int
) -> None:
    await manager.start(plane.tea(port, TEA))
    await manager.apply(plane.tea(port, COFFEE))
    first = manager.master_pid
    assert first
    async with in_background(manager.run()):
        os.kill(first, signal.SIGKILL)
        await eventually(lambda: manager.master_pid not in {first, None})
        await eventually(lambda: manager.stats.other == 2)
        assert set(await plane.ask_many(8)) == {COFFEE}
        await manager.apply(plane.tea(port, MILK))
        assert set(await plane.ask_many(8)) == {MILK}


async def test_no_connection_is_refused_while_nginx_is_reloaded_again_and_again(
    plane: StreamPlane, manager: FileManager, port: int
) -> None:
    await manager.start(plane.tea(port, TEA, COFFEE))
    served: list[str] = []

    async def client() -> None:
        while True:
            served.append(await plane.ask())

    async with in_background(client()), in_background(client()):
        for _ in range(4):
            assert (await manager.reload()).ok
            assert (await manager.apply(plane.tea(port, COFFEE, MILK))).ok
            assert (await manager.apply(plane.tea(port, TEA, COFFEE))).ok
    assert set(served) <= {TEA, COFFEE, MILK}
    assert len(served) > 20


async def test_a_reload_keeps_what_was_told_and_brings_what_is_new(
    plane: StreamPlane, manager: FileManager, port: int
) -> None:
    await manager.start(plane.tea(port, TEA))
    await manager.apply(plane.tea(port, COFFEE))
    new = {"tea": stream(port, COFFEE), "milk": stream(port, MILK)}
    assert (await manager.apply(plane.release(new, plane.file("milk")))).reloaded
    assert await plane.ask() == MILK
    assert (await manager.apply(plane.tea(port, TEA))).reloaded
    assert await plane.ask() == TEA


async def test_a_file_that_nginx_refuses_does_not_cost_the_last_one_its_upstream(
    plane: StreamPlane, manager: FileManager, port: int
) -> None:
    await manager.start(plane.tea(port, TEA))
    name = plane.file().name
    broken = structs.replace(plane.file("milk", snippet=Snippet("nonsense on;")), name=name, origin=origin("tea"))
    result = await manager.apply(plane.release({"milk": stream(port, MILK)}, broken))
    assert list(result.refused) == [origin("tea")]
    assert await plane.ask() == TEA
    assert (await manager.apply(plane.tea(port, COFFEE))).pushed == 2
    assert await plane.ask() == COFFEE


async def test_memory_that_is_full_is_told_and_what_was_known_is_served(
    nginx: NginxUnderTest, binary: Binary, manager: FileManager, port: int
) -> None:
    plane = StreamPlane(nginx, binary, memory="256k")
    await manager.start(plane.tea(port, TEA))
    many = {f"u{number}": stream(port, *[TEA] * 50) for number in range(1000)}
    result = await manager.apply(plane.release({**many, "tea": stream(port, COFFEE)}))
    assert result.outcome is Outcome.FAILED
    assert "memory of the live state is full" in result.error
    assert "-live-memory" in result.error
    assert await plane.ask() in {TEA, COFFEE}
    assert (await manager.apply(plane.tea(port, MILK))).ok
    assert await plane.ask() == MILK
    state = await stream_state(nginx.layout)
    assert state
    assert state.njs
    assert 0 < state.free < state.capacity


async def test_a_change_that_arrives_in_pieces_is_taken(
    plane: StreamPlane, nginx: NginxUnderTest, manager: FileManager, port: int
) -> None:
    await manager.start(plane.tea(port, TEA))
    path = nginx.layout.socket(STREAMS_SOCKET)
    state = await stream_state(nginx.layout)
    assert state
    peers = {"peers": [{"a": TEA, "p": port}] * 100}
    change = {"epoch": state.epoch, "from": state.revision, "to": state.revision + 1, "set": {"s:tea": peers}}
    body = json.dumps({**change, "delete": []}).encode()
    request = b"POST /v1/state HTTP/1.0\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_UNIX) as client:
        client.setblocking(False)
        await loop.sock_connect(client, path)
        for start in range(0, len(request), 500):
            await loop.sock_sendall(client, request[start : start + 500])
            assert await stream_state(nginx.layout)  # nginx has run, and most likely read the piece
        assert (await loop.sock_recv(client, 12)) == b"HTTP/1.0 200"


async def test_only_the_owner_of_the_sockets_may_change_servers(
    plane: StreamPlane, nginx: NginxUnderTest, manager: FileManager, port: int
) -> None:
    await manager.start(plane.tea(port, TEA))
    path = nginx.layout.socket(STREAMS_SOCKET)
    others = stat.S_IMODE(Path(path).parent.stat().st_mode) & 0o077
    assert others == (0o010 if os.geteuid() == 0 else 0)  # the group is that of the workers
    state = await stream_state(nginx.layout)
    assert state
    change = {"epoch": state.epoch, "from": state.revision, "to": state.revision + 1, "set": {}, "delete": []}
    cases = {
        b"nonsense": 400,
        b"[]": 400,
        json.dumps({**change, "set": {"x:tea": {"peers": []}}}).encode(): 400,
        json.dumps({**change, "set": {"s:tea": {"peers": []}}}).encode(): 400,
        json.dumps({**change, "set": {"s:tea": {"peers": [{"a": "1.2.3.4 5.6.7.8", "p": 1}]}}}).encode(): 400,
        json.dumps({**change, "set": {"s:tea": {"peers": [{"a": TEA}], "method": "constructor"}}}).encode(): 400,
        json.dumps({**change, "epoch": "other"}).encode(): 409,
        json.dumps({**change, "from": state.revision + 1}).encode(): 409,
    }
    for body, code in cases.items():
        answer = await ask(path, "/v1/state", 5, body)
        assert answer
        assert answer.code == code, body
    assert await plane.ask() == TEA


async def test_a_change_by_somebody_else_is_followed_by_everything_again(
    plane: StreamPlane, nginx: NginxUnderTest, manager: FileManager, port: int
) -> None:
    await manager.start(plane.tea(port, TEA))
    state = await stream_state(nginx.layout)
    assert state
    other = {"s:tea": {"peers": [{"a": COFFEE, "p": port}]}}
    change = {"epoch": state.epoch, "from": state.revision, "to": state.revision + 1, "set": other, "delete": []}
    answer = await ask(nginx.layout.socket(STREAMS_SOCKET), "/v1/state", 5, json.dumps(change).encode())
    assert answer
    assert answer.code == 200
    assert await plane.ask() == COFFEE
    result = await manager.apply(plane.release({"tea": stream(port, TEA), "milk": stream(port, MILK)}))
    assert result.ok
    assert await plane.ask() == TEA


# --- who is chosen ------------------------------------------------------------------------------------


async def test_methods(plane: StreamPlane, manager: FileManager, port: int) -> None:
    every = (TEA, COFFEE, MILK)
    await manager.start(plane.tea(port, *every))
    assert await plane.ask_many(30) == Counter(dict.fromkeys(every, 10))
    await manager.apply(plane.tea(port, *every, method="random"))
    assert set(await plane.ask_many(60)) == set(every)
    await manager.apply(plane.tea(port, *every, method="random_two"))
    assert set(await plane.ask_many(60)) == set(every)
    await manager.apply(plane.tea(port, *every, method="hash", key=("", "remote_addr")))
    (first,) = await plane.ask_many(8)
    rest = [address for address in every if address != first]
    await manager.apply(plane.tea(port, *rest, method="hash", key=("", "remote_addr")))
    assert len(await plane.ask_many(8)) == 1
    await manager.apply(plane.tea(port, *every, method="hash", key=("", "remote_port")))
    assert set(await plane.ask_many(60)) == set(every)


async def test_a_consistent_hash_leads_to_the_servers_of_nginx_itself_and_keeps_them(
    plane: StreamPlane, manager: FileManager, port: int
) -> None:
    every = (TEA, COFFEE, MILK)
    static = free_port()
    lines = "".join(f"server {address}:{port};" for address in every)
    text = (
        f"upstream own {{ hash $remote_addr consistent; {lines} }}"
        f" server {{ listen 127.0.0.1:{static}; proxy_pass own; }}"
    )
    own = File("stream-conf.d/own.conf", text.encode())
    clients = [f"127.0.1.{number}" for number in range(1, 41)]

    def release(*addresses: str) -> Release:
        points = ring([f"{address}:{port}" for address in addresses])
        found = stream(port, *addresses, method="consistent_hash", key=("", "remote_addr"), ring=points)
        return plane.release({"tea": found}, plane.file(), own)

    assert (await manager.start(release(*every))).ok
    before = [await plane.ask(client=client) for client in clients]
    assert before == [await plane.ask(static, client=client) for client in clients]
    assert set(before) == set(every)
    await manager.apply(release(TEA, COFFEE))
    after = [await plane.ask(client=client) for client in clients]
    assert all(now == then for now, then in zip(after, before, strict=True) if then != MILK)


async def test_least_conn_prefers_the_server_with_fewer_sessions(
    nginx: NginxUnderTest, binary: Binary, manager: FileManager, port: int
) -> None:
    plane = StreamPlane(nginx, binary, workers=1)
    await manager.start(plane.tea(port, TEA, COFFEE, method="least_conn"))
    held = []
    for _ in range(6):
        reader, writer = await asyncio.open_connection("127.0.0.1", plane.port)
        held.append((writer, (await reader.readline()).decode().strip()))
    assert Counter(address for _, address in held) == Counter({TEA: 3, COFFEE: 3})
    for writer, address in held:
        if address == TEA:
            writer.close()

    async def prefers_tea() -> bool:
        return set(await plane.ask_many(4)) == {TEA}

    await eventually(prefers_tea)
    for writer, _ in held:
        writer.close()


# --- servers that cannot be reached -------------------------------------------------------------------


async def test_a_server_that_cannot_be_reached_costs_one_connection_and_is_left_out(
    plane: StreamPlane, manager: FileManager, port: int
) -> None:
    await manager.start(plane.tea(port, TEA, DEAD, fail_timeout=3600))
    found = await plane.ask_many(40)
    assert found == Counter({TEA: 39, "": 1})


async def test_max_fails_is_how_many_connections_it_costs_and_0_that_it_is_never_left_out(
    plane: StreamPlane, manager: FileManager, port: int
) -> None:
    await manager.start(plane.tea(port, TEA, DEAD, fail_timeout=3600, max_fails=3))
    assert (await plane.ask_many(40))[""] == 3
    await manager.apply(plane.tea(port, COFFEE, DEAD, max_fails=0))
    assert (await plane.ask_many(20))[""] == 10


async def test_one_connection_tries_a_server_again_when_fail_timeout_is_over_and_it_returns(
    plane: StreamPlane, manager: FileManager, port: int
) -> None:
    await manager.start(plane.tea(port, TEA, DEAD, fail_timeout=0.2))
    found = Counter[str]()

    async def failed_again() -> bool:
        found[await plane.ask()] += 1
        return found[""] >= 3

    await eventually(failed_again)
    assert found[TEA] > found[""]
    async with naming(DEAD, port=port):
        await eventually(plane.ask, lambda address: address == DEAD)
        assert await plane.ask_many(20) == Counter({TEA: 10, DEAD: 10})


async def test_while_all_servers_have_failed_they_are_asked_again_and_a_new_one_at_the_address_is_not_left_out(
    plane: StreamPlane, manager: FileManager, port: int
) -> None:
    await manager.start(plane.tea(port, DEAD, "127.0.0.6", fail_timeout=3600))
    assert (await plane.ask_many(6)) == Counter({"": 6})
    async with naming(DEAD, "127.0.0.6", port=port):
        assert await plane.ask() in {DEAD, "127.0.0.6"}
        await manager.apply(plane.tea(port, TEA))
        await manager.apply(plane.tea(port, TEA, DEAD, fail_timeout=3600))
        assert await plane.ask_many(20) == Counter({TEA: 10, DEAD: 10})


async def test_datagrams_avoid_a_server_that_does_not_answer(
    plane: StreamPlane, manager: FileManager, port: int
) -> None:
    await manager.start(plane.tea(port, TEA, DEAD, fail_timeout=3600, answers=True))
    found = Counter([await plane.datagram(0.3) for _ in range(20)])
    assert found[TEA] >= 18
