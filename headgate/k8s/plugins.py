"""Exec plugins: programs that print an ExecCredential (client.authentication.k8s.io v1 and v1beta1)."""

from __future__ import annotations

import asyncio
import datetime as dt
import os
import shutil
from typing import Any
from urllib.parse import urlsplit

import msgspec

from headgate.k8s.config import ClusterConfig
from headgate.k8s.errors import AuthError, ConfigError
from headgate.k8s.kubeconfig import ExecConfig

GROUP = "client.authentication.k8s.io"
VERSIONS = (f"{GROUP}/v1", f"{GROUP}/v1beta1")
TIMEOUT = 60.0
"""Timeout of the program, in seconds."""
SHOWN = 300
"""Characters of the program's error output that a message quotes."""


class ExecStatus(msgspec.Struct, frozen=True, rename="camel"):
    """The credentials of the program: a token, or certificate and key, or both."""

    token: str = ""
    client_certificate_data: str = ""
    client_key_data: str = ""
    expiration_timestamp: str = ""

    @property
    def expires(self) -> float:
        """Seconds since the epoch, infinity if never.

        Raises:
            ValueError: the time is not RFC 3339.
        """
        if not self.expiration_timestamp:
            return float("inf")
        return dt.datetime.fromisoformat(self.expiration_timestamp).timestamp()

    def __repr__(self) -> str:
        """Hide everything."""
        return "ExecStatus(…)"


class ExecCredential(msgspec.Struct, frozen=True, rename="camel"):
    """The output of the program."""

    kind: str = ""
    api_version: str = ""
    status: ExecStatus | None = None


class ExecPlugin:
    """One program and its arguments."""

    def __init__(self, config: ClusterConfig) -> None:
        """Check the configuration; the program is not run yet.

        Raises:
            ConfigError: no exec plugin is configured, there is no such program, it needs a terminal, or its API version
                is unsupported.
        """
        if config.user.exec is None:
            raise ConfigError(f"{config.origin}: there is no exec plugin")
        self._exec: ExecConfig = config.user.exec
        self._config = config
        self.lock = asyncio.Lock()
        """Held while the program runs, so that all waiting requests share one run."""
        self._check()

    def _check(self) -> None:
        origin, command = self._config.origin, self._exec.command
        if self._exec.api_version not in VERSIONS:
            raise ConfigError(
                f"{origin}: exec plugin {command} has apiVersion {self._exec.api_version!r}; use {VERSIONS[0]}"
            )
        if self._exec.interactive_mode == "Always":
            raise ConfigError(f"{origin}: exec plugin {command} insists on a terminal (interactiveMode: Always)")
        if shutil.which(command, path=self._environment().get("PATH")) is None:
            where = "" if "/" in command else " in PATH"
            raise ConfigError(
                f"{origin}: exec plugin {command}: there is no such program{where}; "
                f"{self._exec.install_hint.strip() or 'install it, or use another user of the kubeconfig'}"
            )

    @property
    def command(self) -> str:
        """The program, for messages."""
        return self._exec.command

    async def run(self) -> ExecStatus:
        """Run the program once; cancellation kills it.

        Raises:
            AuthError: it is missing, failed, took too long, or did not print an ExecCredential.
        """
        output, errors, code = await self._call()
        if code != 0:
            raise AuthError(f"exec plugin {self._exec.command} ended with {code}: {_tail(errors)}")
        return self._read(output)

    async def _call(self) -> tuple[bytes, bytes, int]:
        """Return its output, its error output and its exit status."""
        try:
            process = await asyncio.create_subprocess_exec(
                self._exec.command,
                *self._exec.args,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                env=self._environment(),
            )
        except OSError as error:
            hint = f"; {self._exec.install_hint.strip()}" if self._exec.install_hint else ""
            raise AuthError(f"exec plugin {self._exec.command} cannot be run: {error.strerror}{hint}") from None
        try:
            async with asyncio.timeout(TIMEOUT):
                output, errors = await process.communicate()
        except TimeoutError:
            raise AuthError(f"exec plugin {self._exec.command} took more than {TIMEOUT:.0f} s") from None
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        return output, errors, process.returncode or 0

    def _environment(self) -> dict[str, str]:
        given = {variable.name: variable.value for variable in self._exec.env}
        return {**os.environ, **given, "KUBERNETES_EXEC_INFO": msgspec.json.encode(self._info()).decode()}

    def _info(self) -> dict[str, Any]:
        spec: dict[str, Any] = {"interactive": False}
        if self._exec.provide_cluster_info:
            spec["cluster"] = self._cluster()
        return {"kind": "ExecCredential", "apiVersion": self._exec.api_version, "spec": spec}

    def _cluster(self) -> dict[str, Any]:
        config = self._config
        fields = {
            "server": config.server,
            "tls-server-name": config.tls_server_name or urlsplit(config.server).hostname,
            "insecure-skip-tls-verify": config.insecure,
            "certificate-authority-data": config.certificate_authority,
            "proxy-url": config.proxy_url,
            "config": config.exec_extension,
        }
        return {name: value for name, value in fields.items() if value}

    def _read(self, output: bytes) -> ExecStatus:
        command = self._exec.command
        try:
            answer = msgspec.json.decode(output, type=ExecCredential)
            status = answer.status or ExecStatus()
            _ = status.expires
        except (msgspec.MsgspecError, ValueError) as error:
            raise AuthError(f"exec plugin {command} did not print an ExecCredential: {error}") from None
        if answer.kind != "ExecCredential" or answer.api_version != self._exec.api_version:
            raise AuthError(
                f"exec plugin {command} printed {answer.api_version} {answer.kind}, not {self._exec.api_version}"
            )
        if bool(status.client_certificate_data) != bool(status.client_key_data):
            raise AuthError(f"exec plugin {command} gave a certificate without its key, or a key alone")
        if not status.token and not status.client_certificate_data:
            raise AuthError(f"exec plugin {command} gave neither a token nor a certificate")
        return status


def _tail(errors: bytes) -> str:
    text = " ".join(errors.decode(errors="replace").split())
    return text[-SHOWN:] or "no error output"
