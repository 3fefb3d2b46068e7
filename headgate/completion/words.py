"""What may stand on a command line: the flags of each command, what their values are, and what its arguments are."""

from __future__ import annotations

import enum
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from headgate.flags import Choice, Command, Declaration, EnumValue, Value, declarations, path
from headgate.flags.declare import positionals

_FILES: Final = frozenset({"PATH", "DIR", "FILE", "SOCKET", "OUT"})
_FOLDERS: Final = frozenset({"DIR"})


class Kind(enum.Enum):
    """How a value is completed."""

    NONE = "none"
    """There is no value, or only after ``=``."""
    TEXT = "text"
    """A value that cannot be guessed."""
    WORDS = "words"
    FILE = "file"
    FOLDER = "folder"


class Complete(msgspec.Struct, frozen=True):
    """How one value is completed; ``words`` are what ``Kind.WORDS`` chooses from."""

    kind: Kind
    words: tuple[str, ...] = ()


class Flag(msgspec.Struct, frozen=True):
    """One flag: its names without dashes (the usual one first), what people read, and its value."""

    names: tuple[str, ...]
    spelling: str
    doc: str
    placeholder: str
    value: Complete
    repeated: bool = False

    @property
    def spellings(self) -> tuple[str, ...]:
        """Every way to write it: with the usual dashes first, then with the other ones."""
        long = [self.spelling, f"-{self.names[0]}", f"--{self.names[0]}"]
        return tuple(dict.fromkeys([*long, *(f"-{letter}" for letter in self.names[1:])]))


class Level(msgspec.Struct, frozen=True, kw_only=True):
    """What may follow certain first words.

    Attributes:
        path: the words, ``("uds", "serve")``; the program itself has none.
        summary: what is done there, in a few words without a full stop.
        children: the words that may follow.
        flags: what a word with a dash may be.
        argument: what every argument is.
        first: what the first argument may be, with what the second one is then.
    """

    path: tuple[str, ...]
    summary: str
    children: tuple[str, ...] = ()
    flags: tuple[Flag, ...] = ()
    argument: Complete = Complete(Kind.TEXT)
    first: Mapping[str, tuple[str, ...]] = {}

    def choices(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Yield ``PLACE:WORD`` with the arguments that may follow WORD there; without WORD, those that come first."""
        place = " ".join(self.path)
        if self.first:
            yield f"{place}:", tuple(self.first)
        for word, following in self.first.items():
            if following:
                yield f"{place}:{word}", following


def level(path: tuple[str, ...], summary: str, command: Command[Any]) -> Level:
    """Return what *command* takes, where *path* names it."""
    kind: type[msgspec.Struct] = command.kind
    flags = tuple(_flag(declared) for declared in declarations(kind).values())
    arguments = [complete(each.value) for each in positionals(kind)]
    argument = arguments[0] if arguments else Complete(Kind.TEXT)
    first = dict(command.words())
    if argument.kind is Kind.WORDS:
        first |= dict.fromkeys(argument.words, ())
    return Level(path=path, summary=summary, flags=flags, argument=argument, first=first)


def _flag(declared: Declaration) -> Flag:
    letters = (declared.flag.letter,) if declared.flag.letter else ()
    return Flag(
        names=(declared.name, *letters),
        spelling=declared.spelling,
        doc=declared.flag.doc.rstrip("."),
        placeholder=declared.value.placeholder or "true|false",
        value=Complete(Kind.NONE, ("true", "false")) if declared.boolean else complete(declared.value),
        repeated=declared.value.each,
    )


def complete(value: Value) -> Complete:
    """Return how *value* is completed; a value that a reader of its own checks is a path only if it says so."""
    if isinstance(value.parse, Choice | EnumValue):
        return Complete(Kind.WORDS, value.parse.words)
    names = frozenset(re.split(r"\W+", value.placeholder))
    if value.parse in {path, Path} or (value.parse is str and names & _FILES):
        return Complete(Kind.FOLDER if names <= _FOLDERS else Kind.FILE)
    return Complete(Kind.TEXT)
