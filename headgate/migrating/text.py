"""An Audit as text for people, and as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from headgate.migrating.audit import Audit, Outcome, Use
from headgate.problems import some
from headgate.settings import COMMUNITY

WORDS = {
    Outcome.SAME: "Same as in ingress-nginx",
    Outcome.DIFFERS: "In another way",
    Outcome.IGNORED: "Without effect",
    Outcome.REFUSED: "Requests are answered 500, because they would be served unguarded",
}
ALL_REFUSED = "No Ingress is served, because they would be unguarded"
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
    yield f"{_count(found.ingresses, 'Ingress')}, {refused:,} of them refused or closed{also}."
    yield from _listed(found.annotations, "annotation", WORDS)
    yield from _listed(found.keys, "key of the ConfigMap", WORDS | {Outcome.REFUSED: ALL_REFUSED})
    if found.findings:
        yield ""
        yield "What else is wrong"
        yield from (f"  {each.object}: {each.text}" for each in found.findings)


def _listed(every: Sequence[Use], noun: str, words: Mapping[Outcome, str]) -> Iterator[str]:
    for outcome in sorted(Outcome, key=lambda each: each.rank):
        uses = [use for use in every if use.outcome is outcome]
        if uses:
            yield ""
            yield f"{words[outcome]}: {_count(len(uses), noun)}"
            yield from map(_use, uses)


def _use(use: Use) -> str:
    name = use.name.removeprefix(COMMUNITY.prefix)
    line = f"  {len(use.objects):>5,}  {name}"
    if use.outcome is Outcome.SAME:
        return line
    return f"{line}: {use.reason} ({some(use.objects)})"


def _count(number: int, noun: str) -> str:
    if number == 1:
        return f"1 {noun}"
    first, space, rest = noun.partition(" ")
    return f"{number:,} {first}{'es' if first.endswith('s') else 's'}{space}{rest}"
