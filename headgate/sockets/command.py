"""``headgate sockets``: which container runtimes are here, and which of Headgate's own sockets answer."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final

import msgspec

from headgate.controller.environment import layout
from headgate.flags import Choice, Flag, Value, boolean, path
from headgate.flags.command import FAILED, OK, USAGE, Command, execute
from headgate.nginx.scratch import proxies
from headgate.options import Options
from headgate.sockets.endpoints import RuntimeEndpoint, known, parse
from headgate.sockets.report import report, rows, text
from headgate.uds import AddressError

ABOUT: Final = """\
Print which Headgate sockets answer, those of each `headgate proxy` included, and which container runtimes listen here
and what they answer. If no Headgate runs, the runtimes are printed first.

A runtime is asked for Version and Status of the CRI; that needs the extra: pip install 'headgate[sockets]'.
Exit status 0 if a controller, a proxy or a runtime answers, with --endpoint only if a runtime does; otherwise 1.
Run it as root, because runtimes usually let no other user connect.

Examples:
  headgate sockets
  headgate sockets --endpoint /run/k3s/containerd/containerd.sock -o json
  headgate sockets --root /host
"""
FLAGS: Final = "Flags"
ROOT: Final = Path("/")


class SocketsOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What ``headgate sockets`` takes from the command line."""

    endpoint: Annotated[
        tuple[str, ...],
        Value("SOCKET", str, each=True),
        Flag(FLAGS, "Path or unix:///path to inspect instead of the usual ones; may be repeated.", "/run/a.sock", True),
    ] = ()
    root: Annotated[
        Path, Value("DIR", Path), Flag(FLAGS, "Where the root directory of the machine is mounted.", "/host", True)
    ] = ROOT
    prefix: Annotated[
        Path | None,
        Value("DIR", path),
        Flag(FLAGS, "The --prefix of `headgate run`, below which its sockets are.", "/var/lib/headgate", True),
    ] = None
    output: Annotated[
        str, Value("text|json", Choice(("text", "json"))), Flag(FLAGS, "Format.", "json", native=True, letter="o")
    ] = "text"
    help: Annotated[bool, Value("", boolean), Flag(FLAGS, "Print this text, then end.", native=True, letter="h")] = (
        False
    )


def main(argv: Sequence[str]) -> int:
    """Print what is found; return 0 if something answers, 1 if nothing does, 2 if *argv* was not understood."""
    return execute(SOCKETS, argv, {})


def _run(options: SocketsOptions) -> int:
    try:
        endpoints = _endpoints(options.endpoint, options.root)
    except AddressError as error:
        print(f"headgate: {error}", file=sys.stderr)
        return USAGE
    scratch = () if options.prefix else proxies()
    found = asyncio.run(report(endpoints, (layout(Options(prefix=options.prefix)), *scratch)))
    if options.output == "json":
        print(msgspec.json.format(msgspec.json.encode(rows(found))).decode())
    else:
        print(text(found), end="")
    return OK if found.answered or (found.controlled and not options.endpoint) else FAILED


def _endpoints(named: Sequence[str], root: Path) -> Sequence[RuntimeEndpoint]:
    """Return the endpoints that are named, each once, or else the usual ones below *root*.

    Raises:
        AddressError: one is not an address.
    """
    return tuple(dict.fromkeys(map(parse, named))) or known(root)


SOCKETS: Final = Command(name="headgate sockets", forms=("[FLAGS]",), about=ABOUT, kind=SocketsOptions, run=_run)
