"""A reload whose old workers do not end, while the new ones do not answer every question in time."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Iterator

import pytest

from headgate.ir import Layout
from headgate.ir.layout import VERSION_SOCKET
from headgate.nginx import procfs, verify
from headgate.nginx.verify import Expectation, ReloadResult
from tests.directories import short_directory

pytestmark = pytest.mark.skipif(not procfs.readable(), reason="no /proc")


@pytest.fixture
def layout() -> Iterator[Layout]:
    with short_directory() as path:
        (path / "run").mkdir()
        yield Layout.under(str(path))


@pytest.fixture
def old() -> Iterator[int]:
    """A process that looks like a worker that accepts connections."""
    with subprocess.Popen(["nginx: worker process", "600"], executable="/bin/sleep") as process:
        yield process.pid
        process.kill()


@pytest.mark.parametrize(
    ("answers", "result"), [((2,), ReloadResult.LINGERING), ((1,), ReloadResult.SILENT), ((), ReloadResult.SILENT)]
)
async def test_one_answer_of_a_new_worker_is_enough(
    layout: Layout, old: int, answers: tuple[int, ...], result: ReloadResult
) -> None:
    """Each question may reach a worker that hangs, or time out on a busy machine."""
    left = list(answers)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        if left:
            writer.write(f"HTTP/1.0 200 OK\r\n\r\n{left.pop(0)}".encode())
        writer.close()

    async with await asyncio.start_unix_server(serve, layout.socket(VERSION_SOCKET)):
        expected = Expectation(version=2, old=frozenset({old}), given_up=lambda: False, alive=lambda: True)
        assert await verify.wait(layout, expected, 0.5) is result
