"""Waiting for what another task or process does: ask until the answer is the wanted one.

The deadline is there to end a test that fails. It is one for all, far beyond what a busy machine needs, and no test
says how long something takes: what must happen at once, or not before something else, is shown by the order of events.
"""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, overload

T = TypeVar("T")

DEADLINE_S = 90.0
"""Seconds after which a test fails that waits."""
PAUSE_S = 0.01
"""Seconds between two questions."""


def wait_until(ask: Callable[[], T], wanted: Callable[[T], object] = bool) -> T:
    """Return the first answer of *ask* that is *wanted*; fail with the last one after ``DEADLINE_S``.

    Blocks the thread: for tests without an event loop, of another process.
    """
    deadline = time.monotonic() + DEADLINE_S
    while not wanted(answer := ask()):
        _check(deadline, answer)
        time.sleep(PAUSE_S)
    return answer


@overload
async def eventually(ask: Callable[[], Awaitable[T]], wanted: Callable[[T], object] = bool) -> T: ...
@overload
async def eventually(ask: Callable[[], T], wanted: Callable[[T], object] = bool) -> T: ...
async def eventually(ask: Callable[[], Any], wanted: Callable[[Any], object] = bool) -> Any:
    """Do the same without blocking the event loop; *ask* may return something to be awaited."""
    deadline = time.monotonic() + DEADLINE_S
    while not wanted(answer := await _asked(ask)):
        _check(deadline, answer)
        await asyncio.sleep(PAUSE_S)
    return answer


async def _asked(ask: Callable[[], Any]) -> Any:
    answer = ask()
    return await answer if inspect.isawaitable(answer) else answer


def _check(deadline: float, answer: object) -> None:
    assert time.monotonic() < deadline, f"not within {DEADLINE_S:g} s; the last answer was {answer!r}"
