"""An Audit as text for people, and as JSON."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from headgate.migrating.audit import Audit, Outcome, Use
from headgate.problems import some
from headgate.settings import COMMUNITY

WORDS = {
    Outcome.SAME: "Same as in ingress-nginx",
    Outcome.DIFFERS: "In another way",
    Outcome.IGNORED: "Without effect",
    Outcome.REFUSED: "The Ingress is refused, because it would be served unguarded",
}
NOTHING = "There is no Ingress of a class that would be served; --controller-class and -ingress-class say which are."


def as_text(found: Audit) -> str:
    """Return the lines for people."""
    return "\n".join(_lines(found))


def as_json(found: Audit) -> str:
    """Return the same for programs."""
    return msgspec.json.format(msgspec.json.encode(found), indent=2).decode()


def _lines(found: Audit) -> Iterator[str]:
    if not found.ingresses:
        yield NOTHING
        return
    refused = len(found.refused)
    also = f"; {found.other:,} of other classes are left out" if found.other else ""
    yield f"{_count(found.ingresses, 'Ingress')}, {refused:,} of them refused{also}."
    for outcome in sorted(Outcome, key=lambda each: each.rank):
        uses = [use for use in found.annotations if use.outcome is outcome]
        if uses:
            yield ""
            yield f"{WORDS[outcome]}: {_count(len(uses), 'annotation')}"
            yield from map(_use, uses)
    if found.findings:
        yield ""
        yield "What else is wrong"
        yield from (f"  {each.object}: {each.text}" for each in found.findings)


def _use(use: Use) -> str:
    name = use.annotation.removeprefix(COMMUNITY.prefix)
    line = f"  {len(use.objects):>5,}  {name}"
    if use.outcome is Outcome.SAME:
        return line
    return f"{line}: {use.reason} ({some(use.objects)})"


def _count(number: int, noun: str) -> str:
    if number == 1:
        return f"1 {noun}"
    return f"{number:,} {noun}{'es' if noun.endswith('s') else 's'}"
