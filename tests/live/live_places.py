"""Ports, directories and patience for tests that start the whole program."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from tests.binaries import BINARIES

T = TypeVar("T")

ANY = next(iter(BINARIES.values()), "")
"""The nginx for tests that are not about its build."""

_EVERYWHERE = "0.0.0.0"
_used: set[int] = set()


def until(condition: Callable[[], T], seconds: float = 15.0) -> T:
    """Return the first true answer of *condition*; fail when *seconds* are over."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds:g} s; the last answer was {found!r}")
        time.sleep(0.02)
    return found


def free_port() -> int:
    """Return a port that nobody listens on and that this run did not give away before.

    It is below the range from which clients' ports are taken, and in a part of its own for each test worker.
    """
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw") or 0)
    first = 10_000 + (worker % 8) * 2_500
    start = first + os.getpid() % 2_000
    for port in (*range(start, first + 2_500), *range(first, start)):
        if port not in _used and _is_free(port):
            _used.add(port)
            return port
    raise AssertionError(f"no port is free from {first} to {first + 2_500}")


def _is_free(port: int) -> bool:
    try:
        socket.create_server((_EVERYWHERE, port)).close()
    except OSError:
        return False
    return True


@contextmanager
def short_folder() -> Iterator[Path]:
    """A folder with a short name (sockets have at most 107 bytes) that any user may pass (workers are another)."""
    path = Path(tempfile.mkdtemp(prefix="hg", dir="/tmp"))
    path.chmod(0o755)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
