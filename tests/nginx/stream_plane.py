"""Releases whose servers of TCP and UDP are pushed, and servers that tell the address at which they were asked."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from typing import Any

from msgspec import structs
from showcase.ports import free_ports

from headgate.ir import File, FileSet, Release
from headgate.ir.http import Upstream
from headgate.ir.live import LiveObjects, LiveStream, Peer
from headgate.ir.stream import StreamConfig, StreamServer
from headgate.nginx import Binary
from headgate.nginx.directories import worker_user
from headgate.render import Renderer
from headgate.settings import Words
from headgate.translate import Environment
from headgate.translate.main import translate_main
from tests.nginx.nginx_under_test import NginxUnderTest, origin

ASK_S = 5.0


def stream(port: int, *addresses: str, **settings: Any) -> LiveStream:
    return LiveStream(peers=tuple(Peer(address, port) for address in addresses), **settings)


@contextlib.asynccontextmanager
async def naming(*addresses: str, port: int = 0) -> AsyncIterator[int]:
    """Listen for TCP and UDP on *addresses* of one port; say which of them was asked, and repeat what comes then."""
    async with contextlib.AsyncExitStack() as stack:
        for address in addresses:
            server = await asyncio.start_server(_serve, address, port)
            stack.callback(server.close)
            port = server.sockets[0].getsockname()[1]
            loop = asyncio.get_running_loop()
            transport, _ = await loop.create_datagram_endpoint(
                lambda address=address: _Datagrams(address), local_addr=(address, port)
            )
            stack.callback(transport.close)
        yield port


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError, asyncio.IncompleteReadError):
        writer.write(f"{writer.get_extra_info('sockname')[0]}\n".encode())
        while line := await reader.readline():
            writer.write(line)
    writer.close()


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, address: str) -> None:
        self._address = address

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._transport.sendto(self._address.encode(), addr)


class StreamPlane:
    """One port of TCP (``port``) and one of UDP (``datagrams``), which both lead to the upstream ``tea``."""

    def __init__(self, nginx: NginxUnderTest, binary: Binary, memory: str = "64m", workers: int = 2) -> None:
        self.nginx = nginx
        self.port, self.datagrams = free_ports(2)
        env = Environment(
            layout=nginx.layout,
            capabilities=binary.capabilities,
            user=worker_user(nginx.layout),
            data_plane="live",
            live_memory=memory,
        )
        main = structs.replace(env.params.main, worker_processes=str(workers))
        logging = structs.replace(env.params.logging, access_log=Words(("/dev/null",)))
        env = structs.replace(env, params=structs.replace(env.params, main=main, logging=logging))
        self._main = Renderer().main(translate_main(env, names=1, longest=10))

    def file(self, name: str = "tea", *more: int, snippet: Any = None, connect: str = "1s") -> File:
        """The file of ``tea``, on ports *more* too."""
        listens = [f"127.0.0.1:{port}" for port in (self.port, *more)]
        common: dict[str, Any] = {
            "origin": origin(name),
            "upstream": name,
            "pushed": True,
            "timeout": "60s",
            "connect_timeout": connect,
            "snippet": snippet,
        }
        tcp = StreamServer(listens=tuple(Words((each,)) for each in listens), **common)
        udp = StreamServer(listens=(Words((f"127.0.0.1:{self.datagrams}", "udp")),), responses=1, **common)
        upstream = Upstream(name=name, servers=("0.0.0.1:1",), origin=origin(name), stream=stream(1, "0.0.0.1"))
        file = f"stream-conf.d/ts_{name}.conf"
        return Renderer().stream(
            StreamConfig(file=file, origin=origin(name), upstreams=(upstream,), servers=(tcp, udp))
        )

    def tea(self, port: int, *addresses: str, **settings: Any) -> Release:
        """The release whose upstream ``tea`` has *addresses*."""
        return self.release({"tea": stream(port, *addresses, **settings)})

    def release(self, streams: Mapping[str, LiveStream], *files: File) -> Release:
        return Release(FileSet([self._main, *(files or [self.file()])]), LiveObjects(streams=streams))

    async def ask(self, port: int = 0, client: str = "127.0.0.1") -> str:
        """The address that serves a new connection of *client*, ``""`` if none does."""
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(ASK_S):
                reader, writer = await asyncio.open_connection("127.0.0.1", port or self.port, local_addr=(client, 0))
                try:
                    return (await reader.readline()).decode().strip()
                finally:
                    writer.close()
        return ""

    async def ask_many(self, count: int) -> Counter[str]:
        """Who serves *count* connections, one after the other."""
        return Counter([await self.ask() for _ in range(count)])

    async def datagram(self, seconds: float = 1.0) -> str:
        """The address that answers a datagram, ``""`` if none does within *seconds*."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
            asking.setblocking(False)
            asking.connect(("127.0.0.1", self.datagrams))
            loop = asyncio.get_running_loop()
            with contextlib.suppress(OSError, TimeoutError):
                await loop.sock_sendall(asking, b"hello")
                async with asyncio.timeout(seconds):
                    return (await loop.sock_recv(asking, 100)).decode()
        return ""
