"""What the controller asks providers: their configuration, their keys, and tokens.

Every URL is from a Policy, or from the configuration of the issuer that a Policy names; none is from a request.
"""

from __future__ import annotations

import asyncio
import math
import ssl
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, Self, TypeVar
from urllib.parse import quote, urlsplit

import aiohttp
import msgspec
from aiohttp.helpers import BasicAuth

from headgate.oidc.provider import Provider
from headgate.oidc.tokens import Claims, Expected, PublishedKeys, UnknownKeyError, verified
from headgate.resolve.addresses import host_fault

ANSWER_S: Final = 10.0
"""Seconds for one request, with its connection."""
MOST_BYTES: Final = 1024 * 1024
FRESH_S: Final = 3600.0
"""Seconds for which configuration and keys of a provider are used without asking again."""
KEPT_S: Final = 24 * FRESH_S
"""Seconds for which they are used while the provider cannot be asked."""
AGAIN_S: Final = 1.0
"""Seconds after which keys are asked for again if a token of the provider has an unknown one."""
REST_S: Final = 2.0
"""Seconds for which they are not asked for again after a failure."""
WELL_KNOWN: Final = "/.well-known/openid-configuration"

T = TypeVar("T")


class ProviderError(Exception):
    """A provider cannot be asked, or its answer cannot be used; the text is for the log."""


class RefusedError(ProviderError):
    """A provider refuses to give tokens (RFC 6749, 5.2): ``error`` is its code."""

    def __init__(self, error: str, text: str) -> None:
        """Keep the code beside the text for the log."""
        super().__init__(text)
        self.error = error


class Endpoints(msgspec.Struct, frozen=True, kw_only=True):
    """Where a provider is asked; ``end_session`` is empty if it has no such endpoint."""

    authorization: str
    token: str
    keys: str
    end_session: str = ""
    basic: bool = False
    """Whether the client's secret goes into a header, as the provider takes it only there."""


class Tokens(msgspec.Struct, frozen=True):
    """The answer of a token endpoint (RFC 6749, 5.1)."""

    access_token: str
    token_type: str
    id_token: str = ""
    refresh_token: str = ""
    expires_in: int | float | None = None


class _Metadata(msgspec.Struct, frozen=True):
    issuer: str
    authorization_endpoint: str = ""
    token_endpoint: str = ""
    jwks_uri: str = ""
    end_session_endpoint: str = ""
    token_endpoint_auth_methods_supported: tuple[str, ...] = ()


class _Refusal(msgspec.Struct, frozen=True):
    error: str = ""
    error_description: str = ""


class _Known(msgspec.Struct):
    value: object
    since: float


