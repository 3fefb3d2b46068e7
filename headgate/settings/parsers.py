"""Parsers from what users write: each refuses with a reason, and can say in a few words what it accepts.

Patterns are linear: a text of any length that does not fit is refused in time proportional to it.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

from headgate.problems import show

T = TypeVar("T")


class Unfit(ValueError):  # noqa: N818 - reads as what it says: unfit for use
    """Raised by parsers; the text completes the sentence "'value' is …"."""

    def about(self, value: str) -> str:
        """Return the text, without the part of *value* in brackets that is at fault if that is all of it."""
        return str(self).replace(f" ({show(value.strip())})", "", 1)


def guess(key: str, known: Iterable[str]) -> str:
    """Return a clause that asks whether one of *known* was meant by *key*, ``""`` if none is like it."""
    near = difflib.get_close_matches(key, list(known), n=1, cutoff=0.8)
    return f"; did you mean {near[0]}?" if near else ""


class Parser(Generic[T]):
    """A function from text to a value, and what the reference pages say of the text.

    ``words`` say what it accepts, ``unit`` what a bare number counts, ``example`` is a text that it takes.
    """

    __slots__ = ("_parse", "example", "unit", "words")

    def __init__(self, words: str, parse: Callable[[str], T], *, unit: str = "", example: str = "") -> None:
        """Wrap *parse*, which raises Unfit for texts that it refuses."""
        self._parse = parse
        self.words = words
        self.unit = unit
        self.example = example

    def __call__(self, text: str) -> T:
        """Return the value of *text* (Unfit if it has none)."""
        return self._parse(text)


def accepts(words: str, *, unit: str = "", example: str = "") -> Callable[[Callable[[str], T]], Parser[T]]:
    """Make a Parser of the decorated function; the words are for the reference pages."""
    return lambda parse: Parser(words, parse, unit=unit, example=example)


def matching(pattern: str, words: str, example: str = "") -> Parser[str]:
    """Return a parser of text that matches *pattern* whole; spaces around it do not count."""
    compiled = re.compile(pattern)

    def parse_text(text: str) -> str:
        if not compiled.fullmatch(text.strip()):
            raise Unfit(f"not {words}")
        return text.strip()

    return Parser(words, parse_text, example=example)


_MOST = 2**31 - 1
"""What nginx counts in on every platform."""


def number(least: int = 0, most: int = _MOST) -> Parser[int]:
    """Return a parser of whole numbers from *least* to *most*."""

    def parse_number(text: str) -> int:
        if not re.fullmatch(r"-?[0-9]{1,19}", text.strip()):
            raise Unfit(f"not a whole number (from {least} to {most})")
        if not least <= int(text) <= most:
            raise Unfit(f"out of range; use {least} to {most}")
        return int(text)

    bounds = f" from {least}" if most == _MOST else f" from {least} to {most}"
    return Parser(f"number{bounds if least or most != _MOST else ''}", parse_number)


def choice(*words: str) -> Parser[str]:
    """Return a parser that accepts *words*, whatever their case."""

    def parse_choice(text: str) -> str:
        word = text.strip().lower()
        if word not in words:
            raise Unfit(f"not one of {', '.join(words)}")
        return word

    return Parser(", ".join(words), parse_choice, example=words[-1])


def listed(parse: Callable[[str], T], words: str, separator: str = ",") -> Parser[tuple[T, ...]]:
    """Return a parser of lists of what *parse* takes.

    Spaces around entries do not count. A blank entry is refused, but lists separated by ``;`` may end with one.
    """

    def parse_list(text: str) -> tuple[T, ...]:
        entries = [entry.strip() for entry in text.split(separator)]
        if separator == ";" and not entries[-1]:
            entries.pop()
        if not entries or not all(entries):
            raise Unfit(f"a list with an empty entry; separate entries with {separator!r}")
        return tuple(parse(entry) for entry in entries)

    return Parser(f"{words}, separated by `{separator}`", parse_list)


@accepts("true or false")
def switch(text: str) -> bool:
    """Parse a truth value as Go's ``strconv.ParseBool`` does, which users of the incumbent know."""
    if text.strip() in {"1", "t", "T", "TRUE", "true", "True"}:
        return True
    if text.strip() in {"0", "f", "F", "FALSE", "false", "False"}:
        return False
    raise Unfit("neither true nor false")


_PART = r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?"

dns_name = matching(
    rf"(?=.{{1,253}}\Z){_PART}(?:\.{_PART})*", "the name of an object (lower-case letters, digits, - and .)"
)
"""A DNS-1123 subdomain as the API server checks the names of most objects: no label of it is limited to 63."""

service_name = matching(
    r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?", "the name of a Service (at most 63 lower-case letters, digits and -)"
)
"""The name of a Service; a first digit is let through, which Kubernetes allows since 1.34."""

VARIABLE = r"\$(?:\{[A-Za-z_][A-Za-z0-9_]*\}|[A-Za-z_][A-Za-z0-9_]*+)"
"""A variable of nginx, ``$name`` or ``${name}``."""

_LOOSE_DOLLAR = re.compile(rf"(?!{VARIABLE})\$")


def has_loose_dollar(text: str) -> bool:
    """Whether a ``$`` in *text* begins no variable, which nginx refuses and has no escape for."""
    return bool(_LOOSE_DOLLAR.search(text))


WORD = rf"(?:[^\s;{{}}`\"'\\#$\x00-\x1f\x7f]|{VARIABLE}|\$[0-9])+"
"""One word of nginx's language, in which variables and captures (``$1``) may stand."""

_word = matching(WORD, "one word without ; { } ` # quotes or backslash, in which $ begins a variable such as $host")


@accepts("word with variables and captures")
def word(text: str) -> str:
    """Parse one argument in which nginx's variables may stand."""
    if ".." in text.strip().split("/"):
        raise Unfit("text with a .. between slashes")
    return _word(text)
