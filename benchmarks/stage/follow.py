"""A Service whose only Pod is replaced repeatedly, reached through Headgate and directly."""

from __future__ import annotations

import asyncio
import contextlib
import time

import msgspec

from tests.e2e.cluster import Cluster
from tests.e2e.node.backend import backend
from tests.e2e.node.installation import NAME, Installation
from tests.e2e.objects import ingress

from . import pods
from .watch import PATIENCE_S, Object, WatchedStates

SERVICE = "follow"
HOST = f"{SERVICE}.test"
PAUSE_S = 0.005
ANSWER_S = 1.0


class Followed(msgspec.Struct, frozen=True):
    """When a new Pod was reached, in seconds since 1970 by the clock of this machine.

    Attributes:
        ready: a watch showed that the Pod is Ready.
        named: a watch showed it as ready in the EndpointSlice.
        proxied: its first answer at the node port of its own Service, by kube-proxy.
        served: its first answer at the node port of Headgate.
    """

    ready: float
    named: float
    proxied: float
    served: float


class Follower:
    """The Service, its Pod, and clients that wait for it."""

    def __init__(self, installation: Installation, seen: dict[str, WatchedStates]) -> None:
        """Use *installation* and watches of its namespace by kind; nothing is created before ``prepare``."""
        self._installation = installation
        self._seen = seen
        self._ports: dict[str, int] = {}
        self._count = 0
        self._deployment, self._service = backend(installation.namespace, SERVICE, installation.image, grace=0)

    @property
    def _cluster(self) -> Cluster:
        return self._installation.cluster

    @property
    def _namespace(self) -> str:
        return self._installation.namespace

    async def prepare(self) -> None:
        """Create the Service, and read the node ports of both Services; that of Headgate must exist."""
        self._service["spec"]["type"] = "NodePort"
        await self._cluster.apply(self._service)
        for name in (SERVICE, NAME):
            found = await self._cluster.get("Service", self._namespace, name)
            self._ports[name] = found["spec"]["ports"][0]["nodePort"]

    async def run(self, changes: int) -> list[Followed]:
        """Replace the Pod *changes* times; its Ingress exists only during the measurement."""
        await self._cluster.apply(ingress(self._namespace, SERVICE, self._namespace, host=HOST, service=SERVICE))
        found = [await self._replace() for _ in range(changes)]
        await self._cluster.delete("Ingress", self._namespace, SERVICE)
        return found

    async def _replace(self) -> Followed:
        """Delete the Pod, create another, and wait for its answer at both ports."""
        if self._count:
            await pods.stop(self._cluster, self._namespace, self._name)
        self._count += 1
        name = self._name
        await pods.create(self._cluster, self._namespace, name, self._deployment)
        await self._seen["Pod"].first(lambda pod: pod["metadata"]["name"] == name and _has_address(pod))
        return Followed(
            *await asyncio.gather(
                self._seen["Pod"].first(lambda pod: pod["metadata"]["name"] == name and pods.is_ready(pod)),
                self._seen["EndpointSlice"].first(lambda item: _leads_to(item, name)),
                self._answered(self._ports[SERVICE], name),
                self._answered(self._ports[NAME], name),
            )
        )

    @property
    def _name(self) -> str:
        return f"{SERVICE}-{self._count}"

    async def _answered(self, port: int, name: str) -> float:
        """Send requests to *port*, each on a new connection, until *name* answers; return the time of its answer."""
        wanted = f"x-pod: {name}\r\n".encode()
        async with asyncio.timeout(PATIENCE_S):
            while True:
                if wanted in (await self._answer(port)).lower():
                    return time.time()
                await asyncio.sleep(PAUSE_S)

    async def _answer(self, port: int) -> bytes:
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(ANSWER_S):
                reader, writer = await asyncio.open_connection(self._installation.node, port)
                try:
                    writer.write(f"GET / HTTP/1.0\r\nHost: {HOST}\r\n\r\n".encode())
                    return await reader.read()
                finally:
                    writer.close()
        return b""


def _has_address(pod: Object) -> bool:
    return bool(pod.get("status", {}).get("podIP"))


def _leads_to(item: Object, name: str) -> bool:
    """Whether the EndpointSlice has the Pod *name*, ready."""
    return any(
        (endpoint.get("targetRef") or {}).get("name") == name and endpoint.get("conditions", {}).get("ready")
        for endpoint in item.get("endpoints") or ()
    )
