"""What nginx counts about itself: the page of ngx_http_stub_status_module, over a Unix socket."""

from __future__ import annotations

import re
from typing import Final

import msgspec

from headgate.ir import Layout
from headgate.ir.layout import STATUS_SOCKET
from headgate.nginx.control import get

TIMEOUT_S: Final = 2.0

_PAGE: Final = re.compile(
    r"Active connections:\s*(\d+)\s+"
    r"server accepts handled requests\s+(\d+)\s+(\d+)\s+(\d+)\s+"
    r"Reading:\s*(\d+)\s+Writing:\s*(\d+)\s+Waiting:\s*(\d+)"
)


class StubStatus(msgspec.Struct, frozen=True):
    """Connections and requests, as nginx's documentation of ``stub_status`` defines them.

    ``accepted``, ``handled`` and ``requests`` only grow, until nginx is restarted.
    """

    active: int
    accepted: int
    handled: int
    requests: int
    reading: int
    writing: int
    waiting: int


def parse_status(page: str) -> StubStatus:
    """Read the page that ``stub_status`` prints.

    Raises:
        ValueError: it is another page.
    """
    match = _PAGE.search(page)
    if match is None:
        raise ValueError(f"this is not a stub_status page: {page[:80]!r}")
    return StubStatus(*map(int, match.groups()))


async def status(layout: Layout) -> StubStatus | None:
    """Ask nginx; ``None`` if it does not answer, or not with that page."""
    page = await get(layout.socket(STATUS_SOCKET), "/stub_status", TIMEOUT_S)
    try:
        return None if page is None else parse_status(page.decode(errors="replace"))
    except ValueError:
        return None
