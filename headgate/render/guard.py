"""The last gate before text: every printed value stays the one argument that the template meant it to be.

Jinja calls ``guard`` for every ``{{ … }}``. A plain value must be one nginx word; whatever needs more says so by
its type where it is made: ``Quoted`` (any text as one escaped argument), ``Words`` (several words), ``Snippet``
(verbatim). nginx's variables are legitimate words, ``${name}`` included.
"""

from __future__ import annotations

import re
from typing import Any

from headgate.settings import Quoted, Snippet, Words

_WORD = re.compile(r"(?:[^\s;{}'\"\\#$\x00-\x1f\x7f]++|\$\{\w+\}|\$)++")
"""Possessive: what was matched is never tried again in other pieces, so the time is linear in the text."""


class Injection(Exception):  # noqa: N818 - named for what it stops
    """A value would not stay one argument; the resource that holds it is left out."""


def guard(value: Any) -> str:
    """Return *value* as it may stand in a file.

    Raises:
        Injection: it is not one word and has no type that allows more.
    """
    kind = type(value)
    if kind is str and _WORD.fullmatch(value):
        return str(value)
    if kind is Quoted:
        return _quoted(value)
    if kind is Words:
        return " ".join([guard(word) for word in value])
    if kind is Snippet:
        return str(value).rstrip("\n")
    if kind is bool:
        return "on" if value else "off"
    text = str(value)
    if value is None or not _WORD.fullmatch(text):
        raise Injection(f"{text!r} is not one word of nginx's language")
    return text


def _quoted(value: Quoted) -> str:
    """Spell any text as one argument; quotes only where nginx's lexer needs them, as people write."""
    if _WORD.fullmatch(value):
        return str(value)
    if "\x00" in value:
        raise Injection(f"{str(value)!r} contains a NUL byte")
    return value.spelled


def argument(text: str) -> str | Quoted:
    """Return *text* as a word if it is one, else quoted; for paths, which may hold spaces."""
    return text if _WORD.fullmatch(text) and "$" not in text else Quoted(text)
