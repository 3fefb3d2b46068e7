"""A real nginx, each build that is there, below a short temporary directory."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from headgate.nginx import Binary, ManagerOptions, probe
from tests.directories import short_directory
from tests.nginx.live_plane import Plane
from tests.nginx.nginx_under_test import FileManager, NginxUnderTest
from tests.nginx_binaries import SERVING
from tests.waiting import DEADLINE_S


@pytest.fixture
def prefix() -> Iterator[Path]:
    with short_directory() as path:
        yield path


@pytest.fixture
def nginx(prefix: Path) -> NginxUnderTest:
    return NginxUnderTest(prefix)


@pytest.fixture
def run(nginx: NginxUnderTest) -> Path:
    """The directory of sockets, made before nginx starts."""
    path = Path(nginx.layout.run)
    path.mkdir(parents=True)
    return path


@pytest.fixture(params=sorted(SERVING) or ["none"])
async def binary(request: pytest.FixtureRequest) -> Binary:
    if request.param not in SERVING:
        pytest.skip(f"no nginx: {request.param}")
    return await probe(SERVING[request.param])


@pytest.fixture
async def manager(nginx: NginxUnderTest, binary: Binary) -> AsyncIterator[FileManager]:
    options = ManagerOptions(layout=nginx.layout, binary=binary, reload_timeout_s=DEADLINE_S, min_spacing_s=0)
    manager = FileManager(options)
    yield manager
    await manager.quit(0.2)


@pytest.fixture
async def port() -> AsyncIterator[int]:
    """The port of a server on every loopback address that answers with the address it was asked at."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        name: str = writer.get_extra_info("sockname")[0]
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while True:
                await reader.readuntil(b"\r\n\r\n")
                writer.write(f"HTTP/1.1 200 OK\r\nContent-Length: {len(name)}\r\n\r\n{name}".encode())
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "0.0.0.0", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()


@pytest.fixture
def plane(nginx: NginxUnderTest, binary: Binary) -> Plane:
    return Plane(nginx, binary)
