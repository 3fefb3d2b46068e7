"""The two HTTP ports: metrics (9113) and probes (8081).

Errors::

    ServeError
    ├── PortTakenError       another process listens there
    └── BadCertificateError  the TLS Secret of the metrics cannot be used
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import errno
import hmac
import os
import socket
import ssl
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar

import msgspec
from aiohttp import web

from headgate.reporting.metrics import Metrics

TEXT_FORMAT = "text/plain; version=0.0.4; charset=utf-8"
"""Content type of the Prometheus text format."""


class ServeError(Exception):
    """A port cannot be served; the text is one line for an operator."""


class PortTakenError(ServeError):
    """Another process listens on the port, or the port may not be bound."""


class BadCertificateError(ServeError):
    """A certificate and key that do not make a TLS server."""


class Listener(msgspec.Struct, frozen=True):
    """Where to listen.

    Attributes:
        port: 0 lets the system choose.
        flag: the flag that sets the port, for the message if it is taken.
        host: empty means all addresses of both families.
        tls: from ``tls_context``; None means plain HTTP.
    """

    port: int
    flag: str
    host: str = ""
    tls: ssl.SSLContext | None = None


class Login(msgspec.Struct, frozen=True):
    """Name and password that a scrape must bring (HTTP basic authentication, RFC 7617)."""

    username: bytes
    password: bytes

    def __repr__(self) -> str:
        """Tell nothing."""
        return "Login(…)"

    def accepts(self, header: str) -> bool:
        """Whether the header ``Authorization`` brings them; takes as long for a near miss as for a far one."""
        scheme, _, token = header.partition(" ")
        if scheme.lower() != "basic":
            return False
        try:
            given = base64.b64decode(token.strip(), validate=True)
        except (binascii.Error, ValueError):
            return False
        return hmac.compare_digest(given, self.username + b":" + self.password)


class _Renewable(ssl.SSLContext):
    """A context that hands each new connection to the newest one, so that nothing of an old certificate is left."""

    newest: ssl.SSLContext


def tls_context(certificate: bytes, key: bytes) -> ssl.SSLContext:
    """Make a TLS server of a PEM certificate chain and its key; call ``renew`` on it when they change.

    Raises:
        BadCertificateError: they are not PEM or do not belong together.
    """
    context = _load(_Renewable, certificate, key)
    context.newest = context

    def choose(connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
        connection.context = context.newest

    context.sni_callback = choose  # called for each connection, also for one that names no server
    return context


def renew(context: ssl.SSLContext, certificate: bytes, key: bytes) -> None:
    """Use another certificate for connections that come from now on; on failure the old one stays.

    Raises:
        BadCertificateError: as for ``tls_context``.
    """
    if isinstance(context, _Renewable):
        context.newest = _load(ssl.SSLContext, certificate, key)


_C = TypeVar("_C", bound=ssl.SSLContext)


def _load(kind: type[_C], certificate: bytes, key: bytes) -> _C:
    context = kind(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    # OpenSSL reads from a path only: a file that nobody else can open, gone before this returns.
    with tempfile.NamedTemporaryFile(prefix="headgate-") as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(certificate + b"\n" + key)
        file.flush()
        try:
            context.load_cert_chain(file.name, password="")  # or OpenSSL asks the terminal for one
        except (ssl.SSLError, ValueError) as error:
            raise BadCertificateError(f"the certificate and key cannot be used: {error}") from None
    return context


def metrics_app(metrics: Metrics, login: Callable[[], Login | None] = lambda: None) -> web.Application:
    """Serve *metrics* at ``/metrics`` and ``/``, to those who bring the *login* of the moment if there is one."""

    async def scrape(request: web.Request) -> web.Response:
        wanted = login()
        if wanted is not None and not wanted.accepts(request.headers.get("Authorization", "")):
            challenge = {"WWW-Authenticate": 'Basic realm="metrics", charset="UTF-8"'}
            return web.Response(status=401, headers=challenge, text="name and password needed\n")
        return web.Response(body=await metrics.exposition(), headers={"Content-Type": TEXT_FORMAT})

    app = web.Application()
    app.router.add_get("/metrics", scrape)
    app.router.add_get("/", scrape)
    return app


Probe = Callable[[], str]
"""Returns why not, or the empty text if all is well."""


def probes_app(ready: Probe, live: Probe) -> web.Application:
    """Serve ``/nginx-ready`` and ``/readyz`` from *ready* and ``/livez`` from *live*: 200, or 503 and why not."""
    app = web.Application()
    for path, probe, well in (("/nginx-ready", ready, "Ready"), ("/readyz", ready, "Ready"), ("/livez", live, "Alive")):
        app.router.add_get(path, _answer(probe, well))
    return app


def _answer(probe: Probe, well: str) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def answer(_: web.Request) -> web.Response:
        why_not = probe()
        return web.Response(status=503 if why_not else 200, text=f"{why_not or well}\n")

    return answer


@contextlib.asynccontextmanager
async def serving(app: web.Application, listener: Listener) -> AsyncIterator[int]:
    """Serve *app* while the block runs and yield the port; at its end, also by cancellation, the port is free again.

    Raises:
        PortTakenError: the port could not be bound.
    """
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=2.0, keepalive_timeout=30.0)
    await runner.setup()
    try:
        try:
            bound = _bind(listener)
        except OSError as error:
            raise PortTakenError(_taken(listener, error)) from None
        port: int = bound.getsockname()[1]
        await web.SockSite(runner, bound, ssl_context=listener.tls).start()
        yield port
    finally:
        await runner.cleanup()


def _bind(listener: Listener) -> socket.socket:
    """Listen on the host, or on all addresses: one socket for both families, IPv4 alone where there is no IPv6."""
    if listener.host:
        family = socket.AF_INET6 if ":" in listener.host else socket.AF_INET
        return socket.create_server((listener.host, listener.port), family=family)
    if socket.has_dualstack_ipv6():
        try:
            return socket.create_server(("::", listener.port), family=socket.AF_INET6, dualstack_ipv6=True)
        except OSError as error:
            if error.errno not in {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}:
                raise
    return socket.create_server(("", listener.port))


def _taken(listener: Listener, error: OSError) -> str:
    where = f"{listener.flag}: port {listener.port}"
    if error.errno == errno.EADDRINUSE:
        return f"{where} is in use by another process; stop that process or set {listener.flag} to a free port"
    return f"{where} cannot be bound: {error.strerror or error}; set {listener.flag} to a port that can"
