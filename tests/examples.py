"""How many examples Hypothesis makes up: few in each run (half of what the tests say), more by night."""

from __future__ import annotations

import os

FACTOR = float(os.environ.get("HEADGATE_EXAMPLES", "0.5"))


def examples(number: int) -> int:
    """Return *number*, multiplied by ``HEADGATE_EXAMPLES`` (0.5)."""
    return max(1, round(number * FACTOR))
