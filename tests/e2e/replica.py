"""One ``headgate run`` as a process of its own, with its own nginx, ports and directory."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
from prometheus_client.parser import text_string_to_metric_families
from showcase.ports import free_ports

from tests.e2e.handshake import handshake, unverified
from tests.waiting import DEADLINE_S, eventually

LOOPBACK = "127.0.0.1"


class Answer(NamedTuple):
    """An HTTP answer; status 0 if there was none."""

    status: int
    text: str = ""


NOBODY = Answer(0)


class Ports(NamedTuple):
    http: int
    https: int
    ready: int
    metrics: int

    @classmethod
    def free(cls) -> Ports:
        return cls(*free_ports(len(cls._fields)))


class Replica:
    """Starts, asks and stops one Headgate."""

    def __init__(self, prefix: Path, flags: Iterable[str], environ: Mapping[str, str]) -> None:
        """Prepare; *prefix* holds nginx's files and the log."""
        self.prefix = prefix
        self.ports = Ports.free()
        self._flags = [
            f"--prefix={prefix}",
            f"-default-http-listener-port={self.ports.http}",
            f"-default-https-listener-port={self.ports.https}",
            f"-ready-status-port={self.ports.ready}",
            f"-prometheus-metrics-listen-port={self.ports.metrics}",
            "-enable-prometheus-metrics",
            "-nginx-status=false",
            "-disable-ipv6",
            "-log-format=json",
            "--drain-timeout=1",
            "--shutdown-grace-period=0",
            *flags,
        ]
        self._environ = {**os.environ, **environ}
        self._log = prefix / "headgate.log"
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        """Start it and wait until it serves."""
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "headgate", "run", *self._flags, env=self._environ, stdout=log, stderr=log
            )
        try:
            await eventually(self.is_ready)
        except AssertionError:
            raise AssertionError(f"Headgate does not get ready:\n{self.log()}") from None

    async def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """Send *how* and wait for the end; a second call does nothing. SIGKILL leaves nginx running."""
        if self._process is None:
            return
        if self._process.returncode is None:
            self._process.send_signal(how)
        async with asyncio.timeout(DEADLINE_S):
            await self._process.wait()
        self._process = None

    async def discard(self) -> None:
        """Stop it for good, whatever state it is in, and end an nginx that it left behind."""
        try:
            await self.stop()
        except TimeoutError:
            await self.stop(signal.SIGKILL)
        self._end_nginx()

    def _end_nginx(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            pid = int((self.prefix / "run" / "nginx.pid").read_text())
            if str(self.prefix).encode() in Path(f"/proc/{pid}/cmdline").read_bytes():
                os.kill(pid, signal.SIGTERM)

    def signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    # --- traffic --------------------------------------------------------------------------------------

    async def get(self, host: str, path: str = "/", *, tls: bool = False, body: bytes | None = None) -> Answer:
        """Ask for ``host/path`` on a new connection, without following redirects; POST if there is a *body*."""
        base = f"https://{LOOPBACK}:{self.ports.https}" if tls else f"http://{LOOPBACK}:{self.ports.http}"
        method = "GET" if body is None else "POST"
        return await self._ask(
            method, base + path, headers={"Host": host}, data=body, server_hostname=host if tls else None
        )

    async def certificate(self, host: str) -> int | None:
        """The serial number of the certificate that *host* is answered with; None if the handshake fails."""
        found = await handshake((LOOPBACK, self.ports.https), host)
        return found.serial if found else None

    async def is_ready(self) -> bool:
        if self._process is not None:
            assert self._process.returncode is None, f"Headgate ended:\n{self.log()}"
        return (await self._ask("GET", f"http://{LOOPBACK}:{self.ports.ready}/nginx-ready")).status == 200

    @staticmethod
    async def _ask(method: str, url: str, **options: Any) -> Answer:
        timeout = aiohttp.ClientTimeout(total=20)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout) as session,
                session.request(method, url, allow_redirects=False, ssl=unverified(), **options) as response,
            ):
                return Answer(response.status, await response.text())
        except (aiohttp.ClientError, OSError):
            return NOBODY

    # --- what it says about itself --------------------------------------------------------------------

    async def metric(self, name: str, **labels: str) -> float:
        """The sum of the series of *name* that have *labels*."""
        text = (await self._ask("GET", f"http://{LOOPBACK}:{self.ports.metrics}/metrics")).text
        return total(text, name, labels)

    async def reloads(self) -> float:
        """Reloads so far; the start counts as one."""
        return await self.metric("nginx_ingress_controller_nginx_reloads_total")

    async def batches(self) -> int:
        """Batches of changes that it has worked off so far, with their reloads."""
        return int(await self.metric("nginx_ingress_controller_workqueue_work_duration_seconds_count"))

    def logged(self, message: str, **fields: str) -> list[dict[str, Any]]:
        """The log lines with this message whose fields contain these texts."""
        lines = (line for line in self._log.read_text().splitlines() if line.startswith("{"))
        entries = (json.loads(line) for line in lines)
        return [
            entry
            for entry in entries
            if entry["msg"] == message and all(text in str(entry.get(name)) for name, text in fields.items())
        ]

    def log(self) -> str:
        """The last of what it wrote."""
        return self._log.read_text()[-16_000:] if self._log.exists() else ""

    def file(self, name: str) -> str:
        """What stands in a file of nginx's configuration, ``""`` if it is not there."""
        path = self.prefix / "etc" / name
        return path.read_text() if path.exists() else ""


def total(text: str, name: str, labels: Mapping[str, str]) -> float:
    """The sum of the series of *name* in *text* (of ``/metrics``) that have *labels*."""
    samples = (sample for family in text_string_to_metric_families(text) for sample in family.samples)
    # The parser gives every counter the suffix _total, also those that the incumbent names without.
    names = {name, f"{name}_total"}
    return sum(sample.value for sample in samples if sample.name in names and labels.items() <= sample.labels.items())
