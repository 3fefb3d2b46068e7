"""Manifests with logins, as plain JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from showcase.identity_provider import IdentityProvider

from tests.live.json_objects import Json

SECRET = 's3cret-$with\\odd"characters'


def client_secret(name: str = "client", value: str = SECRET) -> Json:
    """The Secret of a client."""
    metadata = {"name": name, "namespace": "default"}
    return {"apiVersion": "v1", "kind": "Secret", "type": "nginx.org/oidc", "metadata": metadata,
            "stringData": {"client-secret": value}}  # fmt: skip


def policy(name: str, provider: IdentityProvider | None, **more: Any) -> Json:
    """A Policy; ``None`` for a field leaves it out."""
    names = {"authEndpoint": "authorize", "tokenEndpoint": "token", "jwksURI": "keys", "endSessionEndpoint": "logout"}
    given = {field: f"{provider.issuer}/{path}" for field, path in names.items()} if provider else {}
    spec = {"clientID": "cafe", "clientSecret": "client", **given, **more}
    return _custom("Policy", name, {"oidc": {field: value for field, value in spec.items() if value is not None}})


def external_auth(name: str, service: str, snippet: str) -> Json:
    """A Policy by which *service* decides, with *snippet* in the location that asks it."""
    given = {"authURI": "/decide", "authServiceName": service, "authServicePorts": [80], "authSnippets": snippet}
    return _custom("Policy", name, {"externalAuth": given})


def virtual_server(
    name: str,
    host: str,
    *policies: str,
    routes: Mapping[str, str] | None = None,
    delegated: Mapping[str, str] | None = None,
    **more: Any,
) -> Json:
    """A VirtualServer with *policies*, *routes* with one of their own (empty for none), and *delegated* paths."""
    parts = [{"path": path, "route": f"default/{route}"} for path, route in (delegated or {}).items()]
    spec = {
        "host": host,
        "policies": [{"name": each} for each in policies],
        "upstreams": [{"name": "tea", "service": "tea", "port": 80}],
        "routes": [*parts, *(_route(path, own) for path, own in (routes or {"/": ""}).items())],
        **more,
    }
    return _custom("VirtualServer", name, spec)


def virtual_server_route(name: str, host: str, path: str, own: str) -> Json:
    """A VirtualServerRoute with one path and a Policy."""
    upstreams = [{"name": "tea", "service": "tea", "port": 80}]
    return _custom("VirtualServerRoute", name, {"host": host, "upstreams": upstreams, "subroutes": [_route(path, own)]})


def _route(path: str, own: str) -> Json:
    return {"path": path, "action": {"pass": "tea"}, **({"policies": [{"name": own}]} if own else {})}


def _custom(kind: str, name: str, spec: Json) -> Json:
    metadata = {"name": name, "namespace": "default"}
    return {"apiVersion": "k8s.nginx.org/v1", "kind": kind, "metadata": metadata, "spec": spec}
