"""The process at the other end: SO_PEERCRED and SCM_CREDENTIALS (unix(7)), and /proc where these do not tell."""

from __future__ import annotations

import contextlib
import socket
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, Self

import msgspec

from headgate.uds.address import Address, SocketType

_UCRED: Final = struct.Struct("=iII")
ANCILLARY: Final = socket.CMSG_SPACE(_UCRED.size)
"""Size of the ancillary data buffer for recvmsg(2) that one ``Peer`` needs, in bytes."""
PROC: Final = Path("/proc")


class Peer(msgspec.Struct, frozen=True):
    """Credentials of the process at the other end, as the kernel reports them.

    ``pid`` is 0 if the process is in a pid namespace that is not visible here, such as that of another container.
    """

    pid: int
    uid: int
    gid: int

    @classmethod
    def of(cls, connection: socket.socket) -> Self:
        """Return the process that opened *connection*, or called listen(2) at the other end of it."""
        return cls(*_UCRED.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)))

    @classmethod
    def from_ancillary(cls, ancillary: Iterable[tuple[int, int, bytes]]) -> Self | None:
        """Return the sender of a datagram; ``None`` unless its receiver has SO_PASSCRED set."""
        for level, kind, data in ancillary:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_CREDENTIALS):
                return cls(*_UCRED.unpack(data[: _UCRED.size]))
        return None

    def __str__(self) -> str:
        """As in ``pid 12, uid 1000, gid 1000``."""
        shown = f"pid {self.pid}" if self.pid else "pid not visible here"
        return f"{shown}, uid {self.uid}, gid {self.gid}"


class Listening(msgspec.Struct, frozen=True):
    """A process that listens at an address.

    Attributes:
        kind: the type of the socket.
        pid: of the process, 0 if the kernel does not tell it.
    """

    kind: SocketType
    pid: int = 0

    def __str__(self) -> str:
        """As part of a sentence."""
        owner = f"pid {self.pid}" if self.pid else "a process that is not visible from here"
        return f"{owner} listens on it ({self.kind.value})"


def listening(address: Address) -> Listening | None:
    """Connect to *address* with each type of socket; ``None`` if no process listens (a stale file, or no file).

    The listening process sees at most one connection that is closed at once; on a datagram socket it sees nothing.

    Raises:
        PermissionError: this user may not connect there.
    """
    for kind in SocketType:
        with socket.socket(socket.AF_UNIX, kind.number) as probe:
            probe.setblocking(False)
            try:
                probe.connect(address.name)
            except BlockingIOError:  # its queue of connections is full
                return Listening(kind, _owner(address))
            except PermissionError:
                raise
            except OSError:
                continue
            # Nobody calls listen(2) on a datagram socket: the kernel has no credentials of its owner.
            pid = 0 if kind is SocketType.DGRAM else Peer.of(probe).pid
            return Listening(kind, pid or _owner(address))
    return None


def _owner(address: Address) -> int:
    """Return the pid that has the socket bound to *address* open: its inode is in /proc/net/unix and /proc/PID/fd."""
    inodes = {f"socket:[{inode}]" for inode in _inodes(address)}
    for entry in PROC.glob("[0-9]*/fd/*") if inodes else ():
        with contextlib.suppress(OSError):
            if str(entry.readlink()) in inodes:
                return int(entry.parts[2])
    return 0


def _inodes(address: Address) -> Iterator[str]:
    try:
        table = (PROC / "net" / "unix").read_text(errors="replace")
    except OSError:
        return
    for line in table.splitlines()[1:]:
        # Num RefCount Protocol Flags Type St Inode Path
        fields = line.split(maxsplit=7)
        if len(fields) > 7 and fields[7] == address.text:  # noqa: PLR2004 - the eighth column, see above
            yield fields[6]
