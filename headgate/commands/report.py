"""``headgate report``: an archive with what a bug report needs, without the data of Secrets."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final

import msgspec

from headgate.bundle import archive, collect, listing
from headgate.commands.errors import reported
from headgate.flags import Flag, Value, boolean
from headgate.flags.command import FAILED, OK, Command, Environ, execute
from headgate.options import DECLARED, KNOWN, LogLevel, Options, completed
from headgate.reporting.logs import configure

ABOUT: Final = """\
Write an archive with what a bug report needs: versions, flags, the nginx binary, the manifests in DIR or, without -m,
the objects of the cluster that `headgate run` would serve, the configuration that is generated from them, and every
problem. Of Secrets there are only names, keys and sizes. The contents are listed before anything is written; on a
terminal a confirmation is asked for, unless --yes is given. A part that cannot be collected is listed with the reason.

Look through the archive before you send it: names of hosts, Services and namespaces, snippets and logs are in it.

Examples:
  headgate report -m examples/cafe
  headgate report -ingress-class=nginx --log headgate.log -o report.tar.gz
  headgate report -m examples/cafe --yes -o - | tar -tz

The flags are those of `headgate run`; give the same ones, because the result depends on them. And:
"""
GROUP: Final = "Report"


class ReportOptions(Options, frozen=True, kw_only=True):
    """The arguments of ``headgate report``."""

    log: Annotated[
        tuple[Path, ...],
        Value("FILE", Path, each=True),
        Flag(GROUP, "Log whose last MiB is taken; may be repeated.", "headgate.log", native=True),
    ] = ()
    output: Annotated[
        str,
        Value("FILE", str),
        Flag(GROUP, "Archive to write; - is standard output, empty a name with the time.", "r.tar.gz", True, "o"),
    ] = ""
    yes: Annotated[
        bool, Value("", boolean), Flag(GROUP, "Write without asking for a confirmation.", native=True, letter="y")
    ] = False


def main(argv: Sequence[str], environ: Environ) -> int:
    """Write the archive; return the exit status."""

    @reported
    def run(options: ReportOptions) -> int:
        return _report(options, argv, environ)

    return execute(msgspec.structs.replace(REPORT, run=run), argv, environ)


def _report(options: ReportOptions, argv: Sequence[str], environ: Environ) -> int:
    configure(options.log_format, LogLevel.FATAL, sys.stderr)  # what is wrong is in the archive
    if options.manifests is not None:
        options.manifests.stat()  # a report of a folder that is not there would be about nothing
    parts = collect(options, argv, environ, options.log)
    target = options.output or time.strftime("headgate-report-%Y%m%d-%H%M%S.tar.gz")
    to = "standard output" if target == "-" else target
    failed = sum(bool(part.failure) for part in parts)
    print(f"The report has {len(parts) - failed} files:\n\n{listing(parts)}", file=sys.stderr)
    if not (options.yes or _confirmed(to)):
        print("Nothing is written.", file=sys.stderr)
        return FAILED
    data = archive(parts, time.time())
    if target == "-":
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
    else:
        _write(Path(target), data)
    print(f"{len(data):,} bytes are written to {to}. Look through the files before you send them.", file=sys.stderr)
    return OK


def _confirmed(target: str) -> bool:
    """Ask on a terminal; a script has nobody to answer, and has asked for the report."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return True
    print(f"Write them to {target}? [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in {"y", "yes"}


def _write(target: Path, data: bytes) -> None:
    """Write the archive, readable for this user only, also where another file was (OSError: it cannot be written)."""
    real = target.resolve()
    if real.exists() and not real.is_file():  # a device or a FIFO stays what it is
        real.write_bytes(data)
        return
    try:
        descriptor, draft = tempfile.mkstemp(prefix=f".{real.name}.", dir=real.parent)  # its mode is 0600
    except FileNotFoundError as error:
        raise FileNotFoundError(error.errno, error.strerror, str(target)) from None
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        Path(draft).rename(real)
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise


REPORT: Final = Command(
    name="headgate report",
    forms=("[-m DIR] [--log FILE] [-o FILE] [--yes] [FLAGS]",),
    about=ABOUT,
    kind=ReportOptions,
    run=lambda _: OK,
    declined=KNOWN,
    build=completed,
    common=DECLARED,
)
