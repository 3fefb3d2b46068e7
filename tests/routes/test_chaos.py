"""Everything changes at the same time while clients of every protocol ask: no request fails that nginx could answer."""

from __future__ import annotations

import abc
import asyncio
import contextlib
import itertools
import os
import random
import re
import signal
import ssl
import time
from collections.abc import AsyncIterator
from functools import partial
from typing import Any, NamedTuple

from h2.config import H2Configuration
from h2.connection import ConnectionState, H2Connection
from h2.events import ConnectionTerminated, DataReceived, ResponseReceived, StreamEnded, StreamReset, TrailersReceived
from h2.exceptions import ProtocolError

from headgate.nginx import procfs
from tests.background import in_background
from tests.examples import FACTOR
from tests.live.json_objects import config_map, endpoints, ingress, path, service, tls_secret
from tests.live.settings.grpc_over_h2 import GrpcBackend
from tests.nginx.nginx_under_test import both_workers
from tests.routes.routed_nginx import LOOPBACK, RoutedNginx
from tests.waiting import DEADLINE_S, eventually

END = b"\r\n\r\n"
TICK_S, PAUSE_S = 0.01, 0.004
TICKS = 30_000 if FACTOR > 1 else 180
ADDRESSES = ("127.0.0.2", "127.0.0.3", "127.0.0.4")
KILLS = {70: "worker", 140: "master"}
"""By tick; by night again every 3000 ticks."""


class Failure(NamedTuple):
    """When a request began that failed, when it ended, and why.

    *is_early*: nginx closed a new connection before it read anything. A worker does that, too, which is told to leave
    while the connection is being made; clients try again.
    """

    began: float
    ended: float
    why: str
    is_early: bool


class EarlyError(EOFError):
    """A new connection was closed before anything came over it."""


class Protocol(abc.ABC):
    """Where a client asks; ``close`` ends its connection, if it keeps one."""

    @abc.abstractmethod
    async def ask(self) -> None: ...

    def close(self) -> None:  # noqa: B027 - most keep none
        pass


class Client:
    """Asks again and again."""

    def __init__(self, kind: Protocol) -> None:
        self.name = type(kind).__name__
        self.answered, self.tried = 0, 0
        self.failed: list[Failure] = []
        self._kind = kind

    async def run(self) -> None:
        try:
            while True:
                began = time.monotonic()
                try:
                    async with asyncio.timeout(DEADLINE_S / 3):
                        await self._kind.ask()
                    self.answered += 1
                except (OSError, EOFError, IndexError, AssertionError, ProtocolError) as error:
                    why = f"{self.name}: {error!r}"
                    self.failed.append(Failure(began, time.monotonic(), why, isinstance(error, EarlyError)))
                    self._kind.close()
                self.tried += 1
                await asyncio.sleep(PAUSE_S)
        finally:
            self._kind.close()


