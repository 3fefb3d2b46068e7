"""Timeouts of backends that leave no time."""

from __future__ import annotations

from typing import Final

from headgate.translate.draft import Draft, Place

NO_TIME: Final = {
    "proxy_connect_timeout": "leaves no time for a connection",
    "proxy_read_timeout": "leaves no time for a response",
}
"""Settings with which nginx gives up at once if they are 0."""


def warn_of_no_time(draft: Draft, place: Place) -> None:
    """Warn where an object sets a timeout of 0; 0 means no limit for other settings of nginx."""
    for name, reason in NO_TIME.items():
        value = getattr(place.params.proxy, name)
        if not value.seconds and any(name in layer.overrides for layer in place.layers):
            words = (f"{reason}; 0 does not mean without a limit", "nginx answers requests with 504")
            draft.warn(place.origin, place.key(name), value, words)
