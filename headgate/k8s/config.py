"""The connection to the API server: from kubeconfig files, or from the service account of the Pod."""

from __future__ import annotations

import base64
import binascii
import os
import urllib.request
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import msgspec

from headgate.api.base import without_nulls
from headgate.k8s import manifests
from headgate.k8s.errors import ConfigError
from headgate.k8s.kubeconfig import Cluster, Context, ExecConfig, Kubeconfig, UserEntry

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
"""The directory in which the kubelet mounts token, CA and namespace."""


class User(msgspec.Struct, frozen=True, kw_only=True):
    """The identity of the client: the first that is set of token file, token, basic authentication and exec.

    Attributes:
        token_file: read again each minute; takes precedence over *token*.
        token: a bearer token.
        username: for basic authentication, with *password*.
        password: see *username*.
        exec: the program that prints credentials.
        certificate: PEM chain of the client certificate, with *key*; may be combined with the others.
        key: PEM private key.
    """

    token_file: str = ""
    token: str = ""
    username: str = ""
    password: str = ""
    exec: ExecConfig | None = None
    certificate: bytes = b""
    key: bytes = b""

    def __repr__(self) -> str:
        """Show only which fields are set: their values are secret."""
        ways = ("token_file", "token", "username", "exec", "certificate")
        return f"User({', '.join(way for way in ways if getattr(self, way)) or 'anonymous'})"


class ClusterConfig(msgspec.Struct, frozen=True, kw_only=True):
    """One API server and the identity to use there.

    Attributes:
        server: ``https://host:port``, possibly with a path.
        certificate_authority: PEM bundle that the server's certificate must chain to; empty means those of the system.
        insecure: accept any certificate.
        tls_server_name: name that the certificate must have, instead of the host of *server*.
        proxy_url: HTTP proxy to go through; empty for none.
        namespace: the default namespace.
        user: the identity.
        origin: where this was read, for messages.
        context: the context of the kubeconfig; empty for the account of a Pod.
        user_name: what the kubeconfig calls the user; empty for the account of a Pod.
        exec_extension: passed to an exec plugin as ``spec.cluster.config``.
    """

    server: str
    certificate_authority: bytes = b""
    insecure: bool = False
    tls_server_name: str = ""
    proxy_url: str = ""
    namespace: str = "default"
    user: User = User()
    origin: str = ""
    context: str = ""
    user_name: str = ""
    exec_extension: Any = None


def load(
    kubeconfig: str = "",
    context: str = "",
    *,
    environment: Mapping[str, str] = os.environ,
    service_account: Path = SERVICE_ACCOUNT,
) -> ClusterConfig:
    """Find the API server: the named kubeconfig, else ``KUBECONFIG``, else the Pod's account, else ``~/.kube/config``.

    Raises:
        ConfigError: nothing was found, or it cannot be used.
    """
    if kubeconfig:
        return load_kubeconfig([kubeconfig], context, environment=environment, required=True)
    if listed := [path for path in environment.get("KUBECONFIG", "").split(os.pathsep) if path]:
        return load_kubeconfig(listed, context, environment=environment)
    if environment.get("KUBERNETES_SERVICE_HOST") and (service_account / "token").exists():
        return in_cluster(environment=environment, service_account=service_account)
    home = Path(environment.get("HOME", "~")).expanduser() / ".kube" / "config"
    if home.exists():
        return load_kubeconfig([str(home)], context, environment=environment)
    raise ConfigError(
        f"no API server is known: no --kubeconfig, no KUBECONFIG, not inside a Pod, and no {home}; "
        "name a kubeconfig, or use --manifests DIR to run without a cluster"
    )


def in_cluster(
    *, environment: Mapping[str, str] = os.environ, service_account: Path = SERVICE_ACCOUNT
) -> ClusterConfig:
    """Return the connection by the service account that the kubelet has mounted.

    Raises:
        ConfigError: this is not a Pod, or its service account is not mounted.
    """
    host, port = environment.get("KUBERNETES_SERVICE_HOST", ""), environment.get("KUBERNETES_SERVICE_PORT", "443")
    if not host:
        raise ConfigError("not inside a Pod: KUBERNETES_SERVICE_HOST is not set")
    token = service_account / "token"
    if not token.exists():
        raise ConfigError(f"{token} does not exist; set automountServiceAccountToken: true for this Pod")
    server = f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}"
    namespace = service_account / "namespace"
    return ClusterConfig(
        server=server,
        certificate_authority=_read(service_account / "ca.crt", "certificate authority"),
        proxy_url=_environment_proxy(server, environment),
        namespace=_read(namespace, "namespace").decode().strip() if namespace.exists() else "default",
        user=User(token_file=str(token)),
        origin=str(service_account),
    )


def load_kubeconfig(
    paths: Iterable[str], context: str = "", *, environment: Mapping[str, str] = os.environ, required: bool = False
) -> ClusterConfig:
    """Merge the files *paths* and resolve one of their contexts.

    The first definition of a cluster, user or context is used, and the first ``current-context``; paths are relative to
    the file that contains them (Kubernetes documentation, "Organizing Cluster Access").

    Args:
        paths: files; missing ones are ignored unless *required*.
        context: the context to use instead of ``current-context``.
        environment: with ``HTTPS_PROXY``, ``HTTP_PROXY`` and ``NO_PROXY``.
        required: whether every file must exist.

    Raises:
        ConfigError: a file is invalid, or what the context refers to is missing or contradictory.
    """
    names = [str(Path(path).expanduser()) for path in paths]
    files = [_parse(Path(name)) for name in names if required or Path(name).exists()]
    origin = os.pathsep.join(names)
    if not files:
        raise ConfigError(
            f"none of the files of KUBECONFIG exists: {origin}; name a kubeconfig, or use --manifests DIR to run"
            " without a cluster"
        )
    return _resolve(_merge(files), context, origin, environment)


