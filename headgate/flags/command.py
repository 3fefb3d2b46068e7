"""One command of the command line, as data: how it is written, what it takes, what runs it."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, Generic, TypeVar

import msgspec

from headgate.flags.declare import Declaration, Declined, declarations
from headgate.flags.parse import Reading, Syntax, read
from headgate.flags.text import help_text
from headgate.problems import Problem

OK: Final = 0
FAILED: Final = 1
"""Exit status of a command that failed."""
USAGE: Final = 2
"""Exit status of a command that was not understood."""

HELP_FLAGS: Final = frozenset({"-h", "-help", "--help"})

Environ = Mapping[str, str]
T = TypeVar("T", bound=msgspec.Struct)


def unknown(word: str, known: Iterable[str], owner: str = "") -> str:
    """Explain that *word* is none of the *known* commands (of *owner*), with a guess if one of them is similar."""
    names = list(known)
    near = difflib.get_close_matches(word, names, n=1)
    advice = f"did you mean {near[0]}?" if near else f"use {', '.join(names)}"
    return f"{word!r} is not a command{f' of {owner}' if owner else ''}; {advice}"


def unreported(_: Reading, __: tuple[Problem, ...]) -> bool:
    """Report no mistake; ``execute`` prints them."""
    return False


def built(kind: type[T], reading: Reading, _: Environ) -> T | tuple[Problem, ...]:
    """Make a *kind* of what was read, where nothing else decides about it."""
    return reading.problems or kind(**reading.fields)


class Command(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """A command.

    Attributes:
        name: with the program's, ``headgate uds send``.
        forms: what may follow the name, a line each.
        about: what it does, with examples; ends with a newline.
        kind: the Struct that declares its flags and arguments, ``help`` among them.
        run: does it and returns the exit status.
        declined: flags that are known and not there.
        effect: what a mistake has as its consequence, for messages.
        build: makes the *kind* of what was read and of the environment, or returns the Problems that stop it.
        refuse: reports the Problems that stop it in another form than lines of text; returns whether it did.
        common: flags that ``--help`` does not list, because *about* says where they are described.
        words: returns what the first argument may be, as far as that can be listed, with what the second one is then;
            for completion.
    """

    name: str
    forms: tuple[str, ...]
    about: str
    kind: type[T]
    run: Callable[[T], int]
    declined: Mapping[str, Declined] = {}
    effect: str = ""
    build: Callable[[type[T], Reading, Environ], T | tuple[Problem, ...]] = built
    refuse: Callable[[Reading, tuple[Problem, ...]], bool] = unreported
    common: Mapping[str, Declaration] = {}
    words: Callable[[], Mapping[str, tuple[str, ...]]] = dict

    @property
    def usage(self) -> str:
        """How it is written, one line a form; ends with a newline."""
        lines = (f"{self.name} {form}".rstrip() for form in self.forms)
        return "usage: " + "\n       ".join(lines) + "\n"

    @property
    def help(self) -> str:
        """The whole ``--help``."""
        listed = help_text(flag for name, flag in declarations(self.kind).items() if name not in self.common)
        return f"{self.usage}\n{self.about}\n{listed}"


def execute(command: Command[T], argv: Sequence[str], environ: Environ) -> int:
    """Run *command* with the words after its name and return its exit status; mistakes go to standard error.

    A command that got no word at all, and cannot do without one, prints its whole help there.
    """
    syntax = Syntax(command.name, command.kind, command.declined, command.effect)
    reading = read(argv, syntax)
    found = command.build(command.kind, reading, environ)
    if isinstance(found, tuple) and command.refuse(reading, found):
        return USAGE
    if isinstance(found, tuple):
        for problem in found:
            print(f"headgate: {problem}", file=sys.stderr)
        print(f"{command.usage}{command.name} --help prints more" if argv else command.help, file=sys.stderr)
        return USAGE
    if getattr(found, "help", False):
        print(command.help, end="")
        return OK
    return command.run(found)
