"""gRPC over HTTP/2 in as few lines as a test needs: a server and a client of unary calls.

https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md
"""

from __future__ import annotations

import asyncio
import ssl
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import NamedTuple

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, Event, RequestReceived, ResponseReceived, StreamEnded, TrailersReceived
from showcase.ports import free_port

from tests.live.settings.backends import LOOPBACK

CONTENT = ("content-type", "application/grpc")
UNIMPLEMENTED = "12"
Headers = dict[str, str]


class GrpcMessage(NamedTuple):
    """One direction of a call: its headers, its message, its trailers."""

    headers: Headers
    message: bytes
    trailers: Headers


class _Http2Connection:
    """One HTTP/2 connection, and what came over it so far."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, client: bool) -> None:
        self._reader, self._writer = reader, writer
        self.http2 = H2Connection(H2Configuration(client_side=client, header_encoding="utf-8"))
        self.http2.initiate_connection()
        self._headers: dict[int, Headers] = {}
        self._data: defaultdict[int, bytes] = defaultdict(bytes)
        self._trailers: defaultdict[int, Headers] = defaultdict(dict)

    def flush(self) -> None:
        self._writer.write(self.http2.data_to_send())

    async def calls(self) -> AsyncIterator[tuple[int, GrpcMessage]]:
        """Yield every stream that ended, until the other side leaves."""
        self.flush()
        while received := await self._reader.read(65_535):
            ended = [event.stream_id for event in self.http2.receive_data(received) if self._take(event)]
            for stream in ended:
                yield stream, GrpcMessage(self._headers[stream], self._data[stream][5:], self._trailers[stream])
            self.flush()

    def _take(self, event: Event) -> bool:
        """Note *event*; return whether it ends a stream."""
        if isinstance(event, RequestReceived | ResponseReceived):
            self._headers[event.stream_id] = dict(event.headers)
        elif isinstance(event, DataReceived):
            self._data[event.stream_id] += event.data
            self.http2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, TrailersReceived):
            self._trailers[event.stream_id] = dict(event.headers)
        return isinstance(event, StreamEnded)


class GrpcBackend:
    """Sends every message back; knows no method ``Missing``, and has no answer to ``Never``."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        """Prepare to listen on 127.0.0.1."""
        self.port = free_port()
        self.requests: list[GrpcMessage] = []
        self._tls = tls

    @asynccontextmanager
    async def running(self) -> AsyncIterator[GrpcBackend]:
        """Serve."""
        server = await asyncio.start_server(self._serve, LOOPBACK, self.port, ssl=self._tls)
        try:
            yield self
        finally:
            server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = _Http2Connection(reader, writer, client=False)
        try:
            async for stream, call in connection.calls():
                self.requests.append(call)
                self._answer(connection.http2, stream, call)
        finally:
            writer.close()

    def _answer(self, http2: H2Connection, stream: int, call: GrpcMessage) -> None:
        method = call.headers[":path"].rpartition("/")[2]
        if method == "Never":
            return
        if method == "Missing":
            http2.send_headers(
                stream, [(":status", "200"), CONTENT, ("grpc-status", UNIMPLEMENTED)], end_stream=True
            )  # fmt: skip
            return
        http2.send_headers(stream, [(":status", "200"), CONTENT])
        http2.send_data(stream, _framed(call.message))
        http2.send_headers(stream, [("grpc-status", "0")], end_stream=True)


async def call(  # noqa: PLR0913 - where, what, and over what
    port: int, host: str, path: str, message: bytes, more: Iterable[tuple[str, str]] = (), *, tls: bool = True
) -> GrpcMessage:
    """Make a unary call: over TLS, whose certificate is not verified, or else over HTTP/2 with prior knowledge.

    Prior knowledge: https://www.rfc-editor.org/rfc/rfc9113#section-3.3.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    secure = {"ssl": context, "server_hostname": host} if tls else {}
    reader, writer = await asyncio.open_connection(LOOPBACK, port, **secure)
    connection = _Http2Connection(reader, writer, client=True)
    scheme = "https" if tls else "http"
    asked = [(":method", "POST"), (":scheme", scheme), (":authority", host), (":path", path), ("te", "trailers")]
    try:
        connection.http2.send_headers(1, [*asked, CONTENT, *more])
        connection.http2.send_data(1, _framed(message), end_stream=True)
        async for _, answer in connection.calls():
            return answer
    finally:
        writer.transport.abort()
    raise ConnectionError("the other side left without an answer")


def _framed(message: bytes) -> bytes:
    return b"\0" + len(message).to_bytes(4, "big") + message
