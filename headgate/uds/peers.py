"""Who is at the other end: SO_PEERCRED and SCM_CREDENTIALS (unix(7)), and /proc where they do not reach."""

from __future__ import annotations

import contextlib
import socket
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, Self

import msgspec

from headgate.uds.address import Address, Kind

_UCRED: Final = struct.Struct("=iII")
ANCILLARY: Final = socket.CMSG_SPACE(_UCRED.size)
"""Bytes of ancillary data to ask recvmsg(2) for, so that one ``Peer`` fits."""
PROC: Final = Path("/proc")


class Peer(msgspec.Struct, frozen=True):
    """The process at the other end, as the kernel vouches for it.

    ``pid`` is 0 if that process is not visible from here (another pid namespace, such as another container).
    """

    pid: int
    uid: int
    gid: int

    @classmethod
    def of(cls, connection: socket.socket) -> Self:
        """Return who made *connection*, or who called listen(2) at the other end of it."""
        return cls(*_UCRED.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)))

    @classmethod
    def among(cls, ancillary: Iterable[tuple[int, int, bytes]]) -> Self | None:
        """Return who sent a datagram; ``None`` unless its receiver has SO_PASSCRED set."""
        for level, kind, data in ancillary:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_CREDENTIALS):
                return cls(*_UCRED.unpack(data[: _UCRED.size]))
        return None

    def __str__(self) -> str:
        """Read as in ``pid 12, uid 1000, gid 1000``."""
        shown = f"pid {self.pid}" if self.pid else "pid not visible here"
        return f"{shown}, uid {self.uid}, gid {self.gid}"


class Listening(msgspec.Struct, frozen=True):
    """Somebody listens at an address.

    Attributes:
        kind: the type of the socket.
        pid: of the process that listens, 0 if the kernel does not tell it to us.
    """

    kind: Kind
    pid: int = 0

    def __str__(self) -> str:
        """Read as a half-sentence."""
        owner = f"pid {self.pid}" if self.pid else "a process that is not visible from here"
        return f"{owner} listens on it ({self.kind.value})"


def listening(address: Address) -> Listening | None:
    """Knock at *address* with each type of socket; ``None`` if nobody listens (a stale file, or no file).

    A listener sees at most one connection that closes at once; a datagram socket sees nothing.

    Raises:
        PermissionError: one may not connect there, so nobody can tell.
    """
    for kind in Kind:
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
            # Where a datagram socket stands nobody called listen(2): the kernel has no credentials to give.
            pid = 0 if kind is Kind.DGRAM else Peer.of(probe).pid
            return Listening(kind, pid or _owner(address))
    return None


def _owner(address: Address) -> int:
    """Find the process that holds the socket bound to *address*: its inode in /proc/net/unix, then its descriptor."""
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
