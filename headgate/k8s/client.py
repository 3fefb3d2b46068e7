"""Requests to an API server: every answer is bytes or one of our errors, never a library's exception."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from http import HTTPStatus
from types import TracebackType
from typing import Any, Self

import aiohttp
import msgspec

from headgate import __version__
from headgate.api import Kind
from headgate.k8s import tls
from headgate.k8s.auth import Authenticator, Credentials, authenticator
from headgate.k8s.config import ClusterConfig
from headgate.k8s.errors import (
    ApiError,
    AuthError,
    BadAnswer,
    Conflict,
    Forbidden,
    Gone,
    Invalid,
    K8sError,
    NotFound,
    Outage,
    Unreachable,
)

JSON = "application/json"
MERGE_PATCH = "application/merge-patch+json"
"""RFC 7386."""

CONNECT = 10.0
"""Seconds to get a connection."""
ANSWER = 60.0
"""Seconds for a whole ordinary answer."""
SILENCE = 60.0
"""Seconds that a watch may outlive the end it asked for, before its connection counts as dead."""
EXCERPT = 120
"""Characters of a strange answer that a message repeats."""
UPDATE_TRIES = 5
"""How often an object is written before a conflict is given up; its next change tries again."""


class _Call(msgspec.Struct, frozen=True):
    """One request."""

    method: str
    path: str
    params: Mapping[str, str]
    body: bytes | None
    content_type: str
    timeout: aiohttp.ClientTimeout


class Client:
    """A connection to one API server, to be used as an asynchronous context manager.

    Credentials are asked for at each request and stand in no session; a 401 is answered with fresh ones, once.
    """

    failure: type[Exception] = K8sError
    """What every method may raise; anything else is a bug."""

    def __init__(self, config: ClusterConfig, *, auth: Authenticator | None = None, read_only: bool = False) -> None:
        """Prepare; nothing is sent before the first request.

        Args:
            config: the API server.
            auth: other credentials than those of *config*.
            read_only: send GET only; any other request is a bug of the caller and raises RuntimeError.

        Raises:
            ConfigError: the exec plugin cannot be used.
        """
        self._config = config
        self._auth = auth or authenticator(config)
        self._read_only = read_only
        self._session: aiohttp.ClientSession | None = None
        self._context: tuple[bytes, ssl.SSLContext] | None = None
        self._outage: Outage | None = None
        """Why the last request was not answered, ``None`` if it was."""

    @property
    def config(self) -> ClusterConfig:
        """Where this client talks to."""
        return self._config

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ttl_dns_cache=30),
            headers={"Accept": JSON, "User-Agent": f"headgate/{__version__}"},
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: Any = None,
        content_type: str = JSON,
    ) -> bytes:
        """Send one request and return the body of the answer; *body* is sent as JSON.

        Raises:
            AuthError: no credentials, or refused twice.
            Gone: 410.
            Unreachable: no answer, 429 or 5xx; worth asking again.
            BadAnswer: what answered is not an API server.
            ApiError: any other 4xx; asking again will not help.
        """
        if self._read_only and method != "GET":
            raise RuntimeError(f"{method} {path} would write, but this client may only read")
        data = None if body is None else msgspec.json.encode(body)
        timeout = aiohttp.ClientTimeout(total=ANSWER, sock_connect=CONNECT)
        call = _Call(method, path, params or {}, data, content_type, timeout)
        async with self._answer(call) as response:
            return await response.read()

    async def stream(self, path: str, params: Mapping[str, str], *, seconds: float) -> AsyncIterator[bytes]:
        """GET an answer that grows; yield an empty piece when it begins, then its pieces as they come, split anywhere.

        Args:
            path: what to watch.
            params: the query.
            seconds: after how long the server was asked to end the answer.

        Raises:
            K8sError: as ``request``; also while pieces come.
        """
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT, sock_read=seconds + SILENCE)
        async with self._answer(_Call("GET", path, params, None, JSON, timeout)) as response:
            _keep_alive(response)
            yield b""
            async for piece in response.content.iter_any():
                yield piece

    async def get(self, kind: Kind, namespace: str, name: str) -> dict[str, Any]:
        """Return one object as it is on the wire."""
        return _object(await self.request("GET", kind.path(namespace, name)))

    async def create(self, kind: Kind, namespace: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Create an object.

        Raises:
            Conflict: it exists already.
        """
        return _object(await self.request("POST", kind.path(namespace), body=body))

    async def replace(
        self, kind: Kind, namespace: str, name: str, body: Mapping[str, Any], *, subresource: str = ""
    ) -> dict[str, Any]:
        """Put *body* in the place of an object, or of one subresource of it.

        Raises:
            Conflict: it changed since *body* was read.
        """
        return _object(await self.request("PUT", kind.path(namespace, name, subresource), body=body))

    async def patch(
        self, kind: Kind, namespace: str, name: str, body: Mapping[str, Any], *, subresource: str = ""
    ) -> dict[str, Any]:
        """Merge *body* into an object (RFC 7386)."""
        path = kind.path(namespace, name, subresource)
        return _object(await self.request("PATCH", path, body=body, content_type=MERGE_PATCH))

    async def delete(self, kind: Kind, namespace: str, name: str, *, uid: str = "", version: str = "") -> None:
        """Delete an object; with *uid* and resource *version* only if it is still that one.

        Raises:
            NotFound: there is none.
            Conflict: it was replaced or changed.
        """
        given = {"uid": uid, "resourceVersion": version}
        conditions = {key: value for key, value in given.items() if value}
        options = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": conditions} if conditions else None
        await self.request("DELETE", kind.path(namespace, name), body=options)

    async def update_status(
        self, kind: Kind, namespace: str, name: str, change: Callable[[dict[str, Any]], dict[str, Any] | None]
    ) -> None:
        """Read an object, let *change* say what it should be, and PUT its status; again if someone was faster.

        The object travels as it is on the wire, so that fields Headgate does not know survive. Operators'
        roles grant ``update`` of the status, not ``patch``.

        Args:
            kind: what it is.
            namespace: where it is.
            name: which it is.
            change: gets the object and returns the new one, or ``None`` if nothing is to be written.

        Raises:
            Conflict: someone else was faster ``UPDATE_TRIES`` times.
            K8sError: as ``request``.
        """
        await self.update(kind, namespace, name, change, subresource="status")

    async def update(
        self,
        kind: Kind,
        namespace: str,
        name: str,
        change: Callable[[dict[str, Any]], dict[str, Any] | None],
        *,
        subresource: str = "",
    ) -> dict[str, Any] | None:
        """Read an object, let *change* say what it should be, and PUT it; as ``update_status`` for the rest.

        Returns:
            the object as it is stored now, ``None`` if nothing was written.
        """
        for tries_left in reversed(range(UPDATE_TRIES)):
            wanted = change(await self.get(kind, namespace, name))
            if wanted is None:
                break
            try:
                return await self.replace(kind, namespace, name, wanted, subresource=subresource)
            except Conflict:
                if not tries_left:
                    raise
        return None

    @contextlib.asynccontextmanager
    async def _answer(self, call: _Call) -> AsyncIterator[aiohttp.ClientResponse]:
        """Open a good answer to *call*, and close it at the end, also when cancelled."""
        with self._noted(), _translated(self._config.server):
            response = await self._authenticated(call)
            try:
                if response.status >= HTTPStatus.MULTIPLE_CHOICES:
                    raise refusal(response.status, await response.read(), response.headers)
                if "html" in response.headers.get("Content-Type", ""):
                    raise BadAnswer(_not_kubernetes(response.status, await response.read()))
                self._outage = None
                yield response
            finally:
                response.release()

    @contextlib.contextmanager
    def _noted(self) -> Iterator[None]:
        """Have all requests that fail in the same way share one Outage."""
        try:
            yield
        except (AuthError, Unreachable) as error:
            if self._outage is None or self._outage.text != error.outage.text:
                self._outage = error.outage
            error.outage = self._outage
            raise

    async def _authenticated(self, call: _Call) -> aiohttp.ClientResponse:
        """Send; if the server does not know us, once more with fresh credentials."""
        credentials = await self._auth.credentials()
        response = await self._send(call, credentials)
        if response.status != HTTPStatus.UNAUTHORIZED:
            return response
        response.release()
        self._auth.reject(credentials)
        return await self._send(call, await self._auth.credentials())

    async def _send(self, call: _Call, credentials: Credentials) -> aiohttp.ClientResponse:
        if self._session is None:
            raise RuntimeError("the Client is used outside of its `async with`")
        headers = {"Content-Type": call.content_type} if call.body is not None else {}
        if credentials.authorization:
            headers["Authorization"] = credentials.authorization
        return await self._session.request(
            call.method,
            f"{self._config.server}{call.path}",
            params=call.params,
            data=call.body,
            headers=headers,
            timeout=call.timeout,
            allow_redirects=False,
            ssl=self._tls(credentials),
            server_hostname=self._config.tls_server_name or None,
            proxy=self._config.proxy_url or None,
        )

    def _tls(self, credentials: Credentials) -> ssl.SSLContext | bool:
        """Return the context for these credentials; connections are reused as long as it is the same."""
        if not self._config.server.startswith("https:"):
            return True
        identity = credentials.certificate + credentials.key
        if self._context is None or self._context[0] != identity:
            self._context = identity, tls.context(self._config, credentials.certificate, credentials.key)
        return self._context[1]


