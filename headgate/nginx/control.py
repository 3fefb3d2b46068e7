"""Requests over nginx's Unix sockets: a new connection each, as only that tells which workers accept."""

from __future__ import annotations

import asyncio
import contextlib
import re
from http import HTTPStatus
from typing import Final

import msgspec

LIMIT: Final = 65536
"""Bytes of an answer that are read by default; those of Headgate have a few hundred."""

_STATUS_LINE: Final = re.compile(rb"HTTP/1\.[01] (\d{3}) ")


class HttpReply(msgspec.Struct, frozen=True):
    """A status code and the body that came with it."""

    code: int
    body: bytes


async def get(socket: str, target: str, timeout_s: float, limit: int = LIMIT) -> bytes | None:
    """Return the body that ``GET`` *target* is answered with on *socket*, or ``None`` without a 200 in time.

    Of a body longer than *limit* bytes, the end is not read. Cancellation closes the connection.
    """
    answer = await ask(socket, target, timeout_s, limit=limit)
    return answer.body if answer is not None and answer.code == HTTPStatus.OK else None


async def ask(
    socket: str, target: str, timeout_s: float, body: bytes | None = None, *, limit: int = LIMIT
) -> HttpReply | None:
    """Return what ``GET`` *target* is answered with on *socket*, or ``None`` if that is not HTTP or not in time.

    With a *body*, it is a ``POST``. HTTP/1.0, so nginx closes the connection after the answer. Cancellation closes it
    too. At most *limit* bytes of the answer are read.
    """
    first = f"GET {target}" if body is None else f"POST {target}"
    lines = f"{first} HTTP/1.0\r\nHost: headgate\r\nContent-Length: {len(body or b'')}\r\n\r\n"
    try:
        async with asyncio.timeout(timeout_s):
            answer = await _exchange(socket, lines.encode() + (body or b""), limit)
    except (OSError, TimeoutError):
        return None
    head, _, body = answer.partition(b"\r\n\r\n")
    found = _STATUS_LINE.match(head)
    return HttpReply(int(found[1]), body) if found else None


async def _exchange(socket: str, request: bytes, limit: int) -> bytes:
    reader, writer = await asyncio.open_unix_connection(socket)
    try:
        writer.write(request)
        await writer.drain()
        chunks, size = [], 0
        # njs answers what it has only peeked at, so that the end is a reset.
        with contextlib.suppress(ConnectionResetError):
            while size < limit and (chunk := await reader.read(LIMIT)):
                chunks.append(chunk)
                size += len(chunk)
        return b"".join(chunks)
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
