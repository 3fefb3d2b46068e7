"""A running ``headgate run``: its readiness, its log, its memory and that of its nginx."""

from __future__ import annotations

import atexit
import contextlib
import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from showcase.ports import free_ports

Fields = dict[str, Any]
PATIENCE_S = 180.0


class Controller:
    """Headgate in its own process, with its own ports and directories."""

    def __init__(self, home: Path, nginx: str, *source: str) -> None:
        """Start it; *source* are the flags for the source of objects."""
        self.http, self.https, self._ready = free_ports(3)
        self.prefix = home / "prefix"
        self._log = home / "log"
        self._began = time.perf_counter()
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [
                    sys.executable, "-m", "headgate", "run", *source,
                    f"--prefix={self.prefix}", f"--nginx={nginx}", "--drain-timeout=1", "-log-format=json",
                    "-log-level=debug",  # for the line of each batch
                    f"-default-http-listener-port={self.http}", f"-default-https-listener-port={self.https}",
                    f"-ready-status-port={self._ready}", "-nginx-status=false", "-disable-ipv6",
                ],
                stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip

    @property
    def pid(self) -> int:
        """The pid of the controller."""
        return self._process.pid

    def wait_ready(self, patience_s: float = PATIENCE_S) -> float:
        """Return the seconds from the start until ``/nginx-ready`` answered 200."""
        while not self._is_ready():
            if self._process.poll() is not None or self._age() > patience_s:
                raise RuntimeError(f"Headgate is not ready; its log:\n{self._log.read_text()[-4000:]}")
            time.sleep(0.05)
        return self._age()

    def batches(self, least: int = 1) -> list[Fields]:
        """Return the log lines of all batches, when there are at least *least*."""
        deadline = time.monotonic() + PATIENCE_S
        while len(found := self._batches()) < least:
            if time.monotonic() > deadline:
                raise RuntimeError(f"only {len(found)} batches of {least}")
            time.sleep(0.02)
        return found

    def memory(self) -> tuple[float, float]:
        """Return the resident memory of the controller in MiB: now, and its maximum."""
        return _memory(self._process.pid, "VmRSS"), _memory(self._process.pid, "VmHWM")

    def cpu(self) -> float:
        """Return the seconds of processor time that the controller used until now, without its children."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self) -> None:
        """Stop it after draining."""
        self._process.terminate()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _age(self) -> float:
        return time.perf_counter() - self._began

    def _is_ready(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self._ready, timeout=5)
        try:
            connection.request("GET", "/nginx-ready")
            return connection.getresponse().status == http.client.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def _batches(self) -> list[Fields]:
        lines = (line for line in self._log.read_bytes().splitlines() if b'"msg": "batch"' in line)
        return [json.loads(line) for line in lines]


@contextlib.contextmanager
def running(nginx: str, *source: str) -> Iterator[Controller]:
    """Run Headgate below a short temporary directory; until the block ends."""
    controller = Controller(place(), nginx, *source)
    try:
        yield controller
    finally:
        controller.stop()


def place() -> Path:
    """Create a folder with a name short enough for sockets, which workers of an nginx started by root may enter.

    It is removed at the end of the script: ext4 skips the inodes of files that were just removed, one by one, which
    would slow down the next measurement.
    """
    folder = Path(tempfile.mkdtemp(prefix="hg", dir="/tmp"))
    folder.chmod(0o711)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def own_address() -> str:
    """Return an address of this machine that is not loopback, which endpoints must not have; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))
        return str(probe.getsockname()[0])


def memory_of(pid: int) -> float:
    """Return the resident MiB of a process."""
    return _memory(pid, "VmRSS")


def _memory(pid: int, field: str) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) / 1024
    return 0.0
