"""Reads a command line as Go's ``flag`` package does, except that arguments and flags may alternate."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from headgate.flags.declare import Declaration, Declined, Positional, declarations, positionals
from headgate.flags.values import boolean, printed
from headgate.problems import ObjectRef, Problem, Severity

COMMAND_LINE = ObjectRef("Flags", "", "command line")
"""The origin of every Problem about a flag."""

WISHES = ("help", "version")
"""Flags that win over all mistakes."""

T = TypeVar("T", bound=msgspec.Struct)


class Syntax(msgspec.Struct, frozen=True):
    """What a command takes.

    Attributes:
        command: its name (``headgate run``), for messages.
        kind: the Struct that declares it.
        declined: flags that are known and not there.
        effect: what a mistake has as its consequence; reads on in parentheses.
    """

    command: str
    kind: type[msgspec.Struct]
    declined: Mapping[str, Declined] = {}
    effect: str = ""

    @property
    def flags(self) -> Mapping[str, Declaration]:
        """The flags by name."""
        return declarations(self.kind)

    @property
    def arguments(self) -> tuple[Positional, ...]:
        """The arguments in order."""
        return positionals(self.kind)

    @property
    def owner(self) -> str:
        """Whose flags they are: those of the controller are Headgate's, other commands have their own."""
        return "Headgate" if self.declined else self.command

    def spellings(self) -> dict[str, tuple[str, bool]]:
        """Return what may stand after the dashes → the name, and whether the flag may stand alone."""
        found = {name: (name, flag.boolean) for name, flag in self.flags.items()}
        found |= {name: (name, flag.boolean) for name, flag in self.declined.items()}
        letters = ((flag.flag.letter, name) for name, flag in self.flags.items())
        return found | {letter: found[name] for letter, name in letters if letter}

    def problem(self, spelling: str, value: str, reason: str) -> Problem:
        """Build a Problem about one word of the command line."""
        return problem(spelling, value, reason, self.effect)


class Tokens(msgspec.Struct, frozen=True):
    """A command line taken apart.

    Attributes:
        flags: name and text of each flag, as they were given.
        arguments: everything else.
        problems: one for each word that is neither.
    """

    flags: tuple[tuple[str, str], ...]
    arguments: tuple[str, ...]
    problems: tuple[Problem, ...]


class Reading(msgspec.Struct, frozen=True):
    """What a command line says.

    Attributes:
        fields: values by the name of their field; only ``help`` or ``version`` if one of them is asked for.
        problems: what stops the command.
        warnings: what the operator should know about flags that have no effect.
    """

    fields: Mapping[str, Any]
    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()


def parse(argv: Sequence[str], kind: type[T], command: str) -> T | tuple[Problem, ...]:
    """Read the words after the name of *command* into a *kind*, or return every Problem that stops it."""
    reading = read(argv, Syntax(command, kind))
    return reading.problems or kind(**reading.fields)


def read(argv: Sequence[str], syntax: Syntax) -> Reading:
    """Read the words after the command's name; every mistake is reported, not only the first one."""
    tokens = _tokens(argv, syntax)
    texts = dict(tokens.flags)
    if wishes := {name: True for name in WISHES if name in syntax.flags and _wished(texts.get(name, ""))}:
        return Reading(wishes)
    given = {name: [text for flag, text in tokens.flags if flag == name] for name in texts if name in syntax.flags}
    fields, problems, warnings = _values(given, syntax)
    arguments, strays = _arguments(tokens.arguments, syntax)
    refused, ineffective = _declined(texts, syntax)
    missing = _missing(texts, syntax)
    return Reading(
        fields | arguments, (*tokens.problems, *problems, *strays, *missing, *refused), (*warnings, *ineffective)
    )


def problem(spelling: str, value: str, reason: str, effect: str = "Headgate does not start") -> Problem:
    """Build a Problem about one flag that stops the command."""
    return Problem(COMMAND_LINE, spelling, value, reason, effect, Severity.ERROR)


def warning(spelling: str, value: str, reason: str, effect: str = "Headgate starts anyway") -> Problem:
    """Build a Problem about one flag that does not stop the command."""
    return Problem(COMMAND_LINE, spelling, value, reason, effect)


_FLAG = re.compile(r"--?(?P<name>[^-=][^=]*)(?:=(?P<text>.*))?", re.DOTALL)


