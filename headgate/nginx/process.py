"""One nginx master as our child: start, test, signals, and how it ended."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import stat
from pathlib import Path
from typing import Final

import msgspec

from headgate.ir import Layout
from headgate.nginx.errors import NginxError

TERM_S: Final = 2.0
"""Seconds that a process is given after TERM before it is killed."""
LOG_LIMIT: Final = 16 * 1024 * 1024
"""Bytes of error log after which it is emptied; what nginx says is on stderr as well, if so configured."""
READ_LIMIT: Final = 256 * 1024
"""Bytes of error log that are read to explain one failure."""

HUGE_PAGES: Final = "GLIBC_TUNABLES", "glibc.malloc.hugetlb=1"
"""A configuration is tens of megabytes in small pieces, and half the time to read it goes into page faults. glibc asks
the kernel for huge pages if told so (2.35 and later; others ignore it): at 1,000 hosts 90 → 60 ms, for 3 MiB more."""


class Master:
    """A running nginx master; its group is its own, so that Ctrl-C reaches us only."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        """Wrap *process*."""
        self._process = process

    @property
    def pid(self) -> int:
        """The pid of the master."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it has not ended (as far as is known)."""
        return self._process.returncode is None

    async def wait(self) -> str:
        """Wait for the end; return how it ended (``exit code 1``, ``signal SIGKILL``)."""
        code = await self._process.wait()
        return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"

    def hang_up(self) -> None:
        """Ask for a reload (SIGHUP)."""
        self._signal(signal.SIGHUP)

    async def quit(self, drain: float) -> None:
        """End it: QUIT and *drain* seconds for requests in flight, then TERM, then KILL.

        Cancellation leaves it running with whatever signal it got.
        """
        for number, patience in ((signal.SIGQUIT, drain), (signal.SIGTERM, TERM_S)):
            self._signal(number)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(patience):
                    await self._process.wait()
                    return
        _kill(self.pid)
        await self._process.wait()

    def _signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(number)


async def launch(binary: str, layout: Layout, stderr: int | None = None) -> Master:
    """Start nginx; returns at once, whether it serves is a question for ``verify``.

    Its standard error is *stderr*, a descriptor, or that of this process.

    Its working directory is ``layout.run``, by which ``procfs`` knows it again.

    Raises:
        NginxError: the program cannot be run.
    """
    try:
        process = await asyncio.create_subprocess_exec(
            binary,
            *_place(layout, layout.error_log),
            "-g",
            "daemon off;",
            cwd=layout.run,
            env=environment(),
            stdin=asyncio.subprocess.DEVNULL,
            stderr=stderr,
            process_group=0,
        )
    except OSError as error:
        raise NginxError(f"{binary} cannot be run: {error.strerror or error}") from error
    return Master(process)


class Tested(msgspec.Struct, frozen=True):
    """What ``nginx -t`` found.

    Attributes:
        failure: what it complains about, empty if nginx would start.
        warnings: its output if nginx would start.
    """

    failure: str = ""
    warnings: str = ""


async def test(binary: str, layout: Layout, timeout_s: float) -> Tested:
    """Run ``nginx -t``.

    Cancellation kills the test.

    Raises:
        NginxError: the program cannot be run, or did not end within *timeout_s*.
    """
    try:
        process = await asyncio.create_subprocess_exec(
            binary,
            "-t",
            "-q",
            *_place(layout, "stderr"),
            cwd=layout.run,
            env=environment(),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            process_group=0,
        )
    except OSError as error:
        raise NginxError(f"{binary} cannot be run: {error.strerror or error}") from error
    try:
        async with asyncio.timeout(timeout_s):
            _, output = await process.communicate()
    except TimeoutError as error:
        raise NginxError(f"nginx -t did not end within {timeout_s:g} s; is a resolver slow to answer?") from error
    finally:
        if process.returncode is None:
            _kill(process.pid)
            await process.wait()
    text = output.decode(errors="replace")
    if process.returncode == 0:
        return Tested(warnings=text)
    return Tested(text or f"nginx -t ended without a word, exit code {process.returncode}")


def _kill(group: int) -> None:
    """End a process and all that it started: the program may be a script around nginx."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)


def environment() -> dict[str, str]:
    """Return the environment of an nginx: ours, with huge pages unless the operator decided otherwise."""
    name, value = HUGE_PAGES
    return {name: value, **os.environ}


def _place(layout: Layout, error_log: str) -> tuple[str, ...]:
    return ("-p", f"{layout.conf}/", "-e", error_log, "-c", layout.main)


class ErrorLog:
    """The error log, read from a noted place; not a regular file (a link to stderr), it cannot be read."""

    def __init__(self, path: str) -> None:
        """Stand on *path*, which need not exist."""
        self._path = Path(path)

    def mark(self) -> int:
        """Return the place where the next line will be; a log grown too large is emptied first."""
        size = self._size()
        if size > LOG_LIMIT:
            with contextlib.suppress(OSError):
                os.truncate(self._path, 0)  # nginx appends (O_APPEND), so it goes on at the start
                return 0
        return size

    def since(self, mark: int) -> str:
        """Return what was written after *mark*, at most the last ``READ_LIMIT`` bytes; empty if unreadable."""
        size = self._size()
        start = max(0 if size < mark else mark, size - READ_LIMIT)
        if start >= size:
            return ""
        try:
            with self._path.open("rb") as stream:
                stream.seek(start)
                return stream.read(READ_LIMIT).decode(errors="replace")
        except OSError:
            return ""

    def _size(self) -> int:
        try:
            found = self._path.stat()
        except OSError:
            return 0
        return found.st_size if stat.S_ISREG(found.st_mode) else 0
