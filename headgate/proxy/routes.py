"""One argument of ``headgate proxy``: ``HOST[/PATH]=URL``."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import SplitResult, urlsplit

import msgspec

from headgate.resolve.addresses import HIGHEST_PORT, host_fault, is_ip
from headgate.validation.text import host_fault as served_host_fault
from headgate.validation.text import path_fault

LOCALHOST: Final = "localhost"
UNSPECIFIED: Final = frozenset({"0.0.0.0", "::"})  # noqa: S104 - they are refused
DEFAULT_PORTS: Final = {"http": 80, "https": 443, "grpc": 0, "grpcs": 0}
"""Scheme → port of a URL that has none; 0 is none."""
WEBSOCKET: Final = {"ws": "http", "wss": "https"}
"""A WebSocket begins as a request over HTTP."""

_SCHEME: Final = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://")
_EXAMPLE: Final = "write for example app.localhost=http://127.0.0.1:3000"

_NAME: Final = "clients name a host, so write app.localhost=..., or the backend alone to serve every host"


class Backend(msgspec.Struct, frozen=True, order=True):
    """Where requests go.

    Attributes:
        scheme: a key of ``DEFAULT_PORTS``.
        host: an IP address or a name, in lower case.
        port: its port.
    """

    scheme: str
    host: str
    port: int

    @property
    def tls(self) -> bool:
        """Whether nginx uses TLS."""
        return self.scheme in {"https", "grpcs"}

    @property
    def grpc(self) -> bool:
        """Whether it speaks gRPC."""
        return self.scheme in {"grpc", "grpcs"}

    @property
    def named(self) -> bool:
        """Whether the host must be resolved; ``localhost`` is known."""
        return self.host != LOCALHOST and not is_ip(self.host)

    def __str__(self) -> str:
        """As a URL."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"


class Route(msgspec.Struct, frozen=True):
    """A path of a host, and its backend; the host ``""`` is every host that no other route names."""

    host: str
    path: str
    backend: Backend

    @property
    def place(self) -> str:
        """Host and path as they are written."""
        return f"{self.host}{self.path}"


def route(text: str) -> Route:
    """Read ``HOST[/PATH]=URL``, ``/PATH=URL`` or ``URL`` alone.

    Raises:
        ValueError: it cannot be read; the text reads on after the quoted argument.
    """
    place, target = _split(text)
    host, slash, rest = place.partition("/")
    host, path = host.lower(), f"/{rest}" if slash else "/"
    if is_ip(host.removeprefix("[").removesuffix("]")):
        raise ValueError(f"has the host {host}, an IP address; {_NAME}")
    if ":" in host:
        raise ValueError("has a port before the =; nginx listens on -default-http-listener-port for all hosts")
    if host and (fault := served_host_fault(host)):
        raise ValueError(f"has the host {host!r}, which {fault}")
    if fault := path_fault(path, regex=False):
        raise ValueError(f"has the path {path!r}, which {fault}")
    return Route(host, path, _backend(target))


def _split(text: str) -> tuple[str, str]:
    """Return what is before and after the ``=``; one inside of a URL that is alone does not count."""
    place, equals, target = text.partition("=")
    scheme = _SCHEME.match(place)
    if equals and not scheme:
        return place, target
    if equals and scheme and "?" not in place:
        right = f"{place[scheme.end() :]}={target or 'http://127.0.0.1:3000'}"
        raise ValueError(f"has a scheme before the =, where a host is without one; write {right}")
    if not _SCHEME.match(text) and ("/" in text or not re.search(r"(?:^|:)\d+$", text)):
        raise ValueError(f"names no backend; {_EXAMPLE}")
    return "", text


def _backend(text: str) -> Backend:
    if text.startswith("unix:"):
        raise ValueError("has a Unix socket as its backend, and a Service has addresses and ports; use a port")
    if text.removeprefix(":").isdecimal():
        text = f"{LOCALHOST}:{text.removeprefix(':')}"
    found = _SCHEME.match(text)
    scheme = found["scheme"].lower() if found else "http"
    scheme = WEBSOCKET.get(scheme, scheme)
    if scheme not in DEFAULT_PORTS:
        known = ", ".join(f"{name}://" for name in DEFAULT_PORTS)
        raise ValueError(f"has a backend of the scheme {scheme}; use one of {known}")
    url = _url(text if found else f"http://{text}")
    host = (url.hostname or "").lower()
    if not host:
        raise ValueError(f"has no host in its backend; {_EXAMPLE}")
    if host in UNSPECIFIED:
        raise ValueError(
            f"has a backend at {host}, which is every address of a server and none to connect to; {_EXAMPLE}"
        )
    if fault := host_fault(host, allow_loopback=True):
        raise ValueError(f"has a backend at {host!r}, which {fault}; {_EXAMPLE}")
    if extra := f"{url.path.removeprefix('/')}{url.query}{url.fragment}{url.username or ''}{url.password or ''}":
        reason = "requests keep the path that they have; name host and port only"
        raise ValueError(f"has {extra!r} beside the host of the backend; {reason}")
    port = DEFAULT_PORTS[scheme] if url.port is None else url.port
    if not 1 <= port <= HIGHEST_PORT:
        raise ValueError(f"has no port in its backend; write for example {scheme}://{host}:50051")
    return Backend(scheme, host, port)


def _url(text: str) -> SplitResult:
    try:
        url = urlsplit(text)
        url.port  # noqa: B018 - it is read, and may be out of range
    except ValueError as error:
        raise ValueError(f"has a backend that is not a URL ({error}); {_EXAMPLE}") from None
    return url