def _parse(path: Path) -> Kubeconfig:
    """Parse one file; its relative paths become absolute."""
    try:
        documents = manifests.read(_read(path, "kubeconfig"), json=False)
        content = without_nulls(documents[0].value) if documents else {}
        if not isinstance(content, dict):
            raise ConfigError(f"{path} is not a kubeconfig, which begins with `apiVersion: v1`; name another file")
        config = msgspec.convert(content, Kubeconfig)
    except manifests.ManifestError as error:
        raise ConfigError(": ".join(filter(None, (str(path), error.where, error.reason)))) from None
    except msgspec.ValidationError as error:
        raise ConfigError(f"{path}: {error}") from None
    return config.anchored(path.absolute().parent)


def _merge(files: list[Kubeconfig]) -> Kubeconfig:
    return Kubeconfig(
        current_context=next((file.current_context for file in files if file.current_context), ""),
        clusters=tuple(entry for file in files for entry in file.clusters),
        contexts=tuple(entry for file in files for entry in file.contexts),
        users=tuple(entry for file in files for entry in file.users),
    )


def _resolve(merged: Kubeconfig, wanted: str, origin: str, environment: Mapping[str, str]) -> ClusterConfig:
    """Resolve the context to its cluster and user."""
    name = wanted or merged.current_context
    if not name:
        raise ConfigError(f"{origin}: no current-context is set; name one with --context ({_names(merged.contexts)})")
    context = _find(merged.contexts, name, "context", origin).context
    cluster = _find(merged.clusters, context.cluster, "cluster", origin).cluster
    user = _find(merged.users, context.user, "user", origin).user if context.user else UserEntry()
    config = _config(cluster, context, user, environment, f"{origin} (context {name})")
    return msgspec.structs.replace(config, context=name, user_name=context.user)


Entry = TypeVar("Entry", bound=Any)


def _find(entries: tuple[Entry, ...], name: str, what: str, origin: str) -> Entry:
    """Return the first entry of that name."""
    for entry in entries:
        if entry.name == name:
            return entry
    raise ConfigError(f"{origin}: there is no {what} {name!r} ({_names(entries)})")


def _names(entries: tuple[Any, ...]) -> str:
    known = ", ".join(dict.fromkeys(entry.name for entry in entries))
    return f"there are: {known}" if known else "there are none"


def _config(
    cluster: Cluster, context: Context, user: UserEntry, environment: Mapping[str, str], origin: str
) -> ClusterConfig:
    authority = _material(
        cluster.certificate_authority_data, cluster.certificate_authority, f"{origin}: certificate-authority"
    )
    if cluster.insecure_skip_tls_verify and authority:
        raise ConfigError(f"{origin}: insecure-skip-tls-verify contradicts certificate-authority; remove one")
    if not _is_url(cluster.server):
        raise ConfigError(f"{origin}: server {cluster.server!r} is not an http or https URL")
    proxy = cluster.proxy_url or _environment_proxy(cluster.server, environment)
    if proxy and not _is_url(proxy):
        raise ConfigError(f"{origin}: proxy-url {proxy!r} is not an HTTP proxy; SOCKS is not supported")
    return ClusterConfig(
        server=cluster.server.rstrip("/"),
        certificate_authority=authority,
        insecure=cluster.insecure_skip_tls_verify,
        tls_server_name=cluster.tls_server_name,
        proxy_url=proxy,
        namespace=context.namespace or "default",
        user=_user(user, origin),
        origin=origin,
        exec_extension=cluster.exec_extension(),
    )


def _is_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        return False


def _user(entry: UserEntry, origin: str) -> User:
    if entry.auth_provider is not None:
        raise ConfigError(f"{origin}: auth-provider was removed from Kubernetes in 1.26; use an exec plugin")
    if entry.impersonate or entry.impersonate_groups:
        raise ConfigError(f"{origin}: impersonation (as, as-groups) is not supported; use the account itself")
    certificate = _material(entry.client_certificate_data, entry.client_certificate, f"{origin}: client-certificate")
    key = _material(entry.client_key_data, entry.client_key, f"{origin}: client-key")
    if bool(certificate) != bool(key):
        raise ConfigError(f"{origin}: client-certificate and client-key must be given together")
    return User(
        token_file=entry.token_file,
        token=entry.token,
        username=entry.username,
        password=entry.password,
        exec=entry.exec,
        certificate=certificate,
        key=key,
    )


def _material(data: str, path: str, what: str) -> bytes:
    """Return PEM from base64 *data* or else from a file."""
    if data:
        try:
            return base64.b64decode("".join(data.split()), validate=True)
        except (binascii.Error, ValueError):
            raise ConfigError(f"{what}-data is not base64") from None
    return _read(Path(path), what) if path else b""


def _read(path: Path, what: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{what}: {path} cannot be read: {error.strerror or error}") from None


def _environment_proxy(server: str, environment: Mapping[str, str]) -> str:
    """Return the proxy for *server* according to ``HTTPS_PROXY``, ``HTTP_PROXY`` and ``NO_PROXY``, as in Go."""
    names = {name.lower(): value for name, value in environment.items() if name.lower().endswith("_proxy") and value}
    parts = urlsplit(server)
    proxies = {name.removesuffix("_proxy"): value for name, value in names.items()}
    host = parts.hostname or ""
    address = f"{host}:{parts.port}" if parts.port else host
    if urllib.request.proxy_bypass_environment(address, proxies):  # type: ignore[attr-defined] # typeshed lacks it
        return ""
    return proxies.get(parts.scheme, "")
