"""Command-line flags as Go programs spell them: ``-name``, ``--name=value``, ``-name value``.

The mechanism only; ``options`` declares the flags. A flag is a field of a frozen Struct, annotated with a
``Value`` (how its text is read) and a ``Flag`` (what ``--help`` and the reference table say of it).
"""

from __future__ import annotations

import difflib
import enum
import re
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from headgate.problems import ObjectRef, Problem, Severity

COMMAND_LINE = ObjectRef("Flags", "", "command line")
"""The origin of every Problem about a flag."""


class Value(msgspec.Struct, frozen=True):
    """How the text of a flag becomes a value.

    Attributes:
        placeholder: what ``--help`` prints after the name; empty for a bool.
        parse: text → value; raises ValueError whose text reads on after the quoted value ("is not a port …").
        lenient: a bad text is a warning and the default stays, instead of refusing to start.
    """

    placeholder: str
    parse: Callable[[str], Any]
    lenient: bool = False


class Flag(msgspec.Struct, frozen=True):
    """What people read about a flag.

    Attributes:
        group: the heading under which it is listed.
        doc: one sentence; units and what empty means included.
        example: a value worth copying; for a bool it is left out.
        native: Headgate's own flag, which the incumbent does not have; printed with two dashes.
    """

    group: str
    doc: str
    example: str = ""
    native: bool = False


class Declaration(msgspec.Struct, frozen=True):
    """One flag with everything known about it."""

    name: str
    value: Value
    flag: Flag
    default: Any

    @property
    def boolean(self) -> bool:
        """Whether the flag may stand alone."""
        return self.value.parse is boolean

    @property
    def spelling(self) -> str:
        """The name with its usual dashes."""
        return f"--{self.name}" if self.flag.native else f"-{self.name}"

    @property
    def example(self) -> str:
        """A use of the flag, ready to copy."""
        text = self.flag.example or (printed(not self.default) if self.boolean else printed(self.default))
        return f"{self.spelling}={text}"


class Declined(msgspec.Struct, frozen=True):
    """A flag of the incumbent that Headgate does not have.

    Attributes:
        default: the incumbent's default; saying it changes nothing.
        reason: why it is not there and what to do instead; reads on after the quoted value.
        refused: whether asking for more than ``accepted`` stops the start; otherwise it is only said.
        accepted: texts that pass without a word; the default alone if empty.
        coming: whether a later version will have it.
    """

    default: str
    reason: str
    refused: bool = True
    accepted: tuple[str, ...] = ()
    coming: bool = False

    @property
    def boolean(self) -> bool:
        """Whether the flag may stand alone."""
        return self.default in {"true", "false"}

    @property
    def outlook(self) -> str:
        """Whether a later version will have it, in one word."""
        return "coming" if self.coming else "declined"

    def accepts(self, text: str) -> bool:
        """Whether *text* asks for nothing that is missing."""
        return text in (self.accepted or (self.default,))


def boolean(text: str) -> bool:
    """Read the twelve spellings that Go's ``strconv.ParseBool`` knows."""
    if text in {"1", "t", "T", "TRUE", "true", "True"}:
        return True
    if text in {"0", "f", "F", "FALSE", "false", "False"}:
        return False
    raise ValueError("is not a boolean; write true or false")


class Integer(msgspec.Struct, frozen=True):
    """Reads whole numbers between ``least`` and ``most``, both included; ``0x`` and ``_`` as in Go."""

    least: int
    most: int

    def __call__(self, text: str) -> int:
        """Read *text* (ValueError as ``Value.parse`` demands)."""
        try:
            number = int(text, 0)
        except ValueError:
            raise ValueError("is not a whole number") from None
        if not self.least <= number <= self.most:
            raise ValueError(f"is out of range; write a number from {self.least} to {self.most}")
        return number


