"""``headgate uds`` as processes of its own, in a short directory that both ends share."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence

from tests.waiting import DEADLINE_S

HEADGATE_UDS = [sys.executable, "-m", "headgate", "uds"]
"""The program itself."""
UDS_ALONE = [sys.executable, "-c", "import sys; from headgate.uds.commands import main; sys.exit(main(sys.argv[1:]))"]
"""The same command without the imports of the controller, which take half a second each time."""


class UdsServer:
    """A server that has said that it listens."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        assert process.stdout is not None
        self.said = [process.stdout.readline()]

    def stop(self) -> tuple[int, list[str], str]:
        """End it by SIGTERM; return its status, the lines of its output and its errors."""
        self.process.send_signal(signal.SIGTERM)
        rest, errors = self.process.communicate(timeout=DEADLINE_S)
        return self.process.returncode, [line.rstrip("\n") for line in (*self.said, *rest.splitlines())], errors


@contextlib.contextmanager
def uds_server(*arguments: str, program: Sequence[str] = UDS_ALONE) -> Iterator[UdsServer]:
    command = [*program, "serve", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield UdsServer(process)
        finally:
            process.kill()


def uds_send(*arguments: str, data: bytes = b"") -> subprocess.CompletedProcess[str]:
    command = [*UDS_ALONE, "send", *arguments]
    done = subprocess.run(command, input=data, capture_output=True, timeout=DEADLINE_S, check=False)
    return subprocess.CompletedProcess(command, done.returncode, done.stdout.decode(), done.stderr.decode())
