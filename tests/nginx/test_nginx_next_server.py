"""Which servers a request is passed to, one after the other: the same with pushed servers and with those in files."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from headgate.ir import File
from headgate.nginx import Binary, probe
from tests.nginx.live_plane import BLOCK, COFFEE, MILK, TEA, Plane, upstream
from tests.nginx.nginx_under_test import FileManager, NginxUnderTest, origin
from tests.nginx_binaries import LUA

ALL = [TEA, COFFEE, MILK]
SLOW_S = 0.3
LOCATIONS = {
    "closes": "",
    "closes-two": "proxy_next_upstream_tries 2;",
    "closes-off": "proxy_next_upstream off;",
    "closes-post": "proxy_next_upstream error non_idempotent;",
    "slow": "proxy_next_upstream_timeout 100ms;",
    "503": "proxy_next_upstream http_503;",
    "503-error": "proxy_next_upstream error;",
    "503-two": "proxy_next_upstream http_503; proxy_next_upstream_tries 2;",
    "404-other": "proxy_next_upstream http_503;",
    "once": "proxy_next_upstream http_503;",
    "old": "proxy_http_version 1.0; proxy_next_upstream http_503;",
    "new": "proxy_http_version 1.1; proxy_next_upstream http_503;",
}


class Servers:
    """A server on every loopback address, which does what the path says, and notes who was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []
        """Addresses, and the version of HTTP."""
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            _, path, version = head.splitlines()[0].split()
            self.asked.append((writer.get_extra_info("sockname")[0], version))
            if path.startswith("/slow"):
                await asyncio.sleep(SLOW_S)
            status = "200 OK"
            if path.startswith(("/503", "/404")):
                status = f"{path[1:4]} Sorry"
            elif path in {"/once", "/old", "/new"} and len(self.asked) == 1:
                status = "503 Sorry"
            if not path.startswith(("/closes", "/slow")):
                writer.write(f"HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: 4\r\n\r\nfrom".encode())
        writer.close()


class Run:
    """nginx with one upstream of three servers, in files or pushed."""

    def __init__(self, nginx: NginxUnderTest, servers: Servers) -> None:
        self.nginx, self.servers = nginx, servers

    async def asked(self, path: str, method: str = "GET") -> tuple[int, list[str], set[str]]:
        """Return the status, the addresses in order, and the versions."""
        self.servers.asked.clear()
        reader, writer = await asyncio.open_connection("127.0.0.1", self.nginx.port)
        writer.write(f"{method} /{path} HTTP/1.0\r\nHost: any\r\nContent-Length: 0\r\n\r\n".encode())
        status = int((await reader.read()).split()[1])
        writer.close()
        return status, [address for address, _ in self.servers.asked], {version for _, version in self.servers.asked}


def server(nginx: NginxUnderTest, servers: Servers, plane: str) -> File:
    lines = "".join(f"server {address}:{servers.port} max_fails=0; " for address in ALL)
    block = BLOCK.format(name="tea") if plane == "live" else f"upstream tea {{ {lines} }}"
    locations = "\n".join(
        f"location = /{name} {{ proxy_set_header Connection ''; {text} proxy_pass http://tea; }}"
        for name, text in LOCATIONS.items()
    )
    text = f"{block}\nserver {{ listen 127.0.0.1:{nginx.port} default_server;\n{locations}\n}}\n"
    claims = frozenset({"upstream tea", "server any"})
    return File("conf.d/default-shop.conf", text.encode(), origin=origin("shop"), claims=claims)


@pytest.fixture
async def binary() -> Binary:
    if not LUA:
        pytest.skip("no nginx with Lua (tools/lua_nginx.sh)")
    return await probe(LUA)


@pytest.fixture(params=["files", "live"])
async def run(
    request: pytest.FixtureRequest, nginx: NginxUnderTest, binary: Binary, manager: FileManager
) -> AsyncIterator[Run]:
    servers = Servers()
    listener = await asyncio.start_server(servers.serve, "0.0.0.0", 0)
    servers.port = listener.sockets[0].getsockname()[1]
    live = {"tea": upstream(servers.port, *ALL, max_fails=0)} if request.param == "live" else None
    release = Plane(nginx, binary, workers=1).release(live, server(nginx, servers, request.param))
    assert (await manager.start(release)).ok
    yield Run(nginx, servers)
    listener.close()


ASKED = {
    "closes": (502, 3),
    "closes-two": (502, 2),
    "closes-off": (502, 1),
    "503": (503, 3),
    "503-error": (503, 1),
    "503-two": (503, 2),
    "404-other": (404, 1),
    "once": (200, 2),
    "slow": (502, 1),
}
"""The status that the client gets, and how many servers are asked."""


async def test_each_server_is_asked_once_as_long_as_conditions_tries_and_time_allow(run: Run) -> None:
    for _ in range(3):
        found = {path: await run.asked(path) for path in ASKED}
        assert {path: (status, len(addresses)) for path, (status, addresses, _) in found.items()} == ASKED
        assert all(len(set(addresses)) == len(addresses) for _, addresses, _ in found.values()), found
    for path, count in (("closes", 1), ("closes-post", 3)):
        status, addresses, _ = await run.asked(path, "POST")
        assert (status, len(addresses), len(set(addresses))) == (502, count, count), "it may have changed something"
    for path, version in (("old", "HTTP/1.0"), ("new", "HTTP/1.1")):
        status, addresses, versions = await run.asked(path)
        assert (status, len(set(addresses)), versions) == (200, 2, {version}), "the version of the location"
