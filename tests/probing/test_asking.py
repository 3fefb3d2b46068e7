"""What is made of servers that do not answer as they should, or each time otherwise."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from headgate.probing import Comparison, Controller, Probe, Reason, Reply, compare
from headgate.probing.addresses import Address
from headgate.probing.asking import Pace
from headgate.probing.sending import MOST_BODY, send

PROBE = Probe("http", "a.test", "/", Reason.PATH)
TIMEOUT_S = 20.0
HANGS, PORT = "hangs", "PORT"


def answer(body: str, status: str = "200 OK", more: str = "") -> str:
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{more}\r\n{body}"


@asynccontextmanager
async def serving(*answers: str, seen: list[str] | None = None) -> AsyncIterator[Address]:
    """Give one of *answers* after the other to each connection."""
    following = itertools.cycle(answers)

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        running.append(asyncio.current_task())
        request = await reader.read(65536)
        if seen is not None:
            seen.append(request.decode())
        text = next(following).replace(PORT, str(writer.get_extra_info("sockname")[1]))
        with contextlib.suppress(ConnectionError):
            writer.write(text.removesuffix(HANGS).encode())
            await writer.drain()
            if text.endswith(HANGS):
                await reader.read()
            writer.close()
            await writer.wait_closed()

    running: list[asyncio.Task[None] | None] = []
    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with server:
        yield Address("127.0.0.1", server.sockets[0].getsockname()[1])
        await asyncio.gather(*filter(None, running))


async def compared(a: Address, b: Address) -> Comparison:
    both = (Controller("", {"http": each}) for each in (a, b))
    (found,) = await compare([PROBE], *both, rate=10_000, timeout_s=TIMEOUT_S)
    return found


def names(found: Comparison) -> tuple[tuple[str, ...], tuple[str, ...]]:
    return tuple(each.name for each in found.differences), found.unsteady


async def test_a_body_that_differs_each_time_is_not_a_difference() -> None:
    async with serving(answer("1"), answer("2"), answer("3")) as a, serving(answer("4"), answer("5")) as b:
        assert names(await compared(a, b)) == ((), ("body",))


@pytest.mark.parametrize("of_b", ["21", "221"])
async def test_an_answer_of_another_backend_is_not_a_difference(of_b: str) -> None:
    async with serving(answer("1")) as a, serving(*map(answer, of_b)) as b:
        assert names(await compared(a, b)) == ((), ("body",))


async def test_pages_of_errors_are_not_compared() -> None:
    async with serving(answer("1", "404 Not Found")) as a, serving(answer("2", "404 Not Found")) as b:
        assert names(await compared(a, b)) == ((), ())


async def test_redirects_to_the_port_of_each_controller_are_the_same() -> None:
    moved = answer("", "302 Found", f"Location: http://a.test:{PORT}/x\r\n")
    async with serving(moved) as a, serving(moved) as b:
        assert a.port != b.port
        assert names(await compared(a, b)) == ((), ())


async def test_a_header_may_differ_while_the_body_is_unsteady() -> None:
    more = "Strict-Transport-Security: max-age=1\r\n"
    async with serving(answer("1"), answer("2")) as a, serving(answer("3", more=more)) as b:
        assert names(await compared(a, b)) == (("strict-transport-security",), ("body",))


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("", "closes the connection"),
        ("SSH-2.0-x\r\n\r\n", "an answer that is not HTTP"),
        ("HTTP/1.1 204 No Content\r\n\r\n", "204"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", "200"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "200"),
        (answer("x" * (2 * MOST_BODY)), "200"),
    ],
)
async def test_answers_that_cannot_be_read_whole(text: str, status: str) -> None:
    async with serving(text) as address:
        reply = await send(address, PROBE, TIMEOUT_S)
    whole = "204" if status == "204" else ""
    assert (reply.status, bool(reply.body)) == (status, bool(whole))


@pytest.mark.parametrize(("text", "status"), [(HANGS, "no answer in time"), (answer("", "302 Found") + HANGS, "302")])
async def test_servers_that_do_not_end(text: str, status: str) -> None:
    async with serving(text) as address:
        assert await send(address, PROBE, 0.2) == Reply(status, (("content-length", "0"),) if status == "302" else ())


async def test_redirects_are_not_followed() -> None:
    seen: list[str] = []
    async with serving(answer("x"), seen=seen) as other:
        moved = answer("", "302 Found", f"Location: http://{other}/\r\n")
        async with serving(moved) as a, serving(moved) as b:
            assert names(await compared(a, b)) == ((), ())
    assert seen == []


async def test_what_is_sent() -> None:
    seen: list[str] = []
    async with serving(answer("x"), seen=seen) as address:
        await send(address, Probe("http", "a.test", "/a%20b", Reason.PATH, headers=(("X-Y", "z"),)), TIMEOUT_S)
    lines = seen[0].split("\r\n")
    assert lines[:2] == ["GET /a%20b HTTP/1.1", "Host: a.test"]
    assert "X-Y: z" in lines
    assert "Connection: close" in lines


async def test_tls_to_a_port_that_has_none() -> None:
    async with serving(answer("x")) as address:
        reply = await send(address, Probe("https", "a.test", "/", Reason.PATH), TIMEOUT_S)
    assert reply == Reply("refuses the TLS handshake")


async def test_the_rate_is_kept() -> None:
    pace, clock = Pace(100), asyncio.get_running_loop().time
    begin = clock()
    await asyncio.gather(*(pace.turn() for _ in range(11)))
    assert clock() - begin >= 0.1
