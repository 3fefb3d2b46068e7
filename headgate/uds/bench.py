"""Measures requests and answers between two processes of this machine, over each transport and with each size."""

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
from headgate.uds.transports import TRANSPORTS, End, Open

SIZES: Final = (64, 1024, 16 * 1024, 128 * 1024, 1024 * 1024)
WARM_UP: Final = 50
"""Requests that are not measured: the first ones fill caches and grow buffers."""


class BenchPlan(msgspec.Struct, frozen=True):
    """What is measured.

    Attributes:
        transports: names of TRANSPORTS.
        sizes: bytes of a request, and of its answer.
        seconds: how long each combination of both is measured, over all rounds together.
        rounds: how often all combinations are measured in turn, so that a slow moment of the machine affects all alike.
        directory: where sockets, pipes and files are created; the figures for files depend on its file system.
    """

    transports: tuple[str, ...] = tuple(TRANSPORTS)
    sizes: tuple[int, ...] = SIZES
    seconds: float = 1.0
    rounds: int = 3
    directory: str = ""


class Figure(msgspec.Struct, frozen=True):
    """The measurement of one transport with messages of one size.

    Attributes:
        transport: its name.
        size: bytes of a request, and of its answer.
        requests_per_s: one request at a time.
        p50_us: microseconds within which half of the answers came.
        p99_us: microseconds within which 99 of 100 came.
        requests: how many requests were measured.
    """

    transport: str
    size: int
    requests_per_s: float
    p50_us: float
    p99_us: float
    requests: int


def measure(plan: BenchPlan) -> list[Figure]:
    """Measure every transport with every size, in rounds; forks a server for each, so no thread may run yet.

    Raises:
        UdsError: a transport cannot be opened in the directory.
    """
    durations: dict[tuple[str, int], list[int]] = {
        (transport, size): [] for size in plan.sizes for transport in plan.transports
    }
    for _ in range(plan.rounds):
        for (transport, size), nanoseconds in durations.items():
            nanoseconds.extend(_round(transport, size, plan))
    return [_figure(transport, size, nanoseconds) for (transport, size), nanoseconds in durations.items()]


def _round(transport: str, size: int, plan: BenchPlan) -> list[int]:
    """Return the nanoseconds that each request durations."""
    try:
        with tempfile.TemporaryDirectory(prefix="hg", dir=plan.directory or None) as directory:
            server, client = TRANSPORTS[transport](Path(directory))
            with _server_process(server, size), client() as end:
                return _measured(end, size, plan.seconds / plan.rounds)
    except (OSError, EOFError) as error:
        raise UdsError(
            f"{transport} with {size} bytes cannot be measured in {plan.directory or 'TMPDIR'}: {error}"
        ) from error


@contextlib.contextmanager
def _server_process(server: Open, size: int) -> Iterator[None]:
    """Run the server's end in a child process until the client's end is closed or the block ends."""
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


def _measured(end: End, size: int, seconds: float) -> list[int]:
    message = os.urandom(size)
    for _ in range(WARM_UP):
        end.send(message)
        if end.receive(size) != message:
            raise EOFError("the answer is not what was sent")
    durations = []
    before = time.perf_counter_ns()
    deadline = before + int(seconds * 1e9)
    while before < deadline:
        end.send(message)
        end.receive(size)
        now = time.perf_counter_ns()
        durations.append(now - before)
        before = now
    return durations


def _figure(transport: str, size: int, nanoseconds: list[int]) -> Figure:
    ordered = sorted(nanoseconds)
    count = len(ordered)
    return Figure(
        transport,
        size,
        requests_per_s=round(count / (sum(ordered) / 1e9), 1),
        p50_us=ordered[count // 2] / 1000,
        p99_us=ordered[min(count - 1, count * 99 // 100)] / 1000,
        requests=count,
    )


def table(figures: Sequence[Figure]) -> str:
    """Return *figures* as a Markdown table, with each rate as a share of TCP's for that size."""
    rates = {(figure.transport, figure.size): figure.requests_per_s for figure in figures}
    rows = ["| size | transport | requests/s | p50 µs | p99 µs | of TCP's rate |", "|---:|---|---:|---:|---:|---:|"]
    for figure in figures:
        tcp = rates.get(("tcp", figure.size))
        share = f"{figure.requests_per_s / tcp:.0%}" if tcp else "-"
        rows.append(
            f"| {size_text(figure.size)} | {figure.transport} | {figure.requests_per_s:,.0f} "
            f"| {figure.p50_us:.1f} | {figure.p99_us:.1f} | {share} |"
        )
    return "\n".join(rows)


def size_text(size: int) -> str:
    """Return a size with the largest unit that leaves a whole number: ``64 B``, ``16 KiB``, ``1 MiB``."""
    for unit, name in ((1024 * 1024, "MiB"), (1024, "KiB")):
        if size % unit == 0:
            return f"{size // unit} {name}"
    return f"{size} B"


def machine() -> str:
    """Return the machine in one line: processor, cores, kernel."""
    model = "unknown processor"
    with contextlib.suppress(OSError), Path("/proc/cpuinfo").open() as lines:
        model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), model)
    return f"{model}, {len(os.sched_getaffinity(0))} cores, Linux {os.uname().release}"
