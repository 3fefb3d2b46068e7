"""What an earlier controller left behind: an nginx without a parent, and sockets that nobody answers.

After ``kill -9`` of the controller its nginx goes on serving and holds the ports; after ``kill -9`` of the
master its workers do. Both are ended by pid before a new master is started, since it could not bind.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from headgate.ir import Layout
from headgate.ir.layout import LIVE_SOCKET, STREAMS_SOCKET
from headgate.nginx import procfs
from headgate.nginx.errors import LayoutError
from headgate.uds import Address, listening

log = logging.getLogger(__name__)

POLL_S: Final = 0.02
TERM_S: Final = 2.0
KILL_S: Final = 2.0


async def reap(layout: Layout, patience_s: float = 5.0) -> int:
    """End every nginx that was started in ``layout.run``; return how many processes there were.

    Masters get QUIT, then after *patience_s* TERM, then KILL. Workers without a master get QUIT, which makes them
    close their listening sockets at once; those that finish requests are left to do so.

    Raises:
        LayoutError: a process could not be ended (it belongs to another user).
    """
    found = _orphans(layout)
    if not found:
        return 0
    log.warning("ending an nginx that an earlier run left", extra={"fields": {"pids": sorted(found)}})
    masters = frozenset(pid for pid in found if procfs.is_master(pid))
    await _end(masters, lambda: frozenset(filter(procfs.is_master, masters)), patience_s)
    workers = found - masters
    _bury(pid for pid in workers if procfs.parent(pid) == os.getpid())
    await _end(workers, lambda: procfs.accepting(workers), patience_s)
    return len(found)


def serving(layout: Layout) -> int | None:
    """Return the pid of an nginx of ``layout.run`` that accepts connections: its master, or a worker without one."""
    found = _orphans(layout)
    return min(filter(procfs.is_master, found), default=None) or min(procfs.accepting(found), default=None)


def unlink_sockets(layout: Layout) -> list[str]:
    """Remove the sockets in ``layout.run`` that nobody listens on; return their names.

    A left socket file alone makes nginx's start fail (``bind() … Address already in use``).
    """
    removed = []
    live = (Path(layout.socket(name)) for name in (LIVE_SOCKET, STREAMS_SOCKET))
    for path in sorted([*Path(layout.run).iterdir(), *live]):
        if path.is_socket() and not path.is_symlink() and not _answered(path):
            with contextlib.suppress(OSError):
                path.unlink()
                removed.append(path.name)
    return removed


def _orphans(layout: Layout) -> frozenset[int]:
    """Find our processes by their working directory; where that is hidden, the master by pid file and command line."""
    found = set(procfs.of_run(layout.run))
    with contextlib.suppress(OSError, ValueError):
        pid = int(Path(layout.pid).read_text())
        known = procfs.in_run(pid, layout.run)
        if known is None and procfs.is_master(pid) and f"-c {layout.main}" in procfs.title(pid):
            found.add(pid)
    return frozenset(found - {os.getpid()})


async def _end(pids: frozenset[int], remaining: Callable[[], frozenset[int]], patience_s: float) -> None:
    steps = ((signal.SIGQUIT, patience_s), (signal.SIGTERM, TERM_S), (signal.SIGKILL, KILL_S))
    for number, seconds in steps:
        for pid in remaining():
            _send(pid, number)
        deadline = time.monotonic() + seconds
        while remaining():
            if time.monotonic() > deadline:
                break
            await asyncio.sleep(POLL_S)
        else:
            return
    if pids:
        raise LayoutError(f"nginx processes {sorted(remaining())} of an earlier run cannot be ended; end them by hand")


def _bury(workers: Iterable[int]) -> None:
    """Have the ends of *workers*, children of ours, collected whenever they come; return at once.

    Process 1, which this one is in a container, inherits the workers of a master that died. If it never asks how they
    ended, the kernel keeps them as zombies.
    """
    loop = asyncio.get_running_loop()
    for pid in workers:
        with contextlib.suppress(OSError):
            handle = os.pidfd_open(pid)
            loop.add_reader(handle, _collect, pid, handle)


def _collect(pid: int, handle: int) -> None:
    asyncio.get_running_loop().remove_reader(handle)
    os.close(handle)
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)


def _send(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return
    except PermissionError as error:
        raise LayoutError(
            f"nginx process {pid} of an earlier run belongs to another user and uses our ports; stop it manually"
        ) from error


def _answered(path: Path) -> bool:
    """Whether somebody listens on the Unix socket *path*; where one may not ask, nobody of ours does."""
    try:
        return listening(Address(str(path))) is not None
    except PermissionError:
        return False
