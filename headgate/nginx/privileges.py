"""Ports below 1024 for an nginx that root does not start, and what to do where they are not permitted."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path
from typing import Final

NET_BIND_SERVICE: Final = 10
"""CAP_NET_BIND_SERVICE in linux/capability.h."""

FIRST_OPEN_PORT: Final = Path("/proc/sys/net/ipv4/ip_unprivileged_port_start")
"""The first port that needs no capability (Linux, Documentation/networking/ip-sysctl)."""

_VERSION_3: Final = 0x20080522
_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE = 47, 2


class _Header(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _Sets(ctypes.Structure):
    _fields_ = (("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32))


def pass_on_low_ports() -> bool:
    """Let the programs that this one starts bind ports below 1024, if it is permitted to; return whether they may.

    The capability becomes ambient (capabilities(7)). A capability of nginx's own file would do the same, but the
    program then runs in secure mode (ld.so(8)), in which glibc ignores the tunables that ``process.HUGE_PAGES`` sets.
    It also comes into effect here: the kernel shows the working directory of an nginx, by which the workers of a dead
    master are found, only to who has in effect what that nginx is permitted (ptrace(2), access mode checks).
    """
    if os.geteuid() == 0:
        return True
    libc = ctypes.CDLL(None, use_errno=True)
    header, sets = _Header(_VERSION_3, 0), (_Sets * 2)()
    if libc.capget(ctypes.byref(header), sets) or not sets[0].permitted & 1 << NET_BIND_SERVICE:
        return False
    sets[0].inheritable |= 1 << NET_BIND_SERVICE
    sets[0].effective |= 1 << NET_BIND_SERVICE
    if libc.capset(ctypes.byref(header), sets):
        return False
    return not libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, NET_BIND_SERVICE, 0, 0)


def permission_advice(port: str) -> str:
    """Say what to do about *port* (empty if it is not one) that nginx was not permitted to bind."""
    first = first_open_port()
    if port.isdigit() and int(port) >= first:
        return (
            "any user may bind it here, so a security module (SELinux, AppArmor) forbids it; choose another port, or"
            f" permit this one (SELinux: semanage port -a -t http_port_t -p tcp {port})"
        )
    flags = "-default-http-listener-port=8000 -default-https-listener-port=8443"
    return f"use a port above {first - 1}, for example {flags}, or grant CAP_NET_BIND_SERVICE"


def first_open_port() -> int:
    """Return the first port that any user may bind here, 1024 unless the kernel says otherwise."""
    try:
        return int(FIRST_OPEN_PORT.read_text())
    except (OSError, ValueError):
        return 1024
