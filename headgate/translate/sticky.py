"""Session affinity by a cookie: the arguments of ``sticky``, and what is pushed to workers instead."""

from __future__ import annotations

from typing import Final

from headgate.ir.live import Cookie
from headgate.settings import ConfigParams, Words
from headgate.settings.values import Seconds

_FOREVER: Final = "; expires=Thu, 31-Dec-37 23:55:55 GMT; max-age=315360000"
_ORDER: Final = ("domain", "httponly", "secure", "samesite", "path")
"""Attributes as nginx orders them."""


def cookie_words(service: str, params: ConfigParams) -> Words | None:
    """Return the arguments of ``sticky`` for *service*, if its clients are to keep their backend."""
    return next((sticky.cookie for sticky in params.services.sticky_cookie_services if sticky.service == service), None)


def live_cookie(words: Words) -> Cookie:
    """Return the cookie that nginx sets for ``sticky`` with the arguments *words*."""
    _, name, *parts = words
    attributes = {part.partition("=")[0]: part for part in parts}
    expires = attributes.pop("expires", "").removeprefix("expires=")
    tail = "".join(f"; {attributes[key]}" for key in _ORDER if key in attributes)
    if expires == "max":
        return Cookie(name, tail=_FOREVER + tail)
    return Cookie(name, lifetime=int(Seconds.parse(expires).seconds) if expires else None, tail=tail)
