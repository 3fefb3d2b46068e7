"""The HTTPS port on which the API server asks about objects: limits of size, time and number."""

from __future__ import annotations

import asyncio
import re
from typing import Protocol

from aiohttp import web

LONGEST = 3 << 20
"""Bytes of a request: two versions of an object, of which etcd stores 1.5 MiB at most."""
TIME_S = 5.0
"""How long an answer may take; the API server waits 10 s, or as its configuration says."""
MOST = 16
"""Requests that are answered at once; others wait."""
JSON = "application/json"
_UID = re.compile(rb'"uid"\s*:\s*"([-0-9A-Za-z]{1,64})"')
_HEAD = 4096
"""Where the UID of a request is, as the API server writes it."""


class Reviewer(Protocol):
    """Who answers."""

    async def review(self, body: bytes, /) -> bytes | None:
        """Return the answer to an AdmissionReview, ``None`` if *body* is none."""
        ...

    def unchecked(self, uid: str, why: str, /) -> bytes:
        """Return the answer to a request that was not looked at."""
        ...


def webhook_app(
    reviewer: Reviewer, *, longest: int = LONGEST, time_s: float = TIME_S, most: int = MOST
) -> web.Application:
    """Answer AdmissionReviews on every path; manifests have various ones."""
    places = asyncio.Semaphore(most)

    async def answer(request: web.Request) -> web.Response:
        head = b""
        try:
            async with asyncio.timeout(time_s):
                head = await request.content.read(_HEAD)
                async with places:
                    body = head + await _read(request, longest - len(head))
                    if len(body) > longest:
                        return _unchecked(reviewer, head, f"the request has more than {longest:,} bytes", 413)
                    found = await reviewer.review(body)
        except TimeoutError:
            return _unchecked(reviewer, head, f"that took more than {time_s:g} s", 503)
        if found is None:
            return web.Response(status=400, text="not an AdmissionReview of admission.k8s.io/v1\n")
        return web.Response(body=found, content_type=JSON)

    app = web.Application()
    app.router.add_post("/{path:.*}", answer)
    return app


async def _read(request: web.Request, longest: int) -> bytes:
    """Return the rest of the body, or no more of it than shows that it is too long."""
    found = bytearray()
    async for chunk in request.content.iter_chunked(1 << 16):
        found += chunk
        if len(found) > longest:
            break
    return bytes(found)


def _unchecked(reviewer: Reviewer, head: bytes, why: str, status: int) -> web.Response:
    """Admit the object unchecked because of *why*, or fail with *status* if the request cannot be named."""
    found = _UID.search(head)
    if found is None:
        return web.Response(status=status, text=f"{why}\n")
    return web.Response(body=reviewer.unchecked(found[1].decode(), why), content_type=JSON)
