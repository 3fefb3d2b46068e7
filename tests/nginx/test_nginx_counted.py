"""What workers count in Lua: exactly, over reloads and workers that end, and no more groups than there may be."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest
from msgspec import structs
from showcase.ports import free_port

from headgate.ir import File, Release
from headgate.ir.live import LiveUpstream, Peer
from headgate.nginx import Binary, probe
from headgate.nginx.live_metrics import ANY, Counted, Tries, Zone, counted, delete
from tests.nginx.live_plane import BLOCK, COFFEE, MILK, TEA, Held, Plane, listening, upstream
from tests.nginx.nginx_under_test import FileManager, NginxUnderTest, both_workers
from tests.nginx_binaries import LUA
from tests.waiting import eventually

NAMED = "server_name shop.test; location = /own { return 404; }"
REQUEST = b"GET / HTTP/1.0\r\nHost: shop.test\r\n\r\n"


@pytest.fixture
async def binary() -> Binary:
    if not LUA:
        pytest.skip("no nginx with Lua (tools/lua_nginx.sh)")
    return await probe(LUA)


@pytest.fixture
def plane(nginx: NginxUnderTest, binary: Binary) -> Plane:
    return Plane(nginx, binary, counts="16m")


async def seen(nginx: NginxUnderTest, wanted: Callable[[Counted], object]) -> Counted:
    """What was counted, as soon as that is *wanted*: workers add what they counted once a second."""

    async def ask() -> Counted:
        return await counted(nginx.layout) or Counted()

    return await eventually(ask, wanted)


def zones(found: Counted) -> list[Zone]:
    return [group for group in found.groups if isinstance(group, Zone) and group.host != ANY]


def tries(found: Counted) -> list[Tries]:
    return [group for group in found.groups if isinstance(group, Tries) and group.upstream != ANY]


def requests(found: Counted) -> int:
    return sum(group.requests for group in found.groups if isinstance(group, Zone))


def of_two(plane: Plane, live: dict[str, LiveUpstream], extra: str) -> Release:
    """A server with two upstreams: ``/`` passes to ``tea``, *extra* may pass to ``milk``."""
    server = plane.server(extra=f"{NAMED} {extra}")
    data = f"{BLOCK.format(name='milk')}\n".encode() + server.data
    return plane.release(live, File(server.name, data, origin=server.origin, claims=server.claims | {"upstream milk"}))


async def ask(nginx: NginxUnderTest, count: int, path: str = "/") -> None:
    await asyncio.gather(*(nginx.get("shop", path) for _ in range(count)))


async def test_each_request_is_counted_once_over_workers_reloads_and_a_worker_that_is_killed(
    plane: Plane, nginx: NginxUnderTest, manager: FileManager, port: int
) -> None:
    both = {"tea": upstream(port, TEA, COFFEE)}
    await manager.start(plane.release(both, plane.server(extra=NAMED)))
    await ask(nginx, 40)
    assert (await manager.apply(plane.release(both, plane.server(extra=f"{NAMED} keepalive_requests 9;")))).reloaded
    await ask(nginx, 40)
    await seen(nginx, lambda found: requests(found) == 80)
    os.kill(min(await both_workers(manager.master_pid)), signal.SIGKILL)
    await both_workers(manager.master_pid)
    await ask(nginx, 40)
    await ask(nginx, 3, "/own")
    found = await seen(nginx, lambda found: requests(found) >= 123)
    assert {(zone.host, zone.upstream, zone.responses) for zone in zones(found)} == {
        ("shop.test", "tea", (0, 120, 0, 0, 0)),
        ("shop.test", "", (0, 0, 0, 3, 0)),
    }
    (zone,) = (zone for zone in zones(found) if zone.upstream)
    assert zone.received == 120 * len(REQUEST)
    assert zone.sent > 120 * len(TEA)
    assert {(each.upstream, each.server, each.code) for each in tries(found)} == {
        ("tea", f"{TEA}:{port}", "200"),
        ("tea", f"{COFFEE}:{port}", "200"),
    }
    assert sum(each.timed for each in tries(found)) == 120
    assert all(each.failed == each.untimed == 0 for each in tries(found))


async def test_a_request_that_ends_in_a_worker_of_before_a_reload_is_counted_and_is_active_until_then(
    plane: Plane, nginx: NginxUnderTest, manager: FileManager
) -> None:
    asked, release = asyncio.Event(), asyncio.Event()

    async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        asked.set()
        await release.wait()
        writer.write(b"HTTP/1.0 200 OK\r\n\r\nslow")
        writer.close()

    async with listening(TEA, hold) as port:
        tea = {"tea": upstream(port, TEA)}
        await manager.start(plane.release(tea, plane.server(extra=NAMED)))
        slow = asyncio.create_task(nginx.get("shop"))
        await asked.wait()
        assert (await manager.apply(plane.release(tea, plane.server(extra=f"{NAMED} keepalive_requests 9;")))).reloaded
        found = await seen(nginx, lambda found: found.active)
        assert found.active == {("tea", f"{TEA}:{port}"): 1}
        assert requests(found) == 0
        release.set()
        assert await slow == "slow"
        found = await seen(nginx, lambda found: requests(found) == 1 and not found.active)
        assert [each.timed for each in tries(found)] == [1]


async def test_requests_of_a_worker_that_was_killed_are_not_active_any_more(
    plane: Plane, nginx: NginxUnderTest, manager: FileManager
) -> None:
    asked = asyncio.Event()

    async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            asked.set()
            await reader.read()
        writer.close()

    async with listening(TEA, hold) as port:
        await manager.start(plane.release({"tea": upstream(port, TEA)}, plane.server(extra=NAMED)))
        lost = asyncio.create_task(nginx.get("shop"))
        await asked.wait()
        await seen(nginx, lambda found: found.active)
        for pid in await both_workers(manager.master_pid):
            os.kill(pid, signal.SIGKILL)
        assert await lost == ""
        await seen(nginx, lambda found: not found.active)


async def test_further_tries_count_for_each_server_and_as_retries_of_the_host(
    plane: Plane, nginx: NginxUnderTest, manager: FileManager, port: int
) -> None:
    dead = free_port()
    servers = LiveUpstream(peers=(Peer(TEA, port), Peer("127.0.0.1", dead)), max_fails=0)
    await manager.start(plane.release({"tea": servers}, plane.server(extra=NAMED)))
    await ask(nginx, 20)
    found = await seen(nginx, lambda found: requests(found) == 20)
    by_server = {each.server: each for each in tries(found)}
    failed = by_server[f"127.0.0.1:{dead}"]
    assert (failed.code, failed.failed) == ("502", failed.timed)
    assert failed.timed > 0
    assert by_server[f"{TEA}:{port}"].timed == 20
    assert [(zone.responses, zone.retries) for zone in zones(found)] == [((0, 20, 0, 0, 0), failed.timed)]


async def test_groups_that_are_deleted_begin_at_zero(
    plane: Plane, nginx: NginxUnderTest, manager: FileManager, port: int
) -> None:
    await manager.start(plane.release({"tea": upstream(port, TEA)}, plane.server(extra=NAMED)))
    await ask(nginx, 5)
    found = await seen(nginx, lambda found: requests(found) == 5)
    await delete(nginx.layout, dict.fromkeys([*zones(found), *tries(found)]))
    left = await counted(nginx.layout)
    assert left is not None
    assert (zones(left), tries(left)) == ([], [])
    await ask(nginx, 2)
    await seen(nginx, lambda found: requests(found) == 2)


async def test_counters_can_be_moved_to_another_upstream_of_the_host(
    plane: Plane, nginx: NginxUnderTest, manager: FileManager, port: int
) -> None:
    await manager.start(plane.release({"tea": upstream(port, TEA)}, plane.server(extra=NAMED)))
    await ask(nginx, 5)
    await ask(nginx, 3, "/own")
    for total in (8, 10):
        found = await seen(nginx, lambda found, total=total: requests(found) == total)
        (tea,) = (zone for zone in zones(found) if zone.upstream == "tea")
        await delete(nginx.layout, {tea: structs.replace(tea, upstream=ANY)})
        await ask(nginx, 2)
    found = await seen(nginx, lambda found: requests(found) == 12)
    assert {zone.upstream: zone.responses[1] for zone in zones(found)} == {"tea": 2, ANY: 7, "": 0}
    assert {zone.upstream: zone.received for zone in zones(found)}[ANY] == 7 * len(REQUEST)


async def with_codes(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer with the status that is the path."""
    head = await reader.readuntil(b"\r\n\r\n")
    code = head.split()[1].strip(b"/").decode()
    writer.write(f"HTTP/1.0 {code} X\r\n\r\n".encode())
    writer.close()


