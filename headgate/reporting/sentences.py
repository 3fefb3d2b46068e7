"""What happened to an object, as a person reads it in the log: the words of its event, after what led to it. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from headgate.problems import some
from headgate.reporting.verdicts import State, Verdict, added_or_updated, refusal

"""Hosts or objects that one line names; it counts the others."""
EVERY_HOST = "every host without another holder"


class Occasion(msgspec.Struct, frozen=True):
    """Why a Verdict is reported.

    Attributes:
        changed: whether the object itself changed; otherwise something that it depends on did.
        hosts: the host names at which requests reach it, ``""`` for those without a name.
        quiet: whether it is a detail, such as one of many objects at the start.
    """

    changed: bool = False
    hosts: tuple[str, ...] = ()
    quiet: bool = False


UNKNOWN = Occasion()


def change(occasion: Occasion, *, known: bool) -> str:
    """Return what happened to the object in a word, empty if nothing did; *known*: it was reported before."""
    if not known:
        return "added"
    return "changed" if occasion.changed else ""


def sentence(verdict: Verdict, happened: str, hosts: Sequence[str]) -> str:
    """Return the line about *verdict*: the object, what *happened* to it, and how it is served at *hosts* now."""
    key, text = verdict.ref.key, verdict.message
    nowhere = "accepted" if verdict.served else "not served"
    if (rest := _after(added_or_updated(key), text)) is not None:
        if rest.startswith("but "):
            outcome = rest.removeprefix("but ")
        else:
            outcome = f"serves {some(host or EVERY_HOST for host in hosts)}" if hosts else nowhere
            outcome += f"; {rest.removeprefix('; ')}" if rest else ""
    elif (rest := refusal(verdict)) is not None:
        outcome = f"refused: {rest}"
    elif verdict.state is State.INVALID:
        outcome = f"refused: {text}"
    else:
        return text if text.startswith(str(verdict.ref)) else f"{verdict.ref}: {text}"
    return f"{verdict.ref}: {', '.join(filter(None, (happened, outcome)))}"


def _after(lead: str, text: str) -> str | None:
    return text.removeprefix(lead).strip() if text.startswith(lead) else None
