"""Servers that are pushed to nginx's workers: who sees a change, and what survives a restart."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import stat
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs
from showcase.ports import free_port

from headgate.ir import File, Outcome
from headgate.ir.layout import LIVE_SOCKET, NO_ENDPOINTS_SOCKET
from headgate.ir.live import LiveSessionKeys, LiveUpstream, Peer
from headgate.nginx import Binary, probe, procfs
from headgate.nginx.control import ask
from headgate.oidc import Keyring
from tests.background import in_background
from tests.nginx.live_plane import BLOCK, COFFEE, MILK, TEA, Held, Plane, answers, listening, upstream
from tests.nginx.nginx_under_test import FileManager, NginxUnderTest, both_workers, origin
from tests.nginx_binaries import LUA
from tests.waiting import eventually


@pytest.fixture
async def binary() -> Binary:
    if not LUA:
        pytest.skip("no nginx with Lua (tools/lua_nginx.sh)")
    return await probe(LUA)


async def test_every_request_after_a_push_sees_it_and_nothing_is_reloaded(
    plane: Plane, nginx: NginxUnderTest, manager: FileManager, port: int
) -> None:
    assert (await manager.start(plane.tea(port, TEA))).ok
    workers = await both_workers(manager.master_pid)
    for address in (COFFEE, TEA) * 10:
        result = await manager.apply(plane.tea(port, address))
        assert (result.outcome, result.reloaded, result.pushed) == (Outcome.APPLIED, False, 1)
        assert await answers(nginx) == {address}
    assert await both_workers(manager.master_pid) == workers
    assert (manager.stats.endpoints, manager.stats.other) == (0, 1)


async def test_what_is_equal_is_not_told_again(plane: Plane, manager: FileManager, port: int) -> None:
    await manager.start(plane.tea(port, TEA))
    result = await manager.apply(plane.tea(port, TEA))
    assert (result.outcome, result.pushed) == (Outcome.UNCHANGED, 0)


async def test_requests_are_shared_and_an_upstream_without_its_object_answers_500(
    plane: Plane, nginx: NginxUnderTest, manager: FileManager, port: int
) -> None:
    await manager.start(plane.tea(port, TEA, COFFEE, MILK))
    assert await answers(nginx, 24) == {TEA, COFFEE, MILK}
    await manager.apply(plane.release({}))
    assert "500 Internal Server Error" in await nginx.get("any")


@pytest.mark.parametrize("times", [1, 3])
async def test_a_worker_that_is_killed_is_replaced_by_one_that_knows_what_was_told(
    plane: Plane, nginx: NginxUnderTest, manager: FileManager, port: int, times: int
) -> None:
    await manager.start(plane.tea(port, TEA))
    await manager.apply(plane.tea(port, COFFEE))
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
    await manager.start(plane.tea(port, TEA))
    await manager.apply(plane.tea(port, COFFEE))
    first = manager.master_pid
    assert first
    async with in_background(manager.run()):
        os.kill(first, signal.SIGKILL)
        await eventually(lambda: manager.master_pid not in {first, None})
        await eventually(lambda: manager.stats.other == 2)
        assert await answers(nginx) == {COFFEE}
        await manager.apply(plane.tea(port, MILK))
        assert await answers(nginx) == {MILK}


async def test_a_reload_keeps_what_was_told_and_brings_what_is_new(
    plane: Plane, nginx: NginxUnderTest, manager: FileManager, port: int
) -> None:
    await manager.start(plane.tea(port, TEA))
    await manager.apply(plane.tea(port, COFFEE))
    new = {"tea": upstream(port, COFFEE), "milk": upstream(port, MILK)}
    assert (await manager.apply(plane.release(new, plane.server("milk")))).reloaded
    assert await answers(nginx) == {MILK}
    assert (await manager.apply(plane.tea(port, TEA))).reloaded
    assert await answers(nginx) == {TEA}


async def test_a_file_that_nginx_refuses_does_not_cost_the_last_one_its_upstream(
    plane: Plane, nginx: NginxUnderTest, manager: FileManager, port: int
) -> None:
    await manager.start(plane.tea(port, TEA))
    broken = plane.server("milk", extra="nonsense on;")
    result = await manager.apply(plane.release({"milk": upstream(port, MILK)}, broken))
    assert list(result.refused) == [origin("shop")]
    assert await answers(nginx) == {TEA}
    assert (await manager.apply(plane.release({"milk": upstream(port, MILK)}, plane.server("milk")))).ok
    assert await answers(nginx) == {MILK}


async def test_a_memory_that_is_full_is_named_and_has_what_fits_and_what_was_told(
    nginx: NginxUnderTest, binary: Binary, manager: FileManager, port: int
) -> None:
    plane = Plane(nginx, binary, memory="64k")
    await manager.start(plane.tea(port, TEA))
    many = {f"tea{number}": upstream(port, *[f"10.0.{number}.{last}" for last in range(30)]) for number in range(99)}
    result = await manager.apply(plane.release({"tea": upstream(port, COFFEE), **many}))
    assert result.outcome is Outcome.FAILED
    full = r"the memory of the live state is full \(\d+ of 65536 bytes are used\); set -live-memory to more"
    assert re.search(full, result.error)
    assert await answers(nginx) == {COFFEE}
    assert (await manager.apply(plane.tea(port, TEA))).ok
    assert await answers(nginx) == {TEA}


async def test_an_upstream_that_grows_beyond_the_memory_keeps_its_servers_in_workers_that_start_later(
    nginx: NginxUnderTest, binary: Binary, manager: FileManager, port: int
) -> None:
    plane = Plane(nginx, binary, memory="64k")
    await manager.start(plane.tea(port, TEA))
    many = [f"10.{number // 250}.{number % 250}.1" for number in range(4000)]
    assert (await manager.apply(plane.tea(port, *many))).outcome is Outcome.FAILED
    before = await both_workers(manager.master_pid)
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    await eventually(lambda: len(procfs.workers(manager.master_pid or 0) - before) == 2)
    assert await eventually(lambda: nginx.get("any")) == TEA
    assert (await manager.apply(plane.tea(port, COFFEE))).pushed == 1
    assert await answers(nginx) == {COFFEE}


async def test_a_state_that_somebody_else_changed_is_told_again(
    plane: Plane, nginx: NginxUnderTest, manager: FileManager, port: int
) -> None:
    await manager.start(plane.tea(port, TEA))
    socket = nginx.layout.socket(LIVE_SOCKET)
    state = await ask(socket, "/v1/state", 5)
    assert state
    epoch = json.loads(state.body)["epoch"]
    change = {"epoch": epoch, "from": 0, "to": 7, "set": {"u:tea": {"peers": [{"a": MILK, "p": port}]}}, "delete": []}
    answer = await ask(socket, "/v1/state", 5, json.dumps(change).encode())
    assert answer
    assert answer.code == 200
    assert await answers(nginx) == {MILK}
    assert (await manager.apply(plane.tea(port, COFFEE))).pushed == 1
    assert await answers(nginx) == {COFFEE}


async def test_keys_of_sessions_are_pushed_again_until_workers_have_them(
    plane: Plane, nginx: NginxUnderTest, manager: FileManager, port: int
) -> None:
    async def state(change: Mapping[str, Any] | None = None) -> dict[str, Any]:
        answer = await ask(nginx.layout.socket(LIVE_SOCKET), "/v1/state", 5, change and json.dumps(change).encode())
        assert answer
        assert answer.code == 200
        found: dict[str, Any] = json.loads(answer.body)
        return found

    await manager.start(plane.tea(port, TEA))
    first, second = (LiveSessionKeys(Keyring.first(0).for_nginx()) for _ in range(2))
    await manager.share_session_keys(first)
    now = await state()
    await manager.share_session_keys(first)
    assert await state() == now, "nothing is new"
    step = {"epoch": now["epoch"], "from": now["revision"], "to": now["revision"] + 7, "delete": []}
    await state({**step, "set": {"u:tea": {"peers": [{"a": MILK, "p": port}]}}})
    await manager.share_session_keys(second)
    assert (await state())["revision"] == now["revision"] + 8


async def test_what_somebody_else_changed_is_told_or_deleted_even_if_it_is_wanted_as_it_was(
    plane: Plane, nginx: NginxUnderTest, manager: FileManager, port: int
) -> None:
    async def interfere() -> None:
        state = await ask(socket, "/v1/state", 5)
        assert state
        now = json.loads(state.body)
        step = {"epoch": now["epoch"], "from": now["revision"], "to": now["revision"] + 7, "delete": []}
        answer = await ask(socket, "/v1/state", 5, json.dumps({**step, "set": milk}).encode())
        assert answer
        assert answer.code == 200

    socket, milk = nginx.layout.socket(LIVE_SOCKET), {"u:tea": {"peers": [{"a": MILK, "p": port}]}}
    await manager.start(plane.tea(port, TEA))
    await interfere()
    await manager.apply(plane.release({"tea": upstream(port, TEA), "new": upstream(port, COFFEE)}))
    assert await answers(nginx) == {TEA}
    await interfere()
    await manager.apply(plane.release({"new": upstream(port, COFFEE)}))
    assert "500 Internal Server Error" in await nginx.get("any")


async def test_a_change_that_nginx_took_without_an_answer_in_time_is_told_again(
    plane: Plane, nginx: NginxUnderTest, manager: FileManager, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    await manager.start(plane.tea(port, TEA))
    workers = await both_workers(manager.master_pid)
    for pid in workers:
        os.kill(pid, signal.SIGSTOP)
    try:
        with monkeypatch.context() as patched:
            patched.setattr("headgate.nginx.live.ANSWER_S", 0.1)
            result = await manager.apply(plane.tea(port, COFFEE))
        assert "nginx does not answer about its live state" in result.error
    finally:
        for pid in workers:
            os.kill(pid, signal.SIGCONT)
    await eventually(lambda: answers(nginx), lambda found: found == {COFFEE})
    assert (await manager.apply(plane.tea(port, TEA))).ok
    assert await answers(nginx) == {TEA}


async def test_files_may_take_over_and_hand_back(
    plane: Plane, nginx: NginxUnderTest, manager: FileManager, port: int
) -> None:
    await manager.start(plane.tea(port, TEA))
    result = await manager.apply(plane.release(None, nginx.server("tea")))
    assert result.ok, result.error
    assert await nginx.get("tea") == "tea"
    assert (await manager.apply(plane.tea(port, COFFEE))).ok
    assert await answers(nginx) == {COFFEE}


async def test_access_rules_of_http_snippets_do_not_keep_the_controller_out(
    plane: Plane, manager: FileManager, port: int
) -> None:
    rules = b"deny all; limit_req_zone $server_name zone=all:1m rate=1r/m; limit_req zone=all; error_page 409 507 /x;"
    files = (plane.server(), File("conf.d/_rules.conf", rules + b"add_header X-A b always;"))
    await manager.start(plane.release({"tea": upstream(port, TEA)}, *files))
    for address in (COFFEE, MILK, TEA):
        result = await manager.apply(plane.release({"tea": upstream(port, address)}, *files))
        assert (result.outcome, result.pushed) == (Outcome.APPLIED, 1), result.error


def mode(path: str) -> int:
    return stat.S_IMODE(Path(path).stat().st_mode)


def wrong(changes: Iterable[object]) -> list[bytes]:
    return [each if isinstance(each, bytes) else json.dumps(each).encode() for each in changes]


async def test_only_the_owner_reaches_the_state_and_what_is_no_change_is_refused(
    plane: Plane, nginx: NginxUnderTest, manager: FileManager, port: int
) -> None:
    await manager.start(plane.tea(port, TEA))
    assert [mode(nginx.layout.live_state), mode(f"{nginx.layout.run}/live") & 0o767] == [0o600, 0o700]
    socket = nginx.layout.socket(LIVE_SOCKET)
    whole = {"epoch": "", "from": 0, "to": 1, "set": {}, "delete": []}
    codes = {}
    for body in wrong((b"", b"{", b"[]", {}, {**whole, "set": 1}, {**whole, "to": "x"}, whole, {**whole, "epoch": 1})):
        answer = await ask(socket, "/v1/state", 5, body)
        codes[body[:20]] = answer.code if answer else 0
    assert set(codes.values()) <= {400, 409}, codes
    assert await answers(nginx) == {TEA}


# --- failures -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["round_robin", "least_conn", "random_two", "consistent_hash"])
async def test_a_server_that_failed_has_its_whole_share_again_after_fail_timeout(
    nginx: NginxUnderTest, binary: Binary, manager: FileManager, port: int, method: Any
) -> None:
    dead = free_port()
    peers = (Peer(TEA, port), Peer(COFFEE, dead), Peer(MILK, port))
    key = ("", "request_id") if method == "consistent_hash" else None
    plane = Plane(nginx, binary, workers=1)
    await manager.start(plane.release({"tea": LiveUpstream(peers=peers, method=method, key=key, fail_timeout=0.3)}))
    assert {answer for _ in range(3) for answer in await answers(nginx)} == {TEA, MILK}
    async with listening(COFFEE, port=dead):
        await eventually(lambda: nginx.get("any"), lambda answer: answer == COFFEE)
        shares = Counter([await nginx.get("any") for _ in range(60)])
    assert shares[COFFEE] > 5, shares


async def test_a_server_that_comes_again_is_asked_at_once_though_it_failed_before(
    plane: Plane, nginx: NginxUnderTest, manager: FileManager, port: int
) -> None:
    dead = free_port()
    both = LiveUpstream(peers=(Peer(TEA, port), Peer(COFFEE, dead)), fail_timeout=3600)
    await manager.start(plane.release({"tea": both}))
    assert await answers(nginx) == {TEA}
    await manager.apply(plane.tea(port, TEA))
    assert await answers(nginx) == {TEA}
    async with listening(COFFEE, port=dead):
        await manager.apply(plane.release({"tea": both}))
        assert await answers(nginx) == {TEA, COFFEE}


@pytest.mark.parametrize("to", ["=200 @page", "=200 /page", "/page", "http://elsewhere.test/"])
async def test_a_failure_counts_although_an_error_page_answers(
    nginx: NginxUnderTest, binary: Binary, manager: FileManager, port: int, to: str
) -> None:
    plane = Plane(nginx, binary, workers=1)
    pages = "location @page { return 200 page; } location = /page { return 200 page; }"
    page = f"proxy_next_upstream off; error_page 502 {to}; {pages}"
    peers = (Peer(TEA, port), Peer(COFFEE, free_port()))
    release = plane.release(
        {"tea": LiveUpstream(peers=peers, max_fails=2, fail_timeout=3600)}, plane.server(extra=page)
    )
    await manager.start(release)
    found = Counter([await nginx.get("any") for _ in range(12)])
    assert (found.pop(TEA), found.total(), len(found)) == (10, 2, 1)


async def test_a_failure_counts_although_an_error_page_of_another_upstream_answers(
    nginx: NginxUnderTest, binary: Binary, manager: FileManager, port: int
) -> None:
    plane = Plane(nginx, binary, workers=1)
    page = "proxy_next_upstream off; error_page 502 = @page; location @page { proxy_pass http://pages; }"
    server = plane.server(extra=page)
    server = structs.replace(server, data=BLOCK.format(name="pages").encode() + server.data)
    peers = (Peer(TEA, port), Peer(COFFEE, free_port()))
    tea = LiveUpstream(peers=peers, max_fails=2, fail_timeout=3600)
    await manager.start(plane.release({"tea": tea, "pages": upstream(port, MILK)}, server))
    assert Counter([await nginx.get("any") for _ in range(12)]) == {TEA: 10, MILK: 2}


async def test_a_hash_without_servers_answers_502(plane: Plane, nginx: NginxUnderTest, manager: FileManager) -> None:
    nobody = (Peer(f"unix:{nginx.layout.socket(NO_ENDPOINTS_SOCKET)}"),)
    await manager.start(
        plane.release({"tea": LiveUpstream(peers=nobody, method="consistent_hash", key=("", "request_uri"))})
    )
    assert "502 Bad Gateway" in await nginx.get("any")


async def test_a_hash_with_a_subset_leads_to_so_many_servers_and_draws_one(
    plane: Plane, nginx: NginxUnderTest, manager: FileManager, port: int
) -> None:
    peers = (Peer(TEA, port), Peer(COFFEE, port), Peer(MILK, port))

    def subset(size: int | None) -> LiveUpstream:
        return LiveUpstream(peers=peers, method="consistent_subset", key=("", "host"), subset=size)

    for size, several in ((2, 2), (1, 1), (9, 3)):
        await (manager.apply if manager.master_pid else manager.start)(plane.release({"tea": subset(size)}))
        assert len(await answers(nginx, 40)) == several


# --- changes while requests are under way -----------------------------------------------------------------


async def test_a_change_does_not_forget_which_requests_a_server_has(
    nginx: NginxUnderTest, binary: Binary, manager: FileManager
) -> None:
    held = Held("held")
    plane = Plane(nginx, binary, workers=1)
    async with listening(TEA, held.serve) as port:
        await manager.start(plane.tea(port, TEA, max_conns=1))
        first = asyncio.create_task(nginx.get("any"))
        await eventually(lambda: held.asked == 1)
        assert (await manager.apply(plane.tea(port, TEA, max_conns=1, max_fails=2))).pushed == 1
        assert "502 Bad Gateway" in await nginx.get("any")
        held.release.set()
        assert await first == "held"
        assert await nginx.get("any") == "held"


async def test_a_client_that_leaves_frees_its_place(
    nginx: NginxUnderTest, binary: Binary, manager: FileManager
) -> None:
    held = Held("held")
    plane = Plane(nginx, binary, workers=1)
    async with listening(TEA, held.serve) as port:
        await manager.start(plane.tea(port, TEA, max_conns=1))
        for count in (1, 2, 3):
            first = asyncio.create_task(nginx.get("any"))
            await eventually(lambda count=count: held.asked == count)
            first.cancel()
            await asyncio.gather(first, return_exceptions=True)
            await eventually(lambda: held.release.set() or nginx.get("any"), lambda answer: answer == "held")
            held.release.clear()
            held.asked = count


async def test_the_second_try_of_a_request_is_made_at_a_server_that_is_still_there(
    plane: Plane, nginx: NginxUnderTest, manager: FileManager, port: int
) -> None:
    held = Held()
    async with listening("0.0.0.0", held.serve) as slow:
        await manager.start(plane.release({"tea": upstream(slow, TEA, MILK)}))
        first = asyncio.create_task(nginx.get("any"))
        await eventually(lambda: held.asked == 1)
        await manager.apply(plane.tea(port, COFFEE))
        held.release.set()
        assert await first == COFFEE


async def test_servers_that_are_gone_are_not_kept_for_subrequests_that_have_ended(
    nginx: NginxUnderTest, binary: Binary, manager: FileManager, port: int
) -> None:
    plane = Plane(nginx, binary, workers=1)
    extra = """location = /ask { internal; proxy_pass http://tea; }
    location = /asked { auth_request /ask; proxy_pass http://tea; }
    location = /kept { content_by_lua_block {
        collectgarbage()
        for key in pairs(require("headgate.upstreams").peers) do ngx.print(key, " ") end
    } }"""
    await manager.start(plane.release({"tea": upstream(port, TEA)}, plane.server(extra=extra)))
    for address, count in ((TEA, 20), (COFFEE, 5), (MILK, 1)):
        await manager.apply(plane.release({"tea": upstream(port, address)}, plane.server(extra=extra)))
        found = await asyncio.gather(*(nginx.get("any", "/asked") for _ in range(count)))
        assert set(found) == {address}
    assert await nginx.get("any", "/kept") == f"tea|{MILK}:{port} "


async def test_a_worker_that_is_far_behind_sees_the_newest_state_at_once(
    nginx: NginxUnderTest, binary: Binary, manager: FileManager, port: int
) -> None:
    plane = Plane(nginx, binary, changes="64k")
    many = {f"{'t' * 150}{number}": upstream(port, TEA) for number in range(400)}
    assert (await manager.start(plane.release({"tea": upstream(port, TEA), **many}))).ok
    assert await answers(nginx) == {TEA}
    idle, _ = await both_workers(manager.master_pid)
    os.kill(idle, signal.SIGSTOP)
    try:
        for address in (COFFEE, MILK):
            many = {name: upstream(port, address) for name in many}
            release = plane.release({"tea": upstream(port, address), **many})
            # The kernel may wake the stopped worker, and it alone, for the first connection to the control socket.
            await eventually(lambda release=release: manager.apply(release), lambda result: result.ok)
    finally:
        os.kill(idle, signal.SIGCONT)
    assert await answers(nginx, 24) == {MILK}


async def test_a_change_that_is_too_large_to_be_listed_is_seen_at_once(
    nginx: NginxUnderTest, binary: Binary, manager: FileManager, port: int
) -> None:
    plane = Plane(nginx, binary, changes="32k")
    many = {f"{'t' * 150}{number}": upstream(port, TEA) for number in range(199)}
    assert (await manager.start(plane.release({"tea": upstream(port, TEA), **many}))).ok
    for address in (COFFEE, MILK, TEA):
        many = {name: upstream(port, address) for name in many}
        assert (await manager.apply(plane.release({"tea": upstream(port, address), **many}))).ok
        assert await answers(nginx) == {address}


# --- everything at once -----------------------------------------------------------------------------------


class Client:
    """Asks again and again, over one connection as long as nginx keeps it or over a new one each time."""

    def __init__(self, port: int, *, kept: bool) -> None:
        self.lost, self.wrong, self.answered = 0, list[str](), 0
        self._port, self._kept = port, kept
        self._connection: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def run(self, pushed: list[set[str]], begun: list[set[str]]) -> None:
        """Ask until cancelled; an answer must be of a server that was there when, or after, the request began."""
        try:
            while True:
                acknowledged = len(pushed) - 1
                try:
                    answer = await self._ask()
                except (OSError, asyncio.IncompleteReadError):
                    self.lost += 1
                    self._close()
                else:
                    self.answered += 1
                    if not any(answer in servers for servers in begun[acknowledged:]):
                        self.wrong.append(answer)
        finally:
            self._close()

    async def _ask(self) -> str:
        if self._connection is None:
            self._connection = await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = self._connection
        writer.write(
            b"GET / HTTP/1.1\r\nHost: any.test\r\n" + (b"" if self._kept else b"Connection: close\r\n") + b"\r\n"
        )
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = re.search(r"content-length: (\d+)", head)
        body = (await reader.readexactly(int(length[1]))).decode() if length else ""
        if "connection: close" in head:
            self._close()
        return body if head.startswith("http/1.1 200 ") else head

    def _close(self) -> None:
        if self._connection:
            self._connection[1].close()
        self._connection = None


async def test_no_request_is_lost_while_servers_change_reloads_happen_and_a_worker_dies(
    plane: Plane, nginx: NginxUnderTest, manager: FileManager, port: int
) -> None:
    async def push(*addresses: str) -> None:
        begun.append(set(addresses))
        assert (await manager.apply(plane.tea(port, *addresses))).ok
        pushed.append(set(addresses))

    begun, pushed = list[set[str]](), list[set[str]]()
    await manager.start(plane.tea(port, TEA))
    await push(TEA)
    clients = [Client(nginx.port, kept=number % 2 == 0) for number in range(6)]
    async with contextlib.AsyncExitStack() as stack:
        for client in clients:
            await stack.enter_async_context(in_background(client.run(pushed, begun)))
        for number in range(210):
            pace = asyncio.create_task(asyncio.sleep(0.01))
            await push(*((TEA,), (COFFEE, MILK), (MILK,), (TEA, COFFEE, MILK), (COFFEE,))[number % 5])
            if number % 70 == 35:
                assert (await manager.reload()).reloaded
            if number == 140:
                assert [client.lost for client in clients] == [0] * len(clients)
                os.kill(min(await both_workers(manager.master_pid)), signal.SIGKILL)
            await pace
    assert [client.wrong for client in clients] == [[]] * len(clients)
    assert all(client.lost <= 1 for client in clients), "only what was in flight in the worker that was killed"
    assert sum(client.answered for client in clients) > len(pushed)
