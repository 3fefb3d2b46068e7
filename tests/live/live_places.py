"""Directories and patience for tests that start the whole program."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from tests.binaries import BINARIES

T = TypeVar("T")

ANY = next(iter(BINARIES.values()), "")
"""The nginx for tests that are not about its build."""


@contextmanager
def short_folder() -> Iterator[Path]:
    """A folder with a short name (sockets have at most 107 bytes) that any user may pass (workers are another)."""
    path = Path(tempfile.mkdtemp(prefix="hg", dir="/tmp"))
    path.chmod(0o755)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
