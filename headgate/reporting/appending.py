"""Standard output and error as files to which nginx writes, too."""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
import sys


def append() -> None:
    """Let standard output and error append, if they are regular files.

    With ``headgate run >log`` they have an offset of their own, at which lines would overwrite those of nginx's access
    log: nginx opens the file again and appends.
    """
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):  # closed, or no file at all
            number = stream.fileno()
            if stat.S_ISREG(os.fstat(number).st_mode):
                fcntl.fcntl(number, fcntl.F_SETFL, fcntl.fcntl(number, fcntl.F_GETFL) | os.O_APPEND)
