"""What is there when the proxy starts: who listens, and which names can be resolved."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from typing import Final

from headgate.proxy.routes import LOCALHOST, Backend

LOCAL: Final = ("127.0.0.1", "::1")
"""The addresses of localhost: some development servers listen on one of them only, and not all on the same."""
PATIENCE_S: Final = 0.5


def listening(backend: Backend) -> tuple[str, ...]:
    """Return the addresses of *backend* that accept connections now; of a name the name itself."""
    addresses = LOCAL if backend.host == LOCALHOST else (backend.host,)
    return tuple(address for address in addresses if _accepts(address, backend.port))


def unresolved(backends: Iterable[Backend]) -> str:
    """Return why the host of some backend cannot be resolved, or ``""``; nginx would refuse to start."""
    for backend in backends:
        try:
            socket.getaddrinfo(backend.host, backend.port, type=socket.SOCK_STREAM)
        except OSError as error:
            return (
                f"{backend}: the name cannot be resolved: {error.strerror or error}; correct it, or use an IP address"
            )
    return ""


def _accepts(address: str, port: int) -> bool:
    try:
        with socket.create_connection((address, port), timeout=PATIENCE_S):
            return True
    except OSError:
        return False
