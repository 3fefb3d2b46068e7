"""Receives the line that nginx sends for each request and for each session of TCP or UDP, with a value for each try.

nginx never waits: what does not fit is lost. Linux queues ``net.unix.max_dgram_qlen`` datagrams (10 by default) at a
socket, too few for a busy worker, and fixes the number when the socket is bound; it is raised before that where
this process may. Beyond that a worker's own send buffer bounds what waits (about 280 lines each). nginx does not
tell the receiver about losses, it writes a line to its error log; so samples are a lower bound under load unless
``queue`` is large. Lines that cannot be read are counted.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import msgspec

from headgate.ir import Layout
from headgate.ir.latency import STREAM_TAG, TAG
from headgate.ir.layout import SYSLOG_SOCKET
from headgate.nginx.errors import LayoutError
from headgate.uds import Access, Address, ServerSocket, SocketType, UdsError

log = logging.getLogger(__name__)

QUEUE: Final = 512
"""Datagrams that the kernel should keep; none was lost with it at 55,000 requests a second."""
QUEUE_KNOB: Final = Path("/proc/sys/net/unix/max_dgram_qlen")
BUFFER: Final = 4 * 1024 * 1024
"""Bytes asked for with SO_RCVBUF; the kernel gives at most net.core.rmem_max."""
ANYBODY: Final = Access(0o666)
"""Workers may be another user; the directory decides who comes near."""
PER_TURN: Final = 2000
"""Datagrams read before other tasks get their turn (about 5 ms)."""
DATAGRAM: Final = 4096
FIELDS: Final = {f" {TAG}".encode(): 6, f" {STREAM_TAG}".encode(): 7}
"""How many fields a line has, by the tag at the end of its head."""

_SESSION: Final = f" {STREAM_TAG}".encode()
_TRIES: Final = re.compile(rb", | : ")


class Sample(msgspec.Struct, frozen=True, gc=False):
    """One answer of one server.

    Attributes:
        upstream: name of the upstream block.
        server: address and port that answered, or ``unix:…``.
        code: its HTTP status.
        milliseconds: from connecting to the last byte.
    """

    upstream: str
    server: str
    code: str
    milliseconds: float


class Request(msgspec.Struct, frozen=True, gc=False):
    """One answered request.

    Attributes:
        host: name of the server block that answered, ``_`` for the default server.
        upstream: name of the upstream block, ``-`` or empty if nginx answered by itself.
        code: the HTTP status that the client got.
        samples: one for each try that an upstream server answered.
    """

    host: str
    upstream: str
    code: str
    samples: tuple[Sample, ...] = ()


class Try(msgspec.Struct, frozen=True, gc=False):
    """A try at one server of an upstream; *seconds* until it was connected, ``None`` if it was not."""

    server: str
    seconds: float | None


class Session(msgspec.Struct, frozen=True, gc=False):
    """One session of TCP or UDP that has ended.

    Attributes:
        upstream: name of the upstream block.
        code: its status (``$status`` of ngx_stream_core_module).
        received: bytes from the client; ``sent`` to it.
        seconds: how long it lasted.
        tries: in order.
    """

    upstream: str
    code: str
    received: int
    sent: int
    seconds: float
    tries: tuple[Try, ...] = ()


def parse_line(datagram: bytes) -> Request | Session:
    """Parse the line of one request or session.

    Raises:
        ValueError: the line is not of our format.
    """
    head, _, line = datagram.partition(b": ")
    tag = head[head.rfind(b" ") :]
    fields = line.rstrip(b"\n").split(b"\t")
    if FIELDS.get(tag) != len(fields):
        raise ValueError(f"not a line of a request or a session: {datagram[:120]!r}")
    return _session(fields) if tag == _SESSION else _request(fields)


def _request(fields: list[bytes]) -> Request:
    upstream, host, code = fields[0].decode(), fields[4].decode(), fields[5].decode()
    return Request(host, upstream, code, tuple(_samples(upstream, fields[1:4])))


def _session(fields: list[bytes]) -> Session:
    upstream, code = fields[0].decode(), fields[1].decode()
    return Session(upstream, code, int(fields[2]), int(fields[3]), float(fields[4]), tuple(_tries(fields[5:7])))


def _tries(columns: list[bytes]) -> Iterator[Try]:
    tries = [_TRIES.split(column) for column in columns]
    for server, seconds in zip(*tries, strict=True):
        if server != b"-":
            yield Try(server.decode(), None if seconds == b"-" else float(seconds))


def _samples(upstream: str, columns: list[bytes]) -> Iterator[Sample]:
    tries = [_TRIES.split(column) for column in columns]
    for server, code, seconds in zip(*tries, strict=True):
        if code != b"-" and seconds != b"-":
            yield Sample(upstream, server.decode(), code.decode(), float(seconds) * 1000)


class LatencyReceiver:
    """The datagram socket that nginx's workers write to; open it before nginx starts."""

    def __init__(self, layout: Layout, callback: Callable[[Request | Session], None]) -> None:
        """Give each Request and each Session to *callback*; nothing is opened yet."""
        self._address = Address(layout.socket(SYSLOG_SOCKET))
        self._callback = callback
        self._listener: ServerSocket | None = None
        self.malformed = 0
        """Lines that could not be read."""
        self.queue = 0
        """Datagrams that the kernel keeps for us; with fewer than ``QUEUE``, some are lost under load."""

    def open(self) -> None:
        """Bind the socket and start to read in the running loop.

        Raises:
            LayoutError: it cannot be bound, or a process that is no controller (see ``lock``) listens there.
        """
        self.queue = raise_queue()
        try:
            self._listener = ServerSocket.open(self._address, SocketType.DGRAM, ANYBODY)
        except UdsError as error:
            raise LayoutError(str(error)) from error
        self._listener.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
        asyncio.get_running_loop().add_reader(self._listener.socket, self._drain)

    def close(self) -> None:
        """Stop reading and remove the socket; harmless if it is not open."""
        if self._listener is not None:
            asyncio.get_running_loop().remove_reader(self._listener.socket)
            self._listener.close()
            self._listener = None

    def _drain(self) -> None:
        """Read until nothing waits, but let others have a turn after ``PER_TURN``."""
        if self._listener is None:
            return
        with contextlib.suppress(BlockingIOError):
            for _ in range(PER_TURN):
                self._take(self._listener.socket.recv(DATAGRAM))

    def _take(self, datagram: bytes) -> None:
        try:
            self._callback(parse_line(datagram))
        except ValueError:
            self.malformed += 1


def raise_queue(setting: Path = QUEUE_KNOB) -> int:
    """Raise *setting* to ``QUEUE`` where that is allowed; return its value, 0 if it cannot be read."""
    try:
        length = int(setting.read_text())
    except (OSError, ValueError):
        return 0
    if length >= QUEUE:
        return length
    try:
        setting.write_text(str(QUEUE))
    except OSError:
        log.warning(
            "upstream latencies will be incomplete under load: the sysctl net.unix.max_dgram_qlen is too small",
            extra={"fields": {"now": length, "wanted": QUEUE}},
        )
        return length
    return QUEUE
