"""The in-memory API server on a thread of its own, for tests that wait for another process."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self, TypeVar

from showcase.ports import free_port

from tests.k8s.apiserver import ApiServer
from tests.waiting import DEADLINE_S

T = TypeVar("T")
Json = dict[str, Any]


def identity_of(item: Json) -> tuple[str, str]:
    return item["metadata"].get("namespace", ""), item["metadata"]["name"]


class ScriptedCluster:
    """What a test does to a cluster, and sees of it; a context manager."""

    def __init__(self, directory: Path) -> None:
        self.server = ApiServer(port=free_port())
        self.kubeconfig = directory / "kubeconfig"
        self.token = directory / "token"
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self.run(self.server.__aenter__())
        self.token.write_text("first")
        user = {"tokenFile": str(self.token)}
        config = {
            "clusters": [{"name": "c", "cluster": {"server": self.server.url}}],
            "users": [{"name": "u", "user": user}],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
            "current-context": "x",
        }
        self.kubeconfig.write_text(json.dumps(config))
        return self

    def __exit__(self, *_: object) -> None:
        self.run(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run *work* on the server's loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(DEADLINE_S)

    async def _close(self) -> None:
        await self.server.__aexit__()
        for _ in range(10):  # transports close their sockets in a later round of the loop
            await asyncio.sleep(0)

    def do(self, action: Callable[[ApiServer], T]) -> T:
        """Let *action* change or ask the server, in its thread."""

        async def work() -> T:
            return action(self.server)

        return self.run(work())

    def put(self, *items: Json) -> None:
        """Create or replace objects; as with kubectl, a status that is not given stays."""

        def put(server: ApiServer) -> None:
            for item in items:
                old = next((one for one in server.all(item["kind"]) if identity_of(one) == identity_of(item)), {})
                server.put({**{key: old[key] for key in ("status",) if key in old}, **item})

        self.do(put)

    @contextmanager
    def down(self) -> Iterator[None]:
        """The server does not listen; what is stored stays, and changes all the same."""
        self.run(self._close())
        try:
            yield
        finally:
            self.run(self.server.__aenter__())

    def delete(self, kind: str, name: str, namespace: str = "default") -> None:
        self.do(lambda server: server.delete(kind, namespace, name))

    def events(self, name: str, kind: str = "Ingress") -> list[Json]:
        """Return the Events about the object *name*, oldest first."""
        found = self.do(lambda server: server.all("Event"))
        return [
            event
            for event in found
            if (event["involvedObject"]["kind"], event["involvedObject"]["name"]) == (kind, name)
        ]

    def reasons(self, name: str, kind: str = "Ingress") -> list[str]:
        return [event["reason"] for event in self.events(name, kind)]

    def messages(self, name: str, kind: str = "Ingress") -> list[str]:
        return [event["message"] for event in self.events(name, kind)]

    def addresses(self, name: str, namespace: str = "default") -> list[Json] | None:
        """Return what an Ingress shows as its load balancer, None if nobody ever wrote that."""
        item = self.do(lambda server: server.get("Ingress", namespace, name))
        status = item.get("status") or {}
        return (status.get("loadBalancer") or {}).get("ingress") or ([] if "loadBalancer" in status else None)

    def asked(self, method: str, plural: str, **query: str) -> int:
        return self.do(lambda server: server.count(method, plural, **query))
