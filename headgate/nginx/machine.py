"""What the machine gives nginx, found out by trying."""

from __future__ import annotations

import errno
import logging
import os
import socket

log = logging.getLogger(__name__)


def has_ipv6() -> bool:
    """Whether this machine can listen on IPv6 at all; containers often cannot."""
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as probe:
            probe.bind(("::", 0))
    except OSError:
        log.info("no IPv6 here", extra={"fields": {"effect": "nginx listens on IPv4 only"}})
        return False
    return True


def can_open_stdout() -> bool:
    """Whether nginx can open ``/dev/stdout`` again, which it cannot where that is a socket or another user's pipe."""
    try:
        os.close(os.open("/dev/stdout", os.O_WRONLY | os.O_APPEND))
    except OSError as error:
        if error.errno not in {errno.ENXIO, errno.EACCES, errno.EPERM, errno.ENOENT}:
            raise
        return False
    return True
