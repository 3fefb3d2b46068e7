"""In which shares pushed servers get requests: slow start."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest
from showcase.ports import free_port

from headgate.ir.live import LiveUpstream, Peer
from headgate.nginx import Binary, probe
from tests.nginx.live_plane import COFFEE, MILK, TEA, Plane, listening
from tests.nginx.nginx_under_test import FileManager, NginxUnderTest
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
