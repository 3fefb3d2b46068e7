"""The values of settings: each type parses what users write and prints what nginx reads.

``parse`` is validation: what parses is valid, and what is valid is already in nginx's spelling.
The formats are nginx's (https://nginx.org/en/docs/syntax.html) as the incumbent accepts them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import ClassVar, Self

import msgspec

from headgate.problems import show
from headgate.settings.framing import NGINX_SETS, OF_REQUESTS, OF_RESPONSES
from headgate.settings.parsers import Parser, Unfit, accepts

_ESCAPED = re.compile(r"""\"|\\(?=[\\"'trn]|\Z)""")
"""What must be escaped inside double quotes (``ngx_conf_read_token``)."""


class Quoted(str):
    """Any text, printed as one double-quoted, escaped argument."""

    __slots__ = ()

    @property
    def spelled(self) -> str:
        """The argument as it stands in a file; nginx's lexer takes the escapes away again.

        A backslash is doubled only where the lexer would take it for an escape, so that patterns stay readable.
        """
        return '"' + _ESCAPED.sub(r"\\\g<0>", self) + '"'


class Words(tuple[str, ...]):
    """Several arguments, each a plain nginx word, printed with single spaces."""

    __slots__ = ()


class Snippet(str):
    """Configuration text printed as it is; made only where snippets are permitted."""

    __slots__ = ()


_ESCAPES = {"t": "\t", "r": "\r", "n": "\n", '"': '"', "'": "'", "\\": "\\"}


def unescaped(text: str) -> str:
    r"""Return what nginx would read from *text* between double quotes (``\"`` is a quote)."""
    return re.sub(r"\\(.)", lambda match: _ESCAPES.get(match[1], match[0]), text)


class Duration(str):
    """A time in nginx's spelling, such as ``1h30m`` or ``500ms``; a bare number is seconds."""

    __slots__ = ()

    words: ClassVar[str] = "time"
    unit: ClassVar[str] = "seconds"
    example: ClassVar[str] = "30s"

    SECONDS: ClassVar[Mapping[str, float]] = MappingProxyType(
        {"y": 31_536_000, "M": 2_592_000, "w": 604_800, "d": 86_400, "h": 3_600, "m": 60, "s": 1, "ms": 0.001}
    )
    """Units in the order in which nginx reads them, each at most once."""

    _PART = re.compile(r"([0-9]{1,12})(ms|[yMwdhms]?)\s*+")
    _MOST = 100 * SECONDS["y"]
    _LONGEST = 100

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse ``60``, ``60s`` or ``1h 30m``.

        nginx reads years and months only where it counts in whole seconds, so they become days.
        """
        text = text.strip()
        if len(text) > cls._LONGEST or not re.fullmatch(f"(?:{cls._PART.pattern})++", text):
            raise Unfit("not a time; write a number with ms, s, m, h or d, for example 60s or 1h30m")
        units = [unit or "s" for _, unit in cls._PART.findall(text)]
        if units != [unit for unit in cls.SECONDS if unit in units]:
            raise Unfit("a time whose units do not descend; write them in the order y, M, w, d, h, m, s, ms")
        if cls(text).seconds > cls._MOST:
            raise Unfit("longer than 100 years")
        counts = {unit or "s": int(count) for count, unit in cls._PART.findall(text)}
        if "y" in counts or "M" in counts:
            counts["d"] = 365 * counts.pop("y", 0) + 30 * counts.pop("M", 0) + counts.get("d", 0)
        return cls("".join(f"{counts[unit]}{unit}" for unit in cls.SECONDS if unit in counts))

    @property
    def seconds(self) -> float:
        """The length in seconds."""
        return sum(int(count) * self.SECONDS[unit or "s"] for count, unit in self._PART.findall(self))


class Seconds(Duration):
    """A time that nginx counts in whole seconds, such as ``fail_timeout``."""

    __slots__ = ()

    words: ClassVar[str] = "time in whole seconds"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse a time without milliseconds."""
        time = super().parse(text)
        if time.endswith("ms"):
            raise Unfit("a time with milliseconds where nginx counts whole seconds; use s, m, h or d")
        return time


class Size(str):
    """A number of bytes: ``4096``, ``8k`` or ``1m``."""

    __slots__ = ()

    words: ClassVar[str] = "size"
    unit: ClassVar[str] = "bytes"
    example: ClassVar[str] = "8k"

    _PATTERN = re.compile(r"[0-9]{1,12}[km]?")
    _MOST = 1 << 40
    _HINT = "a number, alone or with k or m, for example 8k"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse a size; units may be upper case."""
        size = cls(text.strip().lower())
        if not cls._PATTERN.fullmatch(size):
            raise Unfit(f"not a size; write {cls._HINT}")
        if size.bytes > cls._MOST:
            raise Unfit(f"larger than {cls._MOST} bytes")
        return size

    @classmethod
    def of(cls, count: int) -> Self:
        """Spell *count* bytes with the largest unit that divides them."""
        for unit, power in (("m", 20), ("k", 10)):
            if count and count % (1 << power) == 0:
                return cls(f"{count >> power}{unit}")
        return cls(count)

    @property
    def bytes(self) -> int:
        """The number of bytes."""
        return int(self.rstrip("kmg")) * {"k": 1 << 10, "m": 1 << 20, "g": 1 << 30}.get(self[-1], 1)


class Offset(Size):
    """A number of bytes that may also be given in ``g``, such as the largest request body."""

    __slots__ = ()

    words: ClassVar[str] = "size, also with g"
    example: ClassVar[str] = "20m"

    _PATTERN = re.compile(r"[0-9]{1,12}[kmg]?")
    _MOST = 1 << 60
    _HINT = "a number, alone or with k, m or g, for example 10m"


LEAST_ZONE, MOST_ZONE = Size("32k"), Size("1024m")
"""nginx needs eight pages for a zone; the upper bound keeps one setting from taking the machine's memory."""


