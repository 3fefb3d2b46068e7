"""A client of HTTP/3, on aioquic: requests over one connection, which takes any certificate and remembers it."""

from __future__ import annotations

import asyncio
import ssl
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

from aioquic.asyncio import QuicConnectionProtocol
from aioquic.h3.connection import H3_ALPN, ErrorCode, H3Connection
from aioquic.h3.events import DataReceived, H3Event, HeadersReceived
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection
from aioquic.quic.events import ConnectionTerminated, QuicEvent, StreamReset
from aioquic.tls import SessionTicket
from cryptography.hazmat.primitives.serialization import Encoding

from tests.waiting import DEADLINE_S

LOOPBACK = "127.0.0.1"


class Refused(ConnectionError):  # noqa: N818 - what became of the handshake
    """There is no connection: the handshake failed or nobody answers."""


class Http3Answer(NamedTuple):
    """What a client was answered; of several headers of a name the last one."""

    status: int
    headers: Mapping[str, str]
    text: str


class Http3Client(QuicConnectionProtocol):
    """One connection."""

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        self._http = H3Connection(self._quic)
        self._headers: dict[int, dict[str, str]] = {}
        self._bodies: defaultdict[int, bytearray] = defaultdict(bytearray)
        self._answers: dict[int, asyncio.Future[Http3Answer]] = {}
        self.host = self.end = ""

    async def get(self, path: str = "/", host: str = "", *, method: str = "GET", body: bytes = b"",
                  **headers: str) -> Http3Answer:  # fmt: skip
        """Ask *host*, that of the handshake if not given; the name of a header has ``_`` for ``-``.

        Raises:
            ConnectionError: the connection, or the stream, ended before the answer did.
        """
        stream = self._quic.get_next_available_stream_id()
        fields = [
            (b":method", method.encode()), (b":scheme", b"https"), (b":authority", (host or self.host).encode()),
            (b":path", path.encode()),
            *((name.replace("_", "-").lower().encode(), value.encode()) for name, value in headers.items()),
        ]  # fmt: skip
        answer = self._answers[stream] = asyncio.get_running_loop().create_future()
        self._http.send_headers(stream, fields, end_stream=not body)
        if body:
            self._http.send_data(stream, body, end_stream=True)
        self.transmit()
        async with asyncio.timeout(DEADLINE_S):
            return await answer

    @property
    def certificate(self) -> bytes:
        """The certificate (DER) that the server showed."""
        found = self._quic.tls._peer_certificate
        assert found
        return found.public_bytes(Encoding.DER)

    @property
    def resumed(self) -> bool:
        """Whether the handshake resumed a session."""
        return bool(self._quic.tls.session_resumed)

    def quic_event_received(self, event: QuicEvent) -> None:
        if isinstance(event, ConnectionTerminated):
            self.end = f"the connection ended: {event.error_code} {event.reason_phrase}"
            self._lose(*self._answers, reason=self.end)
        elif isinstance(event, StreamReset):
            self._lose(event.stream_id, reason=f"the stream was reset: {event.error_code}")
        for found in self._http.handle_event(event):
            self._take(found)

    def _take(self, event: H3Event) -> None:
        if not isinstance(event, HeadersReceived | DataReceived):
            return
        if isinstance(event, HeadersReceived):
            self._headers.setdefault(event.stream_id, {name.decode(): value.decode() for name, value in event.headers})
        else:
            self._bodies[event.stream_id] += event.data
        if event.stream_ended and (answer := self._answers.pop(event.stream_id, None)) and not answer.done():
            headers = self._headers.pop(event.stream_id)
            body = bytes(self._bodies.pop(event.stream_id, b""))
            answer.set_result(Http3Answer(int(headers[":status"]), headers, body.decode("utf-8", "replace")))

    def _lose(self, *streams: int, reason: str) -> None:
        for stream in streams:
            if (answer := self._answers.pop(stream, None)) and not answer.done():
                answer.set_exception(ConnectionError(reason))


@asynccontextmanager
async def http3_client(  # noqa: PLR0913 - all that a client decides
    port: int,
    host: str,
    *,
    address: str = LOOPBACK,
    certificate: tuple[Path, Path] | None = None,
    ticket: SessionTicket | None = None,
    tickets: list[SessionTicket] | None = None,
) -> AsyncIterator[Http3Client]:
    """Connect to *port* of this machine under the server name *host*, until the block ends.

    Args:
        address: of the client.
        certificate: what the client shows, with its key (PEM).
        ticket: a session to resume.
        tickets: gets the sessions that can be resumed.

    Raises:
        Refused: the handshake failed.
    """
    settings = QuicConfiguration(
        alpn_protocols=H3_ALPN, is_client=True, server_name=host, verify_mode=ssl.CERT_NONE, session_ticket=ticket,
        idle_timeout=DEADLINE_S,
    )  # fmt: skip
    if certificate:
        settings.load_cert_chain(*certificate)
    keep = tickets.append if tickets is not None else None
    quic = QuicConnection(configuration=settings, session_ticket_handler=keep)
    loop = asyncio.get_running_loop()
    # aioquic's own connect() waits at its end until the server can have no packets under way.
    transport, client = await loop.create_datagram_endpoint(lambda: Http3Client(quic), local_addr=(address, 0))
    client.host = host
    try:
        client.connect((LOOPBACK, port))
        try:
            await client.wait_connected()
        except ConnectionError as error:
            raise Refused(client.end) from error
        yield client
    finally:
        client.close(ErrorCode.H3_NO_ERROR)
        transport.close()


async def get(port: int, host: str, path: str = "/", **headers: str) -> Http3Answer:
    """Ask *host* over a connection of its own."""
    async with http3_client(port, host) as client:
        return await client.get(path, **headers)
