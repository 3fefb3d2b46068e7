"""Waiting for what another process does: poll a condition, with a deadline."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")

PAUSE = 0.05


async def eventually(ask: Callable[[], Awaitable[T]], wanted: Callable[[T], object] = bool, seconds: float = 20) -> T:
    """Ask until the answer is *wanted* and return it; fail with the last answer after *seconds*."""
    deadline = time.monotonic() + seconds
    while not wanted(answer := await ask()):
        assert time.monotonic() < deadline, f"not within {seconds} s; the last answer was {answer!r}"
        await asyncio.sleep(PAUSE)
    return answer
