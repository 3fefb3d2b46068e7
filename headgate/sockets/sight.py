"""What there is to see at a socket's address without speaking to whoever listens."""

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
from headgate.uds import Address, AddressError, Kind, listening, what

PROC: Final = Path("/proc")


class State(enum.Enum):
    """What is at an address."""

    ABSENT = "absent"
    OTHER = "not a socket"
    DENIED = "denied"
    """A socket, or a directory before it, that this user may not use."""
    STALE = "stale"
    """A socket file on which nobody listens."""
    LISTENS = "listens"


class File(msgspec.Struct, frozen=True):
    """The file of a socket: permission bits as octal digits (``0660``), its owner and group by name or number."""

    mode: str
    owner: str
    group: str

    def __str__(self) -> str:
        """Read as in ``0660 root:root``."""
        return f"{self.mode} {self.owner}:{self.group}"


class Owner(msgspec.Struct, frozen=True):
    """The process that listens.

    Attributes:
        pid: 0 if the kernel does not tell it to us: it runs in another pid namespace, or belongs to another user.
        command: its name as ps(1) shows it, ``""`` if it is not visible.
        user: who it runs as, ``""`` if it is not visible.
        kind: the type of its socket.
    """

    pid: int
    command: str
    user: str
    kind: Kind

    def __str__(self) -> str:
        """Read as in ``containerd (pid 12, user root)``."""
        if not self.pid:
            return "a process that is not visible from here"
        return f"{self.command or 'a process that has ended'} (pid {self.pid}{f', user {self.user}' * bool(self.user)})"


class Sight(msgspec.Struct, frozen=True):
    """One address.

    Attributes:
        state: what is there.
        file: its permissions; ``None`` for an abstract address, and where there is no file.
        listener: who listens, if anybody.
        remark: why not, and what to do, in the other states; empty where there is nothing.
    """

    state: State
    file: File | None = None
    listener: Owner | None = None
    remark: str = ""


def look(address: Address) -> Sight:
    """Look at *address*; symbolic links are followed. A listener sees one connection that closes at once at most."""
    resolved = address if address.path is None else Address(str(address.path.resolve()))
    try:
        found = "a socket" if resolved.path is None else what(resolved.path)
    except AddressError as error:
        return Sight(State.DENIED, remark=f"{error}; run as root, or as a user who may look there")
    if found == "nothing":
        return Sight(State.ABSENT)
    if found != "a socket":
        return Sight(State.OTHER, _file(resolved), remark=f"{found} has this name")
    # What a short link leads to may be too long a name to connect to.
    return _knock(resolved if _fits(resolved) else address, _file(resolved))


def _knock(address: Address, file: File | None) -> Sight:
    try:
        there = listening(address)
    except PermissionError:
        return Sight(
            State.DENIED, file, remark="this user may not connect; run as root, or as a user who may write the socket"
        )
    if there is None:
        if file is None:
            return Sight(State.ABSENT)
        return Sight(State.STALE, file, remark="nobody listens; a process left it behind, start it again or remove it")
    return Sight(State.LISTENS, file, owner(there.pid, there.kind))


def _fits(address: Address) -> bool:
    return len(address.name.encode()) <= SOCKET_PATH_LIMIT


def owner(pid: int, kind: Kind) -> Owner:
    """Return what /proc tells about process *pid*, 0 for one that is not visible."""
    command, user = "", ""
    with contextlib.suppress(OSError):
        process = PROC / str(pid)
        user = _user(process.stat().st_uid) if pid else ""
        command = (process / "comm").read_text().strip() if pid else ""
    return Owner(pid, command, user, kind)


def _file(address: Address) -> File | None:
    try:
        found = address.path.lstat() if address.path is not None else None
    except OSError:
        return None
    return (
        None if found is None else File(f"{stat.S_IMODE(found.st_mode):04o}", _user(found.st_uid), _group(found.st_gid))
    )


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
