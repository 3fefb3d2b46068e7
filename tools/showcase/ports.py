"""Ports for programs that will listen on them themselves: nginx, Headgate, the backends of an example.

Such a port can only be handed over as a number. Whoever finds a number by binding port 0 and closing the socket again
races with everybody else: until its user listens, the kernel may give it to any connection of this machine, and a
second test worker may find the same one. The ports given out here are safe from both:

- They lie below the range from which the kernel chooses ports itself (``ip_local_port_range``, ip(7)), so that neither
  an outgoing connection nor anybody's port 0 gets one; below 30000, where the node ports of Kubernetes begin; and
  above the ports that the examples name.
- Processes that run at the same time (test workers, demos, benchmarks, of any user) take them from different blocks.
  A block belongs to the process that binds an abstract Unix socket of its name. The kernel gives that name to one
  process of a network namespace, which is what ports belong to as well, and takes it back when the process ends,
  however it ends (unix(7)); so there are no files that could be left behind.
- A process gives no port out twice, and none on which somebody listens already.

What remains: a program that chooses a port of this range by itself, and listens between the two moments. If the kernel
of a machine chooses from nearly all ports, its choices remain too.
"""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

FIRST, END = 20_000, 30_000
BLOCK = 100
"""Ports of a block; a live test needs about ten."""
LOCAL_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")


def free_port() -> int:
    """Return a port on which nobody listens, and which nobody else is given while this process runs.

    Raises:
        RuntimeError: all ports are given out.
    """
    return free_ports(1)[0]


def free_ports(count: int) -> list[int]:
    """Return *count* different ports; see ``free_port``."""
    found = list(islice(_ports, count))
    if len(found) < count:
        raise RuntimeError(f"no free port is left from {FIRST} to {_end()}: other processes hold every block of them")
    return found


def is_free(port: int) -> bool:
    """Whether a server of this user could listen there, at every address."""
    everywhere = {socket.AF_INET: "0.0.0.0", socket.AF_INET6: "::"}  # noqa: S104 nginx listens on every address too
    return all(_is_free(family, address, port) for family, address in everywhere.items())


def _is_free(family: socket.AddressFamily, address: str, port: int) -> bool:
    try:
        socket.create_server((address, port), family=family).close()
    except OSError as error:  # any other says that this machine has no such address: nobody listens there
        return error.errno not in {errno.EADDRINUSE, errno.EACCES}
    return True


def _free() -> Iterator[int]:
    for block in _blocks():
        yield from filter(is_free, block)


def _blocks() -> Iterator[range]:
    """Take one block after the other; processes begin at different ones, so that they rarely meet."""
    blocks = [range(first, first + BLOCK) for first in range(FIRST, _end() - BLOCK + 1, BLOCK)]
    turn = os.getpid() % len(blocks)
    return (block for block in (*blocks[turn:], *blocks[:turn]) if _take(block))


def _take(block: range) -> bool:
    """Claim *block* until this process ends; return whether it was free."""
    claim = socket.socket(socket.AF_UNIX)
    try:
        claim.bind(f"\0headgate-ports-{block.start}")
    except OSError:
        claim.close()
        return False
    claim.detach()  # stays open; programs that are started do not inherit it (PEP 446)
    return True


def _end() -> int:
    """Return the first port that is not ours to give."""
    try:
        local = int(LOCAL_RANGE.read_text().split()[0])
    except (OSError, ValueError):
        return END
    return min(END, local) if local >= FIRST + BLOCK else END


_ports = _free()
