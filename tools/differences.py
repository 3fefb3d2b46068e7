"""The page for operators of the incumbent: every difference, from the declarations that make the reference pages."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from headgate.options import DECLINED
from headgate.reporting.reference import ABSENT_EVENTS, ABSENT_METRICS, EVENTS
from headgate.settings import INCUMBENT, Where
from headgate.settings.declined import Outlook, absences
from headgate.settings.docs import cell, code, differences, table

Row = tuple[str, str, str]
"""What it is about, its name, and what is to be known."""

_OPENING = """# Coming from the F5 NGINX Ingress Controller

What an operator of the F5 NGINX Ingress Controller (the *incumbent* of these pages) finds otherwise: written from the
declarations of annotations, keys, flags, events and metrics, so that it is complete. All else has the same names,
defaults and effects; the [reference pages](reference/annotations.md) have them in full.

Three things hold for every value. It is checked before nginx sees it, also where the incumbent passes it on as it
stands: an annotation that cannot be used refuses its Ingress, a ConfigMap key that cannot be used keeps its default and
spoils no other. Each is told with the place, the reason and what happens now ([problems.md](reference/problems.md)).
And nothing is ignored in silence: what has no effect here is said in an event.

How hosts and paths are matched, and what a file of `conf.d` says, is decided in
[0007](decisions/0007-say-each-thing-at-the-outermost-level.md),
[0008](decisions/0008-names-of-the-incumbent-without-its-collisions.md),
[0009](decisions/0009-paths-and-hosts-by-the-letter.md) and [0010](decisions/0010-upstreams.md).
"""


def coming_from_nic() -> str:
    """Return the page."""
    absent = list(_absent())
    parts = [
        _OPENING,
        *_section("Done otherwise", "How", _differing()),
        *_section("Not there yet", "Why", (row for outlook, row in absent if outlook is Outlook.COMING)),
        *_section("Declined", "Why", (row for outlook, row in absent if outlook is Outlook.DECLINED)),
    ]
    return "\n".join(parts)


def _section(title: str, last: str, rows: Iterable[Row]) -> Iterator[str]:
    cells = ((what, code(name), cell(words)) for what, name, words in rows)
    yield from (f"## {title}", "", *table(("What", "Name", last), cells), "")


def _differing() -> Iterator[Row]:
    """Yield what is done otherwise; a knob that is annotation and key is named once, by its annotation."""
    keys = dict(differences(Where.CONFIGMAP))
    for name, words in differences(Where.ANNOTATION):
        twin = keys.pop(name.removeprefix(INCUMBENT.prefix), "")
        yield "annotation and ConfigMap key" if twin else "annotation", name, words
    yield from (("ConfigMap key", key, words) for key, words in keys.items())
    yield from (("event", f"{row.kind}/{row.reason}", row.differs) for row in EVENTS if row.differs)


def _absent() -> Iterator[tuple[Outlook, Row]]:
    """Yield everything of the incumbent's that is not there."""
    for what, place in (("annotation", "annotation"), ("ConfigMap key", "configmap")):
        yield from ((found.outlook, (what, key, found.reason)) for key, found in absences(place))
    for name, flag in DECLINED.items():
        yield Outlook(flag.outlook), ("flag", f"-{name}", flag.reason)
    for what, table_ in (("event", ABSENT_EVENTS), ("metric", ABSENT_METRICS)):
        yield from ((found.outlook, (what, key, found.reason)) for key, found in table_.items())
