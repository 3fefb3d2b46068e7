"""Headers that nginx sets itself: they say where a message ends, or belong to one connection (RFC 9112, 9113)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Protocol, TypeVar

OF_REQUESTS: Final = frozenset({"content-length", "transfer-encoding"})
"""Without the right ones, the rest of a body is a request to a backend. Connection may be set: WebSocket needs it."""
OF_RESPONSES: Final = OF_REQUESTS | {"connection", "keep-alive", "proxy-connection", "upgrade"}
"""nginx adds them to its own; with HTTP/2 a client takes no response that has one of the others."""
NGINX_SETS: Final = "is a header that nginx sets itself"


class _Named(Protocol):
    @property
    def name(self) -> str: ...


H = TypeVar("H", bound=_Named)


def without_framing(headers: Iterable[H] | None, those: frozenset[str] = OF_RESPONSES) -> tuple[H, ...]:
    """Return *headers* without *those* that nginx sets itself."""
    return tuple(header for header in headers or () if header.name.lower() not in those)
