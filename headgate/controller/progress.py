"""Progress: what the Controller has done so far, for those who ask."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final

from headgate.ir import ApplyResult
from headgate.pipeline import Generation
from headgate.problems import ObjectRef
from headgate.status import Reload

SHOWN: Final = 5
"""Objects that are named as the cause of a reload."""


class Progress:
    """Remembers the last reload and the last success."""

    def __init__(self) -> None:
        """Begin without either."""
        self.batches = 0
        """How many batches have ended; a change of it says that there is something new."""
        self.applied: datetime | None = None
        self.reload: Reload | None = None
        self.result: ApplyResult | None = None
        self.generation: Generation | None = None
        """What was given to nginx last, and reported."""

    def note(self, generation: Generation, result: ApplyResult, keys: Iterable[ObjectRef]) -> None:
        """Take note of the end of a batch with these *keys*."""
        self.batches += 1
        now = datetime.now(UTC)
        if result.ok:
            self.applied = now
        if result.reloaded:
            self.reload = _reload(result, keys, now, "endpoints" if generation.endpoints_only else self._reason())
        self.generation, self.result = generation, result

    def _reason(self) -> str:
        return "configuration" if self.reload else "start"


def _reload(result: ApplyResult, keys: Iterable[ObjectRef], now: datetime, reason: str) -> Reload:
    changed = [str(key) for key in keys]
    return Reload(
        at=now,
        reason=reason,
        objects=() if reason == "start" else tuple(changed[:SHOWN]),
        others=0 if reason == "start" else max(0, len(changed) - SHOWN),
        test_ms=round(result.test_ms, 1),
        reload_ms=round(result.reload_ms, 1),
        version=result.version,
    )
