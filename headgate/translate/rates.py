"""Limits of the rate of responses that have no effect."""

from __future__ import annotations

from headgate.translate.draft import Draft, Place


def warn_of_idle_rate(draft: Draft, place: Place) -> None:
    """Warn of a rate where responses are not buffered: nginx limits only those that are (ngx_http_upstream)."""
    rate = place.params.passing.limit_rate
    if rate and rate.bytes and not place.params.buffers.proxy_buffering:
        words = ("has no effect on responses that are not buffered (proxy-buffering)", "their rate is not limited")
        draft.warn(place.origin, place.key("limit_rate"), str(rate), words)
