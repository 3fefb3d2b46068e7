"""One request for a key set. Redirects are not followed: only the server that the Policy names may give keys."""

from __future__ import annotations

import asyncio
import ssl
from functools import lru_cache
from http import HTTPStatus
from typing import Any, Final

import aiohttp

from headgate import __version__
from headgate.resolve.jwk import MOST_BYTES
from headgate.resolve.key_sets import KeySource

WHOLE_S: Final = 10.0
"""Seconds for a connection and the whole answer."""
ENDS: Final = 2
"""The certificates of a chain that do not count for its depth: that of the server, and that of the authority."""
_HEADERS: Final = {
    "Accept": "application/jwk-set+json, application/json",
    "Accept-Encoding": "identity",
    "User-Agent": f"headgate/{__version__}",
}


class FetchError(Exception):
    """A key set cannot be fetched; says why, in one line."""


class _TooDeepError(aiohttp.ClientError):
    """There are more certificates between that of the server and its authority than allowed."""


async def fetch(source: KeySource) -> bytes:
    """Return the answer for *source*.

    Raises:
        FetchError: there is none, or not one that is taken.
    """
    try:
        async with asyncio.timeout(WHOLE_S):
            return await _asked(source)
    except TimeoutError:
        raise FetchError(f"no answer within {WHOLE_S:.0f} s") from None
    except aiohttp.ClientConnectorCertificateError as error:
        reason = getattr(error.certificate_error, "verify_message", "") or error.certificate_error
        raise FetchError(f"the certificate of the server cannot be verified: {reason}") from error
    except aiohttp.ClientConnectorError as error:
        raise FetchError(f"cannot connect: {error.os_error.strerror or error.os_error}") from error
    except (aiohttp.ClientError, ssl.SSLError, OSError, ValueError) as error:
        raise FetchError(str(error) or type(error).__name__) from error


async def _asked(source: KeySource) -> bytes:
    context = _context(source.verify, source.authority)

    class Response(aiohttp.ClientResponse):
        async def start(self, connection: Any) -> aiohttp.ClientResponse:
            if source.verify:
                _check_depth(connection.transport, source.depth)
            return await super().start(connection)

    connector = aiohttp.TCPConnector(ssl=context, force_close=True)
    async with (
        aiohttp.ClientSession(
            connector=connector, response_class=Response, auto_decompress=False, cookie_jar=aiohttp.DummyCookieJar()
        ) as session,
        session.get(
            source.url, headers=_HEADERS, allow_redirects=False, server_hostname=source.server_name or None
        ) as answer,
    ):
        if answer.status != HTTPStatus.OK:
            raise FetchError(f"the server answered {answer.status}")
        data = bytearray()
        async for chunk in answer.content.iter_any():
            data += chunk
            if len(data) > MOST_BYTES:
                raise FetchError(f"the answer has more than {MOST_BYTES} bytes")
        return bytes(data)


def _check_depth(transport: Any, depth: int) -> None:
    connection = transport.get_extra_info("ssl_object") if transport else None
    if connection is None:
        return
    # Python 3.13 has this as a public method.
    chain = getattr(connection, "get_verified_chain", None) or connection._sslobj.get_verified_chain  # noqa: SLF001
    between = len(chain() or ()) - ENDS
    if between > depth:
        raise _TooDeepError(f"its certificate has {between} certificates below an authority, more than {depth}")


@lru_cache(maxsize=16)
def _context(verify: bool, authority: bytes) -> ssl.SSLContext:  # noqa: FBT001 - a key of the cache
    """Return how TLS is spoken.

    Raises:
        ssl.SSLError: *authority* has no certificate.
    """
    context = ssl.create_default_context(cadata=authority.decode() if authority else None)
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
