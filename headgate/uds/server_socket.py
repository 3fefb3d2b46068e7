"""Binds a socket and removes it again: stale socket files are replaced, sockets in use and other files are not."""

from __future__ import annotations

import contextlib
import fcntl
import grp
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Self

import msgspec

from headgate.uds.address import Address, SocketType, file_type, require_bindable
from headgate.uds.errors import AddressError, InUseError
from headgate.uds.peers import listening

BACKLOG: Final = 1024
"""Length of the queue of connections not yet accepted; the kernel limits it to net.core.somaxconn."""
OWNER_ONLY: Final = 0o600


class Access(msgspec.Struct, frozen=True):
    """Who may connect, by the permissions of the file; connect(2) needs write permission (unix(7)).

    Attributes:
        mode: permission bits of the file.
        group: its group, by name or number; ``None`` for that of the process.
    """

    mode: int = 0o660
    group: str | None = None


class ServerSocket:
    """A bound socket, non-blocking; a context manager that closes it and removes its file."""

    def __init__(self, bound: socket.socket, address: Address, kind: SocketType) -> None:
        """Take over *bound*; use ``ServerSocket.open``."""
        self.socket = bound
        self.address = address
        self.kind = kind
        self._file = _identity(address)

    @classmethod
    def open(
        cls,
        address: Address,
        kind: SocketType = SocketType.STREAM,
        access: Access | None = None,
        *,
        identify: bool = False,
    ) -> Self:
        """Bind, set the permissions, then listen: at no time may a user connect whom the permissions exclude.

        A stale socket file, on which no process listens, is replaced. A lock on the directory keeps two processes that
        open the same address from removing each other's socket. With *identify* the kernel reports the sender of each
        datagram (SO_PASSCRED), from the first one on; for connections it always does.

        Raises:
            AddressError: no socket can be created there, or its permissions cannot be set.
            InUseError: another process listens there.
        """
        require_bindable(address)
        with _locked(address):
            _remove_stale(address)
            bound = socket.socket(socket.AF_UNIX, kind.number)
            try:
                if identify:
                    bound.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
                _bind(bound, address, access or Access())
                if kind is not SocketType.DGRAM:
                    bound.listen(BACKLOG)
                bound.setblocking(False)
            except BaseException:
                bound.close()
                raise
            return cls(bound, address, kind)

    def close(self) -> None:
        """Close the socket and remove its file, unless another file has taken its place; a second call does nothing."""
        self.socket.close()
        path = self.address.path
        if path is not None and self._file is not None and _identity(self.address) == self._file:
            with contextlib.suppress(OSError):
                path.unlink()
        self._file = None

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()


@contextlib.contextmanager
def _locked(address: Address) -> Iterator[None]:
    """Hold a lock on the directory of *address* itself, so that no lock file is needed."""
    if address.path is None:
        yield
        return
    try:
        directory = os.open(address.path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise AddressError(f"{address}: {address.path.parent} cannot be opened: {error.strerror}") from error
    try:
        fcntl.flock(directory, fcntl.LOCK_EX)
        yield
    finally:
        os.close(directory)


def _remove_stale(address: Address) -> None:
    """Remove a stale socket file.

    Raises:
        InUseError: a process listens on it.
        AddressError: this user may not connect to it, or not remove it.
    """
    path = address.path
    if path is not None and file_type(path) == "nothing":
        return
    try:
        if (found := listening(address)) is not None:
            raise InUseError(f"{address}: {found}; stop it, or choose another address")
        if path is not None:
            path.unlink(missing_ok=True)
    except OSError as error:
        raise AddressError(
            f"{address}: a socket is there that this user may not connect to or remove: {error.strerror}; "
            "choose another path, or ask its owner"
        ) from error


def _bind(bound: socket.socket, address: Address, access: Access) -> None:
    path = address.path
    try:
        if path is not None:
            # Linux gives the file the mode of the socket's inode: no other user can connect before it is widened below.
            os.fchmod(bound.fileno(), OWNER_ONLY)
        bound.bind(address.name)
    except OSError as error:
        raise AddressError(f"{address}: cannot be bound: {error.strerror}") from error
    if path is None:
        return
    try:
        _set_permissions(path, access)
    except AddressError:
        path.unlink(missing_ok=True)
        raise


def _set_permissions(path: Path, access: Access) -> None:
    try:
        if access.group is not None:
            os.chown(path, -1, _gid(access.group))
        path.chmod(access.mode)
    except KeyError as error:
        raise AddressError(f"{path}: there is no group {access.group!r} here; give its number") from error
    except OSError as error:
        raise AddressError(
            f"{path}: mode {access.mode:04o} and group {access.group} cannot be set: {error.strerror}; "
            "one may only give a file to a group that one is in"
        ) from error


def _gid(group: str) -> int:
    return int(group) if group.isdecimal() else grp.getgrnam(group).gr_gid


def _identity(address: Address) -> tuple[int, int] | None:
    """Return device and inode of the address's file."""
    try:
        found = address.path.lstat() if address.path is not None else None
    except OSError:
        return None
    return None if found is None else (found.st_dev, found.st_ino)
