"""``headgate run`` as a process of its own, with its ports, its log and its numbers."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from showcase.ports import free_ports

from tests.live.forked import Forked
from tests.waiting import DEADLINE_S, wait_until

LOOPBACK = "127.0.0.1"
ROOT = Path(__file__).resolve().parents[2]
RELOADS = "nginx_ingress_controller_nginx_reloads_total"
NO_AUTHORITIES = {"SSL_CERT_FILE": os.devnull, "SSL_CERT_DIR": os.devnull}
"""Environment in which the authorities of the machine are not loaded, 0.1 s of each start; tests have their own."""
_SAMPLE = re.compile(r"(?P<name>\w+)(?:\{(?P<labels>.*)\})? (?P<value>\S+)")
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


class Answer(NamedTuple):
    """What came back; the status is 0 if nobody answered."""

    status: int
    body: str = ""
    headers: Mapping[str, str] = {}


class Sample(NamedTuple):
    """One line of the metrics."""

    name: str
    labels: Mapping[str, str]
    value: float


class HeadgateProcess:
    """One process; ``start`` may be called again after it ended, on the same prefix and ports."""

    forked = True
    """Whether it is a fork of a process that has loaded its modules, which is faster, unless there is a wrapper."""

    def __init__(self, directory: Path, nginx: str, *flags: str, environ: Mapping[str, str] | None = None) -> None:
        """Prepare to run with *flags* and *nginx* under ``directory/p``."""
        self.prefix = directory / "p"
        self.wrapper: tuple[str, ...] = ()
        """A program with its arguments that starts it."""
        self.http, self.https, self.probes, self.metrics_port = free_ports(4)
        self._log = directory / "log"
        self._process: subprocess.Popen[bytes] | Forked | None = None
        self._environ = {
            **os.environ, **NO_AUTHORITIES, "POD_NAMESPACE": "ours", "POD_NAME": "headgate-0", **(environ or {}),
        }  # fmt: skip
        usual = {
            "--prefix": str(self.prefix),
            "--nginx": nginx,
            "-default-http-listener-port": str(self.http),
            "-default-https-listener-port": str(self.https),
            "-ready-status-port": str(self.probes),
            "-nginx-status": "false",
            "-enable-prometheus-metrics": "true",
            "-prometheus-metrics-listen-port": str(self.metrics_port),
            "-log-format": "json",
            "--reload-spacing": "20",
            "--drain-timeout": "5",
            "--shutdown-grace-period": "0",
        }
        given = {flag.partition("=")[0] for flag in flags}
        self.flags = [*(f"{name}={value}" for name, value in usual.items() if name not in given), *flags]

    # --- its life -------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start it; it may not be ready yet."""
        if self.forked and not self.wrapper:
            self._process = Forked(["run", *self.flags], self._environ, self._log, ROOT)
            return
        with self._log.open("ab") as log:  # nginx appends to the same file
            self._process = subprocess.Popen(
                [*self.wrapper, sys.executable, "-m", "headgate", "run", *self.flags],
                stdout=log, stderr=subprocess.STDOUT, cwd=ROOT, env=self._environ, start_new_session=True,
            )  # fmt: skip

    def start_ready(self) -> None:
        """Start it and return when it is ready."""
        self.start()
        self.wait_ready()

    def wait_ready(self) -> None:
        def ready() -> bool:
            assert self.is_alive, f"Headgate ended with {self.exit_status}:\n{self.log_text()[-4000:]}"
            return self.readiness().status == 200

        wait_until(ready)

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def exit_status(self) -> int | None:
        """The exit status, None while it runs."""
        return self._process.poll() if self._process else None

    @property
    def is_alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def terminate(self) -> None:
        os.kill(self.pid, signal.SIGTERM)

    def wait_ended(self) -> int:
        """Return the exit status."""
        assert self._process is not None
        return self._process.wait(DEADLINE_S)

    def stop(self) -> None:
        """End it, by force if it does not want to."""
        if self._process is None or not self.is_alive:
            return
        self.terminate()
        try:
            self._process.wait(10)
        except (subprocess.TimeoutExpired, TimeoutError):
            self.kill()

    def kill(self) -> None:
        """SIGKILL to the controller alone: its nginx lives on."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    @property
    def master(self) -> int:
        """The pid of the nginx master."""
        return int((self.prefix / "run" / "nginx.pid").read_text())

    # --- what it says ---------------------------------------------------------------------------------

    def log_text(self) -> str:
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    def log_records(self, message: str = "") -> list[dict[str, Any]]:
        """Return the records of the log, those with *message* only if that is given."""
        whole, _, _ = self.log_text().rpartition("\n")  # what follows is being written
        records = [json.loads(line) for line in whole.splitlines() if line.startswith('{"time"')]
        return [record for record in records if message in {"", record["msg"]}]

    def last_words(self) -> str:
        """Why it ended, as it is printed where the log is not JSON."""
        *_, last = self.log_records("Headgate ends")
        return f"headgate: {last['error']}"

    def outages(self) -> list[dict[str, Any]]:
        """Return the records about an API server that cannot be reached; whoever meets it first logs it."""
        return [record for record in self.log_records() if "cannot be reached" in str(record.get("error"))]

    def events(self, thing: str) -> list[tuple[str, str]]:
        """Return reason and message of each event about ``KIND NAMESPACE/NAME``."""
        return [(line["reason"], line["message"]) for line in self.log_records("event") if line["object"] == thing]

    def file(self, name: str) -> str:
        """Return a configuration file, empty if it is not there."""
        path = self.prefix / "etc" / name
        return path.read_text() if path.exists() else ""

    # --- what it answers ------------------------------------------------------------------------------

    def get(self, host: str, path: str = "/", *, headers: Mapping[str, str] | None = None) -> Answer:
        """Ask over plain HTTP."""
        return ask(self.http, host, path, headers=headers)

    def get_tls(self, host: str, path: str = "/") -> Answer:
        """Ask over TLS, with *host* as server name, trusting anybody."""
        return ask(self.https, host, path, tls=trusting())

    def certificate(self, name: str | None) -> bytes:
        """Return the certificate (DER) that is shown to *name*; raises ssl.SSLError if the handshake is refused."""
        with (
            socket.create_connection((LOOPBACK, self.https), timeout=DEADLINE_S) as plain,
            trusting().wrap_socket(plain, server_hostname=name) as secure,
        ):
            return secure.getpeercert(binary_form=True) or b""

    def readiness(self) -> Answer:
        return ask(self.probes, "probe", "/nginx-ready")

    def samples(self) -> list[Sample]:
        """Scrape."""
        found = _SAMPLE.finditer(
            "\n".join(
                line
                for line in ask(self.metrics_port, "metrics", "/metrics").body.splitlines()
                if not line.startswith("#")
            )
        )
        return [Sample(one["name"], dict(_LABEL.findall(one["labels"] or "")), float(one["value"])) for one in found]

    def metric(self, name: str, /, **labels: str) -> float:
        """Return the sum of the samples of *name* with *labels*."""
        found = [one for one in self.samples() if one.name == name and labels.items() <= one.labels.items()]
        assert found, f"no {name} with {labels}"
        return sum(sample.value for sample in found)

    def batches_processed(self) -> int:
        """How many batches of changes it has processed to the end."""
        return int(self.metric("nginx_ingress_controller_workqueue_work_duration_seconds_count"))

    def reloads(self) -> int:
        return int(self.metric(RELOADS))


StartHeadgate = Callable[..., HeadgateProcess]
"""A fixture that makes or starts a Headgate.

It takes flags, then ``nginx``, ``under`` (a directory below the test's) and environment variables by name.
"""


def trusting() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def ask(
    port: int,
    host: str,
    path: str,
    *,
    headers: Mapping[str, str] | None = None,
    tls: ssl.SSLContext | None = None,
) -> Answer:
    """Send one GET to a port of ours over a new connection; *host* may be empty for none at all."""
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=DEADLINE_S)
    try:
        connection.connect()
        if tls is not None:
            assert connection.sock is not None
            connection.sock = tls.wrap_socket(connection.sock, server_hostname=host)
        connection.putrequest("GET", path, skip_host=True)
        for name, value in {"Host": host, **(headers or {})}.items():
            connection.putheader(name, value)
        connection.endheaders()
        response = connection.getresponse()
        return Answer(response.status, response.read().decode(errors="replace"), dict(response.getheaders()))
    except (OSError, http.client.HTTPException):
        return Answer(0)
    finally:
        connection.close()
