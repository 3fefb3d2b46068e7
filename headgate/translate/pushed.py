"""What is pushed of a location besides its profile: how paths change, and the texts of answers. Pure.

``None`` where only nginx can tell what a text means: variables that not every nginx has, or an expression that not
every one takes.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from itertools import accumulate
from typing import Final

from headgate.ir.http import Backend, Rewrite, SplitClients, VariableMap
from headgate.ir.live import LiveMap, LiveRewrite, Shares, Text
from headgate.settings import Words
from headgate.settings.regex import is_simple
from headgate.translate.live import is_known

URI: Final = "$headgate_uri"
"""The path of a request to a backend, of profiles where it is not that of the client."""
WRITTEN: Final = "$request_uri"
"""The path as the client wrote it, which a jump does not change."""
TEXT: Final = "$headgate_text"
"""The text of an answer."""
RESTORED: Final = LiveRewrite("^", ("", "request_uri_no_args"))
"""The path as the client wrote it, in place of the one that a jump led to."""
_VARIABLE: Final = re.compile(r"\$(?:(\w+)|\{(\w+)\})")
_CAPTURE: Final = re.compile(r"\$\{?[0-9]")
_CODE_AND_TEXT: Final = 2


def text_of(value: str, *, captures: bool = False, own: Collection[str] = ()) -> Text | None:
    """Return *value* divided at its variables; *captures*: whether ``$1`` may be one; *own* are those of its host."""
    value = str(value)
    parts: list[str] = []
    end = 0
    for found in _VARIABLE.finditer(value):
        name = found[1] or found[2]
        # nginx reads one digit; a name may follow it.
        if captures and found[1] and name[0] in "123456789":
            parts += value[end : found.start()], name[0]
            end = found.start() + 2
        elif name in own or (is_known(name) and name != "server_name"):
            parts += value[end : found.start()], name
            end = found.end()
        else:
            return None
    if "$" in value[end:]:
        return None
    return (*parts, value[end:])


def variables_of(text: Text) -> Iterator[str]:
    """Yield the variables of *text*."""
    yield from text[1::2]


def mapped(found: VariableMap, own: Collection[str]) -> LiveMap | None:
    """Return *found* as it is pushed; *own* are the variables of its host."""
    source = text_of(found.source, own=own)
    values: dict[str, Text] = {}
    patterns: list[tuple[str, str, Text]] = []
    otherwise: Text = ("",)
    for key, written in found.lines:
        value = text_of(written, own=own)
        if value is None:
            return None
        if key == "default":
            otherwise = value
        elif key.startswith("~"):
            sign = "~*" if key.startswith("~*") else "~"
            patterns.append((sign, str(key.removeprefix(sign)), value))
        else:
            values[key.removeprefix("\\").encode().lower().decode()] = value  # ASCII only, as nginx
    every = source is not None and not found.included and all(is_simple(pattern) for _, pattern, _ in patterns)
    return LiveMap(source, values, tuple(patterns), otherwise) if every and source is not None else None


def shares_of(split: SplitClients) -> Shares:
    """Return the shares of *split*, as nginx adds them up."""
    ends = accumulate(100.0 if share == "*" else float(share.rstrip("%")) for share, _ in split.shares)
    return tuple((min(end, 100.0), text) for end, (_, text) in zip(ends, split.shares, strict=True))


def replaced(backend: Backend | None) -> str | None:
    """Return what replaces the path that a location matched, ``""`` if the path stays, or is in the profile."""
    path = backend.path if backend and backend.path != WRITTEN else ""
    return None if "$" in path else path


def rewritten(rewrite: Rewrite, *, restored: bool = False) -> LiveRewrite | None:
    """Return *rewrite* as it is pushed; *restored*: it is for the path as the client wrote it."""
    target, adds = str(rewrite.target), True
    if target.startswith(("http://", "https://", "$scheme")) or not is_simple(rewrite.pattern):
        return None
    if target.endswith("?"):
        target, adds = target[:-1], False
    path, mark, query = target.partition("?")
    uri, args = text_of(path, captures=True), text_of(query, captures=True)
    if uri is None or args is None:
        return None
    return LiveRewrite(str(rewrite.pattern), uri, args if mark else None, adds, restored)


def answered(answer: Words | None) -> Text | None:
    """Return the text of *answer*, if it has one besides its code; in place of an empty one nginx has pages."""
    if answer is None or len(answer) != _CODE_AND_TEXT or not answer[1]:
        return None
    return text_of(answer[1])


def has_capture(*texts: str) -> bool:
    """Whether one of *texts* reads a capture of the expression of its location."""
    return any(_CAPTURE.search(text) for text in texts)
