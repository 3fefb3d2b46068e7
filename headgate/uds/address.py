"""Addresses and types of Unix sockets (unix(7)), and what is wrong with an address before it is used."""

from __future__ import annotations

import enum
import socket
import stat
from pathlib import Path
from typing import Self

import msgspec

from headgate.ir.layout import SOCKET_PATH_LIMIT
from headgate.uds.errors import AddressError


class Kind(enum.Enum):
    """The three types of Unix sockets, as a user spells them."""

    STREAM = "stream"
    DGRAM = "dgram"
    SEQPACKET = "seqpacket"

    @property
    def number(self) -> socket.SocketKind:
        """The constant of socket(2)."""
        return _NUMBERS[self]


_NUMBERS = {
    Kind.STREAM: socket.SOCK_STREAM,
    Kind.DGRAM: socket.SOCK_DGRAM,
    Kind.SEQPACKET: socket.SOCK_SEQPACKET,
}


class Address(msgspec.Struct, frozen=True):
    """A path, or a name without a file when it starts with ``@`` (Linux's abstract addresses)."""

    text: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what a user writes; ``unix:`` and ``unix://`` before a path are allowed.

        Raises:
            AddressError: it is empty, has a zero byte, or is longer than the kernel takes.
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
        """Read as the user wrote it."""
        return self.text

    @property
    def path(self) -> Path | None:
        """The file that stands for the socket, ``None`` if the address is abstract."""
        return None if self.text.startswith("@") else Path(self.text)

    @property
    def name(self) -> str:
        """What bind(2) and connect(2) are given: an abstract name starts with a zero byte."""
        return "\0" + self.text[1:] if self.path is None else self.text


def require_place(address: Address) -> None:
    """Check that a socket could be made at *address*; a socket that is there already is none of its business.

    Raises:
        AddressError: the directory is missing, or something else than a socket has the name.
    """
    path = address.path
    if path is None:
        return
    if not path.parent.is_dir():
        raise AddressError(f"{path}: there is no directory {path.parent}; make it, or mount the volume there")
    if (found := what(path)) not in {"nothing", "a socket"}:
        raise AddressError(f"{path}: {found} is in the way and is left alone; remove it, or choose another path")


def what(path: Path) -> str:
    """Say in words what has the name *path*: ``nothing``, ``a socket``, ``a regular file``, …; links are not followed.

    Raises:
        AddressError: one may not look.
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
