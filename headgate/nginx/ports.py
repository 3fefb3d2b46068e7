"""The line about ports that nginx cannot bind: all of them, with the flags that set them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from headgate.nginx.blame import Blame
from headgate.nginx.privileges import first_open_port, permission_advice

_DENIED: Final = "denied"


def unusable(reason: Blame, addresses: Iterable[str], flags: Mapping[int, str]) -> str:
    """Return one line: which ports cannot be used, why, and what to do.

    Args:
        reason: the complaint of nginx, with an address.
        addresses: all that could not be bound. At the first one that is not permitted nginx stops: those that are not
            permitted either are found by *flags*.
        flags: the flag of each port that a flag sets.
    """
    denied = _DENIED in reason.message
    ports = {port for port in map(_port, (reason.address, *addresses)) if port}
    if denied and reason.port:
        first = first_open_port()
        ports |= {port for port in flags if port < first and int(reason.port) < first}
    if not ports:
        return f"{reason.address} cannot be used: {reason.message}; {_advice(1, named=False)}"
    named = [f"{port} ({flags[port]})" if port in flags else str(port) for port in sorted(ports)]
    advice = permission_advice(reason.port) if denied else _advice(len(ports), named=ports <= flags.keys())
    return f"port{'s' if len(ports) > 1 else ''} {_listed(named)} cannot be used: {reason.message}; {advice}"


def _advice(count: int, *, named: bool) -> str:
    if count > 1:
        other = "set these flags to free ports" if named else "choose other ports"
        return f"stop the processes that use them, or {other}; it is retried"
    other = "set that flag to a free port" if named else "choose another port"
    return f"stop the process that uses it, or {other}; it is retried"


def _listed(names: list[str]) -> str:
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last


def _port(address: str) -> int:
    """Return the port of *address*, 0 for a Unix socket."""
    digits = address.rpartition(":")[2]
    return int(digits) if not address.startswith("unix:") and digits.isdecimal() else 0
