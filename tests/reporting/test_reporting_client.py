"""Events and statuses through the real client, to an HTTP server that answers as an API server does."""

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from aiohttp import web

from headgate.api.core import LoadBalancerIngress
from headgate.api.networking import Ingress
from headgate.k8s.client import Client
from headgate.k8s.config import ClusterConfig
from headgate.reporting.events import EventRecorder, Limits
from headgate.reporting.http import HttpPort, serving
from headgate.reporting.status import Pace, StatusWriter
from headgate.reporting.status_forms import ingress_status
from headgate.reporting.verdicts import Subject, for_ingress
from tests.background import in_background
from tests.waiting import eventually

CAFE = Subject(Ingress.KIND.ref("shop", "cafe"), "uid-1", "networking.k8s.io/v1")
INGRESS = "/apis/networking.k8s.io/v1/namespaces/shop/ingresses/cafe"
EVENTS = "/api/v1/namespaces/shop/events"


def failure(status: int, reason: str) -> web.Response:
    return web.json_response({"kind": "Status", "code": status, "reason": reason, "message": "no"}, status=status)


class Server:
    """One Ingress and its Events; the first write of its status meets a conflict."""

    def __init__(self) -> None:
        self.ingress: dict[str, Any] = {"metadata": {"name": "cafe", "namespace": "shop", "resourceVersion": "1"}}
        self.events: dict[str, dict[str, Any]] = {}
        self.conflicts = 1
        self.app = web.Application()
        self.app.router.add_get(INGRESS, self.get)
        self.app.router.add_put(f"{INGRESS}/status", self.put)
        self.app.router.add_post(EVENTS, self.post)
        self.app.router.add_patch(EVENTS + "/{name}", self.patch)

    async def get(self, _: web.Request) -> web.Response:
        return web.json_response(self.ingress)

    async def put(self, request: web.Request) -> web.Response:
        if self.conflicts:
            self.conflicts -= 1
            self.ingress["metadata"]["resourceVersion"] = "2"
        body = await request.json()
        if body["metadata"]["resourceVersion"] != self.ingress["metadata"]["resourceVersion"]:
            return failure(409, "Conflict")
        self.ingress = body
        return web.json_response(body)

    async def post(self, request: web.Request) -> web.Response:
        body = await request.json()
        self.events[body["metadata"]["name"]] = body
        return web.json_response(body, status=201)

    async def patch(self, request: web.Request) -> web.Response:
        found = self.events.get(request.match_info["name"])
        if found is None:
            return failure(404, "NotFound")
        found.update(await request.json())
        return web.json_response(found)


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
async def client(server: Server) -> AsyncIterator[Client]:
    async with (
        serving(server.app, HttpPort(0, "-none", "127.0.0.1")) as port,
        Client(ClusterConfig(server=f"http://127.0.0.1:{port}")) as client,
    ):
        yield client


async def test_events(server: Server, client: Client) -> None:
    recorder = EventRecorder(client, limits=Limits(retry=0.001))
    async with in_background(recorder.run()):
        recorder.record(for_ingress(CAFE))
        await eventually(lambda: server.events)
        recorder.record(for_ingress(CAFE))
        await eventually(lambda: [event["count"] for event in server.events.values()] == [2])
        server.events.clear()
        recorder.record(for_ingress(CAFE))
        await eventually(lambda: [event["count"] for event in server.events.values()] == [1])


async def test_a_status_after_a_conflict(server: Server, client: Client) -> None:
    writer = StatusWriter(
        client,
        lambda _: msgspec.convert(server.ingress, Ingress),
        {Ingress.KIND: ingress_status},
        pace=Pace(retry=0.001),
    )
    writer.lead()
    writer.set_addresses((LoadBalancerIngress(ip="203.0.113.7"),))
    async with in_background(writer.run()):
        writer.report(for_ingress(CAFE))
        await eventually(lambda: server.ingress.get("status"))
    assert server.ingress["status"] == {"loadBalancer": {"ingress": [{"ip": "203.0.113.7"}]}}
    assert server.conflicts == 0
