"""Settings of Ingresses in the other dialect: the same field of the settings, under its key there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

from headgate.explain.provenance import spelled
from headgate.problems import ObjectRef
from headgate.routes import Layers
from headgate.settings import COMMUNITY, REGISTRY, Overrides, Setting
from headgate.settings.registry import Where
from headgate.settings.values import Buffers, Words
from headgate.translate.live import SUBSET
from headgate.validation.custom_settings import UPSTREAM

_FIELDS: Mapping[str, Setting] = {field.name: field for field in reversed(REGISTRY.fields)}
_UPSTREAM: Mapping[str, str] = {name: field.replace("_", "-") for field, name in UPSTREAM.items()}
ELSEWHERE: Final = frozenset({
    "app_root", "location_snippets", "server_snippets", "sticky_cookie_services", "use_cluster_ip",
})  # fmt: skip
"""Settings that a VirtualServer has, in other places than an upstream."""
BY_POLICY: Final = frozenset({"hsts", "hsts_max_age", "hsts_include_subdomains", "ssl_redirect", "http_redirect_code"})
"""What is written as a Policy, or as ``tls.redirect``."""


def below(layers: Layers) -> dict[str, Any]:
    """Return what holds without annotations: the defaults of ingress-nginx, and its ConfigMap."""
    found: dict[str, Any] = {}
    for layer in layers[:-1]:
        found |= layer.overrides.explicit
    return found


def config_map_data(layers: Layers) -> dict[str, str]:
    """Return the keys of a ConfigMap that say what holds without annotations."""
    return {
        field.spec.key: spelled(field, value)
        for name, value in sorted(below(layers).items())
        if Where.CONFIGMAP in (field := _FIELDS[name]).spec.where
    }


def unkeyed(layers: Layers) -> dict[str, Any]:
    """Return what holds without annotations and no key of a ConfigMap can say: each object must say it."""
    return {name: value for name, value in below(layers).items() if Where.CONFIGMAP not in _FIELDS[name].spec.where}


def unsayable(layers: Layers, known: Callable[[str], bool]) -> list[str]:
    """Return what of it is not *known* to objects either, as annotations have it."""
    names = (name for name in unkeyed(layers) if not known(name))
    return sorted(COMMUNITY.names.get(name, _FIELDS[name].spec.key) for name in names)


def upstream_fields(explicit: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of an upstream that say what *explicit* says."""
    found: dict[str, Any] = {}
    for name, value in explicit.items():
        if field := _UPSTREAM.get(name):
            found[field] = value if isinstance(value, bool | int) else spelled(_FIELDS[name], value)
        elif isinstance(value, Buffers):
            found["buffers"] = {"number": value.number, "size": str(value.size)}
    if explicit.get("use_cluster_ip"):
        found["use-cluster-ip"] = True
    return found


def session_cookie(explicit: Mapping[str, Any], service: str) -> dict[str, Any] | None:
    """Return the ``sessionCookie`` of *service*, ``None`` if it has none."""
    found = next((each for each in explicit.get("sticky_cookie_services", ()) if each.service == service), None)
    if found is None:
        return None
    _, name, *rest = found.cookie
    cookie: dict[str, Any] = {"enable": True, "name": name}
    for word in rest:
        key, equals, value = word.partition("=")
        cookie[{"httponly": "httpOnly"}.get(key, key)] = value if equals else True
    return cookie


def has_upstream_field(name: str) -> bool:
    """Whether a setting is one of an upstream of a VirtualServer, or has another place there."""
    return name in _UPSTREAM or name in ELSEWHERE or name == "proxy_buffers"


def annotated(overrides: Overrides) -> dict[str, str]:
    """Return the annotations of nginx.org that say what *overrides* say."""
    return {
        _FIELDS[name].annotation: _text(name, value)
        for name, value in overrides.explicit.items()
        if has_annotation(name)
    }


def has_annotation(name: str) -> bool:
    """Whether Ingresses of nginx.org can say it."""
    return bool(_FIELDS[name].annotation)


def _text(name: str, value: Any) -> str:
    if name in {"location_snippets", "server_snippets"}:
        return str(value)
    if name == "sticky_cookie_services":
        return ";".join(map(str, value))
    return spelled(_FIELDS[name], value)


def unsaid(overrides: Overrides, known: Callable[[str], bool]) -> Iterator[tuple[str, str]]:
    """Yield the annotations whose setting is not *known* there, each with its value."""
    for name, value in overrides.explicit.items():
        if name not in BY_POLICY and not known(name):
            yield overrides.key(name).removeprefix(COMMUNITY.prefix), spelled(_FIELDS[name], value)


def own(layers: Layers, origin: ObjectRef) -> Overrides:
    """Return what the annotations of *origin* say, without the subset of a hash, which no other dialect has."""
    found = _said(layers, origin)
    if not hashes_to_subset(layers, origin):
        return found
    method = Words(word for word in found.explicit["lb_method"] if not word.startswith(SUBSET))
    return Overrides({**found.explicit, "lb_method": method}, found.keys, COMMUNITY)


def hashes_to_subset(layers: Layers, origin: ObjectRef) -> bool:
    """Whether *origin* asks for ``upstream-hash-by-subset``."""
    method = _said(layers, origin).explicit.get("lb_method") or ()
    return any(word.startswith(SUBSET) for word in method)


def _said(layers: Layers, origin: ObjectRef) -> Overrides:
    found: Iterable[Overrides] = (layer.overrides for layer in reversed(layers) if layer.origin == origin)
    return next((each for each in found if each.keys), Overrides({}, {}, COMMUNITY))


def annotation_of(name: str) -> str:
    """Return the annotation of nginx.org that sets the field *name*."""
    return _FIELDS[name].annotation
