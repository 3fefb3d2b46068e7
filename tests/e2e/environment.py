"""What one test has to itself in a shared cluster."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.directories import short_directory
from tests.e2e.cluster import Cluster
from tests.e2e.objects import endpoint_slice, ingress, ingress_class, service
from tests.e2e.replica import Replica

LABEL = {"headgate.test/e2e": "true"}
"""The label of every namespace that these tests make; what a killed run left behind is found by it."""


class Environment:
    """A namespace and an ingress class, both called *name*, and the replicas that serve them."""

    def __init__(self, cluster: Cluster, name: str, root: Path) -> None:
        self.cluster = cluster
        self.name = name
        self.backend = ("", 0)
        """Address and port of the backend, once the fixture ``echo`` runs."""
        self._root = root
        self._namespaces: list[str] = []
        self._to_delete: list[tuple[str, str, str]] = [("IngressClass", "", name)]
        self.replicas: list[Replica] = []

    async def add_namespace(self, name: str, labels: dict[str, str] | None = None) -> None:
        meta = {"name": name, "labels": LABEL | (labels or {})}
        self._namespaces.append(name)
        await self.cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": meta})

    async def add_echo(self, namespace: str = "", name: str = "echo") -> None:
        """Put a Service in front of the backend."""
        where = namespace or self.name
        await self.cluster.apply(service(where, name), endpoint_slice(where, name, *self.backend))

    async def add_ingress(self, name: str, namespace: str = "", *, tls: str = "", **annotations: str) -> None:
        """Apply an Ingress of our class for ``NAME.test``; ``_`` in an annotation's name stands for ``-``."""
        notes = {f"nginx.org/{key.replace('_', '-')}": value for key, value in annotations.items()}
        await self.cluster.apply(
            ingress(namespace or self.name, name, self.name, host=f"{name}.test", tls=tls, annotations=notes)
        )

    def discard_later(self, kind: str, namespace: str, name: str) -> None:
        """Delete an object at the end that goes with no namespace."""
        self._to_delete.append((kind, namespace, name))

    def replica(self, *flags: str, name: str = "replica") -> Replica:
        """Prepare a Headgate of our class; its Pod is said to be *name*. It is stopped at the end."""
        prefix = self._root / f"{name}{len(self.replicas)}"
        prefix.mkdir()
        found = Replica(prefix, (f"-ingress-class={self.name}", *flags), {"POD_NAMESPACE": self.name, "POD_NAME": name})
        self.replicas.append(found)
        return found

    async def start(self, *flags: str, name: str = "replica") -> Replica:
        """Start a replica and wait until it serves."""
        found = self.replica(*flags, name=name)
        await found.start()
        return found

    async def clean_up(self) -> None:
        """Stop and delete everything; namespaces are emptied by the cluster in its own time."""
        for replica in self.replicas:
            await replica.discard()
        for name in self._namespaces:
            await self.cluster.delete("Namespace", "", name)
        for kind, namespace, name in self._to_delete:
            await self.cluster.delete(kind, namespace, name)


@asynccontextmanager
async def new_environment(cluster: Cluster) -> AsyncIterator[Environment]:
    """Make a namespace and an ingress class that nobody else uses; at the end they go, with all replicas."""
    name = f"hg-e2e-{secrets.token_hex(4)}"
    with short_directory() as root:
        env = Environment(cluster, name, root)
        try:
            await env.add_namespace(name)
            await cluster.apply(ingress_class(name))
            yield env
        finally:
            await env.clean_up()
