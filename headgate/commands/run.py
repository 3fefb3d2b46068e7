"""``headgate run``: serve a cluster, or a folder of manifests."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from headgate import __version__
from headgate.app import serve
from headgate.commands.errors import reported
from headgate.commit import commit
from headgate.flags.command import OK, Command, Environ, execute
from headgate.options import DECLINED, NO_START, Options, completed
from headgate.reporting.logs import announce, configure

ABOUT: Final = """\
Configure nginx from the objects of a cluster or of a folder of manifests, and keep it up to date. On SIGTERM,
requests in flight are finished first.

Example:
  headgate run --manifests examples/cafe -default-http-listener-port=8000 -default-https-listener-port=8443
"""


def main(argv: Sequence[str], environ: Environ) -> int:
    """Serve until a signal; return the exit status."""
    return execute(RUN, argv, environ)


@reported
def _run(options: Options) -> int:
    configure(options.log_format, options.log_level)
    announce("Headgate", __version__, commit())
    try:
        asyncio.run(serve(options))
    except (asyncio.CancelledError, KeyboardInterrupt):
        return OK
    return OK


RUN: Final = Command(
    name="headgate run",
    forms=("[FLAGS]",),
    about=ABOUT,
    kind=Options,
    run=_run,
    declined=DECLINED,
    effect=NO_START,
    build=completed,
)
