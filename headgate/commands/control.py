"""``headgate drain`` and ``headgate set-log-level``: change a running controller over its control socket."""

from __future__ import annotations

import asyncio
import ipaddress
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec

from headgate.controller.environment import layout
from headgate.flags import FAILED, OK, Argument, Command, Environ, Flag, Value, boolean, execute, path
from headgate.ir.layout import CONTROL_SOCKET
from headgate.options import DNS_LABEL, LogLevel, Options, is_dns_subdomain
from headgate.reporting.control import DRAIN, LOG_LEVEL, ControlError, change

ALLOWED: Final = """\
The controller must run with --control-writes. In a cluster: kubectl exec POD -- headgate {name} ..., for each replica.
The change is an event on the controller's Pod, and is forgotten when the controller ends.
"""
ABOUT_DRAIN: Final = f"""\
Send no new requests to endpoints, until they are named with --undo. Requests under way are finished, and clients with a
sticky cookie of such an endpoint keep it. If no other endpoint of a Service is ready, its drained ones are used.

ENDPOINT is the address of an endpoint, the NAMESPACE/NAME of its Pod, or node/NAME for all endpoints on a node.
{ALLOWED.format(name="drain")}
Examples:
  headgate drain 10.0.0.7
  headgate drain default/tea-1 node/worker-2
  headgate drain --undo node/worker-2
"""
ABOUT_LEVEL: Final = f"""\
Set the level of a running controller's log, as -log-level does at the start.
{ALLOWED.format(name="set-log-level")}
Examples:
  headgate set-log-level debug
"""
GROUP: Final = "Flags"


class _ControlOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Where the controller is."""

    prefix: Annotated[
        Path | None,
        Value("DIR", path),
        Flag(GROUP, "The --prefix of `headgate run`.", "/var/lib/headgate", native=True),
    ] = None
    socket: Annotated[
        str,
        Value("PATH", str),
        Flag(GROUP, "Control socket of the controller, instead of the one below --prefix.", "run/a.sock", native=True),
    ] = ""
    help: Annotated[bool, Value("", boolean), Flag(GROUP, "Print this text, then end.", native=True, letter="h")] = (
        False
    )

    def send(self, target: str, body: Mapping[str, Any]) -> int:
        """Ask the controller for the change *body* of *target*, print the answer, and return the exit status."""
        place = self.socket or layout(Options(prefix=self.prefix)).socket(CONTROL_SOCKET)
        try:
            print(asyncio.run(change(place, target, body)))
        except ControlError as error:
            print(f"headgate: {error}", file=sys.stderr)
            return FAILED
        return OK


def _endpoint(text: str) -> str:
    namespace, slash, name = text.partition("/")
    if slash and DNS_LABEL.fullmatch(namespace) and is_dns_subdomain(name):
        return text
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise ValueError(
            "is not an address (10.0.0.7, without a port), a Pod (default/tea-1) or a node (node/worker-2)"
        ) from None


def _level(text: str) -> str:
    known = [level.value for level in LogLevel]
    if text not in known:
        raise ValueError(f"is not a log level; use {', '.join(known)}")
    return text


class DrainOptions(_ControlOptions, frozen=True, kw_only=True):
    """The arguments of ``headgate drain``."""

    endpoints: Annotated[
        tuple[str, ...], Value("ENDPOINT", _endpoint, each=True), Argument("An address, a Pod or a node.")
    ] = ()
    undo: Annotated[bool, Value("", boolean), Flag(GROUP, "Send requests to these endpoints again.", native=True)] = (
        False
    )


class LogLevelOptions(_ControlOptions, frozen=True, kw_only=True):
    """The arguments of ``headgate set-log-level``."""

    level: Annotated[str, Value("LEVEL", _level), Argument("fatal, error, warn, info, debug or trace.")] = ""


def drain(argv: Sequence[str], environ: Environ) -> int:
    """Drain endpoints; return the exit status."""
    return execute(DRAIN_COMMAND, argv, environ)


def set_log_level(argv: Sequence[str], environ: Environ) -> int:
    """Set the log level; return the exit status."""
    return execute(LOG_LEVEL_COMMAND, argv, environ)


def _drain(options: DrainOptions) -> int:
    return options.send(DRAIN, {"endpoints": options.endpoints, "undo": options.undo})


def _set_log_level(options: LogLevelOptions) -> int:
    return options.send(LOG_LEVEL, {"level": options.level})


DRAIN_COMMAND: Final = Command(
    name="headgate drain", forms=("ENDPOINT... [--undo]",), about=ABOUT_DRAIN, kind=DrainOptions, run=_drain
)
LOG_LEVEL_COMMAND: Final = Command(
    name="headgate set-log-level", forms=("LEVEL",), about=ABOUT_LEVEL, kind=LogLevelOptions, run=_set_log_level,
    words=lambda: {level.value: () for level in LogLevel},
)  # fmt: skip
