"""What each of several controllers lets through of a rate."""

from __future__ import annotations


def share(rate: str, replicas: int) -> str:
    """Return what one of *replicas* may let through of *rate* (``10r/s``), in minutes where it does not divide."""
    count, unit = int(rate[: -len("r/s")]), rate[-1]
    if count % replicas == 0:
        return f"{count // replicas}r/{unit}"
    return f"{max(count * (60 if unit == 's' else 1) // replicas, 1)}r/m"
