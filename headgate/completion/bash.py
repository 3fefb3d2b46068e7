"""The script for bash; it needs nothing else, and runs in the bash 3.2 of macOS too."""

from __future__ import annotations

import shlex
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import Final

from headgate.completion.words import Complete, Kind, Level

_HEAD: Final = """\
# Completion of headgate for bash, written by `headgate completion bash`.
"""
_TAIL: Final = """\

# _headgate_reply KIND WORDS: offer what completes $cur, which stands after $lead in the word.
_headgate_reply() {
    local line
    case $1 in
    words) while IFS= read -r line; do _headgate_add "$line"; done < <(compgen -W "$2" -- "$cur") ;;
    file | folder)
        compopt -o filenames 2>/dev/null
        local action=-f
        [ "$1" = folder ] && action=-d
        while IFS= read -r line; do
            # readline would look for the folder by what is left of its name.
            if [[ $before && -d $line ]]; then
                compopt -o nospace 2>/dev/null
                line+=/
            fi
            _headgate_add "$line"
        done < <(compgen "$action" -- "$cur")
        ;;
    esac
}

# _headgate_add TEXT: offer $lead and TEXT, without $before, which readline keeps.
_headgate_add() {
    local whole=$lead$1
    COMPREPLY+=("${whole#"$before"}")
}

_headgate() {
    COMPREPLY=()
    local word cur="" lead="" before="" name glue="" place="" at=1
    local -a typed=()
    # readline splits at = and :, which belong to a flag's value and to a URL.
    for word in "${COMP_WORDS[@]:0:COMP_CWORD+1}"; do
        if [[ ${#typed[@]} -gt 1 && ( $glue || $word == [=:]* ) ]]; then
            typed[${#typed[@]}-1]+=$word
        else
            typed+=("$word")
        fi
        [[ $word == [=:] ]] && glue=1 || glue=""
    done
    local last=$((${#typed[@]} - 1))
    cur=${typed[last]}
    word=${COMP_WORDS[COMP_CWORD]}
    [[ $word == *[!=:]* ]] && before=${cur%"$word"} || before=$cur
    before=${before//\\\\/}

    local kind words children flags argument
    _headgate_level ""
    while [[ $at -lt $last && -n $children && " $children " == *" ${typed[at]} "* ]]; do
        place="${place:+$place }${typed[at]}"
        at=$((at + 1))
        _headgate_level "$place"
    done

    if [[ $cur == -*=* ]]; then
        name=${cur%%=*}
        cur=${cur#*=}
        lead="$name="
        name=${name#-}
        _headgate_flag "$place:${name#-}"
        if [[ $kind == none ]]; then kind=words words="true false"; fi
        _headgate_reply "$kind" "$words"
        return
    fi
    name=${typed[last-1]}
    if [[ $last -gt $at || $at -eq 1 ]] && [[ $name == -?* && $name != *=* ]]; then
        name=${name#-}
        _headgate_flag "$place:${name#-}"
        if [[ $kind != none ]]; then
            _headgate_reply "$kind" "$words"
            return
        fi
    fi
    if [[ $cur == -* ]]; then
        [[ $cur == --* ]] && flags="${flags//[[:space:]]-/ --}" flags="${flags//---/--}"
        _headgate_reply words "$flags"
    elif [[ $last -eq $at ]]; then
        _headgate_reply words "$children"
        _headgate_first "$place:"
        [[ $words ]] && _headgate_reply words "$words" || _headgate_reply "$argument" ""
    else
        _headgate_first "$place:${typed[at]}"
        [[ $words ]] && _headgate_reply words "$words" || _headgate_reply "$argument" ""
    fi
}

complete -F _headgate headgate
"""


def script(levels: Sequence[Level]) -> str:
    """Return the script for *levels*."""
    parts = [_HEAD, *_levels(levels), *_flags(levels), *_first(levels)]
    return "\n".join(parts) + _TAIL


def _levels(levels: Sequence[Level]) -> Iterator[str]:
    yield "# _headgate_level PLACE: set children, flags and argument to what may follow these words."
    yield "_headgate_level() {"
    yield '    children="" flags="" argument=text'
    yield "    case $1 in"
    for each in levels:
        flags = " ".join(spelling for flag in each.flags for spelling in _shown(flag.spelling, flag.names))
        yield f"    {shlex.quote(' '.join(each.path))})"
        yield f"        children={shlex.quote(' '.join(each.children))} argument={each.argument.kind.value}"
        yield f"        flags={shlex.quote(' ' + flags)}"
        yield "        ;;"
    yield from ("    esac", "}", "")


def _shown(spelling: str, names: Sequence[str]) -> Iterator[str]:
    yield spelling
    yield from (f"-{letter}" for letter in names[1:])


def _flags(levels: Sequence[Level]) -> Iterator[str]:
    yield "# _headgate_flag PLACE:NAME: set kind and words to what the value of the flag is."
    yield "_headgate_flag() {"
    yield '    kind=none words=""'
    yield "    case $1 in"
    found: defaultdict[str, dict[str, Complete]] = defaultdict(dict)
    for each in levels:
        for flag in each.flags:
            for name in flag.names:
                found[name][" ".join(each.path)] = flag.value
    for name, values in found.items():
        yield from _cases(name, values)
    yield from ("    esac", "}", "")


def _cases(name: str, values: dict[str, Complete]) -> Iterator[str]:
    """Yield a case for each place where the flag has another value than usually, then one for all other places."""
    usual = Counter(values.values()).most_common(1)[0][0]
    for place, value in values.items():
        if value != usual:
            yield _case(shlex.quote(f"{place}:{name}"), value)
    if usual.kind is not Kind.NONE:
        yield _case(f"*:{name}", usual)


def _case(pattern: str, value: Complete) -> str:
    words = f" words={shlex.quote(' '.join(value.words))}" if value.kind is Kind.WORDS else ""
    return f"    {pattern}) kind={value.kind.value}{words} ;;"


def _first(levels: Sequence[Level]) -> Iterator[str]:
    yield "# _headgate_first PLACE:WORD: set words to the arguments that may follow WORD, or come first if it is empty."
    yield "_headgate_first() {"
    yield '    words=""'
    yield "    case $1 in"
    for each in levels:
        for place, words in each.choices():
            yield f"    {shlex.quote(place)}) words={shlex.quote(' '.join(words))} ;;"
    yield from ("    esac", "}")