def _tokens(argv: Sequence[str], syntax: Syntax) -> Tokens:
    """Take *argv* apart; ``--`` ends the flags where there may be arguments.

    Unlike Go, which stops at the first word that is no flag and ignores the rest, each such word is an argument
    or a Problem.
    """
    spellings = syntax.spellings()
    flags: list[tuple[str, str]] = []
    arguments: list[str] = []
    problems: list[Problem] = []
    rest = iter(argv)
    for word in rest:
        match = _FLAG.fullmatch(word)
        if match is None:
            if syntax.arguments and word == "--":
                arguments += rest
            elif syntax.arguments and (word == "-" or not word.startswith("-")):
                arguments.append(word)
            else:
                problems.append(syntax.problem("", word, _stray(word, flags, spellings)))
            continue
        spelling, text = match["name"], match["text"]
        if spelling not in spellings:
            problems.append(syntax.problem(f"-{spelling}", text or "", _unknown(spelling, syntax)))
            continue
        name, alone = spellings[spelling]
        if text is None:
            text = "true" if alone else next(rest, None)
        if text is None:
            problems.append(syntax.problem(f"-{spelling}", "", f"has no value; write -{spelling}=VALUE"))
            continue
        flags.append((name, text))
    return Tokens(tuple(flags), tuple(arguments), tuple(problems))


def _stray(word: str, flags: Sequence[tuple[str, str]], spellings: Mapping[str, tuple[str, bool]]) -> str:
    """Explain a word that is no flag; most often it was meant as the value of the boolean before it."""
    last = flags[-1][0] if flags else ""
    if last and spellings[last][1]:
        return f"is not a flag; if it is the value of -{last}, write -{last}={word}"
    return "is not a flag; flags begin with - or --"


def _unknown(name: str, syntax: Syntax) -> str:
    near = difflib.get_close_matches(name, [*syntax.flags, *syntax.declined], n=1)
    advice = f"did you mean -{near[0]}?" if near else f"see {syntax.command} --help"
    return f"is not a flag of {syntax.owner}; {advice}"


def _wished(text: str) -> bool:
    try:
        return boolean(text)
    except ValueError:
        return False


def _values(given: Mapping[str, Sequence[str]], syntax: Syntax) -> tuple[dict[str, Any], list[Problem], list[Problem]]:
    """Read the texts of each flag; return values by field, what stops the command, and warnings."""
    found: dict[str, Any] = {}
    problems: list[Problem] = []
    warnings: list[Problem] = []
    for name, texts in given.items():
        flag = syntax.flags[name]
        text = texts[-1]
        try:
            value = tuple(map(flag.value.parse, texts)) if flag.value.each else flag.value.parse(text)
            found[flag.field] = value
        except ValueError as error:
            if flag.value.lenient:
                warnings.append(warning(flag.spelling, text, str(error), f"using {printed(flag.default)}"))
            else:
                problems.append(syntax.problem(flag.spelling, text, str(error) if text else f"the value {error}"))
    return found, problems, warnings


def _arguments(words: Sequence[str], syntax: Syntax) -> tuple[dict[str, Any], list[Problem]]:
    """Give each argument its words; return values by field, and a Problem for each word too few or too many."""
    found: dict[str, Any] = {}
    problems: list[Problem] = []
    rest = list(words)
    for item in syntax.arguments:
        taken, rest = (rest, []) if item.value.each else (rest[:1], rest[1:])
        if not taken and item.argument.optional:
            continue
        if not taken or ("" in taken and not item.value.blank):
            what = f"{item.argument.doc[:1].lower()}{item.argument.doc[1:].removesuffix('.')}"
            problems.append(syntax.problem("", "", f"the argument {item.value.placeholder} is missing: {what}"))
            continue
        values = []
        for word in taken:
            try:
                values.append(item.value.parse(word))
            except ValueError as error:
                problems.append(syntax.problem(item.value.placeholder, word, str(error)))
        if len(values) == len(taken):
            found[item.field] = tuple(values) if item.value.each else values[0]
    problems += [syntax.problem("", word, f"is an argument too many for {syntax.command}") for word in rest]
    return found, problems


def _missing(given: Iterable[str], syntax: Syntax) -> Iterator[Problem]:
    for name, flag in syntax.flags.items():
        if flag.flag.required and name not in given:
            yield syntax.problem(flag.spelling, "", f"is missing; write {flag.spelling} {flag.value.placeholder}")


def _declined(texts: Mapping[str, str], syntax: Syntax) -> tuple[list[Problem], list[Problem]]:
    """Return what stops the command and the warnings about flags that are known and not there."""
    refused: list[Problem] = []
    warnings: list[Problem] = []
    for name, text in texts.items():
        flag = syntax.declined.get(name)
        if flag is None:
            continue
        spelling = f"{flag.dashes}{name}"
        try:
            plain = printed(boolean(text)) if flag.boolean else text
        except ValueError as error:
            refused.append(syntax.problem(spelling, text, str(error)))
            continue
        if flag.accepts(plain):
            continue
        if flag.refused:
            refused.append(syntax.problem(spelling, text, flag.reason))
        else:
            warnings.append(warning(spelling, text, flag.reason))
    return refused, warnings
