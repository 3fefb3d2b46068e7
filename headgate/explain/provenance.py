"""Where the value of each setting comes from: the layers that ``translate`` lays over each other, asked one by one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from headgate.explain.answer import InForce, Origin
from headgate.explain.context import RequestContext
from headgate.routes import Forward, Layer
from headgate.settings import COMMUNITY, REGISTRY, ConfigParams, Header, Role, Setting, Words
from headgate.translate.headers import ALT_SVC_VARIABLE, HSTS_VARIABLE, NOTHING

_ADDED = frozenset({HSTS_VARIABLE, ALT_SVC_VARIABLE})
"""Values of response headers that follow from other settings than add-header."""
_NGINX_HANDS_DOWN = {
    "basic_auth_secret": "auth",
    "basic_auth_realm": "auth",
    "proxy_redirect_from": "proxy_redirect",
    "proxy_redirect_to": "proxy_redirect",
    "custom_http_errors": "error_page",
}
"""Settings that a location inherits from its server, and the part of ``ir`` that shows it."""
_FOLLOWS_HOST = frozenset({"add_header"})
"""Settings of a host that count for attached objects too, although they are the host's own in every other way."""
FIELD = "field"
CORS_PREFIX = "Access-Control-"
_KINDS = {Role.REGULAR: "annotation", Role.MASTER: "master", Role.MINION: "minion"}


class _Source(msgspec.Struct, frozen=True):
    """A layer with the name that an answer gives it."""

    kind: str
    layer: Layer

    def origin(self, field: Setting) -> Origin:
        key = self.layer.overrides.keys.get(field.name, "")
        defaults = self.kind == FIELD or self.layer.overrides.dialect is COMMUNITY
        if not key and defaults:  # a value that the custom resource, or the dialect, has by default
            return Origin("default")
        return Origin(self.kind, self.layer.origin.key, key, self.layer.origin.kind)

    def value(self, field: Setting) -> tuple[Any] | None:
        """Return the explicit value of *field*, in a tuple of its own, ``None`` if nothing is."""
        explicit = self.layer.overrides.explicit
        return (explicit[field.name],) if field.name in explicit else None


_FIELDS = {field.name: field for field in reversed(REGISTRY.fields)}
"""Each setting once; of two spellings the first declared, which is the proper one."""


def in_force(context: RequestContext) -> tuple[InForce, ...]:
    """Return every setting that means something at *context*, with its value and where that comes from."""
    return tuple(
        one(context, name) for name in reversed(_FIELDS) if _meant(_FIELDS[name], _values(context, _FIELDS[name])[0])
    )


def one(context: RequestContext, name: str) -> InForce:
    """Return the setting of the field *name* at *context* (KeyError for a name that no setting has)."""
    field = _FIELDS[name]
    params, over = _values(context, field)
    value = _response_headers(context) if name == "add_header" else getattr(getattr(params, field.group), name)
    origins = _origins(over, field, value)
    if name == "add_header":
        origins = (*(origin for origin in origins if origin.key), *_adders(context, value)) or origins
    return InForce(field.spec.key, spelled(field, value), origins, field.annotation)


def described(setting: InForce) -> str:
    """Return a setting and where it comes from, in one line; a custom resource has its own name for it."""
    fields = [origin for origin in setting.origins if origin.kind == FIELD]
    if fields:
        return " and ".join(f"{origin.object_kind} {origin.object}: {origin.key}" for origin in fields)
    return f"{setting.name}={setting.value} ({' and '.join(map(whence, setting.origins))})"


def whence(origin: Origin) -> str:
    """Return an origin in words."""
    words = {
        "default": "default",
        "configmap": f"ConfigMap {origin.object}",
        FIELD: f"{origin.object_kind} {origin.object}",
    }
    return words.get(origin.kind) or f"{origin.kind} {origin.object}"


def _values(context: RequestContext, field: Setting) -> tuple[ConfigParams, list[_Source]]:
    """Return the values that hold for *field* at *context*, and the layers that they were made of, lowest first."""
    config_map = context.view.config_map
    below = [_Source("configmap", config_map)] if config_map else []
    host, place = context.host, context.place
    if host is None or place is None:
        return context.view.env.params, below
    part = _NGINX_HANDS_DOWN.get(field.name)
    if part and context.location and getattr(context.location, part) is None:
        place = context.draft.host(host)
    layers = place.layers
    if field.name in _FOLLOWS_HOST and place.origin != host.origin:
        layers = (*host.settings, layers[-1])
    return place.params, below + [_Source(_kind(layer), layer) for layer in layers]


def _kind(layer: Layer) -> str:
    return _KINDS[layer.role] if layer.origin.kind == "Ingress" else FIELD


def _origins(over: Sequence[_Source], field: Setting, value: Any) -> tuple[Origin, ...]:
    """Return the origin of *value*: the topmost layer with this value, else all with a part of the list."""
    for layer in reversed(over):
        if layer.value(field) == (value,):
            return (layer.origin(field),)
    if isinstance(value, tuple):
        parts = [layer for layer in over if (explicit := layer.value(field)) and _shares(explicit[0], value)]
        if parts:
            return tuple(layer.origin(field) for layer in parts)
    return (Origin("default"),)


def _shares(explicit: Any, value: tuple[Any, ...]) -> bool:
    return isinstance(explicit, tuple) and any(part in value for part in explicit)


def _response_headers(context: RequestContext) -> tuple[Header, ...]:
    """Return the list that nginx prints at *context*, without what Headgate adds to it."""
    places = (context.location, context.server.server) if context.location else (context.server.server,)
    lists = [place.response_headers for place in places if place.response_headers is not None]
    found = lists[0] if lists else context.view.env.params.headers.add_header
    return tuple(header for header in found if header != NOTHING and header.value not in _ADDED)


def _adders(context: RequestContext, value: tuple[Header, ...]) -> Iterator[Origin]:
    """Yield what adds headers of *value* besides settings: the field of an action, and a Policy."""
    route = context.route
    changes = route.action.changes if route and isinstance(route.action, Forward) else None
    if route and changes and _shares(changes.add_headers, value):
        yield Origin(FIELD, route.origin.key, f"{route.field}.action.proxy.responseHeaders.add", route.origin.kind)
    holder = route or context.host
    cors = holder.policies.cors if holder else None
    if cors and any(header.name.startswith(CORS_PREFIX) for header in value):
        yield Origin(FIELD, cors.policy.key, "spec.cors", cors.policy.kind)


def _meant(field: Setting, params: ConfigParams) -> bool:
    """Whether *field* has a meaning: one that needs companions has none without them."""
    if field.group == "limits":
        return bool(params.limits.limit_req_rate)
    if not field.spec.where:  # a setting of one dialect only
        return bool(getattr(getattr(params, field.group), field.name) != field.default)
    needed = field.spec.requires.split(", ")
    companions = [other for other in _FIELDS.values() if other.spec.key in needed]
    return all(getattr(getattr(params, other.group), other.name) for other in companions)


def spelled(field: Setting, value: Any) -> str:
    """Return *value* on one line, as users would write it; empty where nginx's own default holds."""
    if value is None:
        return "round_robin" if field.name == "lb_method" else ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        apart = " " if isinstance(value, Words) or field.group == "logging" else ","
        return " ".join(apart.join(map(str, value)).split())
    return " ".join(str(value).split())
