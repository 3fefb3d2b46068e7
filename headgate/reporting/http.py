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
    """HTTP cannot be served; the text is one line for the operator."""


class PortTakenError(ServeError):
    """Another process listens on the port, or the port may not be bound."""


class BadCertificateError(ServeError):
    """A certificate and key that cannot be used for TLS."""


class HttpPort(msgspec.Struct, frozen=True):
    """A port to serve HTTP on.

    Attributes:
        port: its number; 0 lets the system choose.
        flag: the flag that sets the port, for the message if it is in use.
        host: empty means all addresses of both families.
        tls: from ``tls_context``; None means plain HTTP.
    """

    port: int
    flag: str
    host: str = ""
    tls: ssl.SSLContext | None = None


class Login(msgspec.Struct, frozen=True):
    """Name and password that the metrics require (HTTP basic authentication, RFC 7617)."""

    username: bytes
    password: bytes

    def __repr__(self) -> str:
        """Hide both."""
        return "Login(…)"

    def accepts(self, header: str) -> bool:
        """Whether the header ``Authorization`` matches; the comparison takes constant time."""
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


def tls_context(certificate: bytes, key: bytes, clients: bytes | None = None) -> ssl.SSLContext:
    """Return a server's TLS context for a PEM certificate chain and its key; call ``renew`` when they change.

    With *clients*, the certificates of authorities, only clients are let in whose certificate is of one of these.

    Raises:
        BadCertificateError: they are not PEM or do not belong together, or *clients* has no certificate.
    """
    context = _load(_Renewable, certificate, key, clients)
    context.newest = context

    def choose(connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
        connection.context = context.newest

    context.sni_callback = choose  # called for each connection, also for one that names no server
    return context


def renew(context: ssl.SSLContext, certificate: bytes, key: bytes, clients: bytes | None = None) -> None:
    """Use another certificate for new connections; after an error the old one is still used.

    Raises:
        BadCertificateError: as for ``tls_context``.
    """
    if isinstance(context, _Renewable):
        context.newest = _load(ssl.SSLContext, certificate, key, clients)


_C = TypeVar("_C", bound=ssl.SSLContext)


def _load(kind: type[_C], certificate: bytes, key: bytes, clients: bytes | None) -> _C:
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
    if clients is not None:
        try:
            context.load_verify_locations(cadata=clients.decode())
        except (ssl.SSLError, ValueError) as error:
            raise BadCertificateError(f"the authorities of clients cannot be used: {error}") from None
        if not context.cert_store_stats()["x509"]:
            raise BadCertificateError("the authorities of clients cannot be used: there is no certificate")
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def metrics_app(metrics: Metrics, login: Callable[[], Login | None] = lambda: None) -> web.Application:
    """Serve *metrics* at ``/metrics`` and ``/``, with the current *login*, if there is one."""

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
"""Returns why the answer is 503, or an empty text for 200."""


def probes_app(ready: Probe, live: Probe, health: str = "") -> web.Application:
    """Serve ``/nginx-ready`` and ``/readyz`` from *ready* and ``/livez`` from *live*: 200, or 503 with the reason.

    The path *health* is that of ingress-nginx, by which its manifests decide about both: 200 ``ok``, or 500.
    """
    app = web.Application()
    for path, probe, text in (("/nginx-ready", ready, "Ready"), ("/readyz", ready, "Ready"), ("/livez", live, "Alive")):
        app.router.add_get(path, _answer(probe, text))
    if health and health not in {route.resource.canonical for route in app.router.routes() if route.resource}:
        app.router.add_get(health, _answer(lambda: live() or ready(), "ok", 500))
    return app


def with_metrics(app: web.Application, metrics: Metrics) -> web.Application:
    """Serve *metrics* at ``/metrics`` of *app*, too."""

    async def scrape(_: web.Request) -> web.Response:
        return web.Response(body=await metrics.exposition(), headers={"Content-Type": TEXT_FORMAT})

    app.router.add_get("/metrics", scrape)
    return app


def _answer(probe: Probe, text: str, failed: int = 503) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def answer(_: web.Request) -> web.Response:
        reason = probe()
        return web.Response(status=failed if reason else 200, text=f"{reason or text}\n")

    return answer


@contextlib.asynccontextmanager
async def serving(app: web.Application, at: HttpPort) -> AsyncIterator[int]:
    """Serve *app* while the block runs and yield the port, which is closed at the end, also after a cancellation.

    Raises:
        PortTakenError: the port could not be bound.
    """
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=2.0, keepalive_timeout=30.0)
    await runner.setup()
    try:
        try:
            bound = _bind(at)
        except OSError as error:
            raise PortTakenError(_taken(at, error)) from None
        port: int = bound.getsockname()[1]
        await web.SockSite(runner, bound, ssl_context=at.tls).start()
        yield port
    finally:
        await runner.cleanup()


def _bind(at: HttpPort) -> socket.socket:
    """Listen on the host, or on all addresses: one socket for both families, or for IPv4 only if there is no IPv6."""
    if at.host:
        family = socket.AF_INET6 if ":" in at.host else socket.AF_INET
        return socket.create_server((at.host, at.port), family=family)
    if socket.has_dualstack_ipv6():
        try:
            return socket.create_server(("::", at.port), family=socket.AF_INET6, dualstack_ipv6=True)
        except OSError as error:
            if error.errno not in {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}:
                raise
    return socket.create_server(("", at.port))


def _taken(at: HttpPort, error: OSError) -> str:
    where = f"{at.flag}: port {at.port}"
    if error.errno == errno.EADDRINUSE:
        return f"{where} is in use by another process; stop that process or set {at.flag} to a free port"
    return f"{where} cannot be bound: {error.strerror or error}; set {at.flag} to another port"
