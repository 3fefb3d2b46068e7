"""Measures request and answer between two processes of this machine, over each road and with each size."""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import msgspec

from headgate.uds.errors import UdsError
from headgate.uds.roads import ROADS, End, Open

SIZES: Final = (64, 1024, 16 * 1024, 128 * 1024, 1024 * 1024)
WARM_UP: Final = 50
"""Requests before the clock runs: the first ones fill caches and grow buffers."""


class Plan(msgspec.Struct, frozen=True):
    """What is measured.

    Attributes:
        roads: names out of ROADS.
        sizes: bytes of a request, and of its answer.
        seconds: how long each pair of them is measured, over all rounds together.
        rounds: all pairs are measured in turn so often, so that a slow moment of the machine hits them alike.
        directory: where sockets, pipes and files are made; the answer for files depends on its file system.
    """

    roads: tuple[str, ...] = tuple(ROADS)
    sizes: tuple[int, ...] = SIZES
    seconds: float = 1.0
    rounds: int = 3
    directory: str = ""


class Figure(msgspec.Struct, frozen=True):
    """What one road does with messages of one size.

    Attributes:
        road: its name.
        size: bytes of a request, and of its answer.
        requests_per_s: one request at a time.
        p50_us: microseconds within which half of the answers came.
        p99_us: microseconds within which 99 of 100 came.
        requests: how many were measured.
    """

    road: str
    size: int
    requests_per_s: float
    p50_us: float
    p99_us: float
    requests: int


def measure(plan: Plan) -> list[Figure]:
    """Measure every road with every size, in rounds; forks a server for each, so call it before there are threads.

    Raises:
        UdsError: a road cannot be opened in the directory.
    """
    took: dict[tuple[str, int], list[int]] = {(road, size): [] for size in plan.sizes for road in plan.roads}
    for _ in range(plan.rounds):
        for (road, size), nanoseconds in took.items():
            nanoseconds.extend(_round(road, size, plan))
    return [_figure(road, size, nanoseconds) for (road, size), nanoseconds in took.items()]


def _round(road: str, size: int, plan: Plan) -> list[int]:
    """Return the nanoseconds that each request took."""
    try:
        with tempfile.TemporaryDirectory(prefix="hg", dir=plan.directory or None) as directory:
            server, client = ROADS[road](Path(directory))
            with _served(server, size), client() as end:
                return _ask(end, size, plan.seconds / plan.rounds)
    except (OSError, EOFError) as error:
        raise UdsError(
            f"{road} with {size} bytes cannot be measured in {plan.directory or 'TMPDIR'}: {error}"
        ) from error


@contextlib.contextmanager
def _served(server: Open, size: int) -> Iterator[None]:
    """Run the server's end in a child process until the client's end is closed, or the block ends."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            _echo(server, size)
            status = 0
        finally:
            os._exit(status)
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, 15)
        os.waitpid(child, 0)


def _echo(server: Open, size: int) -> None:
    with contextlib.suppress(EOFError, OSError), server() as end:
        while True:
            end.send(bytes(end.receive(size)))


def _ask(end: End, size: int, seconds: float) -> list[int]:
    message = os.urandom(size)
    for _ in range(WARM_UP):
        end.send(message)
        if end.receive(size) != message:
            raise EOFError("the answer is not what was sent")
    took = []
    before = time.perf_counter_ns()
    deadline = before + int(seconds * 1e9)
    while before < deadline:
        end.send(message)
        end.receive(size)
        now = time.perf_counter_ns()
        took.append(now - before)
        before = now
    return took


def _figure(road: str, size: int, nanoseconds: list[int]) -> Figure:
    ordered = sorted(nanoseconds)
    count = len(ordered)
    return Figure(
        road,
        size,
        requests_per_s=round(count / (sum(ordered) / 1e9), 1),
        p50_us=ordered[count // 2] / 1000,
        p99_us=ordered[min(count - 1, count * 99 // 100)] / 1000,
        requests=count,
    )


def table(figures: Sequence[Figure]) -> str:
    """Lay out *figures* as a table of text (Markdown's), with each road's rate as a share of TCP's of that size."""
    rates = {(figure.road, figure.size): figure.requests_per_s for figure in figures}
    rows = ["| size | transport | requests/s | p50 µs | p99 µs | of TCP's rate |", "|---:|---|---:|---:|---:|---:|"]
    for figure in figures:
        tcp = rates.get(("tcp", figure.size))
        share = f"{figure.requests_per_s / tcp:.0%}" if tcp else "-"
        rows.append(
            f"| {spelled(figure.size)} | {figure.road} | {figure.requests_per_s:,.0f} "
            f"| {figure.p50_us:.1f} | {figure.p99_us:.1f} | {share} |"
        )
    return "\n".join(rows)


def spelled(size: int) -> str:
    """Spell bytes with the largest unit that leaves a whole number: ``64 B``, ``16 KiB``, ``1 MiB``."""
    for unit, name in ((1024 * 1024, "MiB"), (1024, "KiB")):
        if size % unit == 0:
            return f"{size // unit} {name}"
    return f"{size} B"


def machine() -> str:
    """Say in one line what was measured on: processor, cores, kernel."""
    model = "unknown processor"
    with contextlib.suppress(OSError), Path("/proc/cpuinfo").open() as lines:
        model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), model)
    return f"{model}, {len(os.sched_getaffinity(0))} cores, Linux {os.uname().release}"
