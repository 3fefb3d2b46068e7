"""Directories for programs that make Unix sockets and run as another user."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

MEMORY = "/dev/shm"
ENOUGH = 2**30
"""Bytes that have to be free there: containers often have 64 MiB."""


@cache
def place() -> str:
    """Return the directory of temporary files: in memory where that can be, as files come and go ten times as fast."""
    if not os.access(MEMORY, os.W_OK | os.X_OK):
        return "/tmp"
    found = os.statvfs(MEMORY)
    usable = found.f_bavail * found.f_frsize >= ENOUGH and not found.f_flag & os.ST_NOEXEC
    return MEMORY if usable else "/tmp"


@contextmanager
def short_directory() -> Iterator[Path]:
    """A directory with a short name, since sockets have at most 107 bytes, that any user may pass, as workers do."""
    path = Path(tempfile.mkdtemp(prefix="hg", dir=place()))
    path.chmod(0o755)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
