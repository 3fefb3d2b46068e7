"""An API server in memory, with what it refuses scripted; it speaks the protocol that reporting asks for."""

import asyncio
import copy
import json
from collections.abc import Callable
from typing import Any

import msgspec

from headgate.api.base import Kind


class RefusedError(Exception):
    """The API server answered *status*; 0 if it did not answer."""

    def __init__(self, status: int) -> None:
        super().__init__(f"scripted {status}")
        if status:
            self.status = status


class InMemoryApi:
    """Objects by plural, namespace and name; each request is noted and may be refused or held."""

    failure: type[Exception] = RefusedError

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str, str], dict[str, Any]] = {}
        self.requests: list[tuple[str, str]] = []
        self.refusals: list[int] = []
        self.broken: set[str] = set()
        self.denied: set[str] = set()
        """Verbs for which there is no rule."""
        self.bugs: set[str] = set()
        """Objects at which the client itself fails."""
        self.hold: asyncio.Event | None = None
        self.in_flight = self.most_in_flight = 0

    async def create(self, kind: Kind, namespace: str, body: dict[str, Any]) -> dict[str, Any]:
        name = body["metadata"]["name"]
        await self._answer("create", name)
        assert body["metadata"]["namespace"] == namespace
        if (kind.plural, namespace, name) in self.objects:
            raise RefusedError(409)
        self.objects[kind.plural, namespace, name] = copy.deepcopy(body)
        return body

    async def patch(self, kind: Kind, namespace: str, name: str, body: dict[str, Any]) -> dict[str, Any]:
        await self._answer("patch", name)
        found = self.objects.get((kind.plural, namespace, name))
        if found is None:
            raise RefusedError(404)
        found.update(body)
        return found

    async def update_status(
        self, kind: Kind, namespace: str, name: str, change: Callable[[dict[str, Any]], dict[str, Any] | None]
    ) -> None:
        await self._answer("get", name)
        found = self.objects.get((kind.plural, namespace, name))
        if found is None:
            raise RefusedError(404)
        changed = change(copy.deepcopy(found))
        if changed is not None:
            await self._answer("put", name)
            self.objects[kind.plural, namespace, name] = {
                **found,
                "status": json.loads(msgspec.json.encode(changed["status"])),
            }

    def events(self) -> list[dict[str, Any]]:
        return [body for (plural, _, _), body in self.objects.items() if plural == "events"]

    def count(self, verb: str) -> int:
        return sum(1 for found, _ in self.requests if found == verb)

    async def _answer(self, verb: str, name: str) -> None:
        self.requests.append((verb, name))
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            await (self.hold.wait() if self.hold else asyncio.sleep(0))
        finally:
            self.in_flight -= 1
        if verb in self.denied:
            raise RefusedError(403)
        if name.partition(".")[0] in self.bugs:
            raise TypeError("a bug")
        if name in self.broken:
            raise RefusedError(500)
        if self.refusals and (status := self.refusals.pop(0)) >= 0:
            raise RefusedError(status)