@pytest.mark.parametrize(
    ("series", "memory", "groups"),
    [(4, "16m", 4), (20_000, "64k", None), (20_000, "16m", 251)],
    ids=["more than may be", "more than there is memory for", "more than a slice of an answer"],
)
async def test_statuses_of_a_backend_are_groups_as_far_as_there_may_be_so_many(  # noqa: PLR0913 - fixtures
    nginx: NginxUnderTest, manager: FileManager, binary: Binary, series: int, memory: str, groups: int | None
) -> None:
    plane = Plane(nginx, binary, counts=memory, series=series)
    async with listening(TEA, with_codes) as port:
        await manager.start(plane.release({"tea": upstream(port, TEA)}, plane.server(extra=NAMED)))
        for first in range(300, 550, 50):
            await asyncio.gather(*(nginx.get("shop", f"/{code}") for code in range(first, first + 50)))
        found = await seen(nginx, lambda found: requests(found) == 250)
    named, common = [*zones(found), *tries(found)], [group for group in found.groups if group.upstream == ANY]
    timed = sum(group.timed for group in found.groups if isinstance(group, Tries))
    assert timed == 250
    assert len(common) == 2
    assert len(named) == groups if groups else 10 < len(named) < 250


async def test_requests_at_servers_are_told_once_there_is_memory_for_them(
    nginx: NginxUnderTest, manager: FileManager, binary: Binary
) -> None:
    plane, held = Plane(nginx, binary, counts="64k", workers=1), Held()
    addresses = [f"127.0.0.{number}" for number in range(20, 40)]
    async with AsyncExitStack() as stack:
        port = await stack.enter_async_context(listening(TEA, with_codes))
        for address in addresses:
            await stack.enter_async_context(listening(address, held.serve, port))
        live = {"tea": upstream(port, TEA), "milk": upstream(port, *addresses)}
        await manager.start(of_two(plane, live, "location /held { proxy_pass http://milk; }"))
        await asyncio.gather(*(nginx.get("shop", f"/{code}") for code in range(300, 550)))
        full = await seen(nginx, lambda found: requests(found) == 250)
        waiting = asyncio.gather(*(nginx.get("shop", "/held") for _ in addresses))
        await eventually(lambda: held.asked == len(addresses))
        await ask(nginx, 1, "/own")
        found = await seen(nginx, lambda found: requests(found) == 251)  # after the worker wrote its counters
        assert found.active == {}
        await delete(nginx.layout, dict.fromkeys(tries(full)))
        left = await counted(nginx.layout)
        assert left is not None
        assert sum(left.active.values()) == len(addresses)
        held.release.set()
        await waiting


