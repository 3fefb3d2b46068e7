"""``headgate run``: serve a cluster, or a folder of manifests."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Final

from headgate import __version__
from headgate.app import serve
from headgate.commands.errors import printed, reported
from headgate.commit import commit
from headgate.flags.command import OK, Command, Environ, execute
from headgate.flags.parse import Reading
from headgate.options import KNOWN, NO_START, LogFormat, LogLevel, Options, completed
from headgate.problems import Problem
from headgate.reporting.logs import announce, configure, is_json, style

log = logging.getLogger(__name__)

ABOUT: Final = """\
Configure nginx from the objects of a cluster or of a folder of manifests, and keep it up to date. On SIGTERM,
requests in flight are finished first.

Example:
  headgate run --manifests examples/cafe -default-http-listener-port=8000 -default-https-listener-port=8443
"""


def main(argv: Sequence[str], environ: Environ) -> int:
    """Serve until a signal; return the exit status."""
    return execute(RUN, argv, environ)


def _run(options: Options) -> int:
    configure(style(options), options.log_level)
    announce("Headgate", __version__, commit())
    try:
        asyncio.run(serve(options))
    except (asyncio.CancelledError, KeyboardInterrupt):
        return OK
    return OK


def _tell(options: Options, text: str) -> None:
    """Say why it ends: where the log is JSON, as its last record."""
    if is_json(options.log_format):
        log.critical("Headgate ends", extra={"fields": {"error": text}})
    else:
        printed(options, text)


def _refuse(reading: Reading, problems: tuple[Problem, ...]) -> bool:
    """Log mistakes of the command line where the log is JSON."""
    form = reading.fields.get("log_format")
    if not isinstance(form, LogFormat) or not is_json(form):
        return False
    configure(form, LogLevel.INFO)
    for problem in problems:
        log.critical("Headgate ends", extra={"fields": {"error": str(problem)}})
    return True


RUN: Final = Command(
    name="headgate run",
    forms=("[FLAGS]",),
    about=ABOUT,
    kind=Options,
    run=reported(_run, _tell),
    declined=KNOWN,
    effect=NO_START,
    refuse=_refuse,
    build=completed,
)
