"""Listeners of a GlobalConfiguration that change while clients ask, on two replicas."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from tests.e2e.cluster import KINDS
from tests.e2e.node.installation import NAME, Installation
from tests.e2e.node.load import load
from tests.e2e.objects import Object
from tests.e2e.test_custom_resources import define, virtual_server
from tests.waiting import eventually

HOST = "shop.test"
TCP = {"name": "tcp", "port": 9000, "protocol": "TCP"}
EXTRA = {"name": "extra", "port": 9080, "protocol": "HTTP"}
PORTS = {"tcp": 9000, "moved": 9001, "extra": 9080}


def custom(installation: Installation, kind: str, name: str, **spec: Any) -> Object:
    meta = {"name": name, "namespace": installation.namespace}
    return {"apiVersion": KINDS[kind].api_version, "kind": kind, "metadata": meta, "spec": spec}


def listeners(installation: Installation, *found: Object) -> Object:
    return custom(installation, "GlobalConfiguration", "listeners", listeners=list(found))


def stream(installation: Installation) -> Object:
    return custom(
        installation,
        "TransportServer",
        "echo",
        ingressClassName=installation.namespace,
        listener={"name": "tcp", "protocol": "TCP"},
        upstreams=[{"name": "echo", "service": "echo", "port": 80}],
        action={"pass": "echo"},
    )


async def prepared(installation: Installation) -> Installation:
    """Two replicas behind a Service with the ports of the listeners, a VirtualServer, and a TransportServer."""
    await define(installation.cluster)
    service = installation.service()
    service["spec"]["ports"] += [{"name": name, "port": port, "targetPort": port} for name, port in PORTS.items()]
    await installation.cluster.apply(
        listeners(installation, TCP), stream(installation), virtual_server(installation.env, "shop")
    )
    await installation.install(f"-global-configuration={installation.namespace}/listeners", replicas=2)
    await installation.cluster.apply(service)
    await installation.find_ports(NAME)
    await installation.add_backend(replicas=2)
    await installation.serves(HOST)
    return installation


async def answers_of(installation: Installation, port: str, host: str = HOST) -> set[int]:
    """Statuses of ten requests to the node port *port*, which reach both replicas; 0 where nobody answers."""

    async def ask() -> int:
        try:
            reader, writer = await asyncio.open_connection(installation.node, installation.ports[port])
            writer.write(f"GET / HTTP/1.0\r\nHost: {host}\r\n\r\n".encode())
            answer = await asyncio.wait_for(reader.read(), 5)
            writer.close()
        except (OSError, TimeoutError):
            return 0
        return int(answer.split(b" ", 2)[1]) if answer else 0

    return set(await asyncio.gather(*(ask() for _ in range(10))))


async def served_at(installation: Installation, port: str, expected: Sequence[int] = (200,)) -> None:
    await eventually(lambda: answers_of(installation, port), lambda found: found == set(expected))


async def test_listeners_move_come_and_go_under_traffic(installation: Installation) -> None:
    await prepared(installation)
    apply = installation.cluster.apply
    async with load(installation.plan(HOST, methods=("GET", "POST"))) as traffic:
        await served_at(installation, "tcp")
        await apply(listeners(installation, {**TCP, "port": PORTS["moved"]}, EXTRA))
        await served_at(installation, "moved")
        await served_at(installation, "tcp", (0,))
        listener = {"http": "extra"}
        await apply(virtual_server(installation.env, "more", listener=listener, host="more.test"))
        await eventually(lambda: answers_of(installation, "extra", "more.test"), lambda found: found == {200})
        await apply(listeners(installation, TCP))
        await served_at(installation, "tcp")
        await eventually(lambda: answers_of(installation, "extra", "more.test"), lambda found: found == {0})
        await installation.cluster.delete("GlobalConfiguration", installation.namespace, "listeners")
        await served_at(installation, "tcp", (0,))
        await traffic.more()
    assert traffic.failures() == []

    async def state() -> str:
        found = await installation.cluster.get("TransportServer", installation.namespace, "echo")
        return str(found.get("status", {}).get("state"))

    await eventually(state, lambda found: found == "Warning")