FORGETS = """location = /forgets { content_by_lua_block {
    local added, tick = {}, nil
    local totals = { there = true, DIRTY = 0, OTHERS = "z\\t*\\t*", lock = function() return true end }
    totals.start, totals.unlock, totals.tell_active = function() end, function() end, function() end
    totals.add = function(group) added[group.key] = true; group[0] = 0 end
    local var = { server_name = "shop", request_length = "9", bytes_sent = "9", upstream_status = "200",
                  upstream_response_time = "0.001" }
    local env = { require = function(name) return name == "headgate.totals" and totals or require(name) end,
                  ngx = { var = var, status = 200, timer = { at = function(_, again) tick = again end } } }
    local path = package.searchpath("headgate.metrics", package.path)
    local metrics = setfenv(assert(loadfile(path)), setmetatable(env, { __index = _G }))()
    metrics.start(5000, { 1, 10 }, {})
    for second = 1, 300 do
      for i = 1, 600 do
        metrics.count({ name = "u" .. i }, { name = "10.0." .. i .. ":" .. math.floor(second / 30) }, "0.001")
      end
      tick(false)
    end
    ngx.print(tostring(added["s\\t*\\t*\\t*"]))
} }"""


async def test_a_worker_forgets_servers_that_are_gone_also_when_it_always_has_some_to_add(
    plane: Plane, nginx: NginxUnderTest, manager: FileManager, port: int
) -> None:
    """Each second 1,200 groups have something to add, and every 30 s each server is another one; 5,000 fit."""
    await manager.start(plane.release({"tea": upstream(port, TEA)}, plane.server(extra=f"{NAMED} {FORGETS}")))
    assert await nginx.get("shop", "/forgets") == "nil"


async def test_an_answer_with_counters_logs_no_warning(
    plane: Plane, nginx: NginxUnderTest, manager: FileManager, port: int, capfd: pytest.CaptureFixture[str]
) -> None:
    await manager.start(plane.release({"tea": upstream(port, TEA)}, plane.server(extra=NAMED)))
    await ask(nginx, 1)
    await seen(nginx, lambda found: requests(found) == 1)
    assert "[warn]" not in capfd.readouterr().err


