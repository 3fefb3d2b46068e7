"""What the values of flags are: their types, and how their text is read."""

from __future__ import annotations

import enum
import ipaddress
import re
from pathlib import Path
from typing import Annotated

import msgspec

from headgate import flags
from headgate.flags import Value
from headgate.networks import as_compared

DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
"""RFC 1123 label: what a namespace is called."""
_PART = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")

_QUALIFIED = r"([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-\w.]{0,61}[A-Za-z0-9])?"
_LABEL_VALUE = r"([A-Za-z0-9]([-\w.]{0,61}[A-Za-z0-9])?)?"
_SELECTOR_TERM = re.compile(
    rf"\s*(?:!\s*{_QUALIFIED}|{_QUALIFIED}"
    rf"(?:\s*(?:=|==|!=)\s*{_LABEL_VALUE}|\s+(?:in|notin)\s*\(\s*{_LABEL_VALUE}(?:\s*,\s*{_LABEL_VALUE})*\s*\)"
    r"|\s*[<>]\s*\d+)?)\s*",
    re.ASCII,
)
_MEMORY = re.compile(r"([0-9]{1,7})([km])")
_LEAST_MEMORY_KIB, _MOST_MEMORY_KIB = 1 << 10, 4 << 20
_ADDRESS = re.compile(r"[A-Za-z0-9.:\-]{1,253}")
_SLOWEST, _FASTEST = 0.02, 1000.0
"""Updates a second."""
_LAST_PORT = 65535
_HEALTH_URI = re.compile(r"/[^\s{};\"'\\]+")


class NamespacedName(msgspec.Struct, frozen=True, order=True):
    """``namespace/name`` of one object."""

    namespace: str
    name: str

    def __str__(self) -> str:
        """As the flag spells it."""
        return f"{self.namespace}/{self.name}"


