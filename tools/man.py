"""Write the manual pages of man/ from what the commands declare; ``--check`` only compares them."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from generated import write_or_compare

from headgate.cli import COMMANDS, HELP
from headgate.commands.catalogue import declared, first_sentence, summary_of
from headgate.flags import Command, Declaration, declarations, printed
from headgate.flags.text import groups

MAN = Path(__file__).resolve().parent.parent / "man"
EXIT = (
    ("0", "The command did what was asked."),
    ("1", "Something must be corrected; standard error or the output says what."),
    ("2", "The command line was not understood."),
)


def escaped(text: str) -> str:
    """Return *text* such that roff prints it as it is (groff_char(7))."""
    text = (
        text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq").replace("`", "\\(ga").replace("^", "\\(ha")
    )
    text = text.replace("~", "\\(ti").replace("…", "...")
    return f"\\&{text}" if text.startswith(".") else text


def prose(text: str) -> str:
    """Return running text: what is between backquotes is bold, and each sentence starts a line."""
    parts = text.split("`")
    marked = (
        f"\\fB{escaped(part)}\\fR" if at % 2 else escaped(part).removeprefix("\\&") for at, part in enumerate(parts)
    )
    lines = re.split(r"(?<=[.:;])\s+(?=[A-Z\\])", " ".join("".join(marked).split()))
    return "\n".join(f"\\&{line}" if line.startswith(".") else line for line in lines)


def title(name: str) -> str:
    """Return the name of the page of a command: ``headgate uds send`` → ``headgate-uds-send``."""
    return "-".join(name.split())


def head(name: str, summary: str) -> Iterator[str]:
    """Yield the beginning of a page; the date is left out, because a page changes only with what it describes."""
    yield f'.TH {escaped(title(name)).upper()} 1 "" "Headgate" "Headgate Manual"'
    yield from (".SH NAME", f"{escaped(title(name))} \\- {escaped(summary)}")


def synopsis(lines: Iterable[str]) -> Iterator[str]:
    """Yield how a command is written, a line each."""
    yield ".SH SYNOPSIS"
    for number, (name, form) in enumerate(line.split("\t") for line in lines):
        if number:
            yield ".br"
        yield f"\\fB{escaped(name)}\\fR {escaped(form)}".rstrip()


def description(text: str) -> Iterator[str]:
    """Yield paragraphs; indented lines are examples, which are not filled."""
    yield ".SH DESCRIPTION"
    paragraph: list[str] = []
    first = True
    for line in [*text.splitlines(), ""]:
        if line.startswith("  ") or not line:
            if paragraph:
                yield from (() if first else (".PP",))
                yield prose(" ".join(paragraph))
                first = False
            paragraph = []
        if line.startswith("  "):
            yield from (".PP", ".RS 4", ".nf", escaped(line.strip()), ".fi", ".RE")
        elif line:
            paragraph.append(line)


def joined(lines: Iterable[str]) -> str:
    """Return the page; examples on successive lines become one block."""
    return "\n".join([*lines, ""]).replace(".fi\n.RE\n.PP\n.RS 4\n.nf\n", "")


def options(flags: Iterable[Declaration]) -> Iterator[str]:
    """Yield the flags under their headings."""
    yield ".SH OPTIONS"
    yield "Flags take one dash or two, and a value after = or in the next word."
    for heading, members in groups(flags).items():
        yield f".SS {escaped(heading)}"
        for member in members:
            default = printed(member.default)
            letter = f"\\fB\\-{member.flag.letter}\\fR, " if member.flag.letter else ""
            value = f" \\fI{escaped(member.value.placeholder)}\\fR" if member.value.placeholder else ""
            yield from (".TP", f"{letter}\\fB{escaped(member.spelling)}\\fR{value}", prose(member.flag.doc))
            if default:
                yield f"The default is {escaped(default)}."
            yield f"Example: \\fB{escaped(member.example)}\\fR"


def ending(names: Iterable[str]) -> Iterator[str]:
    """Yield the exit status, and references to the pages of *names*."""
    yield ".SH EXIT STATUS"
    for status, meaning in EXIT:
        yield from (".TP", f"\\fB{status}\\fR", meaning)
    yield ".SH SEE ALSO"
    pages = sorted(title(name) for name in names)
    yield from (f".BR {escaped(page)} (1){',' if page != pages[-1] else ''}" for page in pages)


def page(command: Command[Any], names: Iterable[str]) -> str:
    """Return the page of one command; *names* are the commands that it refers to."""
    words = command.name.split()
    summary = summary_of(words[1], HELP) if len(words) == 2 else first_sentence(command)  # noqa: PLR2004 - a command's
    flags = [flag for name, flag in declarations(command.kind).items() if name not in command.common]
    return joined([
        *head(command.name, summary),
        *synopsis(f"{command.name}\t{form}" for form in command.forms),
        *description(command.about),
        *options(flags),
        *ending({"headgate", "headgate run", *names} - {command.name}),
    ])  # fmt: skip


def overview(commands: Mapping[str, Command[Any]]) -> str:
    """Return the page of the program, which lists the commands."""
    listed = [line.strip() for line in HELP.splitlines() if line.startswith("  headgate ") and "   " in line.strip()]
    lines = [*head("headgate", HELP.partition("\n")[0].partition(": ")[2])]
    lines += [".SH SYNOPSIS", "\\fBheadgate\\fR \\fICOMMAND\\fR [\\fIARGUMENTS\\fR]", ".SH COMMANDS"]
    for line in listed:
        usage, meaning = re.split(r"\s{3,}", line, maxsplit=1)
        lines += [".TP", f"\\fB{escaped(usage)}\\fR", prose(meaning)]
    lines += [".SH ENVIRONMENT"]
    for name, meaning in ENVIRONMENT:
        lines += [".TP", f"\\fB{name}\\fR", prose(meaning)]
    return joined([*lines, *ending(commands)])


ENVIRONMENT = (
    ("KUBECONFIG", "The kubeconfig file, if `--kubeconfig` is not given."),
    ("POD_NAMESPACE", "The namespace of the Lease and of the Service of `-external-service`."),
    ("POD_NAME", "The name of the Pod, which is the candidate for leadership and the object of events."),
)


def pages() -> Mapping[str, Callable[[], str]]:
    """Return the writer of each page by its file name."""
    commands = {command.name: command for command in declared().values() if command.name.split()[1] in COMMANDS}
    found: dict[str, Callable[[], str]] = {"headgate.1": partial(overview, commands)}
    for name, command in sorted(commands.items()):
        beside = [other for other in commands if other.split()[:2] == name.split()[:2]]
        found[f"{title(name)}.1"] = partial(page, command, beside)
    return found


if __name__ == "__main__":
    sys.exit(write_or_compare(__doc__ or "", MAN, pages()))
