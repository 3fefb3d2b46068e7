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
from tests.nginx.live_plane import COFFEE, MILK, TEA, Held, Plane, listening, upstream
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


AGE = """location = /age { content_by_lua_block {
    local state = require "headgate.state"
    state.set_since("tea", ngx.var.arg_server, ngx.now() - ngx.var.arg_seconds, 3600)
    state.announce { "u:tea" }
} }"""


@RAMPED
async def test_the_share_of_a_server_that_was_added_grows(
    nginx: NginxUnderTest, binary: Binary, manager: FileManager, port: int, method: Any
) -> None:
    plane, found = Plane(nginx, binary, workers=1), list[int]()
    tea = upstream(port, TEA, MILK, COFFEE, method=method, slow_start=HOUR)
    await manager.start(plane.release({"tea": tea}, plane.server(extra=AGE)))
    for part in (0.1, 0.5, 1):
        await nginx.get("any", f"/age?server={COFFEE}:{port}&seconds={part * HOUR}")
        found.append(Counter([await nginx.get("any") for _ in range(60)])[COFFEE])
    assert 0 < found[0] < found[1] < found[2] == 20, found


TWICE = """location = /twice { content_by_lua_block {
    local upstream, usable = require("headgate.state").get("u", "tea"), require("headgate.slow_start").usable
    local first = usable(upstream, type)
    upstream.peers[1].effective_weight = "kept"
    ngx.print(type(first), " ", type(usable(upstream, type)), " ", upstream.peers[1].effective_weight)
} }"""


async def test_weights_are_computed_once_for_all_requests_of_a_moment(
    plane: Plane, nginx: NginxUnderTest, manager: FileManager, port: int
) -> None:
    tea, server = upstream(port, TEA, slow_start=HOUR), plane.server(extra=TWICE)
    await manager.start(plane.release({"tea": tea}, server))
    await manager.apply(plane.release({"tea": upstream(port, TEA, COFFEE, slow_start=HOUR)}, server))
    assert await nginx.get("any", "/twice") == "function function kept"


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
    held = Held("held")
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
    held = Held("held")
    async with listening(TEA, held.serve) as port:
        await manager.start(plane.tea(port, TEA, max_conns=2))
        lost = [asyncio.create_task(nginx.get("any")) for _ in range(2)]
        await eventually(lambda: held.asked == 2)
        assert "502 Bad Gateway" in await nginx.get("any")
        await replace_workers(manager)
        await asyncio.gather(*lost)
        asked = [asyncio.create_task(nginx.get("any")) for _ in range(3)]
        await eventually(lambda: sum(each.done() for each in asked) == 1 and held.asked == 4)
        held.release.set()
        found = Counter("held" if answer == "held" else "502" for answer in await asyncio.gather(*asked))
        assert found == {"held": 2, "502": 1}, "as many as before, and no more"


async def replace_workers(manager: FileManager) -> None:
    """Kill both workers, and wait for those in their place."""
    before = await both_workers(manager.master_pid)
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    await eventually(lambda: len(procfs.workers(manager.master_pid or 0) - before) == 2)


MANY = """location = /many { content_by_lua_block {
    local counts = ngx.shared.headgate_counts
    for i = 1, 2000 do counts:set("n:tea|" .. i, 1) counts:set("w:3999999|tea|" .. i, 1) end
    ngx.print("many")
} }
location = /left { content_by_lua_block {
    local counts, numbers, parts = ngx.shared.headgate_counts, {}, 0
    for _, key in ipairs(counts:get_keys(0)) do
        if key:find("^n:") then numbers[counts:get(key)] = true else parts = parts + 1 end
    end
    local found = {}
    for number in pairs(numbers) do found[#found + 1] = number end
    ngx.print(parts, " left, numbers ", table.concat(found, " "))
} }"""


async def test_two_workers_that_start_at_the_same_time_take_back_each_request_once(
    plane: Plane, nginx: NginxUnderTest, manager: FileManager, port: int
) -> None:
    await manager.start(plane.release({"tea": upstream(port, TEA)}, plane.server(extra=MANY)))
    assert await nginx.get("any", "/many") == "many"
    await replace_workers(manager)
    found = await eventually(lambda: nginx.get("any", "/left"), lambda answer: answer.startswith("0 left"))
    assert found == "0 left, numbers 0"


KEYS = """location = /keys { content_by_lua_block {
    ngx.print(table.concat(ngx.shared.headgate_counts:get_keys(0), " "))
} }"""


async def test_the_number_of_a_server_that_is_gone_is_forgotten(
    nginx: NginxUnderTest, binary: Binary, manager: FileManager, port: int
) -> None:
    async def push(**live: LiveUpstream) -> None:
        assert (await manager.apply(plane.release(live, server))).ok

    plane = Plane(nginx, binary, workers=1)
    server = plane.server(extra=KEYS)
    await manager.start(plane.release({"tea": upstream(port, TEA, max_conns=1)}, server))
    for address in (TEA, COFFEE, MILK):
        await push(tea=upstream(port, address, max_conns=1))
        assert await nginx.get("any") == address
        assert await nginx.get("any", "/keys") == f"n:tea|{address}:{port}"
    await push(tea=upstream(port, MILK))
    assert await nginx.get("any", "/keys") == ""
    await push(tea=upstream(port, MILK, max_conns=1))
    assert await nginx.get("any") == MILK
    await push()
    assert await nginx.get("any", "/keys") == ""


async def test_a_server_that_comes_again_has_the_requests_that_it_had(
    nginx: NginxUnderTest, binary: Binary, manager: FileManager
) -> None:
    held = Held("held")
    plane = Plane(nginx, binary, workers=1)
    async with listening(TEA, held.serve) as port:
        await manager.start(plane.tea(port, TEA, max_conns=1))
        first = asyncio.create_task(nginx.get("any"))
        await eventually(lambda: held.asked == 1)
        await manager.apply(plane.tea(port, COFFEE, max_conns=1))
        await manager.apply(plane.tea(port, TEA, max_conns=1))
        assert "502 Bad Gateway" in await nginx.get("any")
        held.release.set()
        assert await first == "held"


FILL = """location = /fill { content_by_lua_block {
    local connections = require "headgate.connections"
    for i = 1, 12000 do
        local name = "default-shop-shop.example.com-tea-80|10.0." .. i .. ":80"
        connections.take(name, 5)
        connections.release(name)
    end
    ngx.print("filled")
} }"""


@pytest.mark.parametrize(("memory", "most"), [("64m", 1), ("1m", 2)])
async def test_a_number_is_evicted_only_where_live_memory_is_small_and_that_is_logged(  # noqa: PLR0913 - fixtures
    nginx: NginxUnderTest,
    binary: Binary,
    manager: FileManager,
    capfd: pytest.CaptureFixture[str],
    memory: str,
    most: int,
) -> None:
    held = Held("held")
    plane = Plane(nginx, binary, memory, workers=1)
    async with listening(TEA, held.serve) as port:
        live = {"tea": upstream(port, TEA, max_conns=1)}
        await manager.start(plane.release(live, plane.server(extra=FILL)))
        asked = [asyncio.create_task(nginx.get("any"))]
        await eventually(lambda: held.asked == 1)
        assert await nginx.get("any", "/fill") == "filled"
        asked.append(asyncio.create_task(nginx.get("any")))
        await eventually(lambda: held.asked == most and (most == 2 or asked[1].done()))
        held.release.set()
        await asyncio.gather(*asked)
    assert ("for max-conns is full" in capfd.readouterr().err) == (most == 2)
