"""Progress: what the Controller has done so far, for those who ask."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final

from headgate.ir import ApplyResult
from headgate.pipeline import Generation
from headgate.problems import ObjectRef
from headgate.status import Push, Reload

SHOWN: Final = 5
"""Objects that are named as the cause of a reload."""


class Progress:
    """Remembers the last reload, the last push and the last success."""

    def __init__(self) -> None:
        """Begin without any of them."""
        self.batches = 0
        """How many batches have ended; a change of it says that there is something new."""
        self.applied: datetime | None = None
        self.reload: Reload | None = None
        self.push: Push | None = None
        self.result: ApplyResult | None = None
        self.generation: Generation | None = None
        """What was given to nginx last, and reported."""

    def note(self, generation: Generation, result: ApplyResult, keys: Iterable[ObjectRef], took: float) -> None:
        """Take note of the end of a batch with these *keys*, which took so many seconds."""
        self.batches += 1
        now = datetime.now(UTC)
        if result.ok:
            self.applied = now
        if result.reloaded:
            self.reload = _reload(result, keys, now, "endpoints" if generation.endpoints_only else self._reason())
        elif result.ok and (result.pushed or result.pushed_hosts or result.pushed_guards):
            names, others = _shown(keys)
            took_ms = round(took * 1000, 1)
            self.push = Push(
                at=now,
                objects=names,
                others=others,
                upstreams=result.pushed,
                hosts=result.pushed_hosts,
                took_ms=took_ms,
            )
        self.generation, self.result = generation, result

    def _reason(self) -> str:
        return "configuration" if self.reload else "start"


def _reload(result: ApplyResult, keys: Iterable[ObjectRef], now: datetime, reason: str) -> Reload:
    names, others = _shown(() if reason == "start" else keys)
    return Reload(
        at=now,
        reason=reason,
        objects=names,
        others=others,
        test_ms=round(result.test_ms, 1),
        reload_ms=round(result.reload_ms, 1),
        version=result.version,
    )


def _shown(keys: Iterable[ObjectRef]) -> tuple[tuple[str, ...], int]:
    """Return the first ``SHOWN`` names, and how many more there are."""
    changed = [str(key) for key in keys]
    return tuple(changed[:SHOWN]), max(0, len(changed) - SHOWN)
