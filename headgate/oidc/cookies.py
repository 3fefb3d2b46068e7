"""Cookies with what was sealed: their names, their attributes, and how large ones are divided."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

MARK: Final = "headgate_"
"""In the names of all; ``sessions.lua`` knows it, and the other names of sessions."""
MOST_BYTES: Final = 3800
"""Of one value: browsers keep 4096 bytes of a cookie with its name and attributes (RFC 6265, 6.1)."""
MOST_PARTS: Final = 9
MOST_TOGETHER: Final = 7000
"""Bytes of the cookies of one session, as they are in one header: nginx takes 8192 in one line over HTTP/1.1
(``large_client_header_buffers``), and hosts have cookies of their own."""


def session_name(identity: str, *, secure: bool) -> str:
    """Return the name of the session of a Policy; with ``__Host-`` no other host can set it (RFC 6265bis)."""
    return f"{'__Host-' if secure else ''}{MARK}{identity}"


def tokens_name(identity: str, *, secure: bool) -> str:
    """Return the name of what only the controller reads."""
    return f"{'__Secure-' if secure else ''}{MARK}{identity}_t"


def login_name(identity: str, state: str, *, secure: bool) -> str:
    """Return the name of what a login needs that is under way."""
    return f"{'__Secure-' if secure else ''}{MARK}{identity}_l{state[:8]}"


def parts_of(name: str, number: int) -> str:
    """Return the name of a part of a large cookie."""
    return f"{name}_{number}" if number else name


def divided(name: str, sealed: str) -> Iterator[tuple[str, str]]:
    """Yield the cookies that hold *sealed*: the number of parts in one digit and the first of them, then the others.

    There are at most ``MOST_PARTS``; the caller looks.
    """
    size = MOST_BYTES - 1
    pieces = [sealed[start : start + size] for start in range(0, len(sealed), size)] or [""]
    for number, piece in enumerate(pieces):
        yield parts_of(name, number), f"{len(pieces)}{piece}" if number == 0 else piece


def length(name: str, sealed: str) -> int:
    """Return how long the cookies that hold *sealed* are in the header of a request."""
    return sum(len(f"{part}={value}; ") for part, value in divided(name, sealed))


def joined(name: str, cookies: Mapping[str, str]) -> str:
    """Return what ``divided`` was given, empty if a part is missing."""
    first = cookies.get(name, "")
    if first[:1] not in set("123456789"):
        return ""
    pieces = [first[1:], *(cookies.get(parts_of(name, number), "") for number in range(1, int(first[0])))]
    return "".join(pieces) if all(pieces) else ""


def given(name: str, value: str, path: str, *, secure: bool, seconds: int | None = None) -> str:
    """Return a line ``Set-Cookie``; without *seconds* the cookie ends with the browser."""
    lifetime = "" if seconds is None else f"; Max-Age={seconds}"
    return f"{name}={value}; Path={path}{lifetime}; HttpOnly; SameSite=Lax{'; Secure' if secure else ''}"


def deleted(name: str, path: str, *, secure: bool) -> str:
    """Return the line by which a browser forgets a cookie."""
    return given(name, "", path, secure=secure, seconds=0)


def replaced(  # noqa: PLR0913 - all that a cookie is
    name: str, sealed: str, path: str, cookies: Mapping[str, str], *, secure: bool, seconds: int | None = None
) -> Iterator[str]:
    """Yield the lines by which a large cookie becomes *sealed*; parts among *cookies* that it has not, end."""
    parts = dict(divided(name, sealed)) if sealed else {}
    for part, value in parts.items():
        yield given(part, value, path, secure=secure, seconds=seconds)
    for number in range(MOST_PARTS + 1):
        part = parts_of(name, number)
        if part not in parts and (part in cookies or (not sealed and number == 0)):
            yield deleted(part, path, secure=secure)


def read(header: str) -> dict[str, str]:
    """Return the cookies of a request; of two of one name the first, as nginx reads them."""
    found: dict[str, str] = {}
    for pair in header.split(";"):
        name, equals, value = pair.strip().partition("=")
        if equals:
            found.setdefault(name, value)
    return found
