"""Pods that answer, from the same image as Headgate's: it has a Python with an HTTP server in it."""

from __future__ import annotations

from tests.e2e.objects import Object

PORT = 8080
SERVER = """
import asyncio, os, signal, sys
from aiohttp import web

name, grace = os.environ["POD_NAME"], float(sys.argv[1])

async def answer(request):
    await asyncio.sleep(float(request.query.get("wait", 0)))
    return web.Response(text=name + " " + request.method + " " + request.path, headers={"X-Pod": name})

async def main():
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, None, 8080).start()
    told = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, told.set)
    await told.wait()
    if grace < 0:
        os._exit(1)
    # A good neighbour answers on while the word spreads that it leaves.
    await asyncio.sleep(grace)
    await runner.cleanup()

asyncio.run(main())
"""
"""Answers ``POD METHOD PATH``, after ``?wait=`` seconds; goes on for a time of grace after SIGTERM."""
AT_ONCE = -1
"""The grace of a backend that drops everything at SIGTERM."""

POD_NAME = {"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}
RESTRICTED = {
    "allowPrivilegeEscalation": False,
    "runAsNonRoot": True,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}


def backend(  # noqa: PLR0913 - what a backend of these tests can be
    namespace: str, name: str, image: str, *, replicas: int = 1, grace: float = 3, revision: str = "1"
) -> list[Object]:
    """A Deployment and a Service called *name*; *grace* in seconds; a new *revision* rolls the Pods over."""
    labels = {"app": name}
    container = {
        "name": "server",
        "image": image,
        "command": ["python3", "-c", SERVER, str(grace)],
        "env": [POD_NAME],
        "ports": [{"containerPort": PORT}],
        "readinessProbe": {"tcpSocket": {"port": PORT}, "periodSeconds": 1},
        "securityContext": RESTRICTED,
    }
    template = {
        "metadata": {"labels": labels, "annotations": {"headgate.test/revision": revision}},
        "spec": {
            "containers": [container],
            "terminationGracePeriodSeconds": max(int(grace), 0) + 5,
            "automountServiceAccountToken": False,
        },
    }
    meta = {"namespace": namespace, "name": name}
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": meta,
        "spec": {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template},
    }
    ports = [{"name": "http", "port": 80, "targetPort": PORT}]
    service = {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": {"selector": labels, "ports": ports}}
    return [deployment, service]
