"""Backends that note what they are asked and answer as they are told."""

from __future__ import annotations

import asyncio
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import NamedTuple

from aiohttp import WSMsgType, web
from multidict import CIMultiDictProxy

LOOPBACK = "127.0.0.1"
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class ReceivedRequest(NamedTuple):
    """One request: ``connection`` numbers those of the backend, ``at`` is the address that was asked."""

    method: str
    path: str
    headers: CIMultiDictProxy[str]
    body: bytes
    connection: int
    at: str


class Backend:
    """An HTTP server on one or several addresses of this machine, all with the same port.

    It answers with its name, until ``handler`` is replaced (or ``reply`` and ``reply_at`` say otherwise).
    """

    def __init__(self, name: str, port: int, *addresses: str, tls: ssl.SSLContext | None = None) -> None:
        """Listen on *addresses* (127.0.0.1) once it is ``running``."""
        self.name, self.port = name, port
        self.addresses = addresses or (LOOPBACK,)
        self.requests: list[ReceivedRequest] = []
        self.handler: Handler = self._say_name
        self._tls = tls
        self._transports: list[asyncio.BaseTransport | None] = []

    def reply(self, status: int = 200, text: str = "", headers: Mapping[str, str] | None = None) -> None:
        """Answer so from now on."""

        async def handler(_: web.Request) -> web.Response:
            return web.Response(status=status, text=text, headers=headers)

        self.handler = handler

    def reply_at(self, statuses: Mapping[str, int]) -> None:
        """Answer with a status that depends on the address asked, 200 where none is given."""

        async def handler(request: web.Request) -> web.Response:
            return web.Response(status=statuses.get(_address(request), 200), text=_address(request))

        self.handler = handler

    @property
    def last(self) -> ReceivedRequest:
        """The newest request."""
        return self.requests[-1]

    @property
    def connections(self) -> int:
        """Different connections over which requests came."""
        return len(self._transports)

    def requests_by_address(self) -> Counter[str]:
        """Count the requests by the address that was asked."""
        return Counter(seen.at for seen in self.requests)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Backend]:
        """Serve; what is still being answered at the end is cut."""
        app = web.Application(client_max_size=2**30)
        app.router.add_route("*", "/{path:.*}", self._answer)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.01, max_field_size=2**20, max_line_size=2**20)
        await runner.setup()
        try:
            for address in self.addresses:
                await web.TCPSite(runner, address, self.port, ssl_context=self._tls).start()
            yield self
        finally:
            await runner.cleanup()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        if request.transport not in self._transports:
            self._transports.append(request.transport)
        connection = self._transports.index(request.transport)
        body = b"" if "Upgrade" in request.headers else await request.read()
        self.requests.append(
            ReceivedRequest(request.method, request.path_qs, request.headers, body, connection, _address(request))
        )  # fmt: skip
        return await self.handler(request)

    async def _say_name(self, _: web.Request) -> web.Response:
        return web.Response(text=self.name)


async def never_answer(_: web.Request) -> web.StreamResponse:
    """Answer nothing until the client gives up."""
    await asyncio.Event().wait()
    raise AssertionError("nobody sets it")


async def close_connection(request: web.Request) -> web.StreamResponse:
    """Close the connection in place of an answer."""
    assert request.transport
    request.transport.close()
    return web.Response()


async def echo_websocket(request: web.Request) -> web.StreamResponse:
    """Send every WebSocket message back."""
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    async for message in socket:
        if message.type is WSMsgType.TEXT:
            await socket.send_str(message.data)
    return socket


def _address(request: web.Request) -> str:
    assert request.transport
    return str(request.transport.get_extra_info("sockname")[0])
