"""Requests that wait while no server of their upstream can take them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from headgate.ir import File
from headgate.ir.check import LiveCheck
from headgate.ir.live import Queue
from headgate.nginx import Binary, probe
from tests.nginx.live_plane import TEA, Plane, listening, upstream
from tests.nginx.nginx_under_test import FileManager, NginxUnderTest
from tests.nginx_binaries import LUA
from tests.waiting import eventually

SHOWN = """location = /waiting { content_by_lua_block {
    ngx.print(ngx.shared.headgate_counts:get("n:tea|queue") or 0)
} }
location = /pids { content_by_lua_block {
    local counts, found = ngx.shared.headgate_counts, {}
    for _, key in ipairs(counts:get_keys(0)) do
        if key:find("^t:") then found[counts:get(key)] = true end
    end
    for pid in pairs(found) do ngx.say(pid) end
} }
location = /left { content_by_lua_block {
    local counts, found = ngx.shared.headgate_counts, {}
    for _, key in ipairs(counts:get_keys(0)) do
        if not key:find("^head:") and not key:find("^tail:") then found[#found + 1] = key .. "=" .. counts:get(key) end
    end
    table.sort(found)
    ngx.print(table.concat(found, " "))
} }"""


@pytest.fixture
async def binary() -> Binary:
    if not LUA:
        pytest.skip("no nginx with Lua (tools/lua_nginx.sh)")
    return await probe(LUA)


class Served:
    """A server that notes the path of each request, and answers with it once somebody takes its turn."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self._turn = asyncio.Semaphore(0)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                path = head.split()[1]
                if "content-length: " in head.lower():
                    await reader.readexactly(int(head.lower().partition("content-length: ")[2].split()[0]))
                self.asked.append(path)
                await self._turn.acquire()
                writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: {len(path)}\r\n\r\n{path}".encode())
        writer.close()

    def answer(self, count: int = 1) -> None:
        for _ in range(count):
            self._turn.release()


@pytest.fixture
async def served() -> AsyncIterator[tuple[Served, int]]:
    served = Served()
    async with listening(TEA, served.serve) as port:
        yield served, port


def server(plane: Plane, extra: str = "", *, within: str = "") -> File:
    """The default server, whose requests wait as in a location that Headgate writes; *within* is in that, too."""
    waits = (
        "rewrite_by_lua_block { headgate.read_body() }"
        'access_by_lua_block { return headgate.wait("tea") } lua_check_client_abort on;'
    )
    found = plane.server(extra=f"{SHOWN} {extra}")
    data = found.data.replace(b"proxy_set_header", f"{within} {waits} proxy_set_header".encode())
    return File(found.name, data, origin=found.origin, claims=found.claims)


def password_file(folder: Path) -> Path:
    folder.chmod(0o755)
    (folder / "passwords").write_text("tea:{PLAIN}pot\n")
    return folder / "passwords"


async def ask(nginx: NginxUnderTest, path: str) -> str:
    answer = await nginx.get("any", path)
    return "502" if "502 Bad Gateway" in answer else answer


async def started(plane: Plane, manager: FileManager, port: int, extra: str = "", **settings: Any) -> None:
    tea = upstream(port, TEA, **{"max_conns": 1, "queue": Queue(10, 60), **settings})
    assert (await manager.start(plane.release({"tea": tea}, server(plane, extra)))).ok


async def waiting(nginx: NginxUnderTest, count: int) -> None:
    await eventually(lambda: nginx.get("any", "/waiting"), lambda found: found == str(count))


async def test_requests_of_all_workers_wait_in_the_order_in_which_they_came(
    plane: Plane, nginx: NginxUnderTest, manager: FileManager, served: tuple[Served, int]
) -> None:
    server, port = served
    await started(plane, manager, port, max_conns=2)
    asked = []
    for number in range(10):
        asked.append(asyncio.create_task(ask(nginx, f"/{number}")))
        if number < 2:
            await eventually(lambda number=number: len(server.asked) == number + 1)
        else:
            await waiting(nginx, number - 1)
    assert server.asked == ["/0", "/1"], "the others wait"
    for number in range(10):
        server.answer()
        await eventually(lambda number=number: len(server.asked) == min(number + 3, 10))
    assert server.asked == [f"/{number}" for number in range(10)]
    assert await asyncio.gather(*asked) == [f"/{number}" for number in range(10)]
    left = await eventually(lambda: nginx.get("any", "/left"), lambda found: "w:" not in found)
    assert left == f"n:tea|{TEA}:{port}=0 n:tea|queue=0"


async def test_one_more_than_the_size_gets_502(
    plane: Plane, nginx: NginxUnderTest, manager: FileManager, served: tuple[Served, int]
) -> None:
    server, port = served
    await started(plane, manager, port, queue=Queue(2, 60))
    asked = [asyncio.create_task(ask(nginx, "/served")) for _ in range(3)]
    await waiting(nginx, 2)
    assert await ask(nginx, "/more") == "502"
    server.answer(3)
    assert await asyncio.gather(*asked) == ["/served"] * 3
    assert server.asked == ["/served"] * 3


async def test_one_that_waited_too_long_gets_502(
    plane: Plane, nginx: NginxUnderTest, manager: FileManager, served: tuple[Served, int]
) -> None:
    server, port = served
    await started(plane, manager, port, queue=Queue(20, 0.1))
    first = asyncio.create_task(ask(nginx, "/first"))
    await eventually(lambda: len(server.asked) == 1)
    assert await asyncio.gather(*(ask(nginx, "/late") for _ in range(6))) == ["502"] * 6
    assert not first.done()
    server.answer(2)
    assert await first == "/first"
    assert await ask(nginx, "/later") == "/later"
    assert server.asked == ["/first", "/later"]


async def test_a_client_that_leaves_frees_its_place(
    plane: Plane, nginx: NginxUnderTest, manager: FileManager, served: tuple[Served, int]
) -> None:
    server, port = served
    await started(plane, manager, port, queue=Queue(2, 60))
    first = asyncio.create_task(ask(nginx, "/first"))
    await eventually(lambda: len(server.asked) == 1)
    _, gone = await asyncio.open_connection("127.0.0.1", nginx.port)
    gone.write(b"POST /gone HTTP/1.1\r\nHost: any\r\nContent-Length: 4\r\n\r\nbody")
    await waiting(nginx, 1)
    last = asyncio.create_task(ask(nginx, "/last"))
    await waiting(nginx, 2)
    gone.close()
    await waiting(nginx, 1)
    server.answer(2)
    assert await asyncio.gather(first, last) == ["/first", "/last"]
    assert server.asked == ["/first", "/last"]


async def test_a_body_is_there_before_its_request_has_a_place(
    plane: Plane, nginx: NginxUnderTest, manager: FileManager, served: tuple[Served, int]
) -> None:
    server, port = served
    await started(plane, manager, port)
    reader, writer = await asyncio.open_connection("127.0.0.1", nginx.port)
    writer.write(b"POST /slow HTTP/1.0\r\nHost: any\r\nContent-Length: 4\r\n\r\nbo")
    server.answer(2)
    assert await ask(nginx, "/fast") == "/fast"
    writer.write(b"dy")
    assert (await reader.read()).endswith(b"/slow")
    writer.close()


async def test_requests_wait_for_a_checked_server(
    plane: Plane, nginx: NginxUnderTest, manager: FileManager, port: int
) -> None:
    async with listening("127.0.0.5", lambda _, writer: writer.close()) as closed:
        check = LiveCheck(path="/", headers=(("Host", "tea"),), interval=0.2, mandatory=True, port=closed)
        await started(plane, manager, port, max_conns=None, check=check)
        asked = asyncio.create_task(ask(nginx, "/"))
        await waiting(nginx, 1)
        well = upstream(port, TEA, queue=Queue(10, 60), check=LiveCheck(path="/", headers=check.headers, interval=0.2))
        assert (await manager.apply(plane.release({"tea": well}, server(plane)))).ok
        assert await asked == TEA


async def test_a_worker_that_dies_does_not_stop_the_queue(
    plane: Plane, nginx: NginxUnderTest, manager: FileManager, served: tuple[Served, int]
) -> None:
    server, port = served
    await started(plane, manager, port, queue=Queue(200, 60))
    asked = [asyncio.create_task(ask(nginx, "/first"))]
    await eventually(lambda: len(server.asked) == 1)
    while len(pids := (await nginx.get("any", "/pids")).split()) < 2:
        asked.append(asyncio.create_task(ask(nginx, f"/{len(asked)}")))
        await waiting(nginx, len(asked) - 1)
    os.kill(int(pids[0]), signal.SIGKILL)
    await eventually(lambda: any(each.done() for each in asked))
    server.answer(len(asked))
    answers = await asyncio.gather(*asked)
    assert 0 < answers.count("") < len(asked)
    server.answer()
    assert await ask(nginx, "/later") == "/later"


async def test_a_change_of_the_servers_is_seen_by_those_who_wait(
    plane: Plane, nginx: NginxUnderTest, manager: FileManager, served: tuple[Served, int]
) -> None:
    server, port = served
    await started(plane, manager, port)
    asked = [asyncio.create_task(ask(nginx, f"/{number}")) for number in range(3)]
    await waiting(nginx, 2)
    more = upstream(port, TEA, max_conns=3, queue=Queue(10, 60))
    assert (await manager.apply(plane.release({"tea": more}, globals()["server"](plane)))).ok
    await eventually(lambda: len(server.asked) == 3)
    server.answer(3)
    assert sorted(await asyncio.gather(*asked)) == ["/0", "/1", "/2"]
    assert (await manager.apply(plane.release({"tea": upstream(port, TEA)}, globals()["server"](plane)))).ok
    assert await nginx.get("any", "/left") == ""


async def test_waiting_does_not_admit_whom_an_access_rule_keeps_out(
    plane: Plane, nginx: NginxUnderTest, manager: FileManager, served: tuple[Served, int]
) -> None:
    server, port = served
    server.answer()
    await started(plane, manager, port, "satisfy any; deny all;")
    assert "403 Forbidden" in await nginx.get("any", "/")


async def test_a_call_of_grpc_that_is_cancelled_frees_its_place(
    plane: Plane, nginx: NginxUnderTest, manager: FileManager
) -> None:
    """It waits on a connection that goes on."""
    held, asked = asyncio.Event(), list[bytes]()

    async def answer(request: bytes, _: object) -> bytes:
        asked.append(request)
        await held.wait()
        return request

    backend = grpc.aio.server()
    method = grpc.unary_unary_rpc_method_handler(answer)
    backend.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("Tea", {"Make": method}),))
    port = backend.add_insecure_port(f"{TEA}:0")
    await backend.start()
    tea = upstream(port, TEA, max_conns=1, queue=Queue(10, 60))
    file = server(plane, "http2 on;")
    text = file.data.replace(b"proxy_set_header Connection ''; proxy_pass http", b"grpc_pass grpc")
    text = text.replace(b"rewrite_by_lua_block { headgate.read_body() }", b"")
    file = File(file.name, text, origin=file.origin, claims=file.claims)
    assert (await manager.start(plane.release({"tea": tea}, file))).ok
    async with grpc.aio.insecure_channel(f"127.0.0.1:{nginx.port}") as channel:
        make = channel.unary_unary("/Tea/Make")
        first = make(b"first")
        await eventually(lambda: asked == [b"first"])
        cancelled, last = make(b"cancelled"), make(b"last")
        await waiting(nginx, 2)
        cancelled.cancel()
        await waiting(nginx, 1)
        held.set()
        assert [await first, await last] == [b"first", b"last"]
    assert asked == [b"first", b"last"]
    await backend.stop(None)


