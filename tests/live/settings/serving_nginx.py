"""One nginx with a configuration of Headgate's, clients before it and backends behind it, all in one event loop.

``served`` renders the objects of a folder as ``headgate render`` does and starts a real nginx with the outcome.
"""

from __future__ import annotations

import asyncio
import copy
import json
import os
import ssl
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import pytest
import yaml
from multidict import CIMultiDictProxy
from showcase.ports import free_port, free_ports
from yarl import URL

from headgate.ir import Layout
from headgate.nginx.capabilities import embedded
from headgate.offline import generate_folder
from tests.directories import short_directory
from tests.live.json_objects import Json, endpoints, ingress_class, service
from tests.live.settings.backends import LOOPBACK, Backend
from tests.live.settings.hosts import CHOSEN_PORT
from tests.nginx_binaries import BINARIES, capabilities, prepare
from tests.simulated_cluster import flags
from tests.waiting import DEADLINE_S, eventually

WHEEL = embedded() or next(iter(BINARIES.values()), "")
"""The nginx of tests whose settings every build knows alike."""
SERVICE = "kubernetes.io/service-name"


class Answer(NamedTuple):
    """What a client was answered."""

    status: int
    headers: CIMultiDictProxy[str]
    text: str


class Client:
    """A client that keeps one connection as long as nginx does."""

    def __init__(self, session: aiohttp.ClientSession, ports: Mapping[bool, int]) -> None:
        """Ask through *session* at *ports* (TLS → port)."""
        self._session, self._ports = session, ports

    async def get(
        self, host: str, path: str = "/", *, tls: bool | ssl.SSLContext = False, port: int = 0, **request: Any
    ) -> Answer:
        """Ask *host* for *path*, which is sent byte for byte.

        Args:
            tls: whether to use TLS, or with which settings; the certificate is not verified.
            port: where to ask, if not at the usual port of http or https.
            request: ``method`` and what else aiohttp knows: ``headers``, ``data``, …
        """
        url = URL(f"{'https' if tls else 'http'}://{LOOPBACK}:{port or self._ports[bool(tls)]}{path}", encoded=True)
        headers = {"Host": host, **request.pop("headers", {})}
        secure = {"ssl": trusting_context() if tls is True else tls, "server_hostname": host} if tls else {}
        asked = self._session.request(
            request.pop("method", "GET"), url, headers=headers, allow_redirects=False, **secure, **request
        )
        async with asked as response:
            return Answer(response.status, response.headers, await response.text("utf-8", "replace"))


class ServingNginx:
    """What a test can see and touch of nginx, its clients and its backends."""

    def __init__(self, directory: Path, backends: Mapping[str, Backend], problems: Sequence[str]) -> None:
        """Serve below *folder*."""
        self.layout = Layout.under(str(directory / "p"))
        self.problems = problems
        self.http, self.https, self.status = free_ports(3)
        self._folder, self._backends = directory, backends
        self._process: asyncio.subprocess.Process | None = None

    # --- before nginx ---------------------------------------------------------------------------------

    async def get(self, host: str, path: str = "/", **request: Any) -> Answer:
        """Ask over a connection of its own (see ``Client.get``); ``client`` is the address to ask from."""
        async with self.client(request.pop("client", LOOPBACK)) as client:
            return await client.get(host, path, **request)

    @asynccontextmanager
    async def client(self, address: str = LOOPBACK) -> AsyncIterator[Client]:
        """A client at *address* of this machine that keeps its connection."""
        connector = aiohttp.TCPConnector(limit=1, local_addr=(address, 0))
        jar, patience = aiohttp.DummyCookieJar(), aiohttp.ClientTimeout(DEADLINE_S)
        usual = {"User-Agent", "Accept", "Accept-Encoding"}
        async with aiohttp.ClientSession(
            connector=connector, cookie_jar=jar, timeout=patience, skip_auto_headers=usual, auto_decompress=False,
            max_line_size=2**20, max_field_size=2**20,
        ) as session:  # fmt: skip
            yield Client(session, {False: self.http, True: self.https})

    async def send(self, data: bytes, port: int = 0) -> bytes:
        """Send bytes to the plain port, and return all that comes back until nginx closes the connection."""
        async with asyncio.timeout(DEADLINE_S):
            reader, writer = await asyncio.open_connection(LOOPBACK, port or self.http)
            try:
                writer.write(data)
                return await reader.read()
            finally:
                writer.close()

    async def handshake(self, host: str, context: ssl.SSLContext | None = None, port: int = 0) -> ssl.SSLObject:
        """Shake hands as a client of *host*, and return what was agreed (SSLError if nothing was)."""
        _, writer = await asyncio.open_connection(
            LOOPBACK, port or self.https, ssl=context or trusting_context(), server_hostname=host
        )
        agreed: ssl.SSLObject = writer.get_extra_info("ssl_object")
        writer.transport.abort()
        return agreed

    async def certificate(self, host: str) -> bytes:
        """Return the certificate (DER) that clients of *host* are shown."""
        return (await self.handshake(host)).getpeercert(binary_form=True) or b""

    # --- behind and inside ----------------------------------------------------------------------------

    def backend(self, name: str) -> Backend:
        """Return the backend of the Service *name*."""
        return self._backends[name]

    def access_log(self) -> list[str]:
        """Return what nginx wrote to its standard output."""
        return (self._folder / "access").read_text().splitlines()

    def error_log(self) -> list[str]:
        """Return what nginx wrote to its standard error."""
        return (self._folder / "error").read_text().splitlines()

    async def logged(self, text: str, *, errors: bool = False) -> str:
        """Wait for the first line of a log that holds *text*; nginx writes it after the answer."""
        lines = self.error_log if errors else self.access_log
        return await eventually(lambda: next((line for line in lines() if text in line), ""))

    @property
    def pid(self) -> int:
        """The master of nginx."""
        assert self._process
        return self._process.pid

    def workers(self) -> list[int]:
        """Return the processes that serve (Linux)."""
        return [int(pid) for pid in Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()]

    @asynccontextmanager
    async def _nginx(self, binary: str) -> AsyncIterator[None]:
        """Run nginx until the end; workers are of the user that the tests are of, whose files they read."""
        user = " user root;" if os.geteuid() == 0 else ""
        command = (binary, "-e", "stderr", "-p", self.layout.conf, "-c", self.layout.main, "-g", f"daemon off;{user}")
        with (self._folder / "access").open("ab") as out, (self._folder / "error").open("ab") as errors:
            self._process = await asyncio.create_subprocess_exec(*command, stdout=out, stderr=errors)
        try:
            await eventually(self._is_up)
            yield
        finally:
            if self._process.returncode is None:
                self._process.terminate()
            await self._process.wait()

    def _is_up(self) -> bool:
        assert self._process
        assert self._process.returncode is None, "\n".join(self.error_log())
        return Path(self.layout.pid).is_file()


