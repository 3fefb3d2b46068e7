"""Why no Ingress of a folder is served, in one sentence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Final

SHOWN: Final = 3
"""Reasons that are given one by one."""


def none_served(folder: str, refused: int, ignored: Iterable[str]) -> str:
    """Return the reason.

    Args:
        folder: where the manifests are.
        refused: how many Ingresses of the class that is served are refused.
        ignored: why each of the others is not served.
    """
    reasons = Counter(ignored).most_common()
    parts = [f"{_ingresses(number)} ignored: {reason}" for reason, number in reasons[:SHOWN]]
    if rest := sum(number for _, number in reasons[SHOWN:]):
        parts.append(f"{_ingresses(rest)} ignored for other reasons")
    if refused:
        parts.append(f"{_ingresses(refused)} refused, see the events above")
    return "; ".join(parts) or f"there is no Ingress in {folder}"


def _ingresses(number: int) -> str:
    return "1 Ingress is" if number == 1 else f"{number} Ingresses are"
