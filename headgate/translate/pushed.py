"""What is pushed of a location besides its profile: how paths change, and the texts of answers. Pure.

``None`` where only nginx can tell what a text means: variables that not every nginx has, or an expression that not
every one takes.
"""

from __future__ import annotations

import re
from typing import Final

from headgate.ir.http import Backend, Rewrite
from headgate.ir.live import LiveRewrite, Text
from headgate.settings import Words
from headgate.settings.regex import is_simple
from headgate.translate.live import is_known

URI: Final = "$headgate_uri"
"""The path of a request to a backend, of profiles where it is not that of the client."""
TEXT: Final = "$headgate_text"
"""The text of an answer."""
_VARIABLE: Final = re.compile(r"\$(?:(\w+)|\{(\w+)\})")
_CAPTURE: Final = re.compile(r"\$\{?[0-9]")
_CODE_AND_TEXT: Final = 2


def text_of(value: str, *, captures: bool = False) -> Text | None:
    """Return *value* divided at its variables; *captures*: whether ``$1`` may be one."""
    value = str(value)
    parts: list[str] = []
    end = 0
    for found in _VARIABLE.finditer(value):
        name = found[1] or found[2]
        # nginx reads one digit; a name may follow it.
        if captures and found[1] and name[0] in "123456789":
            parts += value[end : found.start()], name[0]
            end = found.start() + 2
        elif is_known(name) and name != "server_name":
            parts += value[end : found.start()], name
            end = found.end()
        else:
            return None
    if "$" in value[end:]:
        return None
    return (*parts, value[end:])


def replaced(backend: Backend | None) -> str | None:
    """Return what replaces the path that a location matched, ``""`` if the path stays."""
    path = backend.path if backend else ""
    return None if "$" in path else path


def rewritten(rewrite: Rewrite) -> LiveRewrite | None:
    """Return *rewrite* as it is pushed."""
    target, adds = str(rewrite.target), True
    if target.startswith(("http://", "https://", "$scheme")) or not is_simple(rewrite.pattern):
        return None
    if target.endswith("?"):
        target, adds = target[:-1], False
    path, mark, query = target.partition("?")
    uri, args = text_of(path, captures=True), text_of(query, captures=True)
    if uri is None or args is None:
        return None
    return LiveRewrite(str(rewrite.pattern), uri, args if mark else None, adds)


def answered(answer: Words | None) -> Text | None:
    """Return the text of *answer*, if it has one besides its code; in place of an empty one nginx has pages."""
    if answer is None or len(answer) != _CODE_AND_TEXT or not answer[1]:
        return None
    return text_of(answer[1])


def has_capture(*texts: str) -> bool:
    """Whether one of *texts* reads a capture of the expression of its location."""
    return any(_CAPTURE.search(text) for text in texts)
