"""Messages over a connected Unix socket, with one interface for all three types."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
from typing import Final, Protocol, Self

from headgate.uds.address import SocketType
from headgate.uds.errors import FramingError
from headgate.uds.framing import MAX_MESSAGE, Framing, pack, unpack

OVERHEAD: Final = 4096
"""Bytes of the send buffer that the kernel needs for bookkeeping, beside the message."""


TOO_LONG: Final = frozenset({errno.EMSGSIZE, errno.ENOBUFS})
"""Errors of send(2) for a packet larger than the send buffer, or too large for the kernel to allocate in one piece."""


class Channel(Protocol):
    """Messages in both directions. No library exception but OSError is raised."""

    async def send(self, message: bytes) -> None:
        """Send one message; waits while the other side does not read.

        Raises:
            FramingError: it cannot be sent in one piece.
            OSError: the connection is broken.
        """

    async def receive(self) -> bytes | None:
        """Return the next message, ``None`` when no more will come.

        Raises:
            FramingError: what was received is not a message.
            OSError: the connection is broken.
        """

    def finish(self) -> None:
        """End sending; receiving is still possible."""

    async def close(self) -> None:
        """Close the connection; what was not sent is lost."""


class Stream:
    """A channel on a stream, with explicit framing."""

    def __init__(self, ends: tuple[asyncio.StreamReader, asyncio.StreamWriter], framing: Framing, limit: int) -> None:
        """Take over both *ends*; use ``Stream.over``."""
        self._reader, self._writer = ends
        self._framing = framing
        self._limit = limit

    @classmethod
    async def over(cls, connected: socket.socket, framing: Framing, limit: int = MAX_MESSAGE) -> Self:
        """Take over *connected*; messages longer than *limit* bytes are refused."""
        ends = await asyncio.open_unix_connection(sock=connected, limit=limit)
        return cls(ends, framing, limit)

    async def send(self, message: bytes) -> None:
        """See Channel."""
        self._writer.write(pack(message, self._framing))
        await self._writer.drain()

    async def receive(self) -> bytes | None:
        """See Channel."""
        return await unpack(self._reader, self._framing, self._limit)

    def finish(self) -> None:
        """See Channel: the other side reads the end of the stream (shutdown(2))."""
        self._writer.write_eof()

    async def close(self) -> None:
        """See Channel."""
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()


class Packets:
    """A channel on a socket that preserves message boundaries: seqpacket, or a connected datagram socket."""

    def __init__(self, connected: socket.socket, kind: SocketType) -> None:
        """Take over *connected*, which is non-blocking."""
        self._socket = connected
        self._kind = kind

    async def send(self, message: bytes) -> None:
        """See Channel."""
        if not message and self._kind is SocketType.SEQPACKET:
            raise FramingError("an empty message looks like the end on a seqpacket socket; use another --type")
        grow_send_buffer(self._socket, len(message))
        try:
            await asyncio.get_running_loop().sock_sendall(self._socket, message)
        except OSError as error:
            if error.errno in TOO_LONG:
                raise FramingError(too_long(self._socket, message)) from error
            raise

    async def receive(self) -> bytes | None:
        """See Channel. On a seqpacket socket an empty message is the end; on a datagram socket there is none."""
        message = await receive_whole(self._socket)
        return None if not message and self._kind is SocketType.SEQPACKET else message

    def finish(self) -> None:
        """See Channel; a no-op on a datagram socket."""
        if self._kind is SocketType.SEQPACKET:
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_WR)

    async def close(self) -> None:
        """See Channel."""
        self._socket.close()


async def channel(connected: socket.socket, kind: SocketType, framing: Framing, limit: int = MAX_MESSAGE) -> Channel:
    """Return the Channel for *connected*; only streams need *framing* and *limit*."""
    if kind is SocketType.STREAM:
        return await Stream.over(connected, framing, limit)
    return Packets(connected, kind)


async def receive_whole(connected: socket.socket) -> bytes:
    """Receive one packet of any size, whole: its length is read first (MSG_PEEK, MSG_TRUNC; recv(2))."""
    size = await readable(connected)
    return connected.recv(max(size, 1))


async def readable(connected: socket.socket) -> int:
    """Wait for a packet and return its size in bytes; it stays in the queue."""
    loop = asyncio.get_running_loop()
    while True:
        try:
            return connected.recv_into(bytearray(1), 1, socket.MSG_PEEK | socket.MSG_TRUNC)
        except BlockingIOError:
            ready = loop.create_future()
            loop.add_reader(connected, _settle, ready)
            try:
                await ready
            finally:
                loop.remove_reader(connected)


def _settle(ready: asyncio.Future[None]) -> None:
    if not ready.done():
        ready.set_result(None)


def grow_send_buffer(sender: socket.socket, size: int) -> None:
    """Enlarge the send buffer for a packet of *size* bytes, as far as net.core.wmem_max allows."""
    if sender.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) < size + OVERHEAD:
        sender.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, size + OVERHEAD)


def too_long(sender: socket.socket, message: bytes) -> str:
    """Explain why *message* cannot be sent in one packet."""
    size = sender.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)
    return (
        f"{len(message)} bytes do not go in one packet, the kernel gives this socket {size} (net.core.wmem_max), "
        "and no packet more than a few MiB; "
        "use --type stream, or send less at once"
    )
