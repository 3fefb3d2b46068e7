"""Real container runtimes for tests: containerd on paths of its own, and a gRPC server that says what it is told."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.waiting import DEADLINE_S, wait_until

ROOT = Path(__file__).resolve().parents[2]
CONTAINERD = shutil.which("containerd")
CONFIG = """\
version = 2
root = "{home}/root"
state = "{home}/state"
disabled_plugins = [{disabled}]
[grpc]
  address = "{socket}"
[ttrpc]
  address = "{home}/ttrpc.sock"
[plugins."io.containerd.internal.v1.opt"]
  path = "{home}/opt"
[plugins."io.containerd.grpc.v1.cri".cni]
  conf_dir = "{home}/no-networks"
"""
SNAPSHOTTERS = ("aufs", "btrfs", "devmapper", "zfs")


class CommandResult(NamedTuple):
    """What ``headgate sockets`` did."""

    code: int
    text: str
    errors: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)


def headgate_sockets(*argv: str, before: str = "") -> CommandResult:
    """Run ``headgate sockets`` as a process of its own, after the Python line *before*."""
    program = f"{before}\nimport sys\nfrom headgate.sockets import main\nsys.exit(main(sys.argv[1:]))"
    where = () if "--prefix" in argv else ("--prefix=/nowhere",)  # no Headgate that runs on this machine
    command = [sys.executable, "-W", "error", "-c", program, *argv, *where]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=DEADLINE_S, check=False)
    return CommandResult(done.returncode, done.stdout, done.stderr)


class Containerd:
    """One containerd whose gRPC socket is *path*; everything else is below *home*."""

    def __init__(self, home: Path, path: Path, disabled: Sequence[str] = ()) -> None:
        if os.geteuid() != 0 or CONTAINERD is None:
            pytest.skip("containerd is not installed, or this user is not root, whom it wants")
        home.mkdir()
        path.parent.mkdir(parents=True, exist_ok=True)
        plugins = [*(f"io.containerd.snapshotter.v1.{name}" for name in SNAPSHOTTERS), *disabled]
        config = home / "config.toml"
        config.write_text(CONFIG.format(home=home, socket=path, disabled=", ".join(f'"{name}"' for name in plugins)))
        self.path = path
        self._log = home / "log"
        with self._log.open("wb") as log:
            self.process = subprocess.Popen([CONTAINERD, "-c", str(config)], stdout=log, stderr=log)

    def wait(self) -> None:
        """Return when it accepts connections."""

        def booted() -> bool:
            log = self._log.read_text()
            assert self.process.poll() is None, log[-2000:]
            return "containerd successfully booted" in log

        wait_until(booted)

    def kill(self) -> None:
        """End it so that it cannot remove its socket."""
        self.process.kill()
        self.process.wait()


def bound_socket(path: Path, kind: socket.SocketKind = socket.SOCK_STREAM) -> socket.socket:
    """Return a socket that is bound to *path* and, if it can, listens."""
    path.parent.mkdir(parents=True, exist_ok=True)
    made = socket.socket(socket.AF_UNIX, kind)
    made.bind(str(path))
    if kind is not socket.SOCK_DGRAM:
        made.listen()
    return made
