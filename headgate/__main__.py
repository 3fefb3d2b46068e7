"""Start here: ``headgate`` and ``python -m headgate``."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable
from typing import Final

from headgate.cli import run
from headgate.flags.command import FAILED

INTERRUPTED: Final = 130
"""Exit status after Ctrl-C, as shells report a process that SIGINT ended."""
CLOSED_PIPE: Final = 141
"""Exit status if the output is not read to its end, as shells report a process that SIGPIPE ended."""


def main() -> None:
    """Run the command line and end the process with its status."""
    sys.exit(ended(lambda: run(sys.argv[1:], os.environ)))


def ended(work: Callable[[], int]) -> int:
    """Run *work*, write what is left of its output, and return the exit status.

    Ctrl-C and a reader that goes away (``headgate render DIR | head -1``) end a command without a message. Python would
    print a traceback for the first, and for the second, which it may only notice at the very end, a complaint.
    """
    try:
        status = work()
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()
    except KeyboardInterrupt:
        status = INTERRUPTED
    except BrokenPipeError:
        _discard()
        status = CLOSED_PIPE
    except OSError as error:
        with contextlib.suppress(OSError):
            print(f"headgate: the output cannot be written: {error.strerror or error}", file=sys.stderr, flush=True)
        _discard()
        status = FAILED
    return status


def _discard() -> None:
    """Have the interpreter write to nowhere what is still in its buffers, since it would fail, and say so, at exit."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError):
            if stream is not None:
                os.dup2(nowhere, stream.fileno())


if __name__ == "__main__":
    main()
