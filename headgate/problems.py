"""What went wrong, as data: a Problem belongs to an object and says where, what, why and what happens now.

A user's mistake is never an exception. The pure core returns Problems; ``reporting`` turns them
into events, statuses and log lines.
"""

from __future__ import annotations

import difflib
import enum
from collections.abc import Iterable

import msgspec


class ObjectRef(msgspec.Struct, frozen=True, order=True, cache_hash=True, gc=False, repr_omit_defaults=True):
    """The identity of one Kubernetes object; also the key the WorkQueue carries.

    The group is empty for the core API; the version is no part of an identity.
    """

    kind: str
    namespace: str
    name: str
    group: str = ""

    @property
    def key(self) -> str:
        """``namespace/name``, or the bare name of a cluster-scoped object."""
        return f"{self.namespace}/{self.name}" if self.namespace else self.name

    def __str__(self) -> str:
        """``Kind namespace/name``."""
        return f"{self.kind} {self.key}"


class Severity(enum.Enum):
    """What a Problem does to its object."""

    WARNING = "warning"
    """The object is served; something in it is not."""
    ERROR = "error"
    """The object is refused as a whole."""


class Problem(msgspec.Struct, frozen=True, order=False, gc=False):
    """One fault: where, what was there, why not, what happens now.

    Attributes:
        origin: the object whose owner can mend it.
        field: path inside the object (``spec.rules[0].host``), an annotation or a ConfigMap key; may be empty.
        value: the text found there, shortened by ``show`` when printed; may be empty.
        reason: why it cannot be used and, where known, what to write instead.
        effect: what Headgate does now.
        severity: whether the object is refused.
        code: the event reason, where it is not the usual one of the severity (``NoIngressMasterFound``).
        elsewhere: whether its cause is outside of the object, which the webhook admits in spite of it.
        passing: whether it may be over in a moment by itself, so that it is worth an event only if it lasts.
    """

    origin: ObjectRef
    field: str
    value: str
    reason: str
    effect: str = ""
    severity: Severity = Severity.WARNING
    code: str = ""
    passing: bool = False
    elsewhere: bool = False

    @property
    def refuses(self) -> bool:
        """Whether the object is not served because of this."""
        return self.severity is Severity.ERROR

    def __str__(self) -> str:
        """Read as one sentence in an event, a status or a log line."""
        where = f"{self.field}: " if self.field else ""
        what = f"{show(self.value)} " if self.value else ""
        after = f" ({self.effect})" if self.effect else ""
        return f"{where}{what}{self.reason}{after}"


SHOWN = 120
"""Characters of a user's value that a message repeats."""


def show(value: str) -> str:
    """Quote *value* on one line, cut after ``SHOWN`` characters, control characters escaped."""
    cut = value if len(value) <= SHOWN else f"{value[:SHOWN]}…"
    return repr(cut)


NAMED = 3
"""Objects that a line about many names."""
ALIKE = 0.65
"""How alike a word and what it was meant for are (``difflib`` ratio)."""
EACH = 5
"""Objects that have the same to report and still have a line each."""


def meant(word: str, known: Iterable[str]) -> str:
    """Return the one of *known* that *word* was probably meant for, as a clause, or ``""``."""
    by_letters = {each.lower(): each for each in known}
    near = difflib.get_close_matches(word.lower(), by_letters, n=1, cutoff=ALIKE)
    return f"; did you mean {by_letters[near[0]]}?" if near else ""


def some(things: Iterable[object]) -> str:
    """Return the first of *things* and how many more there are."""
    names = [str(thing) for thing in things]
    more = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {more:,} more" if more > 0 else "")
