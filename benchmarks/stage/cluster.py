"""The API server of the tests with shops, in a process: ``python -m benchmarks.stage.cluster COUNT ADDRESS PORT``.

It prints its URL when the objects exist, and ends with its standard input.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

from . import shop

ROOT = Path(__file__).resolve().parents[2]
PATHS = {
    "ConfigMap": "/api/v1/namespaces/{}/configmaps",
    "Ingress": "/apis/networking.k8s.io/v1/namespaces/{}/ingresses",
    "EndpointSlice": "/apis/discovery.k8s.io/v1/namespaces/{}/endpointslices",
    "Secret": "/api/v1/namespaces/{}/secrets",
    "Service": "/api/v1/namespaces/{}/services",
}
MANAGED = [
    {
        "manager": "kubectl-client-side-apply",
        "operation": "Update",
        "apiVersion": "v1",
        "time": "2026-01-01T00:00:00Z",
        "fieldsType": "FieldsV1",
        "fieldsV1": {f"f:field-{i}": {".": {}, "f:inner": {}, "f:other": {}} for i in range(20)},
    }
]
"""About 1 kB that a real API server adds to every object."""


class Cluster:
    """A client of a running API server."""

    def __init__(self, url: str) -> None:
        """Use the server at *url*."""
        self.url = url

    def create(self, item: shop.Json) -> None:
        """Create an object; watches have been notified when this returns."""
        self._send("POST", self._path(item), item)

    def replace(self, item: shop.Json) -> None:
        """Replace an object."""
        self._send("PUT", f"{self._path(item)}/{item['metadata']['name']}", item)

    def kubeconfig(self, path: Path) -> Path:
        """Write a kubeconfig of this server, and return its path."""
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "bench",
            "clusters": [{"name": "bench", "cluster": {"server": self.url}}],
            "users": [{"name": "bench", "user": {"token": "bench"}}],
            "contexts": [{"name": "bench", "context": {"cluster": "bench", "user": "bench"}}],
        }
        path.write_text(json.dumps(config))
        return path

    @staticmethod
    def _path(item: shop.Json) -> str:
        return PATHS[item["kind"]].format(item["metadata"]["namespace"])

    def _send(self, method: str, path: str, item: shop.Json) -> None:
        head = {"Content-Type": "application/json"}
        request = urllib.request.Request(self.url + path, json.dumps(item).encode(), head, method=method)
        with urllib.request.urlopen(request) as answer:
            answer.read()


@contextlib.contextmanager
def running(count: int, address: str, port: int) -> Iterator[Cluster]:
    """Run an API server with *count* shops until the block ends."""
    command = [sys.executable, "-m", "benchmarks.stage.cluster", str(count), address, str(port)]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin
    assert process.stdout
    try:
        yield Cluster(process.stdout.readline().strip())
    finally:
        process.stdin.close()
        process.wait(60)  # with many objects and their watches


async def serve(count: int, address: str, port: int) -> None:
    """Serve *count* shops until standard input ends."""
    from tests.k8s.apiserver import ApiServer  # noqa: PLC0415 - only this process has the tests on its path

    async with ApiServer() as server:
        for item in shop.shops(count, address, port):
            item["metadata"]["managedFields"] = MANAGED
            server.put(item)
        print(server.url, flush=True)
        await asyncio.to_thread(sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
