"""The script for zsh: a function for its completion system, which may be sourced or lie in a folder of ``fpath``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from headgate.completion.words import Complete, Kind, Level

_HEAD: Final = """\
#compdef headgate
# Completion of headgate for zsh, written by `headgate completion zsh`.

_headgate_nothing() { return 1 }

_headgate() {
    local place="" at=2 context state line
    local -a children specs offered
    local -A opt_args
    _headgate_level ""
    while (( at < CURRENT && ${children[(I)${words[at]}:*]} )); do
        place="${place:+$place }${words[at]}"
        (( at++ ))
        _headgate_level "$place"
    done
    if (( CURRENT == at )) && [[ ${words[at]} != -* ]] && (( ${#children} )); then
        _describe -t commands command children
        return
    fi
    if (( CURRENT == at )) && [[ ${words[at]} != -* ]]; then
        _headgate_first "$place:"
    elif (( CURRENT == at + 1 )); then
        _headgate_first "$place:${words[at]}"
    fi
    if (( ${#offered} )) && [[ ${words[CURRENT]} != -* ]]; then
        compadd -a offered
        return
    fi
    # What _arguments reads begins with the last word of the command.
    words=("${(@)words[at-1,-1]}")
    (( CURRENT -= at - 2 ))
    _arguments : "${(@)specs}"
}
"""
_TAIL: Final = """\

# Sourced, it is to be registered; as a file of fpath, it is called.
if [[ ${funcstack[1]-} == _headgate ]]; then
    _headgate "$@"
else
    compdef _headgate headgate
fi
"""


def script(levels: Sequence[Level]) -> str:
    """Return the script for *levels*."""
    return "\n".join([_HEAD, *_levels(levels), *_first(levels)]) + _TAIL


def _levels(levels: Sequence[Level]) -> Iterator[str]:
    summaries = {each.path: each.summary for each in levels}
    yield "_headgate_level() {"
    yield "    children=() specs=()"
    yield "    case $1 in"
    for each in levels:
        described = (f"{child}:{summaries[*each.path, child].replace(':', ' -')}" for child in each.children)
        yield f"    {_quoted(' '.join(each.path))})"
        yield f"        children=({' '.join(map(_quoted, described))})"
        yield "        specs=("
        yield from (f"            {_quoted(spec)}" for spec in _specs(each))
        yield from ("        )", "        ;;")
    yield from ("    esac", "}", "")


def _specs(each: Level) -> Iterator[str]:
    """Yield what ``_arguments`` reads."""
    for flag in each.flags:
        all_names = " ".join(flag.spellings)
        alone = "*" if flag.repeated else f"({all_names})"
        doc = "".join(f"\\{char}" if char in "[]:\\" else char for char in flag.doc)
        for name in flag.spellings:
            if flag.value.kind is Kind.NONE:
                yield f"{alone}{name}=-[{doc}]::value:(true false)"
            else:
                # One letter takes its value in the next word, a longer name also after an equals sign.
                yield f"{alone}{name}=[{doc}]:{flag.placeholder.replace(':', ' ')}:{_action(flag.value)}"
    # An argument without an action would keep zsh from inserting a flag that is the only one.
    action = "_headgate_nothing" if each.argument.kind is Kind.TEXT else _action(each.argument)
    yield f"*: :{action}"


def _action(value: Complete) -> str:
    if value.kind is Kind.WORDS:
        return f"({' '.join(value.words)})"
    return {Kind.FILE: "_files", Kind.FOLDER: "_files -/"}.get(value.kind, " ")


def _first(levels: Sequence[Level]) -> Iterator[str]:
    yield "_headgate_first() {"
    yield "    offered=()"
    yield "    case $1 in"
    for each in levels:
        for place, words in each.choices():
            yield f"    {_quoted(place)}) offered=({' '.join(map(_quoted, words))}) ;;"
    yield from ("    esac", "}")


def _quoted(text: str) -> str:
    escaped = text.replace("'", "'\\''")
    return f"'{escaped}'"
