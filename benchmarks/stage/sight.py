"""What a watch shows, and when: every state of the objects of one kind in one namespace."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from headgate.api import Kind
from headgate.k8s import Client
from headgate.k8s.lines import Lines

Object = dict[str, Any]
PATIENCE_S = 120.0
WATCH_S = 3600
"""A watch ends by itself after this; no benchmark takes so long."""


class Sight:
    """The states seen so far, each with the time of its arrival in seconds since 1970."""

    def __init__(self) -> None:
        """Begin with nothing seen."""
        self._states: list[tuple[float, Object]] = []
        self._news = asyncio.Condition()

    async def first(self, wanted: Callable[[Object], bool]) -> float:
        """Wait for the first state that is *wanted*, be it seen already, and return when it arrived."""
        looked_at = 0
        async with asyncio.timeout(PATIENCE_S), self._news:
            while True:
                for at, state in self._states[looked_at:]:
                    if wanted(state):
                        return at
                looked_at = len(self._states)
                await self._news.wait()

    async def follow(self, client: Client, path: str) -> None:
        """Watch until cancelled."""
        lines = Lines()
        params = {"watch": "true", "resourceVersion": "0", "timeoutSeconds": str(WATCH_S)}
        async for piece in client.stream(path, params, seconds=WATCH_S):
            now = time.time()
            async with self._news:
                self._states += [(now, _state(line)) for line in lines.feed(piece)]
                self._news.notify_all()


@asynccontextmanager
async def watching(client: Client, kind: Kind, namespace: str) -> AsyncIterator[Sight]:
    """Watch the objects of *kind* in *namespace* while the block runs."""
    sight = Sight()
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(sight.follow(client, kind.path(namespace)))
        yield sight
        task.cancel()


def _state(line: bytes) -> Object:
    event = json.loads(line)
    if event["type"] == "ERROR":
        raise RuntimeError(f"the watch failed: {event['object']}")
    state: Object = event["object"]
    return state
