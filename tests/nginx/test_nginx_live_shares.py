"""In which shares pushed servers get requests: slow start, and limits that all workers share."""

from __future__ import annotations

import asyncio
import os
import signal
from collections import Counter
from typing import Any

import pytest
from showcase.ports import free_port

from headgate.ir.live import LiveUpstream, Peer
from headgate.nginx import Binary, probe, procfs
from tests.nginx.live_plane import COFFEE, MILK, TEA, Held, Plane, listening
from tests.nginx.nginx_under_test import FileManager, NginxUnderTest, both_workers
from tests.nginx_binaries import LUA
from tests.waiting import eventually

HOUR = 3600.0
RAMPED = pytest.mark.parametrize("method", ["round_robin", "least_conn"])


@pytest.fixture
async def binary() -> Binary:
    if not LUA:
        pytest.skip("no nginx with Lua (tools/lua_nginx.sh)")
    return await probe(LUA)


async def shares(nginx: NginxUnderTest, count: int = 60) -> Counter[str]:
    """How often each server answers, to a few clients at a time, which reach both workers."""
    found = Counter[str]()
    for _ in range(count // 6):
        found.update(await asyncio.gather(*(nginx.get("any") for _ in range(6))))
    return found


@RAMPED
async def test_a_server_that_was_added_gets_its_share_slowly(
    plane: Plane, nginx: NginxUnderTest, manager: FileManager, port: int, method: Any
) -> None:
    await manager.start(plane.tea(port, TEA, COFFEE, method=method, slow_start=HOUR))
    assert (await shares(nginx, 24)).keys() == {TEA, COFFEE}, "those of the start have theirs"
    await manager.apply(plane.tea(port, TEA, COFFEE, MILK, method=method, slow_start=HOUR))
    assert (await shares(nginx))[MILK] == 0
    await manager.apply(plane.tea(port, MILK, method=method, slow_start=HOUR))
    assert (await shares(nginx, 12)) == {MILK: 12}, "it is the only one"


@RAMPED
async def test_the_share_of_a_server_that_was_added_grows(
    plane: Plane, nginx: NginxUnderTest, manager: FileManager, port: int, method: Any
) -> None:
    await manager.start(plane.tea(port, TEA, method=method, slow_start=1.5))
    await manager.apply(plane.tea(port, TEA, COFFEE, method=method, slow_start=1.5))
    ends = asyncio.get_running_loop().time() + 1.5
    found = list[str]()
    while asyncio.get_running_loop().time() < ends:
        found.append(await nginx.get("any"))
    third = len(found) // 3
    first, last = found[:third].count(COFFEE), found[-third:].count(COFFEE)
    assert 0 < first * 1.5 < last, (first, last, third)
    after = await shares(nginx)
    assert abs(after[TEA] - after[COFFEE]) <= 12, after


async def test_a_server_that_recovered_gets_its_share_slowly_in_all_workers(
    plane: Plane, nginx: NginxUnderTest, manager: FileManager, port: int
) -> None:
    dead = free_port()
    peers = (Peer(TEA, port), Peer(COFFEE, dead))
    await manager.start(plane.release({"tea": LiveUpstream(peers=peers, fail_timeout=0.3, slow_start=HOUR)}))
    assert set(await shares(nginx, 12)) == {TEA}
    async with listening(COFFEE, port=dead):
        await eventually(lambda: nginx.get("any"), lambda answer: answer == COFFEE)
        assert (await shares(nginx))[COFFEE] <= 1, "the other worker may have tried it meanwhile"


async def test_max_conns_is_for_all_workers_together(plane: Plane, nginx: NginxUnderTest, manager: FileManager) -> None:
    held = Held()
    held.answer = b"HTTP/1.0 200 OK\r\n\r\nheld"
    async with listening(TEA, held.serve) as port:
        await manager.start(plane.tea(port, TEA, max_conns=3))
        for _ in range(2):
            asked = [asyncio.create_task(nginx.get("any")) for _ in range(12)]
            await eventually(lambda asked=asked: sum(each.done() for each in asked) == 9)
            held.release.set()
            answers = Counter("held" if answer == "held" else "502" for answer in await asyncio.gather(*asked))
            assert answers == {"held": 3, "502": 9}
            held.release.clear()


async def test_the_requests_of_a_worker_that_died_do_not_count(
    plane: Plane, nginx: NginxUnderTest, manager: FileManager
) -> None:
    held = Held()
    held.answer = b"HTTP/1.0 200 OK\r\n\r\nheld"
    async with listening(TEA, held.serve) as port:
        await manager.start(plane.tea(port, TEA, max_conns=2))
        lost = [asyncio.create_task(nginx.get("any")) for _ in range(2)]
        await eventually(lambda: held.asked == 2)
        assert "502 Bad Gateway" in await nginx.get("any")
        before = await both_workers(manager.master_pid)
        for pid in before:
            os.kill(pid, signal.SIGKILL)
        await asyncio.gather(*lost)
        await eventually(lambda: len(procfs.workers(manager.master_pid or 0) - before) == 2)
        held.release.set()
        await eventually(lambda: nginx.get("any"))
        found = await asyncio.gather(nginx.get("any"), nginx.get("any"))
        assert found == ["held", "held"]
