"""``headgate run`` as a fork of a process that has loaded its modules: the same program, without 0.5 s of imports.

The process that forks (``multiprocessing.forkserver``) is made once for each worker of pytest, and runs nothing else.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from multiprocessing.process import BaseProcess
from pathlib import Path

import headgate.commands.run
from headgate.__main__ import main

assert headgate.commands.run  # what `headgate run` imports when it is asked for

_SERVER = multiprocessing.get_context("forkserver")
_SERVER.set_forkserver_preload([__name__])


class Forked:
    """A process that runs the command line, with the part of ``subprocess.Popen`` that tests use."""

    def __init__(self, words: Sequence[str], environ: Mapping[str, str], log: Path, directory: Path) -> None:
        """Start ``headgate`` with *words* in *directory*; its output is appended to *log*."""
        arguments = (tuple(words), dict(environ), str(log), str(directory))
        self._process: BaseProcess = _SERVER.Process(target=_run, args=arguments, daemon=True)
        self._process.start()
        assert self._process.pid
        self.pid = self._process.pid

    def poll(self) -> int | None:
        """Return the exit status, ``None`` while it runs."""
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit status.

        Raises:
            TimeoutError: it still runs after *timeout* seconds.
        """
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise TimeoutError
        return self._process.exitcode

    def kill(self) -> None:
        """End it with SIGKILL."""
        self._process.kill()


def _run(words: Sequence[str], environ: Mapping[str, str], log: str, directory: str) -> None:
    """Become what ``python -m headgate`` with *words* would be."""
    os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for descriptor in (1, 2):
        os.dup2(output, descriptor)
    os.close(output)
    os.chdir(directory)
    os.environ.clear()
    os.environ.update(environ)
    sys.argv = ["headgate", *words]
    main()
