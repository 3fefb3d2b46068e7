"""Where nginx lives: every path that appears in a generated file or is opened by the Manager."""

from __future__ import annotations

from typing import Final, Self

import msgspec

SOCKET_PATH_LIMIT = 107
"""Bytes that ``sun_path`` holds before its terminating zero (unix(7))."""


SECRETS: Final = "secrets"
"""The folder of certificates, keys and passwords, below the configuration directory."""


class Layout(msgspec.Struct, frozen=True):
    """Absolute directories; sockets and the pid file live in ``run``.

    ``conf`` holds ``nginx.conf``, ``conf.d``, ``stream-conf.d`` and ``secrets``; ``run`` is short-lived state;
    ``temp`` is nginx's buffers; ``logs`` holds the error log that the Manager reads after a failed reload.
    """

    conf: str
    run: str
    temp: str
    logs: str

    @classmethod
    def container(cls) -> Self:
        """The layout of the incumbent's image, which operators know."""
        return cls("/etc/nginx", "/var/lib/nginx", "/var/cache/nginx", "/var/log/nginx")

    @classmethod
    def under(cls, prefix: str) -> Self:
        """Everything below one directory of any user."""
        root = prefix.rstrip("/") or "/"
        return cls(f"{root}/etc", f"{root}/run", f"{root}/temp", f"{root}/log")

    @property
    def main(self) -> str:
        """The main configuration file."""
        return f"{self.conf}/nginx.conf"

    @property
    def secrets(self) -> str:
        """The directory of certificates and keys."""
        return f"{self.conf}/{SECRETS}"

    @property
    def pid(self) -> str:
        """The pid file of the nginx master."""
        return f"{self.run}/nginx.pid"

    @property
    def error_log(self) -> str:
        """The error log of the nginx master and its workers."""
        return f"{self.logs}/error.log"

    def socket(self, name: str) -> str:
        """Return the path of the Unix socket called *name* (``nginx-status``), without ``unix:``."""
        return f"{self.run}/{name}.sock"

    def too_long(self) -> str | None:
        """Return the first socket path that no kernel would bind, or ``None``."""
        longest = self.socket("nginx-config-version")
        return longest if len(longest.encode()) > SOCKET_PATH_LIMIT else None
