"""The directives of a snippet, parsed like nginx's lexer (``ngx_conf_read_token``)."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import msgspec


class Directive(msgspec.Struct, frozen=True, gc=False):
    """A directive with its arguments; ``text`` is as it was written, ``block`` what stands between its braces."""

    name: str
    arguments: tuple[str, ...]
    text: str
    block: tuple[Directive, ...] | None = None


class Directives(msgspec.Struct, frozen=True, gc=False):
    """The directives at the top level of a snippet; none of one that is not well formed, which nginx refuses.

    ``names`` are those of all ``found``; they follow from it.
    """

    found: tuple[Directive, ...] = ()
    names: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        """Derive the names, which are used at every location."""
        msgspec.structs.force_setattr(self, "names", frozenset(directive.name for directive in self.found))

    def __bool__(self) -> bool:
        return bool(self.found)

    @property
    def locations(self) -> frozenset[tuple[str, str]]:
        """Modifier and path of every location."""
        written = (directive.arguments for directive in self.found if directive.name == "location")
        return frozenset((words[0], words[1]) if words[1:] else ("", words[0]) for words in written if words)

    def has(self, *names: str) -> bool:
        """Whether one of *names* is among them."""
        return not self.names.isdisjoint(names)

    def named(self, name: str) -> Iterator[Directive]:
        """Yield those called *name*, in order."""
        return (directive for directive in self.found if directive.name == name)

    def subjects(self, name: str) -> frozenset[str]:
        """Return the first argument of each directive called *name*, in lower case."""
        return frozenset(directive.arguments[0].lower() for directive in self.named(name) if directive.arguments)

    def text(self, *names: str) -> str:
        """Return the directives called *names* as they were written, one a line."""
        return "\n".join(directive.text for directive in self.found if directive.name in names)


NONE = Directives()


@lru_cache(maxsize=4096)
def read(snippet: str | None) -> Directives:
    """Return what *snippet* says; nothing if it is absent or not well formed."""
    if not snippet:
        return NONE
    try:
        found, end = _block(snippet, 0, nested=False)
    except (IndexError, ValueError, RecursionError):
        return NONE
    return Directives(found) if end == len(snippet) else NONE


def leaves_its_block(snippet: str) -> bool:
    """Whether *snippet* closes a block that it did not open, so that the rest of it would stand outside."""
    try:
        _block(snippet, 0, nested=False)
    except _Unopened:
        return True
    except (IndexError, ValueError, RecursionError):
        return False
    return False


class _Unopened(ValueError):  # noqa: N818 - what was met
    """There is a ``}`` without a ``{``."""


def _block(text: str, at: int, *, nested: bool) -> tuple[tuple[Directive, ...], int]:
    """Read directives from *at* to the end of the text, or to the brace that closes the block.

    Raises:
        ValueError, IndexError: the text is not well formed.
    """
    found: list[Directive] = []
    words: list[str] = []
    start = at
    while True:
        at = _space(text, at)
        if at == len(text):
            if nested or words:
                raise ValueError(at)
            return tuple(found), at
        char = text[at]
        if char == "}":
            if not nested and not words:
                raise _Unopened(at)
            if words:
                raise ValueError(at)
            return tuple(found), at + 1
        if char not in ";{":
            if not words:
                start = at
            word, at = _word(text, at)
            words.append(word)
            continue
        block, at = (None, at + 1) if char == ";" else _inner(text, at + 1, raw=words[0].endswith("_by_lua_block"))
        found.append(Directive(words[0], tuple(words[1:]), text[start:at], block))
        words = []


def _inner(text: str, at: int, *, raw: bool) -> tuple[tuple[Directive, ...], int]:
    """Read what stands between braces; *raw* text (Lua) is passed over."""
    if not raw:
        return _block(text, at, nested=True)
    depth = 1
    while depth:
        depth += {"{": 1, "}": -1}.get(text[at], 0)
        at += 1
    return (), at


def _space(text: str, at: int) -> int:
    """Pass over blanks and comments."""
    while at < len(text) and (text[at] in " \t\r\n" or text[at] == "#"):
        if text[at] == "#":
            at = text.find("\n", at)
            at = len(text) if at < 0 else at
        else:
            at += 1
    return at


def _word(text: str, at: int) -> tuple[str, int]:
    """Read one argument; a backslash takes the next character with it, ``${`` is no begin of a block."""
    quote = text[at] if text[at] in "\"'" else ""
    at += len(quote)
    begin = at
    while at < len(text):
        if text[at] == "\\":
            at += 2
        elif quote and text[at] == quote:
            return text[begin:at], at + 1
        elif not quote and text.startswith("${", at):
            at += 2
        elif not quote and text[at] in " \t\r\n;{":
            return text[begin:at], at
        else:
            at += 1
    if quote:
        raise ValueError(at)
    return text[begin:at], at
