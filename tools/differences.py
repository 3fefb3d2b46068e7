"""The page for operators of the incumbent: all differences, from the declarations of the reference pages."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from headgate.checking import MATCHING
from headgate.declined_flags import DECLINED
from headgate.reporting.reference import ABSENT_EVENTS, ABSENT_METRICS, EVENTS
from headgate.settings import INCUMBENT, Where
from headgate.settings.declined import Outlook, absences
from headgate.settings.docs import cell, code, differences, table

Row = tuple[str, str, str]
"""Type, name and explanation."""

_OPENING = """# Coming from the F5 NGINX Ingress Controller

The differences to the F5 NGINX Ingress Controller (the *incumbent* of these pages), generated from the declarations of
annotations, keys, flags, events and metrics and therefore complete for these. Everything else has the same names,
defaults and effects, which the [reference pages](reference/annotations.md) describe.

For the custom resources, the pages of the kinds list the differences:
[VirtualServer](virtualserver.md#different-from-the-f5-controller),
[VirtualServerRoute](virtualserverroute.md#different-from-the-f5-controller),
[TransportServer](transportserver.md#different-from-the-f5-controller) and
[Policy](policies.md#different-from-the-f5-controller).

Three rules hold for every value. It is checked before nginx reads it, also where the incumbent passes it on unchecked:
an Ingress with an annotation that cannot be used is refused, a ConfigMap key that cannot be used has its default and
does not affect other keys. Each is reported with its place, the reason and the effect
([problems.md](reference/problems.md)). Nothing is ignored silently: for what has no effect here there is an event.

`headgate check DIR --from nic` reports each object that one of the differences of matching, annotations and keys
concerns. The matching of hosts and paths, and the content of the files of `conf.d`, are explained in
[0007](decisions/0007-say-each-thing-at-the-outermost-level.md),
[0008](decisions/0008-names-of-the-incumbent-without-its-collisions.md),
[0009](decisions/0009-paths-and-hosts-by-the-letter.md) and [0010](decisions/0010-upstreams.md).
"""


def coming_from_nic() -> str:
    """Return the page."""
    absent = list(_absent())
    parts = [
        _OPENING,
        *_section("Different", "How", _differing()),
        *_section("Not supported yet", "Why", (row for outlook, row in absent if outlook is Outlook.COMING)),
        *_section("Not supported", "Why", (row for outlook, row in absent if outlook is Outlook.DECLINED)),
    ]
    return "\n".join(parts)


def _section(title: str, last: str, rows: Iterable[Row]) -> Iterator[str]:
    cells = ((what, code(name), cell(words)) for what, name, words in rows)
    yield from (f"## {title}", "", *table(("What", "Name", last), cells), "")


def _differing() -> Iterator[Row]:
    """Yield the differences; a setting that is annotation and key is listed once, by its annotation."""
    yield from (("matching", row.name, row.how) for row in MATCHING)
    keys = dict(differences(Where.CONFIGMAP))
    for name, words in differences(Where.ANNOTATION):
        twin = keys.pop(name.removeprefix(INCUMBENT.prefix), "")
        yield "annotation and ConfigMap key" if twin else "annotation", name, words
    yield from (("ConfigMap key", key, words) for key, words in keys.items())
    yield from (("event", f"{row.kind}/{row.reason}", row.differs) for row in EVENTS if row.differs)


def _absent() -> Iterator[tuple[Outlook, Row]]:
    """Yield everything of the incumbent that is not supported."""
    for what, place in (("annotation", "annotation"), ("ConfigMap key", "configmap")):
        yield from ((found.outlook, (what, key, found.reason)) for key, found in absences(place))
    for name, flag in DECLINED.items():
        yield Outlook(flag.outlook), ("flag", f"-{name}", flag.reason)
    for what, table_ in (("event", ABSENT_EVENTS), ("metric", ABSENT_METRICS)):
        yield from ((found.outlook, (what, key, found.reason)) for key, found in table_.items())