def trusting(*protocols: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if protocols:
        context.set_alpn_protocols(list(protocols))
    return context


class Once(Protocol):
    """A request on a connection of its own, every second one over TLS."""

    def __init__(self, nginx: RoutedNginx) -> None:
        self._nginx, self._turn = nginx, itertools.count()

    async def ask(self) -> None:
        if next(self._turn) % 2:
            _, answer = await self._nginx.get_secure("web.test")
        else:
            answer = await self._nginx.get("web.test")
        assert answer == "200 hello", answer


class Kept(Protocol):
    """Requests on a connection that is used as long as nginx keeps it."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._connection: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self) -> None:
        if self._connection is None:
            self._connection = await asyncio.open_connection(LOOPBACK, self._port)
        reader, writer = self._connection
        writer.write(b"GET / HTTP/1.1\r\nHost: web.test" + END)
        head = (await reader.readuntil(END)).decode().lower()
        length = re.search(r"content-length: (\d+)", head)
        await reader.readexactly(int(length[1]) if length else 0)
        assert head.startswith("http/1.1 200 "), head
        if "connection: close" in head:
            self.close()

    def close(self) -> None:
        if self._connection:
            self._connection[1].close()
        self._connection = None


class Http2Connection(H2Connection):
    """One that takes answers which follow a GOAWAY, as they may."""

    def _receive_goaway_frame(self, frame: Any) -> Any:
        found = super()._receive_goaway_frame(frame)
        self.state_machine.state = ConnectionState.CLIENT_OPEN
        return found


class Http2(Protocol):
    """Requests on a connection of HTTP/2 until nginx leaves it; one that nginx says it has not begun is sent again."""

    host = "web.test"
    fields: tuple[tuple[str, str], ...] = ((":method", "GET"), (":path", "/"))
    body = b""

    def __init__(self, port: int) -> None:
        self._port = port
        self._http2 = Http2Connection()
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self) -> None:
        answer = await self._answer()
        assert answer[":status"] == "200", answer

    async def _answer(self) -> dict[str, str]:
        """Return headers and trailers."""
        answer: dict[str, str] | None = None
        while answer is None:
            answer = await self._one()
        return answer

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        secure = {"ssl": trusting("h2"), "server_hostname": self.host}
        self._streams = await asyncio.open_connection(LOOPBACK, self._port, **secure)
        self._http2 = Http2Connection(H2Configuration(header_encoding="utf-8"))
        self._http2.initiate_connection()
        return self._streams

    def _send(self, writer: asyncio.StreamWriter) -> int:
        """Send the request; return its stream."""
        stream = self._http2.get_next_available_stream_id()
        asked = [(":authority", self.host), (":scheme", "https"), *self.fields]
        self._http2.send_headers(stream, asked, end_stream=not self.body)
        if self.body:
            self._http2.send_data(stream, self.body, end_stream=True)
        writer.write(self._http2.data_to_send())
        return stream

    async def _one(self) -> dict[str, str] | None:
        """Ask once; return ``None`` if nginx says that it did not begin with it."""
        reader, writer = self._streams or await self._connect()
        http2, stream = self._http2, self._send(writer)
        answer, received, leaving, ended = dict[str, str](), False, False, False
        while data := await reader.read(65_535):
            received = True
            for event in http2.receive_data(data):
                if isinstance(event, ResponseReceived | TrailersReceived):
                    answer.update(event.headers)
                elif isinstance(event, DataReceived):
                    http2.acknowledge_received_data(event.flow_controlled_length, stream)
                elif isinstance(event, ConnectionTerminated):
                    leaving = True
                    if (event.last_stream_id or 0) < stream:
                        self.close()
                        return None
                elif isinstance(event, StreamEnded | StreamReset):
                    ended = True
            if ended:
                if leaving:
                    self.close()
                return answer
            writer.write(http2.data_to_send())
        raise (EOFError if received or stream > 1 else EarlyError)("nginx left without an answer")

    def close(self) -> None:
        if self._streams:
            self._streams[1].transport.abort()
        self._streams = None


class Grpc(Http2):
    """Unary calls, each on a connection of its own."""

    host = "grpc.test"
    fields = (
        (":method", "POST"), (":path", "/cafe.Tea/Say"), ("te", "trailers"), ("content-type", "application/grpc"),
    )  # fmt: skip
    body = b"\0\0\0\0\5hello"

    async def ask(self) -> None:
        try:
            answer = await self._answer()
        finally:
            self.close()
        assert answer.get("grpc-status") == "0", answer


class WebSocket(Protocol):
    """A conversation of three messages."""

    def __init__(self, port: int) -> None:
        self._port = port

    async def ask(self) -> None:
        reader, writer = await asyncio.open_connection(LOOPBACK, self._port)
        with contextlib.closing(writer):
            writer.write(b"GET / HTTP/1.1\r\nHost: chat.test\r\nUpgrade: websocket\r\nConnection: upgrade" + END)
            head = await reader.readuntil(END)
            assert head.startswith(b"HTTP/1.1 101"), head
            for _ in range(3):
                writer.write(b"hello")
                assert await reader.readexactly(5) == b"hello"


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer requests, and send back what comes over a WebSocket."""
    with contextlib.suppress(OSError, asyncio.IncompleteReadError), contextlib.closing(writer):
        while head := await reader.readuntil(END):
            if b"upgrade: websocket" in head.lower():
                writer.write(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade" + END)
                while data := await reader.read(1024):
                    writer.write(data)
                return
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5" + END + b"hello")


@contextlib.asynccontextmanager
async def backends() -> AsyncIterator[tuple[int, list[int]]]:
    """Serve HTTP and WebSockets at ADDRESSES, and gRPC at two ports of LOOPBACK; yield the ports."""
    async with contextlib.AsyncExitStack() as stack:
        first = await stack.enter_async_context(await asyncio.start_server(_serve, ADDRESSES[0], 0))
        port: int = first.sockets[0].getsockname()[1]
        for address in ADDRESSES[1:]:
            await stack.enter_async_context(await asyncio.start_server(_serve, address, port))
        yield port, [(await stack.enter_async_context(GrpcBackend().running())).port for _ in range(2)]


class Chaos:
    """What happens to nginx, a step every TICK_S."""

    def __init__(self, nginx: RoutedNginx, port: int, grpc: list[int]) -> None:
        self._nginx, self._port, self._grpc = nginx, port, grpc
        self._chance = random.Random(14)
        self._secrets = [tls_secret("cert", "web.test") for _ in range(4)]
        self.reloading: list[tuple[float, float]] = []
        self.done = {"changes": 0, "reloads": 0, "worker": 0, "master": 0}

    async def begin(self) -> None:
        tls = {"cert": ["web.test", "grpc.test"]}
        await self._nginx.apply(
            config_map(http2="true", ssl_redirect="false"), self._secrets[0],
            *(service(name) for name in ("web", "chat", "grpc")), *self._moved(),
            ingress("web", {"web.test": [path("web")]}, tls=tls),
            ingress("grpc", {"grpc.test": [path("grpc")]}, tls=tls, grpc_services="grpc"),
            ingress("chat", {"chat.test": [path("chat")]}, websocket_services="chat"),
        )  # fmt: skip
        assert {"web.test", "grpc.test", "chat.test"} <= self._nginx.hosts.keys(), self._nginx.dedicated()

    def _moved(self) -> list[dict[str, object]]:
        some = [self._chance.sample(ADDRESSES, self._chance.randint(1, 3)) for _ in range(2)]
        pairs = zip(("web", "chat"), some, strict=True)
        found = [endpoints(name, *addresses, port=self._port) for name, addresses in pairs]
        return [*found, endpoints("grpc", LOOPBACK, port=self._chance.choice(self._grpc))]

    async def step(self, number: int) -> None:
        """Move endpoints; at times, renew a certificate, let a host come or go, and reload."""
        self._nginx.put(*self._moved())
        if number % 20 == 7:
            self._nginx.put(self._secrets[number // 20 % 4])
        if number % 10 == 3:
            self._nginx.put(ingress("guest", {f"guest-{number}.test": [path("web")]}))
        elif number % 10 == 8:
            self._nginx.delete(ingress("guest", "guest.test"))
        began = time.monotonic()
        result = await self._nginx.apply()
        assert not result.refused, result
        self.done["changes"] += 1
        if number % 100 == 40:
            assert (await self._nginx.manager.reload()).ok
            self.done["reloads"] += 1
            self.reloading.append((began, time.monotonic()))

    async def kill(self, what: str) -> None:
        """Kill a worker or the master, and wait until there are others."""
        manager = self._nginx.manager
        before, master = await both_workers(manager.master_pid), manager.master_pid
        os.kill(min(before) if what == "worker" else master or 0, signal.SIGKILL)
        if what == "master":
            await eventually(lambda: manager.alive and manager.master_pid != master)
            await eventually(self._is_served)
        else:
            await eventually(lambda: not procfs.title(min(before)))
        await both_workers(manager.master_pid)
        self.done[what] += 1

    async def _is_served(self) -> bool:
        try:
            return await self._nginx.get("web.test") == "200 hello"
        except (OSError, IndexError):
            return False


def lagging(clients: list[Client], before: list[int]) -> list[str]:
    """Return the clients that have not tried twice since: each notices that its connection was closed."""
    return [client.name for client, tried in zip(clients, before, strict=True) if client.tried < tried + 2]


def overlaps(failure: Failure, windows: list[tuple[float, float]]) -> bool:
    return any(failure.began < over and failure.ended > since for since, over in windows)


async def test_no_request_fails_that_nginx_could_answer_while_everything_changes(routed: RoutedNginx) -> None:
    """What was under way in a worker that is killed is lost, and until the master is there again nobody answers."""
    killing: list[tuple[float, float]] = []
    async with backends() as (port, grpc), in_background(routed.manager.run()), contextlib.AsyncExitStack() as stack:
        chaos = Chaos(routed, port, grpc)
        await chaos.begin()
        kinds = [Once(routed), Once(routed), Kept(routed.http), Kept(routed.http), Http2(routed.https)]
        clients = [Client(kind) for kind in (*kinds, Grpc(routed.https), WebSocket(routed.http))]
        for client in clients:
            await stack.enter_async_context(in_background(client.run()))
        for number in range(TICKS):
            pace = asyncio.create_task(asyncio.sleep(TICK_S))
            await chaos.step(number)
            if what := KILLS.get(number % 3000):
                began = time.monotonic()
                await chaos.kill(what)
                tried = [client.tried for client in clients]
                await eventually(partial(lagging, clients, tried), lambda names: not names)
                killing.append((began, time.monotonic()))
            await pace
    failures = [each for client in clients for each in client.failed if not overlaps(each, killing)]
    refused = [each for each in failures if each.is_early and overlaps(each, chaos.reloading)]
    figures = {client.name: (client.answered, len(client.failed)) for client in clients}
    print(chaos.done, figures, f"{len(refused)} refused by workers that leave")  # noqa: T201 - with pytest -s
    assert [each for each in failures if each not in refused] == [], figures
    assert all(client.answered > 10 for client in clients), figures
    assert chaos.done["worker"], chaos.done
    assert chaos.done["master"], chaos.done
