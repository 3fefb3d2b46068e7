"""A watch of one kind in one namespace: all states of its objects, each with the time of its arrival."""

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
"""Timeout of the watch; no benchmark takes so long."""


class WatchedStates:
    """The states so far, each with the time of its arrival in seconds since 1970."""

    def __init__(self) -> None:
        """Begin without states."""
        self._states: list[tuple[float, Object]] = []
        self._added = asyncio.Condition()

    async def first(self, wanted: Callable[[Object], bool]) -> float:
        """Return the time of the first state that is *wanted*; waits for it if it has not arrived yet."""
        checked = 0
        async with asyncio.timeout(PATIENCE_S), self._added:
            while True:
                for at, state in self._states[checked:]:
                    if wanted(state):
                        return at
                checked = len(self._states)
                await self._added.wait()

    async def follow(self, client: Client, path: str) -> None:
        """Watch until cancelled."""
        lines = Lines()
        params = {"watch": "true", "resourceVersion": "0", "timeoutSeconds": str(WATCH_S)}
        async for piece in client.stream(path, params, seconds=WATCH_S):
            now = time.time()
            async with self._added:
                self._states += [(now, _state(line)) for line in lines.feed(piece)]
                self._added.notify_all()


@asynccontextmanager
async def watching(client: Client, kind: Kind, namespace: str) -> AsyncIterator[WatchedStates]:
    """Watch the objects of *kind* in *namespace* while the block runs."""
    states = WatchedStates()
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(states.follow(client, kind.path(namespace)))
        yield states
        task.cancel()


def _state(line: bytes) -> Object:
    event = json.loads(line)
    if event["type"] == "ERROR":
        raise RuntimeError(f"the watch failed: {event['object']}")
    state: Object = event["object"]
    return state
