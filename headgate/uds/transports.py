"""The transports that ``headgate uds bench`` compares; each has an end for the client and one for the server.

All calls block, and no framework is in between, so that the kernel's work is measured.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, Protocol

IN_MOVED_TO: Final = 0x80
"""Of inotify(7): a file was renamed into the directory."""
EVENTS: Final = 4096


class End(Protocol):
    """One end of a transport; both ends know the length of the messages."""

    def send(self, message: bytes) -> None:
        """Send one message."""

    def receive(self, size: int) -> bytes | bytearray:
        """Return the next message, which has *size* bytes; EOFError if the other end is gone."""


Open = Callable[[], contextlib.AbstractContextManager[End]]


Transport = Callable[[Path], tuple[Open, Open]]
"""Prepares what it needs in a directory; returns what opens the server's end, and the client's in another process."""


class _Socket:
    """An end on a connected stream socket."""

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected

    def send(self, message: bytes) -> None:
        self._socket.sendall(message)

    def receive(self, size: int) -> bytearray:
        message = bytearray(size)
        rest = memoryview(message)
        while rest:
            if not (count := self._socket.recv_into(rest)):
                raise EOFError
            rest = rest[count:]
        return message


def uds(directory: Path) -> tuple[Open, Open]:
    """A stream socket with a path."""
    return _connection(socket.AF_UNIX, str(directory / "uds.sock"))


def abstract(directory: Path) -> tuple[Open, Open]:
    """A stream socket with an abstract address."""
    return _connection(socket.AF_UNIX, f"\0{directory}")


def tcp(_: Path) -> tuple[Open, Open]:
    """A TCP connection over loopback, with TCP_NODELAY."""
    return _connection(socket.AF_INET, ("127.0.0.1", 0))


def _connection(family: socket.AddressFamily, address: str | tuple[str, int]) -> tuple[Open, Open]:
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.bind(address)
    listener.listen(1)

    @contextlib.contextmanager
    def server() -> Iterator[End]:
        connected, _ = listener.accept()
        listener.close()
        with _without_delay(connected):
            yield _Socket(connected)

    @contextlib.contextmanager
    def client() -> Iterator[End]:
        connected = socket.socket(family, socket.SOCK_STREAM)
        connected.connect(listener.getsockname())
        listener.close()
        with _without_delay(connected):
            yield _Socket(connected)

    return server, client


def _without_delay(connected: socket.socket) -> socket.socket:
    if connected.family == socket.AF_INET:
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connected


class _Pipes:
    """An end that reads one named pipe and writes another."""

    def __init__(self, source: int, sink: int) -> None:
        self._source = source
        self._sink = sink

    def send(self, message: bytes) -> None:
        rest = memoryview(message)
        while rest:
            rest = rest[os.write(self._sink, rest) :]

    def receive(self, size: int) -> bytearray:
        message = bytearray(size)
        rest = memoryview(message)
        while rest:
            if not (count := os.readv(self._source, [rest])):
                raise EOFError
            rest = rest[count:]
        return message


def fifo(directory: Path) -> tuple[Open, Open]:
    """Two named pipes in a shared directory."""
    requests, answers = directory / "requests", directory / "answers"
    os.mkfifo(requests)
    os.mkfifo(answers)

    @contextlib.contextmanager
    def server() -> Iterator[End]:
        # Opening a pipe blocks until its other end is opened: both sides open them in the same order.
        with requests.open("rb", buffering=0) as source, answers.open("wb", buffering=0) as sink:
            yield _Pipes(source.fileno(), sink.fileno())

    @contextlib.contextmanager
    def client() -> Iterator[End]:
        with requests.open("wb", buffering=0) as sink, answers.open("rb", buffering=0) as source:
            yield _Pipes(source.fileno(), sink.fileno())

    return server, client


class _Files:
    """An end that reads each message from a file in one directory and writes its own into another."""

    def __init__(self, watch: int, source: Path, sink: Path) -> None:
        self._watch = watch
        self._source = source
        self._sink = sink

    def send(self, message: bytes) -> None:
        draft = self._sink.with_suffix(".draft")
        draft.write_bytes(message)
        draft.rename(self._sink / "message")  # a reader never sees a part of a message

    def receive(self, size: int) -> bytes:
        os.read(self._watch, EVENTS)
        message = (self._source / "message").read_bytes()
        if len(message) != size:
            raise EOFError
        return message


def files(directory: Path) -> tuple[Open, Open]:
    """A file per message in a shared directory, as over a hostPath; inotify(7) wakes the reader."""
    requests, answers = directory / "requests", directory / "answers"
    requests.mkdir()
    answers.mkdir()
    # Both watches exist before either side writes, so no message is missed.
    watches = {path: _watch(path) for path in (requests, answers)}

    def end(source: Path, sink: Path) -> Open:
        @contextlib.contextmanager
        def opened() -> Iterator[End]:
            try:
                yield _Files(watches[source], source, sink)
            finally:
                for watch in watches.values():
                    os.close(watch)

        return opened

    return end(requests, answers), end(answers, requests)


def _watch(directory: Path) -> int:
    """Return a descriptor that reads an event when a file is renamed into *directory*."""
    libc = ctypes.CDLL(None, use_errno=True)
    watch: int = libc.inotify_init1(os.O_CLOEXEC)
    if watch < 0 or libc.inotify_add_watch(watch, os.fsencode(directory), IN_MOVED_TO) < 0:
        raise OSError(ctypes.get_errno(), f"{directory} cannot be watched: {os.strerror(ctypes.get_errno())}")
    return watch


TRANSPORTS: Final[dict[str, Transport]] = {"uds": uds, "abstract": abstract, "tcp": tcp, "fifo": fifo, "file": files}
"""All transports by the names that ``--transports`` takes."""
