"""nginx's processes as /proc shows them: which belong to a layout, and which still accept connections.

nginx overwrites its environment with its title, so no variable marks a process. Its working directory does:
the Manager starts every nginx inside ``layout.run`` and nginx never leaves it. Directories are compared by device and
inode: a process in another container may be visible, and have a directory of the same name.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec

PROC: Final = Path("/proc")
TITLE: Final = "nginx: "
MASTER: Final = "nginx: master process"
WORKER: Final = "nginx: worker process"
LEAVING: Final = "nginx: worker process is shutting down"
_SYSTEM, _STARTED, _VIRTUAL, _RESIDENT = 12, 19, 20, 21
"""The places of ``stime``, ``starttime``, ``vsize`` and ``rss`` in /proc/PID/stat, counted from the state, which
follows the name (proc_pid_stat(5))."""


class Generations(msgspec.Struct, frozen=True):
    """Workers of one master.

    Attributes:
        current: workers that accept connections.
        leaving: workers of earlier configurations that finish what they have.
    """

    current: int = 0
    leaving: int = 0


def readable() -> bool:
    """Whether this system shows processes under /proc."""
    return (PROC / "self" / "cmdline").exists()


def title(pid: int) -> str:
    """Return the command line that process *pid* shows, empty if it is gone or a zombie."""
    try:
        return (PROC / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return ""


def workers(master: int) -> frozenset[int]:
    """Return the pids of the children of *master* that are workers, leaving ones included."""
    return frozenset(pid for pid in _children(master) if title(pid).startswith((WORKER, MASTER)))


def accepting(pids: Iterable[int]) -> frozenset[int]:
    """Return those of *pids* that are workers and have not been told to leave."""
    return frozenset(pid for pid in pids if _accepts(title(pid)))


def generations(master: int) -> Generations:
    """Count the workers of *master*."""
    titles = [title(pid) for pid in _children(master)]
    current = sum(map(_accepts, titles))
    leaving = sum(text.startswith(LEAVING) for text in titles)
    return Generations(current, leaving)


def of_run(run: str) -> frozenset[int]:
    """Return the pids of every nginx process, master or worker, whose working directory is *run*."""
    return frozenset(pid for pid in _pids() if title(pid).startswith(TITLE) and in_run(pid, run))


def in_run(pid: int, run: str) -> bool | None:
    """Whether the working directory of *pid* is *run*; ``None`` if the kernel does not tell this user."""
    home = _identity(PROC / str(pid) / "cwd")
    return home == _identity(Path(run)) if home else None


def is_master(pid: int) -> bool:
    """Whether *pid* is an nginx master."""
    return title(pid).startswith(MASTER)


def parent(pid: int) -> int:
    """Return the pid of the parent of *pid*, 0 if that is gone."""
    try:
        stat = (PROC / str(pid) / "stat").read_text()
    except OSError:
        return 0
    return int(stat.rpartition(")")[2].split()[1])


def started(pid: int) -> datetime | None:
    """Return when process *pid* started, to the second; ``None`` if it is gone."""
    try:
        ticks = int((PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()[_STARTED])
        lines = (PROC / "stat").read_text().splitlines()
        booted = next(int(line.split()[1]) for line in lines if line.startswith("btime "))
    except (OSError, StopIteration):
        return None
    return datetime.fromtimestamp(booted + ticks // os.sysconf("SC_CLK_TCK"), UTC)


class Usage(msgspec.Struct, frozen=True):
    """What a master and its children use: *system_s* seconds of processors in the kernel; bytes; seconds since 1970."""

    processes: int
    system_s: float
    read: int
    written: int
    resident: int
    virtual: int
    oldest: float


def usage(master: int) -> Usage | None:
    """Return what *master* and its children use; ``None`` if it is gone. What only their user may read counts as 0."""
    every = [found for pid in (master, *_children(master)) if (found := _usage(pid))]
    if not every:
        return None
    sums = [sum(values) for values in zip(*every, strict=True)][:-1]
    began = started(master)
    oldest = began.timestamp() if began else 0.0
    return Usage(len(every), sums[0], int(sums[1]), int(sums[2]), int(sums[3]), int(sums[4]), oldest)


def _usage(pid: int) -> tuple[float, int, int, int, int, int] | None:
    """Return seconds in the kernel, bytes read, written, resident and virtual, and when *pid* started in ticks."""
    try:
        words = (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    try:
        lines = (PROC / str(pid) / "io").read_text().splitlines()
    except OSError:
        lines = []
    io = {name: int(value) for name, _, value in (line.partition(": ") for line in lines)}
    system, virtual, pages = int(words[_SYSTEM]), int(words[_VIRTUAL]), int(words[_RESIDENT])
    return (
        system / os.sysconf("SC_CLK_TCK"), io.get("rchar", 0), io.get("wchar", 0),
        pages * os.sysconf("SC_PAGE_SIZE"), virtual, int(words[_STARTED]),
    )  # fmt: skip


def _accepts(text: str) -> bool:
    # a child bears its master's title until it has set its own
    return text.startswith((WORKER, MASTER)) and not text.startswith(LEAVING)


def _children(master: int) -> list[int]:
    try:
        listed = (PROC / str(master) / "task" / str(master) / "children").read_text()
    except FileNotFoundError:  # a kernel without CONFIG_PROC_CHILDREN, or the process is gone
        return [pid for pid in _pids() if parent(pid) == master]
    except OSError:
        return []
    return [int(pid) for pid in listed.split()]


def _pids() -> list[int]:
    try:
        return [int(entry.name) for entry in PROC.iterdir() if entry.name.isdecimal()]
    except OSError:
        return []


def _identity(directory: Path) -> tuple[int, int] | None:
    """Return device and inode."""
    try:
        found = directory.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
