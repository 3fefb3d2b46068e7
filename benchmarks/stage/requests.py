"""The processor time of an nginx worker per request: wrk and a backend on one processor, the worker on the other."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import msgspec
from showcase.ports import free_ports

from headgate.nginx.capabilities import Binary

from . import shop
from .controller import Controller, place
from .processes import children, processor_s

CONNECTIONS = 32
BACKEND = """
daemon off; master_process off; pid {home}/backend.pid; error_log stderr emerg;
events {{ worker_connections 16384; }}
http {{
    access_log off; keepalive_requests 1000000000; keepalive_timeout 600s;
    server {{ listen 0.0.0.0:{port} backlog=4096; location / {{ return 200 {body}; }} }}
}}
"""
SCRIPT = """
local requests, count, turn = {{}}, {count}, 0
init = function()
  for i, host in ipairs({{ {hosts} }}) do
    requests[i] = "GET / HTTP/1.1\\r\\nHost: " .. host .. "\\r\\n\\r\\n"
  end
end
request = function()
  turn = turn % count + 1
  return requests[turn]
end
"""
TLS_SCRIPT = """
wrk.resolve = function() wrk.addrs = wrk.lookup("127.0.0.1", "{port}") end
request = function() return "GET / HTTP/1.1\\r\\nHost: {host}\\r\\nConnection: close\\r\\n\\r\\n" end
"""
"""Each request has a connection, and so a handshake, of its own. wrk keeps no sessions."""
_ANSWERED = re.compile(r"(\d+) requests in")
_FAILED = re.compile(r"Non-2xx or 3xx responses: (\d+)|Socket errors: (.+)")


class Processors(msgspec.Struct, frozen=True):
    """The processor of the worker, and the one of everything else."""

    worker: int
    others: int


def processors() -> Processors:
    """Return two processors of this machine; on a machine with one both are that."""
    usable = sorted(os.sched_getaffinity(0))
    return Processors(usable[0], usable[-1])


@contextlib.contextmanager
def backend(binary: Binary, processor: int, body: str = "hello") -> Iterator[int]:
    """Run an nginx on *processor* that answers *body* at all addresses, all of 127/8 included; yield its port."""
    home = place()
    (port,) = free_ports(1)
    path = home / "backend.conf"
    path.write_text(BACKEND.format(home=home, port=port, body=body))
    process = subprocess.Popen([binary.path, "-p", str(home), "-e", "stderr", "-c", str(path)])
    os.sched_setaffinity(process.pid, {processor})
    try:
        yield port
    finally:
        process.terminate()
        process.wait()


def objects(number: int, port: int) -> list[shop.Json]:
    """Return a shop without TLS that has two endpoints of its own."""
    _, service, _, ingress = shop.shop(number, "127.0.0.1")
    del ingress["spec"]["tls"]
    place_in_network = f"127.{1 + number // 250}.{number % 250}"
    return [service, shop.endpoints(number, [f"{place_in_network}.{last}" for last in (1, 2)], port), ingress]


class Requests:
    """wrk, which asks for one host after the other."""

    def __init__(self, size: int, processor: int) -> None:
        """Ask for the hosts of *size* shops, from *processor*."""
        self._processor = processor
        self._script = place() / "hosts.lua"
        hosts = ", ".join(f'"{shop.host(number)}"' for number in range(size))
        self._script.write_text(SCRIPT.format(count=size, hosts=hosts))

    def cost(self, controller: Controller, worker: int, seconds: float) -> float:
        """Send requests for *seconds*; return the microseconds of *worker* for each."""
        before = processor_s(worker)
        url = f"http://127.0.0.1:{controller.http}/"
        answered = sent(self._processor, self._script, url, seconds)
        return (processor_s(worker) - before) * 1e6 / answered


class Handshakes:
    """wrk, which makes a new TLS connection for each request."""

    def __init__(self, host: str, processor: int) -> None:
        """Ask for *host*, from *processor*."""
        self._host = host
        self._processor = processor

    def cost(self, controller: Controller, worker: int, seconds: float) -> float:
        """Send requests for *seconds*; return the microseconds of *worker* for each with its handshake."""
        script = place() / "tls.lua"
        script.write_text(TLS_SCRIPT.format(port=controller.https, host=self._host))
        before = processor_s(worker)
        answered = sent(self._processor, script, f"https://{self._host}:{controller.https}/", seconds)
        return (processor_s(worker) - before) * 1e6 / answered


def sent(processor: int, script: Path, url: str, seconds: float) -> int:
    """Send requests from *processor* for *seconds*; return how many were answered (RuntimeError: one failed)."""
    command = [
        "taskset",
        "-c",
        str(processor),
        "wrk",
        "-t1",
        f"-c{CONNECTIONS}",
        f"-d{seconds}",
        "-s",
        str(script),
        url,
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    if failed := _FAILED.search(done.stdout):
        raise RuntimeError(f"requests failed: {failed[0]}")
    found = _ANSWERED.search(done.stdout)
    assert found
    return int(found[1])


def pinned_worker(controller: Controller, processor: int) -> int:
    """Move the only worker of *controller*'s nginx to *processor*; return its pid."""
    (master,) = children(controller.pid, "nginx: master")
    (worker,) = children(master, "nginx: worker")
    os.sched_setaffinity(worker, {processor})
    return worker


def write(folder: Path, size: int, port: int, settings: dict[str, str]) -> None:
    """Write the objects of *size* shops and a ConfigMap with *settings* to *folder*."""
    shops = (each for number in range(size) for each in objects(number, port))
    shop.write(folder, [shop.config_map(settings), *shop.shops(0, ""), *shops])
