"""A small FastCGI server: it answers with the parameters and the body of each request."""

from __future__ import annotations

import socketserver
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Thread

HEADER = struct.Struct(">BBHHBx")
"""Version, type, request, length of content and of padding (FastCGI specification, 3.3)."""
VERSION, BEGIN, END, PARAMS, STDIN, STDOUT = 1, 1, 3, 4, 5, 6


class Responder(socketserver.StreamRequestHandler):
    """Answers one request: ``NAME=value`` lines, then the body; 404 for a path with ``missing``."""

    def handle(self) -> None:
        number, streams = 0, {PARAMS: b"", STDIN: b""}
        ended: set[int] = set()
        while ended != {PARAMS, STDIN}:
            read = self.rfile.read(HEADER.size)
            if len(read) < HEADER.size:
                return
            _, kind, number, length, padding = HEADER.unpack(read)
            content = self.rfile.read(length + padding)[:length]
            if kind in streams:
                streams[kind] += content
                ended |= set() if content else {kind}
        params = dict(pairs(streams[PARAMS]))
        status = "404 Not Found" if "missing" in params["SCRIPT_NAME"] else "200 OK"
        lines = "".join(f"{name}={value}\n" for name, value in sorted(params.items())).encode()
        head = f"Status: {status}\r\nContent-Type: text/plain\r\nX-Secret: 1\r\n\r\n".encode()
        answer = head + lines + streams[STDIN]
        self.wfile.write(b"".join(map(record(number), ((STDOUT, answer), (STDOUT, b""), (END, bytes(8))))))


def record(number: int) -> Callable[[tuple[int, bytes]], bytes]:
    """Return what makes a record of the request *number* of a type and content."""
    return lambda part: HEADER.pack(VERSION, part[0], number, len(part[1]), 0) + part[1]


def pairs(data: bytes) -> Iterator[tuple[str, str]]:
    """Yield the names and values of *data* (specification, 3.4)."""
    place = 0

    def length() -> int:
        nonlocal place
        first = data[place]
        place += 1 if first < 1 << 7 else 4
        return first if first < 1 << 7 else struct.unpack(">I", data[place - 4 : place])[0] & (1 << 31) - 1

    while place < len(data):
        name, value = length(), length()
        yield data[place : place + name].decode(), data[place + name : place + name + value].decode()
        place += name + value


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True


@contextmanager
def fastcgi_server() -> Iterator[int]:
    """Run one on a port of loopback, which is returned."""
    with _Server(("127.0.0.1", 0), Responder) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()
