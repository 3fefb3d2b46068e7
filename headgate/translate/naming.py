"""Names in nginx: as the incumbent gives them, which operators and dashboards know.

The incumbent joins parts with dashes, so two objects can get one name. Where that happens the
Configurator translates the younger one again with a *salt*, which every name of it then ends with.
"""

from __future__ import annotations

import hashlib

from headgate.ir.layout import HTTP_FOLDER, SECRETS_FOLDER
from headgate.problems import ObjectRef
from headgate.settings import Quoted, Size

DEFAULT_SERVER = f"{HTTP_FOLDER}/_default-server.conf"
CERTIFICATES = f"{HTTP_FOLDER}/_certificates.conf"
LONGEST_FILE = 230
"""Characters before ``.conf``; a file system takes 255 bytes, and temporary names need room."""
_MAP_WORDS = frozenset({"default", "hostnames", "include", "volatile"})
MISSING = f"{SECRETS_FOLDER}/_missing"
"""A file that is never there: no object's name begins with an underscore."""
SMALLEST_ZONE = Size("32k")
"""nginx refuses smaller zones of ``limit_req``."""


def salt(ref: ObjectRef) -> str:
    """Return a suffix that no other object has."""
    return "-" + hashlib.sha256(f"{ref.kind}/{ref.namespace}/{ref.name}".encode()).hexdigest()[:8]


def digest(parts: tuple[object, ...]) -> str:
    """Return a suffix that tells *parts* from others that read alike when they are joined."""
    return "-" + hashlib.sha256("\0".join(map(str, parts)).encode()).hexdigest()[:8]


def config_file(ref: ObjectRef, suffix: str = "") -> str:
    """Return the file of an Ingress: ``conf.d/<ns>-<name>.conf``; a long one ends with a hash."""
    name = f"{ref.namespace}-{ref.name}{suffix}"
    if len(name) > LONGEST_FILE:
        digest = hashlib.sha256(f"{ref.namespace}/{ref.name}{suffix}".encode()).hexdigest()[:8]
        name = f"{name[: LONGEST_FILE - len(digest) - 1]}-{digest}"
    return f"{HTTP_FOLDER}/{name}.conf"


def upstream(ref: ObjectRef, host: str, service: str, port: str, suffix: str = "") -> str:
    """Return ``<ns>-<ingress>-<host>-<service>-<port>``; ``_`` stands for no host and for a wildcard's star."""
    spelled = host.replace("*", "_") or "_"
    return f"{ref.namespace}-{ref.name}-{spelled}-{service}-{port}{suffix}"


def limit_zone(ref: ObjectRef, key: str, suffix: str = "") -> str:
    """Return a zone's name with a hash of its key, for nginx refuses to reload a zone whose key changed."""
    return f"{ref.namespace}/{ref.name}{suffix}_{hashlib.sha256(key.encode()).hexdigest()[:8]}"


def server_name(host: str) -> str | Quoted:
    """Return the argument of ``server_name``; a wildcard covers exactly one label (Kubernetes Ingress API)."""
    if not host:
        return "_"
    if host.startswith("*."):
        return Quoted(f"~^[^.]+{_escaped(host[1:])}$")
    return host


def sni(host: str) -> str | Quoted:
    """Return the entry of *host* in the map from server names to certificates (ngx_http_map_module)."""
    if host in _MAP_WORDS:
        return Quoted(f"\\{host}")
    return Quoted(f"~*^[^.]+{_escaped(host[1:])}$") if host.startswith("*.") else host


def _escaped(name: str) -> str:
    return name.replace(".", r"\.")
