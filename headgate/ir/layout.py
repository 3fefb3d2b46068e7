"""Paths of nginx: all that appear in a generated file or are opened by the Manager are spelled in this module only."""

from __future__ import annotations

from typing import Final, Self

import msgspec

SOCKET_PATH_LIMIT: Final = 107
"""Bytes that ``sun_path`` holds before its terminating zero (unix(7))."""

MAIN: Final = "nginx.conf"
HTTP_FOLDER: Final = "conf.d"
ATTACHED_FOLDER: Final = "attached"
ROUTES_FILE: Final = f"{ATTACHED_FOLDER}/_routes.locations"
NAMES_FILE: Final = f"{ATTACHED_FOLDER}/_routes.names"
ROUTES_MASK: Final = f"{ATTACHED_FOLDER}/_routes.[ln]*"
"""Matches both: the locations of hosts without a server block, and names that must stand in one."""
EXTERNAL_FOLDER: Final = "external"
STREAM_FOLDER: Final = "stream-conf.d"
SECRETS_FOLDER: Final = "secrets"
TOKENS_FOLDER: Final = f"{SECRETS_FOLDER}/tokens"
"""Files there are never written: workers receive their content at run time (``LiveToken``)."""
PASSTHROUGH_HOSTS: Final = "tls-passthrough-hosts.conf"
VERSION_FILE: Final = "config-version.conf"
"""Names of files and folders relative to ``Layout.conf``, as in ``File.name``."""
REVOCATIONS: Final = ".crl"
OWN_REVOCATIONS: Final = "-ca.crl"
"""Ends of files in ``secrets``: revocation lists, and those of them that are made of a Secret."""

VERSION_SOCKET: Final = "nginx-config-version"
"""nginx answers with the version of the configuration that it serves."""
STATUS_SOCKET: Final = "nginx-status"
"""nginx serves its ``stub_status`` page."""
NO_ENDPOINTS_SOCKET: Final = "nginx-502-server"
"""nginx answers 502 for upstreams without endpoints."""
EMPTY_SOCKET: Final = "nginx-503-server"
"""The same with 503, for Ingresses of ingress-nginx."""
REPLACED_SOCKET: Final = "nginx-598-server"
"""The same with a status that no other server has, where an error page answers in place of 503."""
NOWHERE_SOCKET: Final = "non-existing-unix-socket"
"""Nobody ever listens there: for upstreams of TCP and UDP without endpoints."""
HTTPS_SOCKET: Final = "passthrough-https"
"""nginx serves HTTPS there while TLS connections are passed on by their server name."""
SYSLOG_SOCKET: Final = "nginx-syslog"
"""A datagram socket: the controller binds it, nginx's workers write a line for each request."""
LIVE_FOLDER: Final = "live"
"""A directory of ``Layout.run`` that only its owner can enter: a change of the live state redirects requests."""
LIVE_SOCKET: Final = f"{LIVE_FOLDER}/nginx"
"""nginx's workers accept changes of the live state."""
STREAMS_SOCKET: Final = f"{LIVE_FOLDER}/streams"
"""The same for servers of TCP and UDP."""
LOGIN_SOCKET: Final = "headgate-login"
"""The controller answers where clients log in and out with OpenID Connect; nginx's workers ask it."""
CONTROL_SOCKET: Final = "headgate-control"
"""The controller answers ``headgate status``."""
SOCKETS: Final = (
    STATUS_SOCKET,
    VERSION_SOCKET,
    SYSLOG_SOCKET,
    NO_ENDPOINTS_SOCKET,
    EMPTY_SOCKET,
    REPLACED_SOCKET,
    LIVE_SOCKET,
    STREAMS_SOCKET,
    LOGIN_SOCKET,
    CONTROL_SOCKET,
)


class Layout(msgspec.Struct, frozen=True):
    """Absolute directories; sockets and the pid file live in ``run``.

    ``conf`` holds ``nginx.conf``, ``conf.d``, ``stream-conf.d``, ``secrets`` and, host by host, what servers include
    (``attached``); ``run`` is state that does not survive a restart; ``temp`` is nginx's buffers; ``logs`` holds the
    error log that the Manager reads after a failed reload.
    """

    conf: str
    run: str
    temp: str
    logs: str

    @classmethod
    def container(cls) -> Self:
        """The layout of the incumbent's image."""
        return cls("/etc/nginx", "/var/lib/nginx", "/var/cache/nginx", "/var/log/nginx")

    @classmethod
    def under(cls, prefix: str) -> Self:
        """All directories below *prefix*, which may be of any user."""
        root = prefix.rstrip("/") or "/"
        return cls(f"{root}/etc", f"{root}/run", f"{root}/temp", f"{root}/log")

    @property
    def main(self) -> str:
        """The main configuration file."""
        return f"{self.conf}/{MAIN}"

    @property
    def secrets(self) -> str:
        """The directory of certificates and keys."""
        return f"{self.conf}/{SECRETS_FOLDER}"

    @property
    def pid(self) -> str:
        """The pid file of the nginx master."""
        return f"{self.run}/nginx.pid"

    @property
    def lock(self) -> str:
        """The file that the controller of these directories keeps locked."""
        return f"{self.run}/headgate.lock"

    @property
    def live_state(self) -> str:
        """The snapshot that an nginx master loads when it starts."""
        return f"{self.run}/{LIVE_FOLDER}/state.json"

    @property
    def session_keys(self) -> str:
        """The keys of sessions (OpenID Connect) where no cluster has them; for its owner alone."""
        return f"{self.run}/{LIVE_FOLDER}/session-keys.json"

    @property
    def live_streams(self) -> str:
        """The snapshot of the servers of TCP and UDP, which workers load: it has nothing that files do not have."""
        return f"{self.run}/streams.json"

    @property
    def error_log(self) -> str:
        """The error log of the nginx master and its workers."""
        return f"{self.logs}/error.log"

    def socket(self, name: str) -> str:
        """Return the path of a Unix socket by its name (``STATUS_SOCKET``), without ``unix:``."""
        return f"{self.run}/{name}.sock"

    def too_long(self) -> str | None:
        """Return a socket path that exceeds ``SOCKET_PATH_LIMIT``, or ``None``."""
        longest = self.socket(max(SOCKETS, key=len))
        return longest if len(longest.encode()) > SOCKET_PATH_LIMIT else None
