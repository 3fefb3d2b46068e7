"""Names in nginx: as the incumbent gives them, which operators and dashboards know.

The incumbent joins parts with dashes, so two objects can get one name. Where that happens the
Configurator translates the younger one again with a *salt*, which every name of it then ends with.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from headgate.ir import Layout
from headgate.ir.layout import (
    ATTACHED_FOLDER,
    EXTERNAL_FOLDER,
    HTTP_FOLDER,
    SECRETS_FOLDER,
    SOCKET_PATH_LIMIT,
    STREAM_FOLDER,
)
from headgate.problems import ObjectRef
from headgate.settings import Quoted, Size

DEFAULT_SERVER = f"{HTTP_FOLDER}/_default-server.conf"
CERTIFICATES = f"{HTTP_FOLDER}/_certificates.conf"
HTTP3 = f"{HTTP_FOLDER}/+http3.conf"
"""nginx reads it before the files of objects: their names begin with a letter, a digit or an underscore."""
STREAM_TLS = f"{STREAM_FOLDER}/_tls.conf"
PASSTHROUGH = f"{STREAM_FOLDER}/_tls-passthrough.conf"
LONGEST_FILE = 230
"""Characters before the ending; a file system takes 255 bytes, and temporary names need room."""
_MAP_WORDS = frozenset({"default", "hostnames", "include", "volatile"})
_SHORT: Mapping[str, str] = MappingProxyType(
    {"VirtualServer": "vs", "VirtualServerRoute": "vsr", "TransportServer": "ts"}
)
"""Kinds as kubectl shortens them."""
MISSING = f"{SECRETS_FOLDER}/_missing"
"""A file that is never there: no object's name begins with an underscore."""
SMALLEST_ZONE = Size("32k")
"""nginx refuses smaller zones of ``limit_req``."""


_ONE_LABEL: Final = "~^[^.]+"
"""What the ``server_name`` of a wildcard host begins with."""


def salt(ref: ObjectRef) -> str:
    """Return a suffix that no other object has."""
    return "-" + hashlib.sha256(f"{ref.kind}/{ref.namespace}/{ref.name}".encode()).hexdigest()[:8]


def digest(parts: tuple[object, ...]) -> str:
    """Return a suffix that tells *parts* from others that read alike when they are joined."""
    return "-" + hashlib.sha256("\0".join(map(str, parts)).encode()).hexdigest()[:8]


def config_file(ref: ObjectRef, suffix: str = "") -> str:
    """Return the file of an object, ``conf.d/<ns>-<name>.conf`` for an Ingress; a long one ends with a hash.

    ``conf.d/vs_<ns>_<name>.conf`` for a VirtualServer, ``vsr_…`` for a VirtualServerRoute, and
    ``stream-conf.d/ts_…`` for a TransportServer, without ``ts_`` for a port of a ConfigMap.
    """
    folder = STREAM_FOLDER if ref.kind in {"TransportServer", "ConfigMap"} else HTTP_FOLDER
    return f"{folder}/{_own(ref, suffix)}.conf"


def stream_file(ref: ObjectRef, part: str, suffix: str = "") -> str:
    """Return the file of a route of TCP or UDP: that of its object, with its *part* if there are several."""
    if not part:
        return config_file(ref, suffix)
    name = f"{ref.namespace}-{ref.name}@{part}{suffix}"
    return f"{STREAM_FOLDER}/{_short(name, name)}.conf"


def locations_file(ref: ObjectRef, host: str, suffix: str = "") -> str:
    """Return the file of an object's locations in another one's server: ``attached/<host>/<ns>-<name>.locations``."""
    return f"{_attached(host)}/{_own(ref, suffix)}.locations"


def includes_file(host: str) -> str:
    """Return the file of what the server of *host* includes; no name of an object begins with an underscore."""
    return f"{_attached(host)}/_includes"


def external_file(service: ObjectRef, upstream: str) -> str:
    """Return the file of an ExternalName in an upstream: ``external/<ns>-<service>@<upstream>.servers``."""
    name = f"{service.namespace}-{service.name}@{upstream}"
    return f"{EXTERNAL_FOLDER}/{_short(name, name)}.servers"


def mask(conf: str, file: str) -> Quoted:
    """Return a mask that matches *file* below *conf* alone.

    The file need not be there: nginx refuses a plain name that is missing, and not a mask that matches nothing.
    """
    return Quoted(f"{conf}/{file[:-1]}[{file[-1]}]")


def _attached(host: str) -> str:
    return f"{ATTACHED_FOLDER}/{_spelled(host)}"


