"""Ports of this machine: which are free, and why one cannot be opened."""

from __future__ import annotations

import contextlib
import errno
import socket
import time
from collections.abc import Collection, Iterator, Sequence
from typing import Final

LOCK: Final = b"\0headgate-proxy-ports"
PATIENCE_S: Final = 5.0
PAUSE_S: Final = 0.05
TRIED: Final = 100
"""Ports that are tried one after the other, from the preferred one on."""


@contextlib.contextmanager
def turn() -> Iterator[None]:
    """Keep other proxies of this machine from choosing ports until nginx has opened those that are chosen here.

    The lock is an abstract Unix socket (unix(7)): it belongs to a network namespace, as ports do, and the kernel
    releases it. Where there are none, or if another proxy holds it for longer than ``PATIENCE_S`` because its nginx
    fails, it is done without; then two proxies may choose one port.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as lock:
        end = time.monotonic() + PATIENCE_S
        while not _bound(lock) and time.monotonic() < end:
            time.sleep(PAUSE_S)
        yield


def _bound(lock: socket.socket) -> bool:
    """Try to bind *lock*; return whether trying again is of no use."""
    try:
        lock.bind(LOCK)
    except OSError as error:
        return error.errno != errno.EADDRINUSE
    return True


def free_port(preferred: int, addresses: Sequence[str], taken: Collection[int] = ()) -> int:
    """Return *preferred*, or the next port that can be opened on all *addresses* and is not *taken*.

    Raises:
        OSError: none can.
    """
    error = OSError(errno.EADDRINUSE, f"no port from {preferred} to {preferred + TRIED - 1} is free")
    for port in range(preferred, preferred + TRIED):
        if port not in taken and _open_error(port, addresses) is None:
            return port
    raise error


def port_fault(port: int, addresses: Sequence[str]) -> str:
    """Return why *port* cannot be opened on *addresses*, and what to do, or ``""``."""
    error = _open_error(port, addresses)
    if error is None:
        return ""
    if error.errno == errno.EADDRINUSE:
        return "is in use by another process; end that process, or choose another port"
    if error.errno in {errno.EACCES, errno.EPERM}:
        return (
            "cannot be opened by this user; choose a port above 1023, or permit it on this machine with"
            f" `sudo sysctl net.ipv4.ip_unprivileged_port_start={port}`"
        )
    return f"cannot be opened: {error.strerror or error}"


def _open_error(port: int, addresses: Sequence[str]) -> OSError | None:
    """Return what opening *port* fails with; an address family that the machine does not have is left out."""
    for address in addresses or ("0.0.0.0", "::"):  # noqa: S104 - what nginx would listen on
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        try:
            with socket.socket(family, socket.SOCK_STREAM) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:
                    probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                probe.bind((address, port))
                probe.listen()
        except OSError as error:
            if family == socket.AF_INET6 and error.errno in {errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL}:
                continue
            return error
    return None
