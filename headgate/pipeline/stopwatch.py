"""The duration of each stage, without that of stages inside it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Self


class Stopwatch:
    """Adds up the seconds of stages, none of them negative and none counted twice."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """Begin at zero; *clock* returns monotonic seconds."""
        self._clock = clock
        self._spent: dict[str, float] = {}
        self._stack: list[str] = []
        self._since = 0.0

    def stage(self, name: str) -> Self:
        """Count the time inside the ``with`` block for the stage *name*, and not for the stage around it."""
        self._count()
        self._stack.append(name)
        return self

    def __enter__(self) -> None:
        """Do nothing; ``stage`` began it."""

    def __exit__(self, *_: object) -> None:
        """End the innermost stage."""
        self._count()
        self._stack.pop()

    def take(self) -> Mapping[str, float]:
        """Return the seconds of each stage since the last call."""
        self._count()
        spent, self._spent = self._spent, {}
        return spent

    def _count(self) -> None:
        """Give the time since the last change of stages to the stage that is under way."""
        now = self._clock()
        if self._stack:
            name = self._stack[-1]
            self._spent[name] = self._spent.get(name, 0.0) + now - self._since
        self._since = now
