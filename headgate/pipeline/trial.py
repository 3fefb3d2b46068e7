"""The trial of a ConfigMap that nginx may have refused: what nginx is to have in turn, and what is in force then."""

from __future__ import annotations

from collections.abc import Callable, Generator

import msgspec

from headgate.ir import ApplyResult, Outcome
from headgate.pipeline.config_map import ConfigChange, ConfigInForce
from headgate.pipeline.generation import Generation
from headgate.pipeline.key_search import FoundKeys, mentions, search_keys

MOST_SETS = 10
"""How many sets of keys are tried to find those that nginx refuses."""
LONGEST_S = 60.0
"""Seconds after which no further set is tried."""


class TrialResult(msgspec.Struct, frozen=True):
    """How a trial ended.

    Attributes:
        applied: how nginx took what is in force now.
        found: what became of the changed keys; ``None`` where the ConfigMap is not to blame.
        passing: whether nginx may accept another time what was left out.
    """

    applied: ApplyResult
    found: FoundKeys | None = None
    passing: bool = False


Trial = Generator[Generation, ApplyResult, TrialResult]
"""Yields what nginx is to have next; is sent how it took that."""


def try_config_map(
    first: ApplyResult, change: ConfigChange, under: Callable[[ConfigInForce], Generation], clock: Callable[[], float]
) -> Trial:
    """Try whether nginx refuses values of the ConfigMap, and find their keys.

    Everything is tried under what was in force before. If that does not help, the new ConfigMap is in force again; else
    those of its keys that nginx accepts.

    Args:
        first: how nginx took everything under the new ConfigMap.
        change: what changed since nginx last served.
        under: puts something in force and generates everything under it.
        clock: seconds that never run backwards.
    """
    base = yield under(change.old)
    words = _objection(first, base)
    if not base.ok or not words:
        return TrialResult((yield under(change.new)))
    results, began = [base], clock()
    tried: frozenset[str] = frozenset()
    passing = {words} if _may_pass(first, base) else set()
    search = search_keys(change.texts, words, lambda: len(results) > MOST_SETS or clock() - began > LONGEST_S)
    error: str | None = None
    while True:
        try:
            keys = search.send(error)
        except StopIteration as end:
            found: FoundKeys = end.value
            break
        tried = keys
        results.append((yield under(change.having(keys))))
        failed = results[-1].outcome is Outcome.FAILED and not mentions(
            results[-1].error, "".join(change.texts.values())
        )
        error = None if failed else _objection(results[-1], base)
        if error and _may_pass(results[-1], base):
            passing.add(error)
    if tried != found.accepted:
        results.append((yield under(change.having(found.accepted))))
    later = bool(found.untried) or not passing.isdisjoint(found.refused.values())
    return TrialResult(results[-1], found, later)


def _objection(result: ApplyResult, base: ApplyResult) -> str:
    """Return nginx's error for the whole, or for an object that it accepts in *base*; else empty."""
    if not result.ok:
        return result.error
    others = result.refused.keys() - base.refused.keys()
    return result.refused[min(others)] if others else ""


def _may_pass(result: ApplyResult, base: ApplyResult) -> bool:
    """Whether what ``_objection`` returns may be over another time."""
    others = result.refused.keys() - base.refused.keys()
    return result.passing if not result.ok else bool(others) and min(others) in result.retry
