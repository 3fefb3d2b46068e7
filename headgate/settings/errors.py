"""Error pages from a backend of one's own."""

from __future__ import annotations

import re
from typing import Annotated

from headgate.settings.dialect import Scope
from headgate.settings.parsers import Unfit, accepts
from headgate.settings.registry import Settings, Where, setting

_CLASS = re.compile(r"[45]xx")
LEAST, MOST = 300, 599
CLOSED = 499
"""What nginx writes into its log when the client is gone: nobody is left to read a page."""


@accepts("statuses from 300 to 599, 4xx or 5xx, separated by `,`", example="404,5xx")
def statuses(text: str) -> tuple[int, ...]:
    """Parse the statuses of ``error_page`` (ngx_http_core_module) into numbers, each once."""
    found: dict[int, None] = {}
    for entry in text.split(","):
        word = entry.strip().lower()
        if _CLASS.fullmatch(word):
            first = 100 * int(word[0])
            found |= dict.fromkeys(code for code in range(first, first + 100) if code != CLOSED)
        elif re.fullmatch("[0-9]{3}", word) and LEAST <= int(word) <= MOST and int(word) != CLOSED:
            found[int(word)] = None
        else:
            raise Unfit(
                f"not a list of statuses ({entry.strip()[:20]!r}); use {LEAST} to {MOST} but {CLOSED}, 4xx, 5xx"
            )
    return tuple(found)


class ErrorSettings(Settings):
    """Which answers clients get from the default backend."""

    custom_http_errors: Annotated[
        tuple[int, ...],
        setting(
            "custom-http-errors",
            "Statuses that are replaced by the page of spec.defaultBackend (of the master in a mergeable set); the "
            "backend receives the status in X-Code and the URI in X-Original-URI.",
            Scope.OWN,
            Where.ANNOTATION,
            parse=statuses,
            directive="error_page, proxy_intercept_errors",
            differs="The request body is not sent to the default backend, its own errors are passed on, and its page "
            "for a 401 needs no password.",
        ),
    ] = ()
