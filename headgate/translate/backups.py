"""Backup servers: whether they can be used, and what is then translated."""

from __future__ import annotations

from typing import Final

from msgspec import structs

from headgate.routes import Backend
from headgate.settings import ConfigParams, Words
from headgate.translate.environment import Environment
from headgate.translate.live import why_in_files

_WITHOUT: Final = frozenset({"hash", "ip_hash", "random"})
"""Methods of nginx that refuse a server with ``backup``."""


def backup_fault(backend: Backend, params: ConfigParams, env: Environment) -> str:
    """Say why the backup of *backend* cannot be used; ``""`` if it can, or there is none.

    While there are no other servers, those of the backup are ordinary ones, with any method.
    """
    if backend.backup is None:
        return ""
    named = backend.backup.endpoints.named or backend.endpoints.named
    if named and not env.resolves:
        return (
            "needs nginx 1.27.3 and the ConfigMap's resolver-addresses, as nginx resolves names beside it at run time"
        )
    method = params.upstream.lb_method or Words()
    in_files = env.live is None or named or why_in_files(structs.replace(backend, backup=None), params)
    if backend.endpoints.servers and in_files and method and method[0] in _WITHOUT:
        return f"cannot be used with the method {' '.join(method)} in files; set lb-method to round_robin or least_conn"
    return ""


def with_backup(backend: Backend, params: ConfigParams, env: Environment) -> Backend:
    """Return *backend* without a backup that cannot be used, and with the servers of its backup if it has no others."""
    if backend.backup is None:
        return backend
    if backup_fault(backend, params, env):
        return structs.replace(backend, backup=None)
    if backend.endpoints.servers:
        return backend
    return structs.replace(backend, endpoints=backend.backup.endpoints, backup=None)
