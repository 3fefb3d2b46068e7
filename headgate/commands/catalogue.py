"""Every command with what it declares: the names are those of the command line, the declarations those of the modules.

A module of this package declares its Commands at its top level, so that a new one is here without a further line.
"""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from headgate import commands
from headgate.completion import Level, level
from headgate.flags import Command

BESIDE: Final = ("headgate.uds.commands", "headgate.sockets.command")
"""Modules outside of this package that declare commands."""

Names = Mapping[str, Callable[..., int]]
"""The commands of the command line; two names of one command have the same function."""


def declared() -> Mapping[tuple[str, ...], Command[Any]]:
    """Return every Command by its words, ``("uds", "serve")``."""
    inside = (f"{commands.__name__}.{module.name}" for module in pkgutil.iter_modules(commands.__path__))
    found = (each for name in (*inside, *BESIDE) for each in _commands(importlib.import_module(name)))
    return {tuple(each.name.split()[1:]): each for each in found}


def _commands(module: Any) -> Iterator[Command[Any]]:
    for value in vars(module).values():
        members = value.values() if isinstance(value, Mapping) else (value,)
        yield from (each for each in members if isinstance(each, Command))


def levels(names: Names, listing: str) -> tuple[Level, ...]:
    """Return what may stand after ``headgate`` and after each of its commands.

    Args:
        names: the commands of the command line.
        listing: the help that lists them, with a line each.
    """
    known = declared()
    found: list[Level] = []
    for name, function in names.items():
        original = next(other for other, same in names.items() if same is function)
        summary = summary_of(original, listing)
        below = {path[1:]: each for path, each in known.items() if path[0] == original}
        subs = tuple(" ".join(path) for path in below if path)
        if () in below:
            found.append(level((name,), summary, below[()]))
        else:
            first = dict.fromkeys(names, ()) if name == "help" else {}
            found.append(Level(path=(name,), summary=summary, children=subs, first=first))
        found += [level((name, sub), first_sentence(below[sub,]), below[sub,]) for sub in subs]
    # Flags alone mean run.
    flags = next(each.flags for each in found if each.path == ("run",))
    return (Level(path=(), summary="", children=tuple(names), flags=flags), *found)


def summary_of(name: str, listing: str) -> str:
    """Return the description of the command in *listing*."""
    line = re.search(rf"^  headgate {re.escape(name)}\b.*?\s{{2,}}(\S.*)$", listing, re.MULTILINE)
    return line[1] if line else f"the command {name}"


def first_sentence(command: Command[Any]) -> str:
    """Return the first sentence of the help of *command*, without the full stop."""
    return " ".join(re.split(r"\.(?:\s|$)", command.about, maxsplit=1)[0].split())