class HostPort(msgspec.Struct, frozen=True):
    """``HOST:PORT`` to listen on; without a host on all addresses."""

    host: str
    port: int

    def __str__(self) -> str:
        """As the flag spells it."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class LogLevel(enum.Enum):
    """The levels of the log; each includes those above it."""

    FATAL = "fatal"
    ERROR = "error"
    WARN = "warn"
    INFO = "info"
    DEBUG = "debug"
    TRACE = "trace"


class DataPlane(enum.Enum):
    """How nginx learns of the servers of upstreams."""

    AUTO = "auto"
    LIVE = "live"
    FILES = "files"


class IngressDialect(enum.Enum):
    """Whose annotations Ingresses have."""

    AUTO = "auto"
    NGINX_ORG = "nginx.org"
    INGRESS_NGINX = "ingress-nginx"


class LogFormat(enum.Enum):
    """The formats of log lines; ``-unix`` and ``-unix-ms`` have the time in seconds or milliseconds since 1970."""

    GLOG = "glog"
    TEXT = "text"
    JSON = "json"
    TEXT_UNIX = "text-unix"
    TEXT_UNIX_MS = "text-unix-ms"
    JSON_UNIX = "json-unix"
    JSON_UNIX_MS = "json-unix-ms"


def is_dns_subdomain(text: str) -> bool:
    """Whether *text* may name a Kubernetes object: a DNS-1123 subdomain, whose labels may be longer than 63."""
    return len(text) <= 253 and all(_PART.fullmatch(label) for label in text.split("."))  # noqa: PLR2004 DNS-1123


def _name(text: str) -> str:
    if not is_dns_subdomain(text):
        raise ValueError("is not a name; write lower case letters, digits, - and . (RFC 1123), for example nginx")
    return text


def _socket_metrics(text: str) -> tuple[str, ...]:
    names = (item.strip().strip("[]").removeprefix("nginx_ingress_controller_") for item in text.split(","))
    return tuple(name for name in names if name)


def _optional_name(text: str) -> str:
    return _name(text) if text else ""


def _names(text: str) -> tuple[str, ...]:
    return tuple(_name(item.strip()) for item in text.split(",")) if text.strip() else ()


def _namespaced(text: str) -> NamespacedName | None:
    if not text:
        return None
    namespace, slash, name = text.partition("/")
    if not (slash and DNS_LABEL.fullmatch(namespace) and is_dns_subdomain(name)):
        raise ValueError("is not NAMESPACE/NAME, for example nginx-ingress/default-server-secret")
    return NamespacedName(namespace, name)


def _cidrs(text: str) -> tuple[str, ...]:
    found = []
    for item in map(str.strip, text.split(",")):
        try:
            found.append(as_compared(item))
        except ValueError:
            raise ValueError(f"has the entry {item!r}, which is neither an IP address nor a CIDR") from None
    return tuple(found)


def _memory(text: str) -> str:
    found = _MEMORY.fullmatch(text.strip().lower())
    if not found or not _LEAST_MEMORY_KIB <= int(found[1]) * (1024 if found[2] == "m" else 1) <= _MOST_MEMORY_KIB:
        raise ValueError("is not a size from 1m to 4096m, for example 128m")
    return found[0]


def _host_port(text: str) -> HostPort | None:
    if not text:
        return None
    host, colon, port = text.rpartition(":")
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    if not colon or not port.isascii() or not port.isdecimal() or not 1 <= int(port) <= _LAST_PORT:
        raise ValueError("is not HOST:PORT; write for example :8443")
    if bare:
        try:
            ipaddress.ip_address(bare)
        except ValueError:
            raise ValueError("has a host that is no IP address; write for example :8443") from None
    return HostPort(bare, int(port))


def _selector(text: str) -> str:
    terms = re.split(r",(?![^()]*\))", text) if text else []
    for term in terms:
        if not _SELECTOR_TERM.fullmatch(term):
            raise ValueError(f"has the term {term!r}, which is not a label selector; write for example team=web")
    return text.strip()


def _health_uri(text: str) -> str:
    if not _HEALTH_URI.fullmatch(text):
        raise ValueError("is not a path below /; write for example /nginx-health, without spaces, quotes, {, } or ;")
    return text


def _addresses(text: str) -> tuple[str, ...]:
    found = tuple(item.strip() for item in text.split(",") if item.strip())
    for item in found:
        if not _ADDRESS.fullmatch(item):
            raise ValueError(f"has the entry {item!r}, which is neither an IP address nor a host name")
    return found


def _rate(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        raise ValueError("is not a number; write for example 0.3") from None
    if not _SLOWEST <= number <= _FASTEST:
        raise ValueError(f"is out of range; write a number from {_SLOWEST:g} to {_FASTEST:g}")
    return number


Bool = Annotated[bool, Value("", flags.boolean)]
ListenerPort = Annotated[int, Value("PORT", flags.Integer(1, 65535))]
# The incumbent documents 1024 as the lowest port but accepts 1023, which existing manifests may use.
ServicePort = Annotated[int, Value("PORT", flags.Integer(1023, 65535))]
Milliseconds = Annotated[int, Value("MILLISECONDS", flags.Integer(1, 86_400_000))]
MillisecondsOrNone = Annotated[int, Value("MILLISECONDS", flags.Integer(0, 60_000))]
Seconds = Annotated[int, Value("SECONDS", flags.Integer(0, 86_400))]
Name = Annotated[str, Value("NAME", _name)]
OptionalName = Annotated[str, Value("NAME", _optional_name)]
Names = Annotated[tuple[str, ...], Value("NAME,…", _names)]
Namespaced = Annotated[NamespacedName | None, Value("NAMESPACE/NAME", _namespaced)]
OptionalPath = Annotated[Path | None, Value("PATH", flags.path)]
Listen = Annotated[HostPort | None, Value("HOST:PORT", _host_port)]
Text = Annotated[str, Value("TEXT", str)]
Addresses = Annotated[tuple[str, ...], Value("ADDRESS,…", _addresses)]
Networks = Annotated[tuple[str, ...], Value("CIDR,…", _cidrs)]
Selector = Annotated[str, Value("SELECTOR", _selector)]
HealthPath = Annotated[str, Value("PATH", _health_uri)]
Memory = Annotated[str, Value("SIZE", _memory)]
Rate = Annotated[float, Value("RATE", _rate)]
SocketMetrics = Annotated[tuple[str, ...], Value("LIST", _socket_metrics)]
