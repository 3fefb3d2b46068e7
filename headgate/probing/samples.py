"""Texts that regular expressions and settings of nginx take."""

from __future__ import annotations

import re
from typing import Final

_SPECIAL: Final = frozenset("^$.|?*+()[]{}")
_OPTIONAL: Final = frozenset("?*{")
_UNITS: Final = {"k": 1 << 10, "m": 1 << 20, "g": 1 << 30}
_VALUE = re.compile(r"[!-~]([ -~]{0,1000}[!-~])?")


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
