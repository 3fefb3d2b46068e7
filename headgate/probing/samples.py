"""Texts that regular expressions and settings of nginx take."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import quote

_SPECIAL: Final = frozenset("^$.|?*+()[]{}")
_OPTIONAL: Final = frozenset("?*{")
_UNITS: Final = {"k": 1 << 10, "m": 1 << 20, "g": 1 << 30}
_VALUE = re.compile(r"[!-~]([ -~]{0,1000}[!-~])?")
_HOST = re.compile(r"(?=.{1,253}$)(\*\.)?[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*")
_NAME = re.compile(r"[A-Za-z0-9_-]+")
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_OF_THE_CONNECTION: Final = frozenset({"host", "connection", "content-length", "transfer-encoding", "expect"})


def is_host(text: str) -> bool:
    """Whether *text* may be a host of an Ingress; one that is refused may have any text there."""
    return _HOST.fullmatch(text) is not None


def header_for(variable: str, condition: str) -> tuple[str, str] | None:
    """Return the header with which *variable* of nginx meets *condition*, ``None`` if no header does that."""
    kind, _, name = variable.removeprefix("$").partition("_")
    value = fitting_value(condition)
    if not value or not _NAME.fullmatch(name):
        return None
    if kind == "cookie":
        return "Cookie", f"{name}={value}"
    header = name.replace("_", "-")
    return (header, value) if kind == "http" and header.lower() not in _OF_THE_CONNECTION else None


def header(text: str) -> tuple[str, str]:
    """Read ``NAME: VALUE``, a header that is added to requests.

    Raises:
        ValueError: it is not that, or it is a header that belongs to the connection; the text follows the value.
    """
    name, colon, value = text.partition(":")
    value = value.strip()
    if not colon or not _TOKEN.fullmatch(name) or not _VALUE.fullmatch(value):
        raise ValueError("is not a header; write NAME: VALUE in printable ASCII, for example 'X-Tenant: blue'")
    if name.lower() in _OF_THE_CONNECTION:
        raise ValueError(f"cannot be set: {name} follows from the request itself")
    return name, value


def argument_for(variable: str, condition: str) -> str:
    """Return the argument of a query with which *variable* of nginx meets *condition*, empty if none does that."""
    kind, _, name = variable.removeprefix("$").partition("_")
    value = fitting_value(condition)
    return f"{name}={quote(value, safe='')}" if value and kind == "arg" and _NAME.fullmatch(name) else ""


def beginning(pattern: str) -> str:
    """Return the literal beginning of a regular expression: ``/api(/|$)(.*)`` → ``/api``."""
    found, rest = "", pattern.removeprefix("^")
    while rest:
        escaped = rest[0] == "\\"
        char, after = rest[escaped : escaped + 1], rest[1 + escaped :]
        if (escaped and (not char or char.isalnum())) or (not escaped and char in _SPECIAL):
            break
        if after[:1] in _OPTIONAL and after[:1]:
            break
        found, rest = found + char, after
    return "" if "|" in rest and not _grouped(rest) else found


def fitting_value(condition: str) -> str:
    """Return a value of a header that *condition* takes, empty if none can be written.

    A condition is a text, or after ``~`` (``~*``) a regular expression, of which the literal beginning is taken.
    """
    value = beginning(condition[1:].removeprefix("*")) if condition.startswith("~") else condition
    return value if _VALUE.fullmatch(value) else ""


def in_bytes(size: str) -> int:
    """Return the bytes of a size of nginx (``8m``)."""
    number, unit = (size[:-1], size[-1].lower()) if size[-1:].isalpha() else (size, "")
    return int(number) * _UNITS.get(unit, 1)


def _grouped(rest: str) -> bool:
    """Whether every ``|`` of *rest* is inside of a group, so that what stands before always matches."""
    depth = 0
    for char in rest:
        depth += (char in "([") - (char in ")]")
        if char == "|" and depth <= 0:
            return False
    return True
