"""What a proxy left behind that was killed: its nginx, which still has the ports, and its directory."""

from __future__ import annotations

import asyncio
import fcntl
import os
import shutil
import tempfile
from pathlib import Path

from headgate.ir import Layout
from headgate.nginx import orphans
from headgate.nginx.errors import LayoutError
from headgate.nginx.scratch import PREFIX


def end_stale() -> None:
    """End the nginx of each proxy of this user whose process is gone, and remove its directory."""
    for directory in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        place = Layout.under(str(directory))
        if _is_left(Path(place.lock)):
            try:
                asyncio.run(orphans.reap(place, patience_s=1.0))
            except LayoutError:
                continue
            shutil.rmtree(directory, ignore_errors=True)


def _is_left(lock: Path) -> bool:
    """Whether *lock* is of this user, and no process holds it."""
    try:
        if lock.lstat().st_uid != os.geteuid():
            return False
        with lock.open() as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
