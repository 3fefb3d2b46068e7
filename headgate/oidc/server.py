"""The private socket on which nginx's workers ask where clients log in and out."""

from __future__ import annotations

import contextlib
import html
import re
from collections.abc import AsyncIterator, Callable
from typing import Final

from aiohttp import web

from headgate.oidc import cookies
from headgate.oidc.backchannel import Backchannel
from headgate.oidc.keyring import Keyring
from headgate.oidc.login import Answer, Logins
from headgate.oidc.provider import Current
from headgate.oidc.turn import Asked
from headgate.uds import Access, Address, ServerSocket
from headgate.validation.oidc import FRONT_CHANNEL

HEADERS_BYTES: Final = 64 * 1024
"""Of one line of a request: as much as nginx takes with its largest buffers, which have all cookies."""
_NETLOC: Final = re.compile(r"(?P<name>\[[0-9a-f:.]+\]|[^:@\[\]]+)(?::[0-9]{1,5})?")
"""The header Host: a name or an address, and nothing but a port behind it, as it becomes part of URLs."""
_PAGE: Final = (
    '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Login</title></head><body><p>{text}</p>{link}'
    "</body></html>\n"
)
_SAFE: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


@contextlib.asynccontextmanager
async def serving_logins(
    path: str, access: Access, current: Current, keyring: Callable[[], Keyring | None], *, allow_loopback: bool
) -> AsyncIterator[None]:
    """Answer at the socket *path*, which *access* lets nginx's workers open, while the block runs.

    Args:
        path: of the socket; its file is removed at the end.
        access: who may connect.
        current: returns the present Providers.
        keyring: returns the present keys, ``None`` while there are none.
        allow_loopback: whether a provider may be on this machine.

    Raises:
        AddressError: no socket can be created there.
    """
    async with Backchannel(allow_loopback=allow_loopback) as backchannel:
        logins = Logins(current, keyring, backchannel)

        async def handle(request: web.Request) -> web.Response:
            return response(await logins.answer(asked(request)), framed=request.path == FRONT_CHANNEL)

        app = web.Application()
        app.router.add_route("*", "/{anything:.*}", handle)
        with ServerSocket.open(Address(path), access=access) as bound:
            runner = web.AppRunner(
                app, access_log=None, handle_signals=False, shutdown_timeout=1.0,
                max_line_size=HEADERS_BYTES, max_field_size=HEADERS_BYTES,
            )  # fmt: skip
            await runner.setup()
            try:
                await web.SockSite(runner, bound.socket).start()
                yield
            finally:  # before the socket is closed, without which its listener cannot be removed from the loop
                await runner.cleanup()


def asked(request: web.Request) -> Asked:
    """Return what *request*, of nginx, says of the request of the client."""
    headers = request.headers
    host = headers.get("X-Headgate-Host", "")
    netloc = request.headers.get("Host", "").lower()
    # Without the header, over HTTP/3 with some versions of nginx, the port is not known.
    named = _NETLOC.fullmatch(netloc)
    netloc = netloc if named and named["name"].rstrip(".") == host else host
    return Asked(
        server=headers.get("X-Headgate-Server", ""),
        host=host,
        netloc=netloc,
        secure="https" in {headers.get("X-Headgate-Scheme"), headers.get("X-Forwarded-Proto")},
        path=request.path,
        query={name: request.query[name] for name in request.query},
        cookies=cookies.read(headers.get("Cookie", "")),
        method=request.method,
    )


def response(answer: Answer, *, framed: bool = False) -> web.Response:
    """Return *answer* as HTTP; *framed*: a page of another site may show it."""
    headers = {**_SAFE, **({} if framed else {"X-Frame-Options": "DENY"})}
    if answer.location:
        found = web.Response(status=answer.status, headers={**headers, "Location": answer.location})
    else:
        link = f'<p><a href="{html.escape(answer.retry)}">Continue</a></p>' if answer.retry else ""
        text = _PAGE.format(text=html.escape(answer.text), link=link)
        found = web.Response(status=answer.status, headers=headers, text=text, content_type="text/html")
    if answer.status == 401:  # noqa: PLR2004 - Unauthorized
        found.headers["WWW-Authenticate"] = "OpenIDConnect"
    for line in answer.cookies:
        found.headers.add("Set-Cookie", line)
    return found
