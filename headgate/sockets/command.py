"""``headgate sockets``: which container runtimes are here, and which of Headgate's own sockets answer."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

from headgate.controller.environment import layout
from headgate.options import Options
from headgate.sockets.endpoints import Endpoint, known, parse
from headgate.sockets.report import report, rows, text
from headgate.uds import AddressError

USAGE = 2
"""Exit status of a command that was not understood."""
EPILOG = """\
A runtime is asked for Version and Status of the CRI; that needs the extra: pip install 'headgate[sockets]'.
Exit status 1 if no runtime answers; run as root, since runtimes let nobody else connect.

Examples:
  headgate sockets
  headgate sockets --endpoint /run/k3s/containerd/containerd.sock -o json
  headgate sockets --root /host
"""


def main(argv: Sequence[str]) -> int:
    """Print what is found; return 0 if a runtime answers, 1 if none does, 2 if *argv* was not understood."""
    try:
        asked = _parser().parse_args(argv)
    except SystemExit as end:
        return int(end.code or 0)
    try:
        endpoints = _endpoints(asked.endpoint, asked.root)
    except AddressError as error:
        print(f"headgate: {error}", file=sys.stderr)
        return USAGE
    found = asyncio.run(report(endpoints, layout(Options(prefix=asked.prefix))))
    if asked.output == "json":
        print(msgspec.json.format(msgspec.json.encode(rows(found))).decode())
    else:
        print(text(found), end="")
    return 0 if found.answered else 1


def _endpoints(named: Sequence[str], root: Path) -> Sequence[Endpoint]:
    """Return the endpoints that are named, each once, or else the usual ones below *root*.

    Raises:
        AddressError: one is not an address.
    """
    return tuple(dict.fromkeys(map(parse, named))) or known(root)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="headgate sockets",
        description="Say which container runtimes listen here, what they answer, and which Headgate sockets answer.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument(
        "--endpoint",
        action="append",
        default=[],
        metavar="SOCKET",
        help="a path or unix:///path to look at instead of the usual ones; may be repeated",
    )
    parser.add_argument(
        "--root", type=Path, default=Path("/"), metavar="DIR", help="where the root of the machine is mounted (/)"
    )
    parser.add_argument(
        "--prefix", type=Path, metavar="DIR", help="the --prefix of `headgate run`, where its sockets are"
    )
    parser.add_argument("-o", "--output", choices=("text", "json"), default="text", help="text (default) or json")
    return parser
