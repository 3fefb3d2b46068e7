"""Servers of TCP and UDP that are pushed again and again: what is served, and the memory of nginx."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator

import pytest
from showcase.ports import free_ports

from headgate.ir import File
from headgate.ir.live import LiveStream
from headgate.nginx import Binary, probe
from headgate.translate.live_streams import ring
from tests.examples import FACTOR, examples
from tests.nginx.nginx_under_test import FileManager, NginxUnderTest
from tests.nginx.stream_plane import StreamPlane, naming, stream
from tests.nginx.test_nginx_live_endurance import alone, memory_mib
from tests.nginx_binaries import LUA

SERVERS = ("127.0.0.2", "127.0.0.3", "127.0.0.4")
UPSTREAMS = ("tea", "coffee", "milk", "water")
PUSHES, RELOADS, SESSIONS = 10_000, 100, 20


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
    async with naming(*SERVERS) as found:
        yield found


@pytest.fixture
def plane(nginx: NginxUnderTest, binary: Binary) -> StreamPlane:
    return StreamPlane(nginx, binary)


def any_stream(chance: random.Random, port: int) -> LiveStream:
    servers = chance.sample(SERVERS, chance.randint(1, 3))
    method = chance.choice(("round_robin", "least_conn", "random", "random_two", "hash", "consistent_hash"))
    return stream(
        port,
        *servers,
        method=method,
        key=("", "remote_port") if "hash" in method else None,
        ring=ring([f"{server}:{port}" for server in servers]) if method == "consistent_hash" else None,
        max_fails=chance.randint(0, 2),
    )


async def test_after_any_changes_each_port_has_the_servers_of_the_last_one(
    plane: StreamPlane, manager: FileManager, port: int
) -> None:
    seed = random.randrange(1 << 32)
    chance = random.Random(seed)
    ports = dict(zip(UPSTREAMS, free_ports(len(UPSTREAMS)), strict=True))
    file = File(
        "stream-conf.d/all.conf",
        "".join(
            f"server {{ listen 127.0.0.1:{at}; set $headgate_upstream {name}; proxy_pass $headgate_endpoint; }}\n"
            for name, at in ports.items()
        ).encode(),
    )
    wanted = {name: any_stream(chance, port) for name in UPSTREAMS}
    assert (await manager.start(plane.release(wanted, file))).ok
    for number in range(examples(40)):
        wanted = {**wanted, **{name: any_stream(chance, port) for name in chance.sample(UPSTREAMS, 2)}}
        others = {f"other-{place}": any_stream(chance, port) for place in range(chance.choice((0, 5, 300)))}
        assert (await manager.apply(plane.release({**wanted, **others}, file))).ok
        for name, at in ports.items():
            served = {await plane.ask(at) for _ in range(3)}
            assert served <= {peer.address for peer in wanted[name].peers}, f"seed {seed}, change {number}, {name}"


@pytest.mark.skipif(FACTOR <= 1, reason="takes minutes (make nightly)")
async def test_memory_does_not_grow_with_pushes_sessions_and_reloads(
    plane: StreamPlane, manager: FileManager, port: int
) -> None:
    releases = [plane.tea(port, *SERVERS[:number], method="random_two") for number in (1, 2, 3)]
    assert (await manager.start(releases[0])).ok
    seen: list[float] = []
    for _ in range(RELOADS):
        for number in range(PUSHES // RELOADS):
            assert (await manager.apply(releases[number % 3])).ok
        await plane.ask_many(SESSIONS)
        assert (await manager.reload()).reloaded
        seen.append(memory_mib(await alone(manager.master_pid)))
    first = seen[len(seen) // 4]
    figures = f"{PUSHES} pushes, {RELOADS} reloads: {first:.1f} MiB after a quarter, {seen[-1]:.1f} MiB at the end"
    print(figures)  # noqa: T201 - with pytest -s
    assert seen[-1] < first + 2, figures