async def test_who_may_not_pass_does_not_wait(
    plane: Plane, nginx: NginxUnderTest, manager: FileManager, served: tuple[Served, int], prefix: Path
) -> None:
    behind, port = served
    passwords = password_file(prefix)
    file = server(plane, within=f"auth_basic tea; auth_basic_user_file {passwords};")
    tea = upstream(port, TEA, max_conns=1, queue=Queue(10, 60))
    assert (await manager.start(plane.release({"tea": tea}, file))).ok
    reader, writer = await asyncio.open_connection("127.0.0.1", nginx.port)
    writer.write(b"GET /first HTTP/1.0\r\nHost: any\r\nAuthorization: Basic dGVhOnBvdA==\r\n\r\n")
    await eventually(lambda: behind.asked == ["/first"])
    assert "401 Authorization Required" in await nginx.get("any", "/other"), "at once, though no place is free"
    behind.answer()
    assert (await reader.read()).endswith(b"/first")
    writer.close()


async def test_requests_wait_through_a_reload_before_those_that_come_later(
    plane: Plane, nginx: NginxUnderTest, manager: FileManager, served: tuple[Served, int]
) -> None:
    behind, port = served
    await started(plane, manager, port)
    asked = []
    for number in range(6):
        asked.append(asyncio.create_task(ask(nginx, f"/{number}")))
        await (waiting(nginx, number) if number else eventually(lambda: len(behind.asked) == 1))
        if number == 3:
            assert (await manager.reload()).reloaded
    for number in range(6):
        behind.answer()
        await eventually(lambda number=number: len(behind.asked) == min(number + 2, 6))
    assert behind.asked == [f"/{number}" for number in range(6)]
    assert await asyncio.gather(*asked) == behind.asked


async def test_no_request_is_lost_or_left_where_many_wait_and_some_clients_leave(
    plane: Plane, nginx: NginxUnderTest, manager: FileManager, port: int
) -> None:
    async def client(number: int) -> set[str]:
        return {await ask(nginx, f"/{number}") for _ in range(10)}

    async def leaving() -> None:
        _, writer = await asyncio.open_connection("127.0.0.1", nginx.port)
        writer.write(b"GET /gone HTTP/1.0\r\nHost: any\r\n\r\n")
        await writer.drain()
        writer.close()

    await started(plane, manager, port, max_conns=2, queue=Queue(1000, 60))
    every = await asyncio.gather(*(client(number) for number in range(30)), *(leaving() for _ in range(30)))
    assert all(answers == {TEA} for answers in every[:30])
    left = await eventually(lambda: nginx.get("any", "/left"), lambda found: "w:" not in found)
    assert left == f"n:tea|{TEA}:{port}=0 n:tea|queue=0"
