"""A door before the API server that notes what is asked and what is refused."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import NamedTuple

import aiohttp
from aiohttp import web

from headgate.k8s import tls
from headgate.k8s.config import ClusterConfig

PATH = re.compile(
    r"/(?:api|apis/(?P<group>[^/]+))/v\d+(?:/namespaces/(?P<namespace>[^/]+)(?=/))?"
    r"/(?P<plural>[a-z]+)(?:/(?P<name>[^/]+))?(?:/(?P<subresource>[a-z]+))?"
)
"""https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-uris"""

VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
HOP = {"connection", "transfer-encoding", "content-length", "content-encoding", "host"}
"""Headers that belong to one connection, or that are written anew."""


class ApiRequest(NamedTuple):
    """A request, as RBAC sees it; *name* is also the one that a field selector limits a list to."""

    verb: str
    group: str
    resource: str
    namespace: str = ""
    name: str = ""


def asked(request: web.BaseRequest) -> ApiRequest:
    """Read a request as the API server's authorizer does."""
    found = PATH.fullmatch(request.path)
    assert found, request.path
    parts = {key: text or "" for key, text in found.groupdict().items()}
    resource = f"{parts['plural']}/{parts['subresource']}" if parts["subresource"] else parts["plural"]
    name = parts["name"] or dict([request.query.get("fieldSelector", "=").split("=", 1)]).get("metadata.name", "")
    reading = "watch" if "watch" in request.query else "get" if parts["name"] else "list"
    return ApiRequest(VERBS.get(request.method, reading), parts["group"], resource, parts["namespace"], name)


class RecordingProxy:
    """Passes requests on as they are, with the credentials they bring."""

    def __init__(self, config: ClusterConfig) -> None:
        self._server = config.server
        self._context = tls.context(config, b"", b"") if config.server.startswith("https:") else True
        self._name = config.tls_server_name or None
        self.url = ""
        self.asked: set[ApiRequest] = set()
        self.refused: set[ApiRequest] = set()

    async def _pass(self, request: web.BaseRequest) -> web.StreamResponse:
        what = asked(request)
        headers = {name: text for name, text in request.headers.items() if name.lower() not in HOP}
        async with self._session.request(
            request.method, f"{self._server}{request.path_qs}", headers=headers, data=await request.read(),
            ssl=self._context, server_hostname=self._name,
        ) as found:  # fmt: skip
            (self.refused if found.status == HTTPStatus.FORBIDDEN else self.asked).add(what)
            answer = web.StreamResponse(status=found.status)
            answer.headers.update({key: text for key, text in found.headers.items() if key.lower() not in HOP})
            await answer.prepare(request)
            async for piece in found.content.iter_any():
                await answer.write(piece)
            return answer

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[RecordingProxy]:
        """Listen on loopback while the block runs."""
        timeout = aiohttp.ClientTimeout(total=None)
        async with aiohttp.ClientSession(timeout=timeout, connector=aiohttp.TCPConnector(limit=0)) as self._session:
            runner = web.ServerRunner(web.Server(self._pass), shutdown_timeout=0.5)
            await runner.setup()
            try:
                await web.TCPSite(runner, "127.0.0.1", 0).start()
                self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
                yield self
            finally:
                await runner.cleanup()
                await asyncio.sleep(0)