def _own(ref: ObjectRef, suffix: str) -> str:
    if ref.kind in _SHORT:
        name = f"{_SHORT[ref.kind]}_{ref.namespace}_{ref.name}{suffix}"
        return _short(name, name)
    return _short(f"{ref.namespace}-{ref.name}{suffix}", f"{ref.namespace}/{ref.name}{suffix}")


def _short(name: str, identity: str) -> str:
    """Return *name* for a file; a long one is cut and ends with a hash of *identity*."""
    if len(name) <= LONGEST_FILE:
        return name
    end = digest((identity,))
    return name[: LONGEST_FILE - len(end)] + end


def profile(text: str) -> str:
    """Return the name of a profile that is written *text*."""
    found = hashlib.sha256(text.encode()).hexdigest()
    return f"@p_{found[: 16 + int(found[-2:], 16) % 48]}"


def port_file(port: int) -> str:
    """Return the file of the default server of *port*, if that is not one of the usual ports."""
    return f"{HTTP_FOLDER}/_listen-{port}.conf"


def stream_listener_file(name: str) -> str:
    """Return the file of the default server of the listener *name* of TCP."""
    return f"{STREAM_FOLDER}/_listen-{name}.conf"


def passthrough_socket(layout: Layout, ref: ObjectRef, part: str = "") -> str:
    """Return the socket of a *part* of an object with TLS passthrough; a name too long for a socket is a hash."""
    parts = (ref.namespace, ref.name, *([part] if part else []))
    path = layout.socket(f"passthrough-{'_'.join(parts)}")
    if len(path.encode()) <= SOCKET_PATH_LIMIT:
        return path
    return layout.socket(f"passthrough{digest(parts)}")


def upstream(ref: ObjectRef, host: str, service: str, port: str, suffix: str = "") -> str:
    """Return ``<ns>-<ingress>-<host>-<service>-<port>``; ``_`` stands for no host and for a wildcard's star."""
    return f"{ref.namespace}-{ref.name}-{_spelled(host)}-{service}-{port}{suffix}"


def variable(ref: ObjectRef, end: str, suffix: str = "") -> str:
    """Return ``<kind>_<ns>_<name>_<end>`` for a variable; the kind is shortened as kubectl does (``vs``)."""
    kind = _SHORT.get(ref.kind, ref.kind.lower())
    return re.sub("[^A-Za-z0-9]", "_", f"{kind}_{ref.namespace}_{ref.name}_{end}{suffix}")


def error_page(origin: ObjectRef | None, number: int) -> str:
    """Return the beginning of the names of the locations of error pages; *origin* as in a Location."""
    return f"@error_page_{origin.namespace}_{origin.name}_{number}" if origin else f"@error_page_{number}"


def hashed(name: str, fixed: tuple[object, ...], suffix: str = "") -> str:
    """Return the *name* of a zone with a hash of what is *fixed*, for nginx refuses to change that at a reload."""
    return f"{name}{suffix}_{digest(fixed)[1:]}"


def map_key(text: str) -> str:
    """Return the entry of a ``map`` for *text*; words that mean something there are escaped."""
    return f"\\{text}" if text in _MAP_WORDS else text


def limit_zone(ref: ObjectRef, key: str, suffix: str = "") -> str:
    """Return a zone's name with a hash of its key, for nginx refuses to reload a zone whose key changed."""
    return f"{ref.namespace}/{ref.name}{suffix}_{hashlib.sha256(key.encode()).hexdigest()[:8]}"


def server_name(host: str) -> str | Quoted:
    """Return the argument of ``server_name``; a wildcard covers exactly one label (Kubernetes Ingress API)."""
    if not host:
        return "_"
    if host.startswith("*."):
        return Quoted(f"{_ONE_LABEL}{_escaped(host[1:])}$")
    return host


def host_of(name: str) -> str:
    """Return the host of which *name* is the ``server_name``."""
    if not name.startswith(_ONE_LABEL):
        return name
    return "*" + name.removeprefix(_ONE_LABEL).removesuffix("$").replace("\\.", ".")


def sni(host: str) -> str | Quoted:
    """Return the entry of *host* in the map from server names to certificates (ngx_http_map_module)."""
    if host in _MAP_WORDS:
        return Quoted(f"\\{host}")
    return Quoted(f"~*^[^.]+{_escaped(host[1:])}$") if host.startswith("*.") else host


def _spelled(host: str) -> str:
    return host.replace("*", "_") or "_"


def _escaped(name: str) -> str:
    return name.replace(".", r"\.")
