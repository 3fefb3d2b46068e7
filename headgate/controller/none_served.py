"""Why nothing of a folder is served, in one sentence; and how many objects of which kinds, in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final

from headgate.problems import ObjectRef
from headgate.reporting.verdicts import State, Verdict

SHOWN: Final = 3
"""Reasons that are given one by one."""
ANSWERING: Final = frozenset({"Ingress", "VirtualServer", "VirtualServerRoute", "TransportServer"})
"""Kinds of objects that answer requests or connections."""
_PLURALS: Final = {"Ingress": "Ingresses", "Policy": "Policies"}


def is_unserved(verdict: Verdict) -> bool:
    """Whether *verdict* is about an object that is valid and answers nothing, for example because of its listener."""
    return verdict.state is State.WARNING and not verdict.served and verdict.ref.kind in ANSWERING


def none_served(
    folder: str, refused: Mapping[str, int], unserved: Mapping[str, int], ignored: Mapping[ObjectRef, str]
) -> str:
    """Return the reason.

    Args:
        folder: where the manifests are.
        refused: how many objects of the class that is served are refused, by kind.
        unserved: how many of them are valid and answer nothing.
        ignored: the other objects, and why each is not served.
    """
    reasons = Counter(ignored.values()).most_common()
    parts = []
    for reason, _ in reasons[:SHOWN]:
        kinds = counted(ref for ref, why in ignored.items() if why == reason)
        parts.append(f"{_numbered(kinds)} {_are(kinds)} ignored: {reason}")
    others = {reason for reason, _ in reasons[SHOWN:]}
    if rest := counted(ref for ref, why in ignored.items() if why in others):
        parts.append(f"{_numbered(rest)} {_are(rest)} ignored for other reasons")
    if refused:
        parts.append(f"{refused_words(refused)}, see the events above")
    if unserved:
        parts.append(f"{_numbered(unserved)} {_are(unserved)} valid and not served, see the events above")
    return "; ".join(parts) or f"there is no Ingress, VirtualServer or TransportServer in {folder}"


def refused_words(kinds: Mapping[str, int]) -> str:
    """Return that the objects of *kinds* are refused."""
    return f"{_numbered(kinds)} {_are(kinds)} refused"


def _numbered(kinds: Mapping[str, int]) -> str:
    """Return how many objects there are of each of *kinds* (``2 Ingresses and 1 Policy``)."""
    words = [_number(kind, number) for kind, number in sorted(kinds.items())]
    *first, last = words or ["nothing"]
    return f"{', '.join(first)} and {last}" if first else last


def counted(refs: Iterable[ObjectRef]) -> Mapping[str, int]:
    """Return the number of *refs* by kind."""
    return Counter(ref.kind for ref in refs)


def _number(kind: str, number: int) -> str:
    return f"1 {kind}" if number == 1 else f"{number} {_PLURALS.get(kind, f'{kind}s')}"


def _are(kinds: Mapping[str, int]) -> str:
    return "is" if sum(kinds.values()) == 1 else "are"
