"""How long to wait before asking again."""

from __future__ import annotations

import random


def retry_delay(failures: int, *, first: float = 0.5, most: float = 60.0) -> float:
    """Return the seconds to wait after *failures* (≥ 1) failures in a row, doubling from *first* to *most*."""
    doublings = min(failures - 1, 64)
    return min(most, first * 2.0**doublings)


def jittered(delay: float) -> float:
    """Return between a half and the whole of *delay*, so that replicas do not ask in step."""
    return delay * random.uniform(0.5, 1.0)  # noqa: S311 - spreads load, guards nothing
