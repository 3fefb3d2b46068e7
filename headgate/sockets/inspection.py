"""The state of a socket's address, found out without a request to the process that listens."""

from __future__ import annotations

import contextlib
import enum
import grp
import pwd
import stat
from pathlib import Path
from typing import Final

import msgspec

from headgate.ir.layout import SOCKET_PATH_LIMIT
from headgate.uds import Address, AddressError, SocketType, file_type, listening

PROC: Final = Path("/proc")
MAY_NOT_CONNECT: Final = "this user may not connect; run as root, or as a user with write permission on the socket"
NOBODY_LISTENS: Final = "no process listens; it ended without removing the socket: restart it, or remove the file"


class SocketState(enum.Enum):
    """What is at an address."""

    ABSENT = "absent"
    OTHER = "not a socket"
    DENIED = "denied"
    """This user may not connect to the socket, or not enter its directory."""
    STALE = "stale"
    """A socket file on which no process listens."""
    LISTENS = "listens"


class FilePermissions(msgspec.Struct, frozen=True):
    """Permission bits as octal digits (``0660``), owner and group by name or number."""

    mode: str
    owner: str
    group: str

    def __str__(self) -> str:
        """As in ``0660 root:root``."""
        return f"{self.mode} {self.owner}:{self.group}"


class ListeningProcess(msgspec.Struct, frozen=True):
    """The process that listens.

    Attributes:
        pid: 0 if the kernel does not tell it: the process is in another pid namespace or belongs to another user.
        command: its name as ps(1) shows it, ``""`` if it is not visible.
        user: the user that it runs as, ``""`` if it is not visible.
        kind: the type of its socket.
    """

    pid: int
    command: str
    user: str
    kind: SocketType

    def __str__(self) -> str:
        """As in ``containerd (pid 12, user root)``."""
        if not self.pid:
            return "a process that is not visible from here"
        return f"{self.command or 'a process that has ended'} (pid {self.pid}{f', user {self.user}' * bool(self.user)})"


class Inspection(msgspec.Struct, frozen=True):
    """What was found at one address.

    Attributes:
        state: what is there.
        file: its permissions; ``None`` for an abstract address, and where there is no file.
        listener: the process that listens, if any.
        remark: in the other states the reason, and what to do; empty where there is nothing.
    """

    state: SocketState
    file: FilePermissions | None = None
    listener: ListeningProcess | None = None
    remark: str = ""


def inspect(address: Address) -> Inspection:
    """Inspect *address*; links are followed. A listening process sees at most one connection, closed at once."""
    resolved = address if address.path is None else Address(str(address.path.resolve()))
    try:
        found = "a socket" if resolved.path is None else file_type(resolved.path)
    except AddressError as error:
        return Inspection(SocketState.DENIED, remark=f"{error}; run as root, or as a user who may look there")
    if found == "nothing":
        return Inspection(SocketState.ABSENT)
    if found != "a socket":
        return Inspection(SocketState.OTHER, _permissions(resolved), remark=f"{found} has this name")
    # The target of a link may be too long an address to connect to.
    return _probe(resolved if _fits(resolved) else address, _permissions(resolved))


def _probe(address: Address, file: FilePermissions | None) -> Inspection:
    try:
        found = listening(address)
    except PermissionError:
        return Inspection(SocketState.DENIED, file, remark=MAY_NOT_CONNECT)
    if found is None:
        if file is None:
            return Inspection(SocketState.ABSENT)
        return Inspection(SocketState.STALE, file, remark=NOBODY_LISTENS)
    return Inspection(SocketState.LISTENS, file, process(found.pid, found.kind))


def _fits(address: Address) -> bool:
    return len(address.name.encode()) <= SOCKET_PATH_LIMIT


def process(pid: int, kind: SocketType) -> ListeningProcess:
    """Return what /proc tells about process *pid*, 0 for one that is not visible."""
    command, user = "", ""
    with contextlib.suppress(OSError):
        directory = PROC / str(pid)
        user = _user(directory.stat().st_uid) if pid else ""
        command = (directory / "comm").read_text().strip() if pid else ""
    return ListeningProcess(pid, command, user, kind)


def _permissions(address: Address) -> FilePermissions | None:
    try:
        found = address.path.lstat() if address.path is not None else None
    except OSError:
        return None
    if found is None:
        return None
    return FilePermissions(f"{stat.S_IMODE(found.st_mode):04o}", _user(found.st_uid), _group(found.st_gid))


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _group(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)