@asynccontextmanager
async def served(
    objects: str | Iterable[Json],
    *options: str,
    binary: str = WHEEL,
    problems: Iterable[str] = (),
    backends: Iterable[Backend] = (),
) -> AsyncIterator[ServingNginx]:
    """Serve *objects* (YAML, or as they come from it) with the flags *options*.

    What is not among them is added: the class ``nginx``; for each Service that an Ingress names, the Service and
    a slice on 127.0.0.1. A slice with the port ``CHOSEN`` gets a backend on its addresses. A ConfigMap of
    ``json_objects.config_map`` is the one of ``-nginx-configmaps``.

    Args:
        problems: texts, each of which some Problem must hold, and every Problem one of them.
        backends: further ones, whose ports *objects* name.
    """
    if not binary:
        pytest.skip("no nginx here")
    given = [item for item in yaml.safe_load_all(objects) if item] if isinstance(objects, str) else list(objects)
    every = [*copy.deepcopy(given), *_missing(given)]
    with short_directory() as directory:
        running = {backend.name: backend for backend in (*map(_backend, every), *backends) if backend}
        (directory / "in.json").write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": every}))
        nginx = ServingNginx(directory, running, [])
        nginx.problems = _render(nginx, _flags(directory, every, nginx, options), binary)
        _expect(nginx.problems, tuple(problems))
        async with AsyncExitStack() as stack:
            for backend in running.values():
                await stack.enter_async_context(backend.running())
            await stack.enter_async_context(nginx._nginx(binary))
            yield nginx


def trusting_context() -> ssl.SSLContext:
    """Return a client's context that takes any certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def _missing(given: Sequence[Json]) -> list[Json]:
    """Return what the objects name and do not hold."""
    there = {(item["kind"], item["metadata"]["name"]) for item in given}
    external = {item["metadata"]["name"] for item in given if "externalName" in item.get("spec", {})}
    sliced = {item["metadata"]["labels"][SERVICE] for item in given if item["kind"] == "EndpointSlice"}
    named = {name for item in given if item["kind"] == "Ingress" for name in _services(item["spec"])}
    return [
        *([] if ("IngressClass", "nginx") in there else [ingress_class()]),
        *(service(name) for name in sorted(named) if ("Service", name) not in there),
        *(endpoints(name, LOOPBACK, port=CHOSEN_PORT) for name in sorted(named - sliced - external)),
    ]


def _services(spec: Json) -> Iterable[str]:
    backends = [path["backend"] for rule in spec.get("rules", ()) for path in rule.get("http", {}).get("paths", ())]
    backends += [spec["defaultBackend"]] if "defaultBackend" in spec else []
    return [backend["service"]["name"] for backend in backends]


def _backend(item: Json) -> Backend | None:
    """Make the backend of a slice whose port is to be chosen, and write the port into it."""
    if item["kind"] != "EndpointSlice" or item["ports"][0]["port"] != CHOSEN_PORT:
        return None
    port = item["ports"][0]["port"] = free_port()
    addresses = [address for endpoint in item["endpoints"] for address in endpoint["addresses"]]
    return Backend(item["metadata"]["labels"][SERVICE], port, *addresses)


def _flags(directory: Path, objects: Sequence[Json], nginx: ServingNginx, options: Sequence[str]) -> list[str]:
    maps = [item["metadata"] for item in objects if item["kind"] == "ConfigMap"]
    return [
        f"--manifests={directory}", f"--prefix={directory / 'p'}", "-disable-ipv6",
        f"-default-http-listener-port={nginx.http}", f"-default-https-listener-port={nginx.https}",
        f"-nginx-status-port={nginx.status}",
        *(f"-nginx-configmaps={named['namespace']}/{named['name']}" for named in maps[:1]), *options,
    ]  # fmt: skip


def _render(nginx: ServingNginx, argv: Sequence[str], binary: str) -> list[str]:
    """Write the files of nginx; return the Problems."""
    prepare(nginx.layout)
    outcome = generate_folder(flags(argv), nginx.layout, capabilities(binary))
    outcome.write(Path(nginx.layout.conf))
    if outcome.live:
        Path(nginx.layout.live_state).write_bytes(outcome.live.data)
    return [str(problem) for _, problem in outcome.problems]


def _expect(found: Sequence[str], told: Sequence[str]) -> None:
    unexpected = [problem for problem in found if not any(text in problem for text in told)]
    missing = [text for text in told if not any(text in problem for problem in found)]
    assert not unexpected, unexpected
    assert not missing, missing
