"""Reads a configuration as nginx's own lexer does, and says what is a directive and what is inside which block."""

import re
from typing import NamedTuple

BLANK = re.compile(r"[ \t\r\n]+")
PLAIN = re.compile(r"[^ \t\r\n;{$\\]+")
"""Characters of an argument without quotes that stand for themselves, wherever they are."""


class Directive(NamedTuple):
    """A directive with its arguments; ``within`` are the names of the blocks around it."""

    within: tuple[str, ...]
    name: str
    arguments: tuple[str, ...]


def directives(text: str) -> list[Directive]:
    """Return every directive of *text* in order; a block is one too (ValueError if blocks do not balance)."""
    found: list[Directive] = []
    around: list[str] = []
    words: list[str] = []
    for token in lexed(text):
        if not isinstance(token, Punctuation):
            words.append(token)
            continue
        if token.char == "}":
            if words or not around:
                raise ValueError(f"a }} that closes nothing, after {found[-1:]}")
            around.pop()
            continue
        if not words:
            raise ValueError(f"a {token.char} without a directive, after {found[-1:]}")
        found.append(Directive(tuple(around), words[0], tuple(words[1:])))
        if token.char == "{":
            around.append(words[0])
        words = []
    if around or words:
        raise ValueError(f"ends inside {around} with {words}")
    return found


class Punctuation(NamedTuple):
    """``;``, ``{`` or ``}`` where it counts."""

    char: str


def lexed(text: str) -> list[str | Punctuation]:
    """Split *text* as ``ngx_conf_read_token`` does, with a Mark for ``;``, ``{`` and ``}`` where they count.

    A quote opens only at the begin of an argument, ``#`` likewise; a backslash takes the next character with it.
    A block of Lua is one mark.
    """
    tokens: list[str | Punctuation] = []
    at = 0
    while at < len(text):
        char = text[at]
        if blank := BLANK.match(text, at):
            at = blank.end()
        elif char == "{" and tokens and str(tokens[-1]).endswith("_by_lua_block"):
            at = end_of_lua(text, at)
            tokens.append(Punctuation(";"))
        elif char in ";{}":
            tokens.append(Punctuation(char))
            at += 1
        elif char == "#":
            at = (text + "\n").index("\n", at)
        else:
            token, at = quoted(text, at) if char in "\"'" else bare(text, at)
            tokens.append(token)
    return tokens


def end_of_lua(text: str, at: int) -> int:
    """Return where the code ends whose block opens at *at*; ours has braces in pairs only."""
    depth = 0
    for place in range(at, len(text)):
        depth += {"{": 1, "}": -1}.get(text[place], 0)
        if not depth:
            return place + 1
    raise ValueError("ends inside Lua")


def quoted(text: str, at: int) -> tuple[str, int]:
    """Return the argument whose quote opens at *at*, and where it ends."""
    quote, out, at = text[at], "", at + 1
    while text[at] != quote:
        out, at = escaped(text, at, out)
    assert text[at + 1] in " \t\r\n;{)", "nginx wants a space or an end after a closing quote"
    return out, at + 1


def bare(text: str, at: int) -> tuple[str, int]:
    """Return the argument without quotes that begins at *at*, and where it ends; ``${name}`` is part of it."""
    out = ""
    while text[at] not in " \t\r\n;{":
        if plain := PLAIN.match(text, at):
            out, at = out + plain[0], plain.end()
        elif text.startswith("${", at):
            out, at = out + "${", at + 2
        else:
            out, at = escaped(text, at, out)
    return out, at


def escaped(text: str, at: int, out: str) -> tuple[str, int]:
    if text[at] != "\\":
        return out + text[at], at + 1
    plain = {"t": "\t", "r": "\r", "n": "\n", '"': '"', "'": "'", "\\": "\\"}
    return out + plain.get(text[at + 1], text[at : at + 2]), at + 2
