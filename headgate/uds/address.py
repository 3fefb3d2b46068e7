"""Addresses and types of Unix sockets (unix(7)), and the checks of an address before it is used."""

from __future__ import annotations

import enum
import socket
import stat
from pathlib import Path
from typing import Self

import msgspec

from headgate.ir.layout import SOCKET_PATH_LIMIT
from headgate.uds.errors import AddressError


class SocketType(enum.Enum):
    """The three types of Unix sockets, as they are spelled on the command line."""

    STREAM = "stream"
    DGRAM = "dgram"
    SEQPACKET = "seqpacket"

    @property
    def number(self) -> socket.SocketKind:
        """The constant of socket(2)."""
        return _NUMBERS[self]


_NUMBERS = {
    SocketType.STREAM: socket.SOCK_STREAM,
    SocketType.DGRAM: socket.SOCK_DGRAM,
    SocketType.SEQPACKET: socket.SOCK_SEQPACKET,
}


class Address(msgspec.Struct, frozen=True):
    """A path, or an abstract address (Linux; no file) if it starts with ``@``."""

    text: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse an address; ``unix:`` and ``unix://`` before a path are allowed.

        Raises:
            AddressError: it is empty, has a zero byte, or is longer than the kernel accepts.
        """
        bare = text.removeprefix("unix://").removeprefix("unix:")
        if bare in {"", "@"} or "\0" in bare:
            raise AddressError(f"{text!r} is not a socket address; write a path, or @name for an abstract address")
        size = len(bare.encode())
        if size > SOCKET_PATH_LIMIT:
            raise AddressError(
                f"{bare}: {size} bytes are too many, a socket's path has at most {SOCKET_PATH_LIMIT} (unix(7)); "
                "choose a shorter directory, or change into it and give a relative path"
            )
        return cls(bare)

    def __str__(self) -> str:
        """As the user wrote it."""
        return self.text

    @property
    def path(self) -> Path | None:
        """The file of the socket, ``None`` if the address is abstract."""
        return None if self.text.startswith("@") else Path(self.text)

    @property
    def name(self) -> str:
        """The address for bind(2) and connect(2), where an abstract one starts with a zero byte."""
        return "\0" + self.text[1:] if self.path is None else self.text


def require_bindable(address: Address) -> None:
    """Check that a socket could be created at *address*; a socket that exists there already is accepted.

    Raises:
        AddressError: the directory is missing, or the path is a file of another type.
    """
    path = address.path
    if path is None:
        return
    if not path.parent.is_dir():
        raise AddressError(f"{path}: there is no directory {path.parent}; make it, or mount the volume there")
    if (found := file_type(path)) not in {"nothing", "a socket"}:
        raise AddressError(f"{path}: {found} is in the way and is left alone; remove it, or choose another path")


def file_type(path: Path) -> str:
    """Return what is at *path*, in words: ``nothing``, ``a socket``, ``a regular file``, …; links are not followed.

    Raises:
        AddressError: this user may not look.
    """
    try:
        mode = path.lstat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return "nothing"
    except OSError as error:
        raise AddressError(f"{path}: {error.strerror}") from error
    return next((words for test, words in _WORDS if test(mode)), "a device")


_WORDS = (
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISREG, "a regular file"),
    (stat.S_ISDIR, "a directory"),
    (stat.S_ISLNK, "a symbolic link"),
    (stat.S_ISFIFO, "a named pipe"),
)
