"""Exponential back-off: how long to wait before the next attempt."""

from __future__ import annotations

_DOUBLINGS = 64
"""Enough for any delay; a float overflows at 2 to the power of 1024."""


def retry_delay(failures: int, *, first: float, longest: float) -> float:
    """Return the seconds to wait after *failures* (≥ 1) failures in a row, doubling from *first* to *longest*."""
    return min(longest, first * 2.0 ** min(failures - 1, _DOUBLINGS))
