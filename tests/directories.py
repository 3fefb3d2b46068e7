"""Directories for programs that make Unix sockets and run as another user."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def short_directory() -> Iterator[Path]:
    """A directory with a short name, since sockets have at most 107 bytes, that any user may pass, as workers do."""
    path = Path(tempfile.mkdtemp(prefix="hg", dir="/tmp"))
    path.chmod(0o755)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
