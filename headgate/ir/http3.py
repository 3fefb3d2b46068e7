"""What HTTP/3 needs once in ``http {}``."""

from __future__ import annotations

import msgspec

from headgate.settings import Quoted


class Http3(msgspec.Struct, frozen=True, kw_only=True):
    """The header by which clients of HTTPS learn of HTTP/3, and the server that refuses what no other one answers.

    Attributes:
        variable: has the value of the header for a request.
        ports: ``on:`` and the port of a connection with TLS, and the port of UDP that its client is told; ``None`` if
            there is none. A port that is not listed is told as it is.
        max_age: seconds for which clients may remember it.
        listens: the addresses of the usual port.
        passed: the names for which connections of TCP are passed on.
    """

    variable: str
    ports: tuple[tuple[Quoted, int | None], ...]
    max_age: int
    listens: tuple[str, ...]
    passed: tuple[str | Quoted, ...] = ()
