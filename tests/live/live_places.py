"""Directories and patience for tests that start the whole program."""

from __future__ import annotations

import shutil
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


def until(condition: Callable[[], T], seconds: float = 15.0) -> T:
    """Return the first true answer of *condition*; fail when *seconds* are over."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds:g} s; the last answer was {found!r}")
        time.sleep(0.02)
    return found


@contextmanager
def short_folder() -> Iterator[Path]:
    """A folder with a short name (sockets have at most 107 bytes) that any user may pass (workers are another)."""
    path = Path(tempfile.mkdtemp(prefix="hg", dir="/tmp"))
    path.chmod(0o755)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
