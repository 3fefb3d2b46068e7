"""What a command takes, declared as a frozen Struct: a field is a flag or an argument.

A field is annotated with a ``Value`` (how its text is read) and either a ``Flag`` or an ``Argument`` (what ``--help``
and the reference table say of it). A field with neither is filled by other means. Each field has a default, so that
the Struct can be made when only help is asked for.
"""

from __future__ import annotations

import functools
import typing
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import msgspec

from headgate.flags.values import boolean, printed


class Value(msgspec.Struct, frozen=True):
    """How the text of a flag or an argument becomes a value.

    Attributes:
        placeholder: what ``--help`` prints after the name; empty for a bool.
        parse: text → value; raises ValueError whose text reads on after the quoted value ("is not a port …").
        lenient: a bad text is a warning and the default stays, instead of an error.
        each: the flag may be repeated, the field is a tuple of all its values; of others the last one counts.
        blank: whether the text of an argument may be empty; else it counts as missing.
    """

    placeholder: str
    parse: Callable[[str], Any]
    lenient: bool = False
    each: bool = False
    blank: bool = False


class Flag(msgspec.Struct, frozen=True):
    """What people read about a flag.

    Attributes:
        group: the heading under which it is listed.
        doc: one sentence; units and what empty means included.
        example: a value worth copying; for a bool it is left out.
        native: Headgate's own flag, which the incumbent does not have; printed with two dashes.
        letter: a second, short name.
        required: the command cannot do without it.
    """

    group: str
    doc: str
    example: str = ""
    native: bool = False
    letter: str = ""
    required: bool = False


class Argument(msgspec.Struct, frozen=True):
    """A word of the command line that is not a flag; arguments are filled in the order of the fields.

    Attributes:
        doc: one sentence. An argument whose Value has ``each`` takes all words that are left.
        optional: whether the command can do without it.
    """

    doc: str
    optional: bool = False


class Declaration(msgspec.Struct, frozen=True):
    """One flag with everything known about it; ``field`` is the name in the Struct, which may end with ``_``."""

    name: str
    value: Value
    flag: Flag
    default: Any
    field: str = ""

    @property
    def boolean(self) -> bool:
        """Whether the flag may have no value."""
        return self.value.parse is boolean

    @property
    def spelling(self) -> str:
        """The name with its usual dashes."""
        return f"--{self.name}" if self.flag.native else f"-{self.name}"

    @property
    def usage(self) -> str:
        """Every spelling, with what follows."""
        short = f"-{self.flag.letter}, " if self.flag.letter else ""
        return f"{short}{self.spelling} {self.value.placeholder}".rstrip()

    @property
    def example(self) -> str:
        """A use of the flag, ready to copy."""
        text = self.flag.example or (printed(not self.default) if self.boolean else printed(self.default))
        return f"{self.spelling}={text}"


class Positional(msgspec.Struct, frozen=True):
    """One argument with everything known about it; ``field`` is the name in the Struct."""

    field: str
    value: Value
    argument: Argument


class Declined(msgspec.Struct, frozen=True):
    """A flag of the incumbent, or of ingress-nginx, that Headgate does not have.

    Attributes:
        default: the incumbent's default; giving it changes nothing.
        reason: why it is not supported and what to do instead; reads on after the quoted value.
        refused: whether asking for more than ``accepted`` stops the start; otherwise it is a warning.
        accepted: texts that pass without a warning; the default alone if empty.
        coming: whether a later version will have it.
        dashes: how it is usually written.
    """

    default: str
    reason: str
    refused: bool = True
    accepted: tuple[str, ...] = ()
    coming: bool = False
    dashes: str = "-"

    @property
    def boolean(self) -> bool:
        """Whether the flag may have no value."""
        return self.default in {"true", "false"}

    @property
    def outlook(self) -> str:
        """Whether a later version will have it, in one word."""
        return "coming" if self.coming else "declined"

    def accepts(self, text: str) -> bool:
        """Whether *text* asks for nothing that is missing."""
        return text in (self.accepted or (self.default,))


@functools.cache
def declarations(kind: type[msgspec.Struct]) -> Mapping[str, Declaration]:
    """Return every flag that *kind* declares, by name, in the order of the fields."""
    return MappingProxyType(
        {
            (name := field.rstrip("_").replace("_", "-")): Declaration(name, value, mark, default, field)
            for field, default, value, mark in _marked(kind)
            if isinstance(mark, Flag)
        }
    )


@functools.cache
def positionals(kind: type[msgspec.Struct]) -> tuple[Positional, ...]:
    """Return every argument that *kind* declares, in the order of the fields."""
    return tuple(
        Positional(field, value, mark) for field, _, value, mark in _marked(kind) if isinstance(mark, Argument)
    )


def _marked(kind: type[msgspec.Struct]) -> list[tuple[str, Any, Value, Flag | Argument]]:
    """Return name, default, Value and mark of each field that a command line fills."""
    hints = typing.get_type_hints(kind, include_extras=True)
    found = []
    for field in msgspec.structs.fields(kind):
        marks = getattr(hints[field.name], "__metadata__", ())
        mark = next((mark for mark in marks if isinstance(mark, Flag | Argument)), None)
        value = next((mark for mark in marks if isinstance(mark, Value)), None)
        if mark is not None and value is not None:
            found.append((field.name, field.default, value, mark))
    return found
