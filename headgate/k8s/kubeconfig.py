"""The schema of a kubeconfig file (client.config v1), as far as Headgate reads it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, dataclass_transform

import msgspec
from msgspec import field
from msgspec.structs import replace

EXEC_EXTENSION = "client.authentication.k8s.io/exec"
"""The cluster extension that is passed to exec plugins."""


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(msgspec.field,))
class _Entry(msgspec.Struct, frozen=True, rename="kebab", kw_only=True):
    """A part of the file; unknown fields are ignored."""


class Extension(_Entry):
    """A named value of any form."""

    name: str = ""
    extension: Any = None


class Cluster(_Entry):
    """An API server and its trusted CA."""

    server: str = ""
    certificate_authority: str = ""
    certificate_authority_data: str = ""
    insecure_skip_tls_verify: bool = False
    tls_server_name: str = ""
    proxy_url: str = ""
    extensions: tuple[Extension, ...] = ()

    def exec_extension(self) -> Any:
        """Return the value of ``spec.cluster.config`` for exec plugins."""
        return next((entry.extension for entry in self.extensions if entry.name == EXEC_EXTENSION), None)


class Context(_Entry):
    """A cluster, a user and a namespace."""

    cluster: str = ""
    user: str = ""
    namespace: str = ""


class ExecVariable(_Entry):
    """An environment variable of an exec plugin."""

    name: str
    value: str = ""


class ExecConfig(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A program that prints an ExecCredential (client.authentication.k8s.io)."""

    command: str
    args: tuple[str, ...] = ()
    env: tuple[ExecVariable, ...] = ()
    api_version: str = ""
    install_hint: str = ""
    provide_cluster_info: bool = False
    interactive_mode: str = ""

    def __repr__(self) -> str:
        """Hide arguments and environment, which may contain secrets."""
        return f"ExecConfig({self.command!r})"


class UserEntry(_Entry):
    """Credentials in one of the forms of a kubeconfig."""

    client_certificate: str = ""
    client_certificate_data: str = ""
    client_key: str = ""
    client_key_data: str = ""
    token: str = ""
    token_file: str = field(default="", name="tokenFile")
    username: str = ""
    password: str = ""
    exec: ExecConfig | None = None
    auth_provider: Any = None
    impersonate: str = field(default="", name="as")
    impersonate_groups: tuple[str, ...] = field(default=(), name="as-groups")


class NamedCluster(_Entry):
    """A cluster and its name."""

    name: str
    cluster: Cluster = Cluster()


class NamedContext(_Entry):
    """A context and its name."""

    name: str
    context: Context = Context()


class NamedUser(_Entry):
    """A user and its name."""

    name: str
    user: UserEntry = UserEntry()


class Kubeconfig(_Entry):
    """One file."""

    current_context: str = ""
    clusters: tuple[NamedCluster, ...] = ()
    contexts: tuple[NamedContext, ...] = ()
    users: tuple[NamedUser, ...] = ()

    def anchored(self, folder: Path) -> Kubeconfig:
        """Return a copy whose relative paths are made absolute with *folder*."""
        return replace(
            self,
            clusters=tuple(replace(entry, cluster=_cluster(entry.cluster, folder)) for entry in self.clusters),
            users=tuple(replace(entry, user=_user(entry.user, folder)) for entry in self.users),
        )


def _cluster(cluster: Cluster, folder: Path) -> Cluster:
    return replace(cluster, certificate_authority=_absolute(cluster.certificate_authority, folder))


def _user(user: UserEntry, folder: Path) -> UserEntry:
    plugin = user.exec
    # A bare name is looked up on PATH; anything with a slash is a path.
    if plugin is not None and "/" in plugin.command:
        plugin = replace(plugin, command=_absolute(plugin.command, folder))
    return replace(
        user,
        client_certificate=_absolute(user.client_certificate, folder),
        client_key=_absolute(user.client_key, folder),
        token_file=_absolute(user.token_file, folder),
        exec=plugin,
    )


def _absolute(path: str, folder: Path) -> str:
    return str(folder / path) if path else ""
