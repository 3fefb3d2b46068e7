"""One controller for each set of directories: a lock that the kernel releases when its process ends, however it ends.

Two controllers on the same directories would each end the other's nginx as an orphan. The lock is flock(2) on a file in
``layout.run``, not the existence of that file: it is valid for processes in different containers that share a volume,
and a file that a dead container left on its volume does not prevent a start. What the file contains is for messages
only: a pid alone would say little, since in another pid namespace it may be any process, even the reader's own number.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Self

import msgspec

from headgate.ir import Layout
from headgate.nginx.directories import prepare_run
from headgate.nginx.errors import LayoutError

OWNER_ONLY: Final = 0o600
"""The lock could be held by any user who may open the file."""
LIMIT: Final = 4096
"""Bytes of the file that are read."""
PID_NAMESPACE: Final = Path("/proc/self/ns/pid")


class LockOwner(msgspec.Struct, frozen=True):
    """The process that holds a lock: its pid, the pid namespace in which it has that pid, and its host name."""

    pid: int
    namespace: str = ""
    host: str = ""

    @classmethod
    def current(cls) -> Self:
        """Return this process."""
        return cls(os.getpid(), _pid_namespace(), os.uname().nodename)

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Read what ``lines`` wrote; ``None`` for anything else."""
        pid, namespace, host, *_ = [*text.splitlines(), "", "", ""]
        return cls(int(pid), namespace, host) if pid.isascii() and pid.isdecimal() else None

    @property
    def lines(self) -> str:
        """One line each, the pid first."""
        return f"{self.pid}\n{self.namespace}\n{self.host}\n"

    @property
    def foreign(self) -> bool:
        """Whether the pid means nothing here."""
        return bool(self.namespace) and self.namespace != _pid_namespace()

    def __str__(self) -> str:
        """As part of a sentence."""
        if not self.foreign:
            return f"process {self.pid}"
        return f"process {self.pid} of another container (host name {self.host!r})"


@contextlib.contextmanager
def locked(layout: Layout) -> Iterator[None]:
    """Hold the lock of *layout*, whose run directory is created, while the block runs; child processes do not get it.

    Raises:
        LayoutError: another process holds it, or the file cannot be locked.
    """
    prepare_run(layout)
    descriptor = _open(layout)
    try:
        _lock(descriptor, layout)
        _write(descriptor, LockOwner.current().lines)
        try:
            yield
        finally:
            _write(descriptor, "")
    finally:
        os.close(descriptor)


def _open(layout: Layout) -> int:
    try:
        return os.open(layout.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, OWNER_ONLY)
    except OSError as error:
        raise _unusable(layout, error) from error


def _lock(descriptor: int, layout: Layout) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        owner = _owner(descriptor)
        who = f"another `headgate run`, {owner}" if owner else "another `headgate run`"
        raise LayoutError(
            f"{layout.run} is in use by {who}; stop that process, or choose another directory with --prefix"
        ) from None
    except OSError as error:
        raise _unusable(layout, error) from error


def _owner(descriptor: int) -> LockOwner | None:
    """Return who holds the lock, ``None`` if it has not written its name yet: then the file is empty or out of date."""
    try:
        found = LockOwner.parse(os.pread(descriptor, LIMIT, 0).decode(errors="replace"))
    except OSError:
        return None
    return found if found and (found.foreign or _exists(found.pid)) else None


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # it is another user's
        return True
    return True


def _write(descriptor: int, text: str) -> None:
    """Replace the content of the file; a full disk is no reason not to start, since the content is for messages."""
    with contextlib.suppress(OSError):
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, text.encode(errors="replace"), 0)


def _unusable(layout: Layout, error: OSError) -> LayoutError:
    return LayoutError(
        f"cannot lock {layout.lock}: {error.strerror}; let this user own that file and its directory,"
        " or choose another directory with --prefix"
    )


def _pid_namespace() -> str:
    """Return the identity of this process's pid namespace, empty without /proc."""
    try:
        return str(PID_NAMESPACE.readlink())
    except OSError:
        return ""