async def test_tries_of_an_error_page_count_for_the_upstream_that_each_was_at(
    plane: Plane, nginx: NginxUnderTest, manager: FileManager, port: int
) -> None:
    dead = free_port()
    live = {"tea": upstream(dead, TEA, COFFEE, max_fails=0), "milk": upstream(port, MILK)}
    fixed = f"location @fixed {{ proxy_pass http://{COFFEE}:{port}; }}"
    pages = (
        "error_page 502 = @milk; location @milk { proxy_pass http://milk; } "
        "location /fixed { error_page 502 = @fixed; proxy_pass http://tea; }"
    )
    await manager.start(of_two(plane, live, pages + fixed))
    for path, answer in (("/", MILK), ("/", MILK), ("/fixed", COFFEE)):
        assert await nginx.get("shop", path) == answer
    found = await seen(nginx, lambda found: requests(found) == 3)
    assert {(each.upstream, each.server, each.code, each.timed) for each in tries(found)} == {
        ("tea", f"{TEA}:{dead}", "502", 3),
        ("tea", f"{COFFEE}:{dead}", "502", 3),
        ("milk", f"{MILK}:{port}", "200", 2),
    }
    assert {(zone.upstream, zone.requests, zone.retries) for zone in zones(found)} == {
        ("tea", 0, 3),
        ("milk", 2, 0),
        ("", 1, 0),
    }


async def test_a_request_for_which_no_server_has_a_place_counts_for_the_upstream(
    nginx: NginxUnderTest, manager: FileManager, binary: Binary
) -> None:
    plane, held = Plane(nginx, binary, counts="16m", workers=1), Held()
    async with listening(TEA, held.serve) as port, listening(MILK) as milk:
        live = {"tea": upstream(port, TEA, max_conns=1), "milk": upstream(milk, MILK)}
        page = "location /page { error_page 502 = @milk; proxy_pass http://tea; }"
        pages = f"location @milk {{ proxy_pass http://milk; }} {page}"
        await manager.start(of_two(plane, live, pages))
        first = asyncio.create_task(nginx.get("shop"))
        await eventually(lambda: held.asked == 1)
        await ask(nginx, 3)
        found = await seen(nginx, lambda found: requests(found) == 3)
        assert [(zone.upstream, zone.responses) for zone in zones(found)] == [("tea", (0, 0, 0, 0, 3))]
        assert tries(found) == []
        assert await nginx.get("shop", "/page") == MILK
        found = await seen(nginx, lambda found: requests(found) == 4)
        assert {(each.upstream, each.server) for each in tries(found)} == {("milk", f"{MILK}:{milk}")}
        held.answer = b"HTTP/1.0 200 OK\r\n\r\nlate"
        held.release.set()
        assert await first == "late"


async def test_names_are_those_of_the_configuration_whatever_a_client_asks_for(
    plane: Plane, nginx: NginxUnderTest, manager: FileManager, port: int
) -> None:
    locations = (
        "location /open { proxy_pass http://$arg_to; } "
        "location /fixed { set $latency_upstream fixed; proxy_pass http://fixed; }"
    )
    server = plane.server(extra=f"{NAMED} {locations}")
    fixed = f"upstream fixed {{ server {COFFEE}:{port}; }}\n".encode()
    file = File(server.name, fixed + server.data, origin=server.origin, claims=server.claims)
    await manager.start(plane.release({"tea": upstream(port, TEA)}, file))
    for host, path in (("any", "/"), ("invented", "/"), ("shop", f"/open?to={TEA}:{port}"), ("shop", "/fixed")):
        assert await nginx.get(host, path) in {TEA, COFFEE}
    found = await seen(nginx, lambda found: requests(found) == 4)
    names: Any = {(zone.host, zone.upstream): zone.requests for zone in zones(found)}
    assert names == {("shop.test", "tea"): 2, ("shop.test", ""): 1, ("shop.test", "fixed"): 1}
    assert {(each.upstream, each.server) for each in tries(found)} == {
        ("tea", f"{TEA}:{port}"),
        ("fixed", f"{COFFEE}:{port}"),
    }


async def test_workers_that_do_not_answer_give_no_counts(
    plane: Plane, nginx: NginxUnderTest, manager: FileManager, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    await manager.start(plane.release({"tea": upstream(port, TEA)}, plane.server(extra=NAMED)))
    monkeypatch.setattr("headgate.nginx.live_metrics.TIMEOUT_S", 0.1)
    workers = await both_workers(manager.master_pid)
    for pid in workers:
        os.kill(pid, signal.SIGSTOP)
    try:
        assert await counted(nginx.layout) is None
    finally:
        for pid in workers:
            os.kill(pid, signal.SIGCONT)
    assert await eventually(lambda: counted(nginx.layout))
