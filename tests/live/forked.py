"""Commands as forks of a process that has loaded their modules: the same program, without 0.5 s of imports.

The process that forks (``multiprocessing.forkserver``) is made once for each worker of pytest, and runs nothing else.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from multiprocessing.process import BaseProcess
from pathlib import Path

import headgate.commands.explain
import headgate.commands.manifests
import headgate.commands.run
import headgate.commands.status
from headgate.__main__ import main
from tests.directories import place
from tests.waiting import DEADLINE_S

assert headgate.commands  # what they import when they are asked for

_SERVER = multiprocessing.get_context("forkserver")
_SERVER.set_forkserver_preload([__name__])


class Forked:
    """A process that runs the command line, with the part of ``subprocess.Popen`` that tests use."""

    def __init__(self, words: Sequence[str], environ: Mapping[str, str], log: Path, directory: Path) -> None:
        """Start ``headgate`` with *words* in *directory*; its output is appended to *log*."""
        arguments = (tuple(words), dict(environ), (str(log), str(log)), str(directory))
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


def completed(words: Sequence[str], environ: Mapping[str, str], directory: Path) -> subprocess.CompletedProcess[str]:
    """Run ``headgate`` with *words* in *directory*, without an input, to its end."""
    with tempfile.TemporaryDirectory(dir=place()) as home:
        outputs = (Path(home, "out"), Path(home, "err"))
        arguments = (tuple(words), dict(environ), tuple(map(str, outputs)), str(directory))
        process = _SERVER.Process(target=_run, args=arguments, daemon=True)
        process.start()
        process.join(DEADLINE_S)
        assert process.exitcode is not None, f"headgate {' '.join(words)} does not end"
        return subprocess.CompletedProcess(words, process.exitcode, *(path.read_text() for path in outputs))


def _run(words: Sequence[str], environ: Mapping[str, str], outputs: Sequence[str], directory: str) -> None:
    """Become what ``python -m headgate`` with *words* would be."""
    os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for descriptor, path in enumerate(outputs, 1):
        output = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        os.dup2(output, descriptor)
        os.close(output)
    os.chdir(directory)
    os.environ.clear()
    os.environ.update(environ)
    sys.argv = ["headgate", *words]
    main()
