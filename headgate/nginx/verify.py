"""Whether nginx serves a configuration: a new worker says so, and no old one accepts any more.

The first new answer does not mean that the old workers have stopped: the master starts the new ones, sleeps
100 ms, and only then tells the old ones to leave. Their titles say when they have; where /proc is not
readable, that time and several answers in a row must do.
"""

from __future__ import annotations

import asyncio
import enum
import time
from collections.abc import Callable
from typing import Final

import msgspec

from headgate.ir import File, Layout
from headgate.ir.layout import VERSION_FILE, VERSION_SOCKET
from headgate.nginx import procfs
from headgate.nginx.control import get

POLL_S: Final = 0.025
ANSWER_S: Final = 1.0
"""Seconds that one question may take."""
SETTLE_S: Final = 0.15
"""Seconds after the first new answer by which old workers have stopped, where /proc does not tell."""
IN_A_ROW: Final = 4


class ReloadResult(enum.Enum):
    """The outcome of a reload."""

    SERVED = "served"
    """New workers answer, old ones accept no more."""
    LINGERING = "lingering"
    """New workers have answered, but at the deadline old ones still accepted."""
    REFUSED = "refused"
    """The master gave it up."""
    DIED = "died"
    """The master ended."""
    SILENT = "silent"
    """Until the deadline no worker answered with the version."""


class Expectation(msgspec.Struct, frozen=True, kw_only=True):
    """What to wait for.

    Attributes:
        version: the number a new worker answers.
        old: pids of the workers that must stop accepting.
        given_up: whether the master has given up, by its log.
        alive: whether the master lives.
    """

    version: int
    old: frozenset[int]
    given_up: Callable[[], bool]
    alive: Callable[[], bool]


def version_file(layout: Layout, version: int) -> File:
    """Return the file whose server answers *version*; included inside ``http {}``."""
    text = (
        "server {\n"
        f"    listen unix:{layout.socket(VERSION_SOCKET)};\n"
        "    access_log off;\n"
        "    location = /configVersion {\n"
        f"        return 200 {version};\n"
        "    }\n"
        "}\n"
    )
    return File(VERSION_FILE, text.encode())


async def ask(layout: Layout) -> int | None:
    """Return the version that one worker answers, ``None`` if none does."""
    body = await get(layout.socket(VERSION_SOCKET), "/configVersion", ANSWER_S)
    return int(body) if body is not None and body.strip().isdigit() else None


async def wait(layout: Layout, expected: Expectation, timeout_s: float) -> ReloadResult:
    """Ask every 25 ms, each time on a new connection, until the verdict is clear or *timeout_s* is over."""
    deadline = time.monotonic() + timeout_s
    first = 0.0
    answers = 0
    while True:
        if await ask(layout) == expected.version:
            answers += 1
            first = first or time.monotonic()
            if _settled(expected.old, answers, first):
                return ReloadResult.SERVED
        else:
            answers = 0
            if not expected.alive():
                return ReloadResult.DIED
            if expected.given_up():
                return ReloadResult.REFUSED
        if time.monotonic() >= deadline:
            return ReloadResult.LINGERING if first else ReloadResult.SILENT
        await asyncio.sleep(POLL_S)


def _settled(old: frozenset[int], answers: int, first: float) -> bool:
    if procfs.readable():
        return not procfs.accepting(old)
    return answers >= IN_A_ROW and time.monotonic() - first >= SETTLE_S