class _Status(msgspec.Struct, frozen=True):
    """The Kubernetes Status that explains a refusal."""

    reason: str | None = None
    message: str | None = None
    code: int | None = None


def refusal(status: int, body: bytes, headers: Mapping[str, str] | None = None) -> K8sError:
    """Return the error that an answer with HTTP *status* means."""
    headers = headers or {}
    if status == HTTPStatus.TOO_MANY_REQUESTS or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return Unreachable(_explain(status, body), _seconds(headers.get("Retry-After", "")))
    # An API server never redirects, and never answers in HTML: a proxy or a login page does.
    if status < HTTPStatus.BAD_REQUEST or "html" in headers.get("Content-Type", ""):
        return BadAnswer(_not_kubernetes(status, body))
    if status == HTTPStatus.UNAUTHORIZED:
        return AuthError(f"the API server does not accept the credentials: {_explain(status, body)}")
    if status == HTTPStatus.GONE:
        return Gone(_explain(status, body))
    known = _status(body)
    kind = _ERRORS.get(status, ApiError)
    return kind(status, known.reason or kind.__name__, known.message or _excerpt(body) or "no explanation")


_ERRORS: dict[int, type[ApiError]] = {
    HTTPStatus.FORBIDDEN: Forbidden,
    HTTPStatus.NOT_FOUND: NotFound,
    HTTPStatus.CONFLICT: Conflict,
    HTTPStatus.UNPROCESSABLE_ENTITY: Invalid,
}


