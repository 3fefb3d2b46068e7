"""The path of a route of a VirtualServer or a VirtualServerRoute: a location of nginx."""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import Final
from urllib.parse import unquote

import msgspec

from headgate.settings.regex import regex_fault
from headgate.validation.fields import path_fault, text_fault

_MODIFIER = re.compile(r"(=|\^~|~\*|~|)\s*(.*)", re.DOTALL)
_ENCODED = re.compile(r"%[0-9A-Fa-f]{2}")
_CATEGORIES: Final = MappingProxyType(
    {"": "prefix", "=": "exact path", "^~": "prefix with ^~", "~": "regular expression", "~*": "regular expression"}
)


def with_article(words: str) -> str:
    """Return *words* with ``a`` or ``an`` in front."""
    return f"an {words}" if words[0] in "aeiou" else f"a {words}"


class RoutePath(msgspec.Struct, frozen=True, order=True):
    """The path of a route as nginx has it: *modifier* is empty, ``=``, ``^~``, ``~`` or ``~*``."""

    modifier: str
    path: str

    @classmethod
    def of(cls, text: str) -> RoutePath:
        """Split ``~* /x`` into modifier and path; spaces between them do not count."""
        found = _MODIFIER.fullmatch(text)
        return cls(found[1], found[2]) if found else cls("", text)

    @property
    def is_regex(self) -> bool:
        """Whether the path is a regular expression."""
        return self.modifier.startswith("~")

    @property
    def category(self) -> str:
        """How it matches, in words; routes and subroutes that belong together have the same."""
        return _CATEGORIES[self.modifier]

    @property
    def is_prefix(self) -> bool:
        """Whether it matches what begins with it."""
        return self.modifier in {"", "^~"}

    @property
    def location(self) -> RoutePath:
        """The path with the same location of nginx for all that have one: ``^~`` makes no other location."""
        return RoutePath("", self.path) if self.is_prefix else self

    @property
    def fault(self) -> str:
        """Why it cannot be a path, or ``""``."""
        if not self.is_regex:
            return path_fault(self.path)
        if fault := text_fault(self.path) or ("" if self.path else "is empty"):
            return fault
        unfit = regex_fault(self.path)
        return f"is {unfit}" if unfit else ""

    @property
    def doubt(self) -> str:
        """Why no request matches it, or ``""`` if some may.

        nginx compares paths without their arguments, and decoded (https://nginx.org/en/docs/http/ngx_http_core_module.html).
        """
        if self.is_regex:
            return ""
        if "?" in self.path:
            return "matches no request, as arguments are no part of a path; write a condition on $arg_NAME in matches"
        if _ENCODED.search(self.path):
            decoded = unquote(self.path)
            instead = f"{decoded!r}" if not path_fault(decoded) else "a regular expression, with \\x20 for a space"
            return f"matches no request, as nginx decodes paths before it compares them; write {instead}"
        return ""

    def __str__(self) -> str:
        """The modifier, if there is one, and the path."""
        return f"{self.modifier} {self.path}" if self.modifier else self.path
