"""``headgate status``: the hosts, routes and endpoints that are served, and what is wrong."""

from __future__ import annotations

import asyncio
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Final

import msgspec

from headgate.commands.errors import reported
from headgate.controller.environment import layout
from headgate.flags import Choice, Flag, Value, boolean
from headgate.flags.command import FAILED, OK, Command, Environ, execute
from headgate.ir.layout import CONTROL_SOCKET
from headgate.nginx import orphans, procfs
from headgate.nginx.scratch import proxies
from headgate.options import DECLARED, KNOWN, LogLevel, Options, completed
from headgate.reporting.control import LONGEST_WAIT_S, ControlError, NoControllerError, ask
from headgate.reporting.logs import configure
from headgate.status import Status, text
from headgate.status.text import age, fitted
from headgate.viewing import status as read_once

ABOUT: Final = """\
Print every host with its paths, Services, endpoints and certificate, then the objects that are refused or have a
warning. Without -m and --cluster, the controller that runs with the same --prefix is asked over its control socket;
if there is none and a `headgate proxy` runs, that is asked.
It also prints its version, the configuration that it serves, the last reload and the state of its watches. In a
cluster: kubectl exec POD -- headgate status, or, with the plugin, kubectl headgate status.

Examples:
  headgate status
  headgate status -m examples/cafe -o wide
  headgate status --watch

The flags are those of `headgate run`, for -m and --cluster; give the same ones, because the result depends on them.
And:
"""
GROUP: Final = "Status"
LOOK_S: Final = 2.0
"""How often --watch reads a folder or a cluster again, in seconds."""
CLEAR: Final = "\x1b[H\x1b[2J"
"""Moves the cursor of a terminal to its first line and clears it (ECMA-48)."""


class StatusOptions(Options, frozen=True, kw_only=True):
    """The arguments of ``headgate status``."""

    cluster: Annotated[
        bool,
        Value("", boolean),
        Flag(GROUP, "Read the cluster of the kubeconfig (--kubeconfig, --context), not a controller.", native=True),
    ] = False
    socket: Annotated[
        str,
        Value("PATH", str),
        Flag(GROUP, "Control socket of the controller, instead of the one below --prefix.", "run/a.sock", native=True),
    ] = ""
    watch: Annotated[
        bool,
        Value("", boolean),
        Flag(GROUP, "Print it again after each change, until Ctrl-C.", native=True, letter="w"),
    ] = False
    output: Annotated[
        str,
        Value("table|wide|json", Choice(("table", "wide", "json"))),
        Flag(GROUP, "Format.", "wide", native=True, letter="o"),
    ] = "table"


def main(argv: Sequence[str], environ: Environ) -> int:
    """Print the status; return the exit status."""
    return execute(STATUS, argv, environ)


@reported
def _status(options: StatusOptions) -> int:
    configure(options.log_format, LogLevel.WARN, sys.stderr)  # standard output is for the status
    try:
        for found in _statuses(options):
            _print(found, options)
            if not options.watch:
                break
    except NoControllerError as error:
        print(f"headgate: {_left_serving(options) or error}", file=sys.stderr)
        return FAILED
    except ControlError as error:
        print(f"headgate: {error}", file=sys.stderr)
        return FAILED
    return OK


def _left_serving(options: StatusOptions) -> str:
    """Return the line about an nginx that outlived its controller; empty if there is none."""
    where = layout(options)
    if options.socket:
        where = msgspec.structs.replace(where, run=str(Path(options.socket).absolute().parent))
    pid = orphans.serving(where)
    if pid is None:
        return ""
    began = procfs.started(pid)
    since = f", since {began:%Y-%m-%d %H:%M:%S} UTC ({age(began, datetime.now(UTC))})" if began else ""
    return (
        f"{where.run}: no controller runs with these directories, but the nginx that it started still serves: pid {pid}"
        f"{since}; the controller was ended without a chance to stop it (kill -9, out of memory), and changes have no"
        " effect; the next `headgate run` with these directories ends this nginx and starts its own,"
        f" or end it with kill -QUIT {pid}"
    )


def _statuses(options: StatusOptions) -> Iterator[Status]:
    """Yield the status, then each later one that differs; ends only by Ctrl-C."""
    if options.manifests is None and not options.cluster:
        return _of_controller(options.socket or _socket(options))
    return _of_objects(options)


def _socket(options: StatusOptions) -> str:
    """Return the control socket of the controller, or of the only proxy if no directory is named and none is used.

    Raises:
        ControlError: several proxies run, and no controller.
    """
    usual = layout(options)
    if options.prefix or orphans.serving(usual) or Path(usual.socket(CONTROL_SOCKET)).exists():
        return usual.socket(CONTROL_SOCKET)
    running = [*proxies()]
    if len(running) > 1:
        places = " or ".join(f"--prefix={Path(place.run).parent}" for place in running)
        raise ControlError(f"several `headgate proxy` run; name one with {places}")
    return (running[0] if running else usual).socket(CONTROL_SOCKET)


def _of_controller(socket: str) -> Iterator[Status]:
    known = ""
    while True:
        answer = asyncio.run(ask(socket, known, LONGEST_WAIT_S / 2))
        if answer is not None:
            known = answer.tag
            yield answer.status


def _of_objects(options: StatusOptions) -> Iterator[Status]:
    last: object = None
    while True:
        found = read_once(options)
        if (found.hosts, found.objects) != last:
            last = found.hosts, found.objects
            yield found
        time.sleep(LOOK_S)


def _print(status: Status, options: StatusOptions) -> None:
    if options.output == "json":
        data = msgspec.json.encode(status)
        shown = data if options.watch else msgspec.json.format(data)
        print(shown.decode(), flush=True)
        return
    table = text(status, wide=options.output == "wide")
    if options.watch and sys.stdout.isatty():
        columns, rows = shutil.get_terminal_size()
        print(f"{CLEAR}{fitted(table, status, columns, rows)}", end="", flush=True)
    else:
        print(table, end="" if not options.watch else "\n", flush=True)


STATUS: Final = Command(
    name="headgate status",
    forms=("[-o table|wide|json] [--watch]", "-m DIR|--cluster [-o table|wide|json] [--watch] [FLAGS]"),
    about=ABOUT,
    kind=StatusOptions,
    run=_status,
    declined=KNOWN,
    build=completed,
    common=DECLARED,
)