def status_refusal(body: bytes) -> K8sError:
    """Return the error that a Status object inside a watch means.

    Raises:
        msgspec.MsgspecError: *body* is no Status.
    """
    return refusal(msgspec.json.decode(body, type=_Status).code or 500, body)


def _status(body: bytes) -> _Status:
    try:
        return msgspec.json.decode(body, type=_Status)
    except msgspec.MsgspecError:
        return _Status()


def _explain(status: int, body: bytes) -> str:
    known = _status(body)
    return f"{status} {known.reason or ''}: {known.message or _excerpt(body) or 'no explanation'}".replace(" :", ":")


def _not_kubernetes(status: int, body: bytes) -> str:
    return f"the server that answered ({status}) is not a Kubernetes API server: {_excerpt(body) or 'an empty page'}"


def _excerpt(body: bytes) -> str:
    """The beginning of an answer, on one line."""
    text = " ".join(body[: 4 * EXCERPT].decode(errors="replace").split())
    return text if len(text) <= EXCERPT else f"{text[:EXCERPT]}…"


def _seconds(retry_after: str) -> float | None:
    """Read Retry-After as seconds; the other form, a date, needs both clocks to agree and is not trusted."""
    return float(retry_after) if retry_after.isascii() and retry_after.isdigit() else None


def _object(data: bytes) -> dict[str, Any]:
    try:
        return msgspec.json.decode(data, type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeDecodeError):
        raise BadAnswer(_not_kubernetes(200, data)) from None


@contextlib.contextmanager
def _translated(server: str) -> Iterator[None]:
    """Turn aiohttp's and the system's exceptions into ours."""
    try:
        yield
    except aiohttp.ClientConnectorCertificateError as error:
        raise Unreachable(f"the certificate of {server} is not trusted: {error.certificate_error}") from None
    except (TimeoutError, asyncio.IncompleteReadError):
        raise Unreachable(f"{server} did not answer in time") from None
    except aiohttp.ClientPayloadError:
        raise Unreachable(f"{server} ended an answer in the middle") from None
    except (aiohttp.InvalidURL, aiohttp.ClientResponseError) as error:
        raise BadAnswer(f"{server} does not answer like an API server: {error}") from None
    except aiohttp.ClientConnectorError as error:
        raise Unreachable(f"{server} cannot be reached: {_why(error.os_error)}") from None
    except (aiohttp.ClientError, OSError) as error:
        raise Unreachable(f"{server} cannot be reached: {error or type(error).__name__}") from None


def _why(error: OSError) -> str:
    """Return the system's words; asyncio's repeat the address, and aiohttp's the ``repr`` of the TLS context."""
    if isinstance(error, ssl.SSLError | socket.gaierror) or not error.errno:
        return error.strerror or str(error)
    return os.strerror(error.errno)


def _keep_alive(response: aiohttp.ClientResponse) -> None:
    """Let the kernel notice a dead peer within about a minute: a quiet watch sends nothing by itself."""
    transport = response.connection.transport if response.connection else None
    peer = transport.get_extra_info("socket") if transport else None
    if peer is None or peer.family not in {socket.AF_INET, socket.AF_INET6}:
        return
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3)):
        if hasattr(socket, name):
            peer.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
