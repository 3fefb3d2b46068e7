"""Random variation of delays, so that replicas that failed together do not repeat their requests together."""

from __future__ import annotations

import random


def jittered(delay: float) -> float:
    """Return between a half and the whole of *delay*."""
    return delay * random.uniform(0.5, 1.0)  # noqa: S311 - spreads load, protects nothing
