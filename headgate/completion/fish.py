"""The script for fish."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from headgate.completion.words import Complete, Flag, Kind, Level

_HEAD: Final = """\
# Completion of headgate for fish, written by `headgate completion fish`.

# Whether the command line begins with exactly these words: __headgate_at COUNT WORD..., where COUNT says how many words
# there are before the one that is completed (0: any number).
function __headgate_at
    set -l typed (commandline -opc)
    set -e typed[1]
    if test $argv[1] -gt 0
        test (count $typed) -eq $argv[1]; or return 1
    end
    set -e argv[1]
    test (count $argv) -gt 0; or return 0
    test (count $typed) -ge (count $argv); or return 1
    test "$typed[1..$(count $argv)]" = "$argv"
end

# Whether there is no word yet, or only flags, which mean `headgate run`.
function __headgate_bare
    set -l typed (commandline -opc)
    test (count $typed) -lt 2; or string match -q -- '-*' $typed[2]
end

function __headgate_empty
    test (count (commandline -opc)) -eq 1
end

complete -c headgate -f
"""


def script(levels: Sequence[Level]) -> str:
    """Return the script for *levels*."""
    summaries = {each.path: each.summary for each in levels}
    lines: list[str] = []
    for each in levels:
        for child in each.children:
            choice = _choice(child, summaries[*each.path, child])
            lines.append(f"complete -c headgate -n {_quoted(_exactly(each))} {choice}")
        lines += _flags(each)
        lines += _arguments(each)
    return "\n".join([_HEAD, *lines, ""])


def _exactly(each: Level) -> str:
    """Return the condition that the words of *each* are all that is there."""
    return f"__headgate_at {len(each.path)} {' '.join(each.path)}" if each.path else "__headgate_empty"


def _somewhere(each: Level) -> str:
    return f"__headgate_at 0 {' '.join(each.path)}" if each.path else "__headgate_bare"


def _choice(word: str, summary: str) -> str:
    return f"-a {_quoted(word)} -d {_quoted(summary)}"


def _flags(each: Level) -> Iterator[str]:
    for flag in each.flags:
        names = [f"-o {flag.names[0]} -l {flag.names[0]}", *(f"-s {letter}" for letter in flag.names[1:])]
        condition = _quoted(_somewhere(each))
        yield f"complete -c headgate -n {condition} {' '.join(names)}{_value(flag)} -d {_quoted(flag.doc)}"


def _value(flag: Flag) -> str:
    if flag.value.kind is Kind.NONE:
        return ""
    return f" -{'r' if flag.value.kind is Kind.FILE else 'x'}{_offered(flag.value)}"


def _offered(value: Complete) -> str:
    if value.kind is Kind.WORDS:
        return f" -a {_quoted(' '.join(value.words))}"
    return {Kind.FILE: " -F", Kind.FOLDER: " -a '(__fish_complete_directories)'"}.get(value.kind, "")


def _arguments(each: Level) -> Iterator[str]:
    depth = len(each.path)
    if each.first:
        yield _words(_exactly(each), each.first)
    for word, following in each.first.items():
        if following:
            yield _words(f"__headgate_at {depth + 1} {' '.join((*each.path, word))}", following)
    if each.argument.kind in {Kind.FILE, Kind.FOLDER}:
        yield f"complete -c headgate -n {_quoted(_somewhere(each))}{_offered(each.argument)}"


def _words(condition: str, words: Iterable[str]) -> str:
    return f"complete -c headgate -n {_quoted(condition)} -a {_quoted(' '.join(words))}"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