class Backchannel:
    """Asks providers, and remembers their configurations and keys. A context manager."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, *, allow_loopback: bool) -> None:
        """Ask nothing yet; *clock* counts seconds, *allow_loopback* says whether a provider may be on this machine."""
        self._clock = clock
        self._allow_loopback = allow_loopback
        self._known: dict[tuple[str, ...], _Known] = {}
        self._failed: dict[tuple[str, ...], tuple[float, str]] = {}
        self._turns: dict[tuple[str, ...], asyncio.Lock] = {}
        self._session: aiohttp.ClientSession | None = None

    @property
    def remembered(self) -> frozenset[tuple[str, ...]]:
        """What something is remembered of: URLs, and how each is asked."""
        return frozenset((*self._known, *self._failed, *self._turns))

    async def __aenter__(self) -> Self:
        """Open the session; nothing of the environment (proxies, .netrc) is used."""
        timeout = aiohttp.ClientTimeout(total=ANSWER_S)
        self._session = aiohttp.ClientSession(timeout=timeout, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the session."""
        if self._session:
            await self._session.close()

    async def endpoints(self, provider: Provider) -> Endpoints:
        """Return where *provider* is asked.

        Raises:
            ProviderError: its configuration cannot be read.
        """
        policy = provider.policy
        given = Endpoints(
            authorization=policy.authorization, token=policy.token, keys=policy.keys, end_session=policy.end_session
        )
        if not policy.issuer or (given.authorization and given.token and given.keys):
            return given
        found = await self._remembered(provider, policy.issuer.rstrip("/") + WELL_KNOWN, _Metadata)
        if found.issuer != policy.issuer:
            raise ProviderError(f"the configuration of {policy.issuer} is that of {found.issuer!r}")
        methods = found.token_endpoint_auth_methods_supported
        read = Endpoints(
            authorization=given.authorization or found.authorization_endpoint,
            token=given.token or found.token_endpoint,
            keys=given.keys or found.jwks_uri,
            end_session=given.end_session or found.end_session_endpoint,
            basic="client_secret_basic" in methods and "client_secret_post" not in methods,
        )
        if fault := next((name for name in ("authorization", "token", "keys") if not _is_url(getattr(read, name))), ""):
            raise ProviderError(f"the configuration of {policy.issuer} has no URL for {fault}")
        for url in (read.token, read.keys):
            if fault := self._host_fault(url):
                raise ProviderError(f"the configuration of {policy.issuer} has {url}, and its host {fault}")
        return read

    def _host_fault(self, url: str) -> str:
        """Return why the host of *url* is not asked, or ``""``."""
        try:
            host = urlsplit(url).hostname or ""
        except ValueError:
            return "cannot be read"
        return host_fault(host, allow_loopback=self._allow_loopback)

    async def exchange(self, provider: Provider, code: str, verifier: str, redirect: str) -> Tokens:
        """Return the tokens for *code*, the end of a login that began with *verifier* and the URL *redirect*.

        Raises:
            RefusedError: the provider does not give any.
            ProviderError: it cannot be asked.
        """
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": redirect, "code_verifier": verifier}
        return await self._tokens(provider, form)

    async def refresh(self, provider: Provider, token: str) -> Tokens:
        """Return newer tokens for the refresh token *token*; for what is raised see ``exchange``."""
        return await self._tokens(provider, {"grant_type": "refresh_token", "refresh_token": token})

    async def verified(self, provider: Provider, token: str, expected: Expected, now: float) -> Claims:
        """Return the claims of the ID token *token*.

        Raises:
            TokenError: it is not what is *expected*.
            ProviderError: the keys of the provider cannot be read.
        """
        url = (await self.endpoints(provider)).keys
        keys = await self._remembered(provider, url, PublishedKeys)
        try:
            return verified(token, keys.readable(), expected, now)
        except UnknownKeyError:
            keys = await self._remembered(provider, url, PublishedKeys, fresh_s=AGAIN_S)
            return verified(token, keys.readable(), expected, now)

    async def _tokens(self, provider: Provider, form: Mapping[str, str]) -> Tokens:
        endpoints = await self.endpoints(provider)
        client, headers = provider.policy.client, {"Accept": "application/json"}
        body = {**form, "client_id": client}
        if provider.secret:
            secret = await _read(provider.secret)
            if endpoints.basic:
                headers["Authorization"] = BasicAuth(quote(client, safe=""), quote(secret, safe="")).encode()
            else:
                body["client_secret"] = secret
        status, data = await self._ask(provider, endpoints.token, body, headers)
        if status != 200:  # noqa: PLR2004 - OK
            raise _refusal(endpoints.token, status, data)
        found = _decoded(endpoints.token, data, Tokens)
        if found.token_type.lower() != "bearer":
            raise ProviderError(f"{endpoints.token} gives tokens of the type {found.token_type!r}, not Bearer")
        return found

    async def _remembered(self, provider: Provider, url: str, model: type[T], fresh_s: float = FRESH_S) -> T:
        """Return what *url* answers, or answered less than *fresh_s* seconds ago.

        While it cannot be asked, what it answered before goes on to count for ``KEPT_S``.
        """
        key = (url, provider.authority, str(provider.policy.verify), model.__name__)
        async with self._turns.setdefault(key, asyncio.Lock()):
            known = self._known.get(key)
            if known is not None and self._clock() - known.since < fresh_s:
                assert isinstance(known.value, model)  # noqa: S101 - the key names the model
                return known.value
            try:
                value = await self._read(provider, url, model, key)
            except ProviderError:
                if known is None or self._clock() - known.since > KEPT_S:
                    raise
                assert isinstance(known.value, model)  # noqa: S101 - the key names the model
                return known.value
            self._known[key] = _Known(value, self._clock())
            return value

    async def _read(self, provider: Provider, url: str, model: type[T], key: tuple[str, ...]) -> T:
        """Ask *url*; what failed just now for others fails at once, as each of many clients would wait for a try."""
        since, reason = self._failed.get(key, (-math.inf, ""))
        if self._clock() - since < REST_S:
            raise ProviderError(reason)
        self._forget_old()
        try:
            return await self._got(provider, url, model)
        except ProviderError as error:
            self._failed[key] = self._clock(), str(error)
            raise

    def _forget_old(self) -> None:
        """Forget what is of no use any more, as of URLs that no Policy has now."""
        now = self._clock()
        self._known = {key: each for key, each in self._known.items() if now - each.since <= KEPT_S}
        self._failed = {key: each for key, each in self._failed.items() if now - each[0] < REST_S}
        used = self._known.keys() | self._failed.keys()
        self._turns = {key: turn for key, turn in self._turns.items() if key in used or turn.locked()}

    async def _got(self, provider: Provider, url: str, model: type[T]) -> T:
        status, data = await self._ask(provider, url, None, {"Accept": "application/json"})
        if status != 200:  # noqa: PLR2004 - OK
            raise ProviderError(f"{url} answers {status}")
        return _decoded(url, data, model)

    async def _ask(
        self, provider: Provider, url: str, form: Mapping[str, str] | None, headers: Mapping[str, str]
    ) -> tuple[int, bytes]:
        """Send GET, or POST with *form*; return status and body. No redirect is followed."""
        assert self._session  # noqa: S101 - a context manager
        try:
            tls = await asyncio.to_thread(_tls, provider)
            request = self._session.request(
                "GET" if form is None else "POST", url, data=form, headers=headers, ssl=tls, allow_redirects=False
            )
            async with request as response:
                data = await response.content.read(MOST_BYTES + 1)
                while len(data) <= MOST_BYTES and (more := await response.content.read(MOST_BYTES + 1 - len(data))):
                    data += more
                if len(data) > MOST_BYTES:
                    raise ProviderError(f"{url} answers more than {MOST_BYTES} bytes")
                return response.status, data
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
            raise ProviderError(f"{url} cannot be asked: {error or type(error).__name__}") from None


