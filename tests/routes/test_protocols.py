"""HTTP/2 with many requests at once, and WebSockets, through hosts that are routed at run time."""

from __future__ import annotations

import asyncio
import contextlib
import re
import ssl
from collections import defaultdict
from collections.abc import AsyncIterator

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, ResponseReceived, StreamEnded, StreamReset

from tests.directories import short_directory
from tests.live.json_objects import Json, config_map, endpoints, ingress, path, service
from tests.routes.routed_nginx import LOOPBACK, RoutedNginx
from tests.routes.served import Ports, generate, hosts, serving
from tests.waiting import DEADLINE_S

END = b"\r\n\r\n"
BODY = b"0123456789"
ASKED = [
    (host, where, body, more)
    for host in ("one.test", "two.test", "x.w.test", "nobody.test", "ONE.TEST", "two.test.", "one.test:8443")
    for where in ("/", "/coffee", "/coffee/../x", "/exact?q", "//coffee%2Fa")
    for body, more in [(b"", []), (BODY, []), (BODY + b"x", []), (BODY + b"x", [("content-length", "11")])]
]
OBJECTS = [
    config_map(http2="true"),
    ingress(
        "one",
        {"one.test": [path("tea"), path("coffee", "/coffee"), path("coffee", "/exact", "Exact")]},
        tls={"cert-a": ["one.test"]},
        ssl_redirect="false",
    ),
    ingress(
        "two", "two.test", tls={"cert-b": ["two.test"]}, ssl_redirect="false", client_max_body_size="10", hsts="true"
    ),
    ingress("wild", {"*.w.test": [path("coffee")]}, tls={"cert-a": ["*.w.test"]}, ssl_redirect="false"),
]


async def all_at_once(port: int) -> list[tuple[str, str, bytes]]:
    """Ask everything of ASKED over one connection, before the first answer is read.

    Return of each answer the status, Strict-Transport-Security, and the body.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    reader, writer = await asyncio.open_connection(LOOPBACK, port, ssl=context, server_hostname="one.test")
    client = H2Connection(H2Configuration(header_encoding="utf-8"))
    client.initiate_connection()
    streams = []
    for host, where, body, more in ASKED:
        stream = client.get_next_available_stream_id()
        streams.append(stream)
        method = "POST" if body else "GET"
        fields = [(":method", method), (":path", where), (":authority", host), (":scheme", "https"), *more]
        client.send_headers(stream, fields, end_stream=not body)
        if body:
            client.send_data(stream, body, end_stream=True)
    statuses: dict[int, tuple[str, str]] = {}
    bodies: defaultdict[int, bytes] = defaultdict(bytes)
    open_ = set(streams)
    try:
        while open_:
            writer.write(client.data_to_send())
            for event in client.receive_data(await asyncio.wait_for(reader.read(65_535), DEADLINE_S)):
                if isinstance(event, ResponseReceived):
                    head = dict(event.headers)
                    statuses[event.stream_id] = head[":status"], head.get("strict-transport-security", "")
                elif isinstance(event, DataReceived):
                    bodies[event.stream_id] += event.data
                    client.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                elif isinstance(event, StreamEnded | StreamReset):
                    open_.discard(event.stream_id)
    finally:
        writer.close()
    return [(*statuses.get(stream, ("", "")), changing(bodies[stream])) for stream in streams]


def changing(body: bytes) -> bytes:
    """Return *body* without what differs from one request to the next."""
    return re.sub(rb"(?mi)^(?:Date|Request ID|X-Request-Id|Server address): .*\n", b"", body)


async def test_requests_of_one_http2_connection_are_answered_as_by_server_blocks(backends: list[Json]) -> None:
    found = []
    ports = Ports.free()
    for routing in (False, True):
        with short_directory() as folder:
            flags = ("-nginx-configmaps=ours/config",)
            report = generate(folder, [*OBJECTS, *backends], ports, *flags, routing=routing)
            assert sorted(hosts(report)) == (["*.w.test", "one.test", "two.test"] if routing else [])
            with serving(folder, report, ports.http, workers=2):
                found.append(await all_at_once(ports.https))
    for asked, block, route in zip(ASKED, *found, strict=True):
        assert route == block, asked
    assert {status for status, *_ in found[1]} == {"200", "404", "413"}
    assert {hsts for status, hsts, _ in found[1] if status == "413"} == {"max-age=2592000; preload"}


@contextlib.asynccontextmanager
async def echo() -> AsyncIterator[int]:
    """A backend that accepts every WebSocket and sends back what it gets; yield its port."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError), contextlib.closing(writer):
            head = await reader.readuntil(END)
            assert b"upgrade: websocket" in head.lower()
            writer.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade" + END)
            while data := await reader.read(1024):
                writer.write(data)

    server = await asyncio.start_server(talk, LOOPBACK, 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def test_a_web_socket_stays_open_while_its_host_changes_and_goes(routed: RoutedNginx) -> None:
    async with echo() as port:
        chat = {"chat.test": [path("chat")]}
        sockets = ingress("chat", chat, websocket_services="chat")
        await routed.apply(service("chat"), endpoints("chat", LOOPBACK, port=port), sockets, ingress("one", "one.test"))
        assert sorted(routed.hosts) == ["chat.test", "one.test"]
        reader, writer = await asyncio.open_connection(LOOPBACK, routed.http)
        try:
            writer.write(b"GET / HTTP/1.1\r\nHost: chat.test\r\nUpgrade: websocket\r\nConnection: upgrade" + END)
            assert (await reader.readuntil(END)).startswith(b"HTTP/1.1 101")

            async def still() -> bool:
                writer.write(b"hello")
                return await reader.readexactly(5) == b"hello"

            assert await still()
            await routed.apply(endpoints("chat", "127.0.0.9", port=port))
            assert await still()
            routed.delete(sockets)
            assert not (await routed.apply()).reloaded
            assert await routed.get("chat.test") == "404"
            assert await still()
        finally:
            writer.close()
