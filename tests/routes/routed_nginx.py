"""Objects of Kubernetes, the Pipeline and a real nginx, with hosts that are routed at run time."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Mapping
from datetime import UTC, datetime

import msgspec
from msgspec import structs
from showcase.ports import free_ports

from headgate.api import ALL, TopLevel
from headgate.controller.environment import environment
from headgate.controller.kinds import CLAIMANTS
from headgate.ir import ApplyResult, Layout
from headgate.ir.live import LiveHost
from headgate.nginx import Binary, LocalManager, ManagerOptions
from headgate.nginx.directories import worker_user
from headgate.pipeline import Generation, Pipeline
from headgate.problems import ObjectRef
from headgate.render import Renderer
from tests.live.json_objects import Json
from tests.simulated_cluster import flags
from tests.waiting import DEADLINE_S

LOOPBACK = "127.0.0.1"
_MODELS = {(model.KIND.api_version, model.KIND.name): model for model in ALL}


class RoutedNginx:
    """What the controller does, without a cluster: objects are put, and applied."""

    def __init__(self, layout: Layout, binary: Binary, *argv: str, memory: str = "64m") -> None:
        self.http, self.https, status = free_ports(3)
        options = flags([
            "--manifests=.", "-live-routes", "-nginx-configmaps=ours/config", "-enable-snippets",
            "-allow-empty-ingress-host", f"-default-http-listener-port={self.http}", "-disable-ipv6",
            f"-default-https-listener-port={self.https}", f"-nginx-status-port={status}", *argv,
        ])  # fmt: skip
        usual = environment(options, binary.capabilities, layout, user=worker_user(layout), ipv6=False, stdout=False)
        main = structs.replace(usual.params.main, worker_processes="2")
        env = structs.replace(usual, live_memory=memory, params=structs.replace(usual.params, main=main))
        self.manager = LocalManager(
            ManagerOptions(layout=layout, binary=binary, reload_timeout_s=DEADLINE_S, min_spacing_s=0)
        )
        self._pipeline = Pipeline(CLAIMANTS, options, env, Renderer(), lambda: 0.0)
        self._pending: dict[ObjectRef, TopLevel | None] = {}
        self.generation: Generation | None = None

    def put(self, *objects: Json) -> None:
        for item in objects:
            decoded = msgspec.convert(item, _MODELS[item["apiVersion"], item["kind"]])
            self._pending[decoded.ref] = decoded

    def delete(self, *objects: Json) -> None:
        for item in objects:
            self._pending[msgspec.convert(item, _MODELS[item["apiVersion"], item["kind"]]).ref] = None

    async def apply(self, *objects: Json) -> ApplyResult:
        """Put *objects* and apply what changed, as the Controller does."""
        self.put(*objects)
        changes, self._pending = self._pending, {}
        generation = self._pipeline.advance(changes, datetime.now(UTC))
        while True:
            assert not generation.bugs, generation.bugs
            self.generation = generation
            started = self.manager.alive
            result = await (self.manager.apply if started else self.manager.start)(generation.release)
            again = self._pipeline.judge(result).again
            if again is None:
                return result
            generation = again

    @property
    def hosts(self) -> Mapping[str, LiveHost]:
        """The hosts that are routed."""
        assert self.generation
        assert self.generation.live
        return self.generation.live.hosts

    def dedicated(self) -> dict[str, str]:
        """Why each other object has server blocks."""
        assert self.generation
        found = ((ref.name, each.served) for ref, each in self.generation.resources.items())
        return {name: served.dedicated for name, served in found if served and not served.routed}

    async def get(self, host: str, path: str = "/", **more: str) -> str:
        """Status and body of the answer to *host*, on a connection of its own."""
        head, _, body = (await self.answer(host, path, **more)).partition("\r\n\r\n")
        return f"{head.split(' ')[1]} {body if head.startswith('HTTP/1.1 200') else ''}".strip()

    async def answer(self, host: str, path: str = "/", **more: str) -> str:
        """The whole answer to *host*, on a connection of its own."""
        reader, writer = await asyncio.open_connection(LOOPBACK, self.http)
        headers = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in more.items())
        try:
            writer.write(f"GET {path} HTTP/1.0\r\nHost: {host}\r\n{headers}\r\n".encode())
            return (await reader.read()).decode()
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def get_secure(self, host: str, path: str = "/") -> tuple[bytes, str]:
        """The certificate (DER) that *host* is shown, and what ``get`` returns, over TLS.

        Raises:
            SSLError: the handshake is refused.
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        reader, writer = await asyncio.open_connection(LOOPBACK, self.https, ssl=context, server_hostname=host)
        try:
            certificate = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
            writer.write(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            body = await reader.read()
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()
        status = head.split(" ")[1]
        return certificate, f"{status} {body.decode() if status == '200' else ''}".strip()