def _tls(provider: Provider) -> ssl.SSLContext | bool:
    """Return how the certificate of *provider* is verified; ``False`` for not at all."""
    if not provider.policy.verify:
        return False
    return ssl.create_default_context(cafile=provider.authority or None)


async def _read(path: str) -> str:
    try:
        return (await asyncio.to_thread(Path(path).read_bytes)).decode()
    except OSError as error:
        raise ProviderError(f"the secret of the client cannot be read: {error.strerror or error}") from None


def _decoded(url: str, data: bytes, model: type[T]) -> T:
    try:
        return msgspec.json.decode(data, type=model)
    except msgspec.DecodeError as error:
        raise ProviderError(f"{url} answers what cannot be used: {error}") from None


def _refusal(url: str, status: int, data: bytes) -> ProviderError:
    try:
        found = msgspec.json.decode(data, type=_Refusal)
    except msgspec.DecodeError:
        found = _Refusal()
    code = found.error if found.error.isprintable() else ""
    text = f"{url} answers {status}" + (f": {code} {found.error_description[:200]!r}" if code else "")
    return RefusedError(code, text) if code and status < 500 else ProviderError(text)  # noqa: PLR2004 - 5xx


def _is_url(text: str) -> bool:
    return text.startswith(("https://", "http://"))