class Member(msgspec.Struct, frozen=True):
    """Reads the values of ``kind`` in any case; ``aliases`` are further spellings."""

    kind: type[enum.Enum]
    aliases: Mapping[str, str]

    @property
    def words(self) -> tuple[str, ...]:
        """Every spelling, in lower case."""
        return (*(str(item.value) for item in self.kind), *self.aliases)

    def __call__(self, text: str) -> enum.Enum:
        """Read *text* (ValueError as ``Value.parse`` demands)."""
        word = text.lower()
        try:
            return self.kind(self.aliases.get(word, word))
        except ValueError:
            names = ", ".join(str(item.value) for item in self.kind)
            raise ValueError(f"is not known; write one of {names}") from None


def path(text: str) -> Path | None:
    """Read a path; empty means none, ``~`` is the user's home."""
    return Path(text).expanduser() if text else None


def printed(value: Any) -> str:
    """Spell a value as its flag does; the inverse of parsing."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, enum.Enum):
        return str(value.value)
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return str(value)


def declarations(options: type[msgspec.Struct]) -> dict[str, Declaration]:
    """Return every flag that *options* declares, by name, in the order of the fields.

    Fields without a Flag are not flags and are left out.
    """
    hints = typing.get_type_hints(options, include_extras=True)
    found = {}
    for field in msgspec.structs.fields(options):
        marks = getattr(hints[field.name], "__metadata__", ())
        flag = next((mark for mark in marks if isinstance(mark, Flag)), None)
        value = next((mark for mark in marks if isinstance(mark, Value)), None)
        if flag is not None and value is not None:
            name = field.name.replace("_", "-")
            found[name] = Declaration(name, value, flag, field.default)
    return found


def problem(spelling: str, value: str, reason: str, effect: str = "Headgate does not start") -> Problem:
    """Build a Problem about one flag that stops the start."""
    return Problem(COMMAND_LINE, spelling, value, reason, effect, Severity.ERROR)


def warning(spelling: str, value: str, reason: str, effect: str = "Headgate starts all the same") -> Problem:
    """Build a Problem about one flag that is only said."""
    return Problem(COMMAND_LINE, spelling, value, reason, effect)


_TOKEN = re.compile(r"--?(?P<name>[^-=][^=]*)(?:=(?P<text>.*))?", re.DOTALL)


def tokens(argv: Sequence[str], booleans: Mapping[str, bool]) -> tuple[dict[str, str], list[Problem]]:
    """Split *argv* into flag → text as Go's ``flag`` package does; of a repeated flag the last one counts.

    Args:
        argv: the arguments after the subcommand.
        booleans: every known flag → whether it may stand alone.

    Returns:
        The texts, and a Problem for each argument that cannot be read. Unlike Go, which stops at the first
        argument that is no flag and drops the rest without a word, every such argument is reported.
    """
    texts: dict[str, str] = {}
    problems: list[Problem] = []
    rest = iter(argv)
    for argument in rest:
        match = _TOKEN.fullmatch(argument)
        if match is None:
            problems.append(problem("", argument, _stray(argument, texts, booleans)))
            continue
        name, text = match["name"], match["text"]
        if name not in booleans:
            problems.append(problem(f"-{name}", text or "", f"is not a flag of Headgate{_nearest(name, booleans)}"))
            continue
        if text is None:
            text = "true" if booleans[name] else next(rest, None)
        if text is None:
            problems.append(problem(f"-{name}", "", f"has no value; write -{name}=VALUE"))
            continue
        texts[name] = text
    return texts, problems


def _stray(argument: str, texts: Mapping[str, str], booleans: Mapping[str, bool]) -> str:
    """Explain an argument that is no flag; most often it was meant as the value of the boolean before it."""
    last = next(reversed(list(texts)), "")
    if booleans.get(last):
        return f"is not a flag; if it is the value of -{last}, write -{last}={argument}"
    return "is not a flag; flags begin with - or --"


def _nearest(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean -{near[0]}?" if near else "; see headgate run --help"


def values(
    texts: Mapping[str, str], declared: Mapping[str, Declaration]
) -> tuple[dict[str, Any], list[Problem], list[Problem]]:
    """Parse *texts*; return the values by field name, what stops the start, and what is only said."""
    found: dict[str, Any] = {}
    problems: list[Problem] = []
    warnings: list[Problem] = []
    for name, text in texts.items():
        declaration = declared[name]
        try:
            found[name.replace("-", "_")] = declaration.value.parse(text)
        except ValueError as error:
            if declaration.value.lenient:
                effect = f"using {printed(declaration.default)}"
                warnings.append(warning(declaration.spelling, text, str(error), effect))
            else:
                reason = str(error) if text else f"the value {error}"
                problems.append(problem(declaration.spelling, text, reason))
    return found, problems, warnings


def declined(texts: Mapping[str, str], known: Mapping[str, Declined]) -> tuple[list[Problem], list[Problem]]:
    """Return what stops the start and what is only said about flags that are known and not there."""
    refused: list[Problem] = []
    said: list[Problem] = []
    for name, text in texts.items():
        flag = known.get(name)
        if flag is None:
            continue
        try:
            plain = printed(boolean(text)) if flag.boolean else text
        except ValueError as error:
            refused.append(problem(f"-{name}", text, str(error)))
            continue
        if flag.accepts(plain):
            continue
        if flag.refused:
            refused.append(problem(f"-{name}", text, flag.reason))
        else:
            said.append(warning(f"-{name}", text, flag.reason))
    return refused, said


def groups(declared: Iterable[Declaration]) -> dict[str, list[Declaration]]:
    """Sort flags under their headings, both in the order of declaration."""
    found: dict[str, list[Declaration]] = {}
    for declaration in declared:
        found.setdefault(declaration.flag.group, []).append(declaration)
    return found


def help_text(declared: Iterable[Declaration]) -> str:
    """Write the flags for a terminal: under headings, each with its sentence, default and example."""
    lines = []
    for heading, members in groups(declared).items():
        lines += [f"{heading}:", *(line for member in members for line in _help_lines(member)), ""]
    return "\n".join(lines)


def _help_lines(declaration: Declaration) -> tuple[str, str]:
    usage = f"{declaration.spelling} {declaration.value.placeholder}".rstrip()
    default = f"default {printed(declaration.default)}; " if printed(declaration.default) else ""
    return f"  {usage}", f"      {declaration.flag.doc} ({default}example: {declaration.example})"


def markdown(declared: Iterable[Declaration], declined: Mapping[str, Declined]) -> str:
    """Write the reference page: a table per heading, then the flags that are not there and why."""
    parts = ["# Flags", "", _FORMS, ""]
    for heading, members in groups(declared).items():
        parts += [f"## {heading}", "", "| Flag | Default | Meaning | Example |", "|---|---|---|---|"]
        parts += [_row(member) for member in members]
        parts += [""]
    parts += ["## Known and not there", "", _REFUSED, "", "| Flag | Outlook | Why |", "|---|---|---|"]
    parts += [f"| `-{name}` | {flag.outlook} | {_cell(flag.reason)} |" for name, flag in declined.items()]
    return "\n".join([*parts, ""])


_FORMS = (
    "One dash or two; `-name=value` or `-name value`; a boolean alone means true and takes `=true` or `=false`. "
    "Of a repeated flag the last one counts. Flags printed with two dashes are Headgate's own."
)


_REFUSED = "Each is accepted with its default. A value that asks for what is not there stops the start or is logged."


def _row(declaration: Declaration) -> str:
    usage = f"{declaration.spelling} {declaration.value.placeholder}".rstrip()
    default = f"`{printed(declaration.default)}`" if printed(declaration.default) else ""
    return f"| `{usage}` | {default} | {_cell(declaration.flag.doc)} | `{declaration.example}` |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
