"""Processes by /proc: the children of one, their processor time and their memory."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

TICK_S = 1 / os.sysconf("SC_CLK_TCK")


def children(parent: int, title: str) -> list[int]:
    """Return the children of *parent* whose command line begins with *title*."""
    return [pid for pid in _children(parent) if _title(pid).startswith(title)]


def is_leaving(pid: int) -> bool:
    """Whether *pid* is a worker of a configuration that was replaced."""
    return "shutting down" in _title(pid)


def processor_s(pid: int) -> float:
    """Return the seconds of processor time of a process with one thread, to the nanosecond."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9


def spent_s(pid: int) -> tuple[float, float]:
    """Return the seconds of a process and those of its children that have ended, to the hundredth."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    own, ended = (sum(map(int, fields[first : first + 2])) * TICK_S for first in (11, 13))
    return own, ended


def memory(pids: list[int]) -> float:
    """Return the MiB of *pids* together, with pages that several share counted once (PSS)."""
    return sum(_share_kib(pid) for pid in pids) / 1024


def _share_kib(pid: int) -> int:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))


def _children(parent: int) -> Iterator[int]:
    for task in Path(f"/proc/{parent}/task").iterdir():
        yield from map(int, (task / "children").read_text().split())


def _title(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""
