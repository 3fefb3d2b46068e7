"""Releases whose servers are pushed, and servers on loopback addresses that answer with their own."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from typing import Any

from msgspec import structs

from headgate.ir import File, FileSet, Release
from headgate.ir.latency import SERIES
from headgate.ir.live import LiveObjects, LiveUpstream, Peer
from headgate.nginx import Binary
from headgate.nginx.directories import worker_user
from headgate.render import Renderer
from headgate.translate import Environment
from headgate.translate.main import translate_main
from tests.nginx.nginx_under_test import NginxUnderTest, origin

TEA, COFFEE, MILK = "127.0.0.2", "127.0.0.3", "127.0.0.4"
BLOCK = 'upstream {name} {{ server 0.0.0.1; balancer_by_lua_block {{ headgate.balance("{name}") }} keepalive 8; }}'


def upstream(port: int, *addresses: str, **settings: Any) -> LiveUpstream:
    return LiveUpstream(peers=tuple(Peer(address, port) for address in addresses), **settings)


class Held:
    """A server that answers nothing until it is released, and then with *text*, or closes the connection."""

    def __init__(self, text: str = "") -> None:
        self.asked, self.release = 0, asyncio.Event()
        self.answer = f"HTTP/1.0 200 OK\r\n\r\n{text}".encode() if text else b""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            self.asked += 1
            await self.release.wait()
            writer.write(self.answer)
        writer.close()


@contextlib.asynccontextmanager
async def listening(address: str, serve: Any = None, port: int = 0) -> AsyncIterator[int]:
    """Listen on *address*, for *serve* or to answer with the address; the port."""

    async def named(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while True:
                await reader.readuntil(b"\r\n\r\n")
                writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: {len(address)}\r\n\r\n{address}".encode())
        writer.close()

    server = await asyncio.start_server(serve or named, address, port)
    yield server.sockets[0].getsockname()[1]
    server.close()


class Plane:
    """Releases of one server on one host, whose upstreams are pushed."""

    def __init__(  # noqa: PLR0913 - sizes of memory, each by its name
        self,
        nginx: NginxUnderTest,
        binary: Binary,
        memory: str = "64m",
        changes: str = "4m",
        workers: int = 2,
        counts: str = "",
        series: int = SERIES,
    ) -> None:
        """Give nginx the sizes of memory; it counts where there are any for *counts*, at most *series* groups."""
        self.nginx = nginx
        env = Environment(
            layout=nginx.layout, capabilities=binary.capabilities, user=worker_user(nginx.layout), latency=bool(counts)
        )
        main = structs.replace(env.params.main, worker_processes=str(workers))
        env = structs.replace(env, params=structs.replace(env.params, main=main))
        self._files = Renderer().main(translate_main(env, names=1, longest=10))
        live = Renderer().main(
            translate_main(structs.replace(env, data_plane="live", live_memory=memory), names=1, longest=10)
        )
        sizes = {"changes 4m": f"changes {changes}", "metrics 16m": f"metrics {counts}"}
        for usual, own in {**sizes, f"measure({SERIES},": f"measure({series},"}.items():
            live = structs.replace(live, data=live.data.replace(usual.encode(), own.encode()))
        self._live = live

    def server(self, name: str = "tea", extra: str = "") -> File:
        """The default server, which passes everything to the upstream *name*."""
        text = (
            f"{BLOCK.format(name=name)}\nserver {{ listen 127.0.0.1:{self.nginx.port} default_server; {extra}\n"
            f"location / {{ proxy_set_header Connection ''; proxy_pass http://{name}; }} }}\n"
        )
        claims = frozenset({f"upstream {name}", "server any"})
        return File("conf.d/default-shop.conf", text.encode(), origin=origin("shop"), claims=claims)

    def tea(self, port: int, *addresses: str, **options: Any) -> Release:
        """The release whose upstream ``tea`` has *addresses*."""
        return self.release({"tea": upstream(port, *addresses, **options)})

    def release(self, live: Mapping[str, LiveUpstream] | None, *files: File) -> Release:
        main = self._files if live is None else self._live
        pushed = None if live is None else LiveObjects(upstreams=live)
        return Release(FileSet([main, *(files or [self.server()])]), pushed)


async def answers(nginx: NginxUnderTest, count: int = 8) -> set[str]:
    """Who answers, on new connections, which reach both workers."""
    return set(await asyncio.gather(*(nginx.get("any") for _ in range(count))))
