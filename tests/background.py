"""What runs beside a test in the same event loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any


@asynccontextmanager
async def in_background(coroutine: Coroutine[Any, Any, object]) -> AsyncIterator[None]:
    """Run *coroutine* while the block runs, then cancel it; the test fails if it failed, or ended before."""
    task = asyncio.ensure_future(coroutine)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])
    if not task.cancelled():
        raise AssertionError(f"ended by itself: {task.result()!r}")