@accepts(f"size from {LEAST_ZONE} to {MOST_ZONE}", unit="bytes", example="1m")
def zone_size(text: str) -> Size:
    """Parse the size of memory that workers share."""
    size = Size.parse(text)
    if not LEAST_ZONE.bytes <= size.bytes <= MOST_ZONE.bytes:
        raise Unfit(f"out of range for shared memory; use {LEAST_ZONE} to {MOST_ZONE}")
    return size


class Buffers(msgspec.Struct, frozen=True):
    """``number size``, as in ``proxy_buffers 8 4k``."""

    words: ClassVar[str] = "number and size"
    example: ClassVar[str] = "16 8k"

    number: int
    size: Size

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse ``8 4k``."""
        number, _, size = text.strip().partition(" ")
        if not size or not re.fullmatch(r"[0-9]{1,5}", number) or int(number) == 0:
            raise Unfit("not a number and a size, for example 8 4k")
        return cls(int(number), Size.parse(size))

    @property
    def spelled(self) -> Words:
        """The two arguments."""
        return Words((str(self.number), str(self.size)))

    def __str__(self) -> str:
        return f"{self.number} {self.size}"


class HeaderName(str):
    """The name of an HTTP header."""

    __slots__ = ()

    words: ClassVar[str] = "header name"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse a name of letters, digits and dashes, as Kubernetes defines it."""
        if not re.fullmatch(r"[-A-Za-z0-9]+", text.strip()):
            raise Unfit(f"not a header name ({show(text.strip())}); use letters, digits and dashes")
        return cls(text.strip())


_PLAIN = re.compile(r'(?:[^"$\\\x00-\x08\x0a-\x1f\x7f]|\\[^$nr\x00-\x1f\x7f])*')


@accepts('text without `$` and line breaks, double quotes written `\\"`')
def plain_text(text: str) -> Quoted:
    r"""Parse text for a header: no variable, no control character, inner quotes escaped; no space at the ends.

    The rules are those of field values (RFC 9110 §5.5); ``\n`` and ``\r`` are refused too, which nginx would read as a
    line break and print as the end of the header.
    """
    text = text.strip()
    if not _PLAIN.fullmatch(text):
        raise Unfit("text with a $, a line break, or a double quote or final backslash that is not escaped")
    return Quoted(unescaped(text))


def _settable(name: HeaderName, others: frozenset[str]) -> HeaderName:
    if name.lower() in others:
        raise Unfit(f"{name}, which {NGINX_SETS}; remove it")
    return name


class Header(msgspec.Struct, frozen=True):
    """A header of a request or a response; ``always`` counts for responses only."""

    name: str
    value: Quoted
    always: bool = False

    @classmethod
    def response(cls, text: str) -> Self:
        """Parse ``Name:Value`` or ``Name:Value:always``; an empty third part says nothing."""
        name, colon, rest = text.strip().partition(":")
        if not colon:
            raise Unfit("not Name:Value")
        value, third, last = rest.rpartition(":")
        if not third or last.strip() not in {"", "always"}:
            value, last = rest, ""
        header = _settable(HeaderName.parse(name), OF_RESPONSES)
        return cls(header, plain_text(value.strip()), always=last.strip() == "always")

    @classmethod
    def request(cls, text: str) -> Self:
        """Parse ``Name`` (the client's own value) or ``Name:Value``."""
        name, colon, value = text.strip().partition(":")
        header = _settable(HeaderName.parse(name), OF_REQUESTS)
        own = Quoted("$http_" + header.lower().replace("-", "_"))
        return cls(header, plain_text(value.strip()) if colon else own)

    def __str__(self) -> str:
        """As ``response`` reads it; a value with a colon in it needs the third part, even an empty one."""
        third = ":always" if self.always else ":" if ":" in self.value else ""
        return f"{self.name}:{self.value.spelled[1:-1]}{third}"


def parser_of(kind: type) -> Parser[object] | None:
    """Return the parser of a value type, which has ``parse`` and ``words``; ``None`` for any other type."""
    parse, words = getattr(kind, "parse", None), getattr(kind, "words", None)
    if not parse or not words:
        return None
    return Parser(words, parse, unit=getattr(kind, "unit", ""), example=getattr(kind, "example", ""))
