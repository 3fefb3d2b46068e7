"""Where the value of each knob comes from: the layers that ``translate`` lays over each other, asked one by one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from headgate.explain.answer import InForce, Origin
from headgate.explain.picture import Picture, Site
from headgate.explain.spot import Spot
from headgate.problems import ObjectRef
from headgate.resolve.ex import MergeableIngresses
from headgate.settings import REGISTRY, ConfigParams, Field, Header, Said, Words
from headgate.translate.draft import Layer, layers, own
from headgate.translate.headers import HSTS_VARIABLE, NOTHING

_NGINX_HANDS_DOWN = {
    "basic_auth_secret": "auth",
    "basic_auth_realm": "auth",
    "proxy_redirect_from": "proxy_redirect",
    "proxy_redirect_to": "proxy_redirect",
    "custom_http_errors": "error_page",
}
"""Knobs that a location takes from its server where it says nothing itself, and the part of ``ir`` that shows it."""
_JOINED = frozenset({"add_header", "proxy_set_headers"})
"""Lists of a master that minions get too, although they are the master's own in every other way."""


class _Said(msgspec.Struct, frozen=True):
    """A layer with the name that an answer gives it."""

    kind: str
    ref: ObjectRef
    said: Said
    keys: frozenset[str]

    def origin(self, field: Field) -> Origin:
        return Origin(self.kind, self.ref.key, next((key for key in _spellings(field) if key in self.keys), ""))

    def value(self, field: Field) -> tuple[Any] | None:
        """Return what is said of *field*, in a tuple of its own, ``None`` if nothing is."""
        group = self.said.get(field.group, {})
        return (group[field.name],) if field.name in group else None


_FIELDS = {field.name: field for field in reversed(REGISTRY.fields)}
"""Each knob once; of two spellings the first declared, which is the proper one."""


def in_force(spot: Spot) -> tuple[InForce, ...]:
    """Return every knob that means something at *spot*, with its value and where that comes from."""
    return tuple(
        one(spot, name) for name in reversed(_FIELDS) if _meant(_FIELDS[name], _values(spot, _FIELDS[name])[0])
    )


def one(spot: Spot, name: str) -> InForce:
    """Return the knob of the field *name* at *spot* (KeyError for a name that no knob has)."""
    field = _FIELDS[name]
    params, over = _values(spot, field)
    value = _response_headers(spot) if name == "add_header" else getattr(getattr(params, field.group), name)
    return InForce(field.setting.key, spelled(field, value), _origins(over, field, value), field.annotation)


def described(setting: InForce) -> str:
    """Return a setting and where it comes from, in one line."""
    return f"{setting.name}={setting.value} ({' and '.join(map(whence, setting.origins))})"


def whence(origin: Origin) -> str:
    """Return an origin in words."""
    words = {"default": "default", "configmap": f"ConfigMap {origin.object}"}
    return words.get(origin.kind) or f"{origin.kind} {origin.object}"


def _values(spot: Spot, field: Field) -> tuple[ConfigParams, list[_Said]]:
    """Return the values that hold for *field* at *spot*, and the layers that they were made of, lowest first."""
    below = [_config_map(spot.picture)] if spot.picture.config_map else []
    site, draft, member = spot.placed.site, spot.draft, spot.member
    if site is None or draft is None or member is None:
        return spot.picture.env.params, below
    part = _NGINX_HANDS_DOWN.get(field.name)
    if part and spot.location and getattr(spot.location, part) is None:
        member = draft.master
    over = [_named(site, layer) for layer in layers(site.resource, member.ex)]
    if field.name in _JOINED and member is not draft.master:  # here all that the master says counts
        over[0] = _named(site, own(site.master))
    return member.params, below + over


def _named(site: Site, layer: Layer) -> _Said:
    """Give a layer the name that answers give it."""
    kind = "annotation"
    if isinstance(site.resource, MergeableIngresses):
        kind = "master" if layer.origin == site.master.ingress.ref else "minion"
    ingress = next(ex.ingress for ex in site.members if ex.ingress.ref == layer.origin)
    return _Said(kind, layer.origin, layer.said, frozenset(ingress.annotations))


def _config_map(picture: Picture) -> _Said:
    found = picture.config_map
    assert found is not None  # noqa: S101 - the caller looked
    return _Said("configmap", found.ref, picture.said, frozenset(found.data or {}))


def _origins(over: Sequence[_Said], field: Field, value: Any) -> tuple[Origin, ...]:
    """Return who said *value*: the topmost layer with just this, else all who said a part of a list."""
    for layer in reversed(over):
        if layer.value(field) == (value,):
            return (layer.origin(field),)
    if isinstance(value, tuple):
        parts = [layer for layer in over if (said := layer.value(field)) and _shares(said[0], value)]
        if parts:
            return tuple(layer.origin(field) for layer in parts)
    return (Origin("default"),)


def _shares(said: Any, value: tuple[Any, ...]) -> bool:
    return isinstance(said, tuple) and any(part in value for part in said)


def _response_headers(spot: Spot) -> tuple[Header, ...]:
    """Return the list that nginx prints at *spot*, without what Headgate adds to it."""
    places = (spot.location, spot.placed.server) if spot.location else (spot.placed.server,)
    lists = [place.response_headers for place in places if place.response_headers is not None]
    found = lists[0] if lists else spot.picture.env.params.headers.add_header
    return tuple(header for header in found if header != NOTHING and header.value != HSTS_VARIABLE)


def _meant(field: Field, params: ConfigParams) -> bool:
    """Whether *field* has a meaning: one that needs companions has none without them."""
    if field.group == "limits":
        return bool(params.limits.limit_req_rate)
    needed = field.setting.requires.split(", ")
    companions = [other for other in _FIELDS.values() if other.setting.key in needed]
    return all(getattr(getattr(params, other.group), other.name) for other in companions)


def _spellings(field: Field) -> Iterator[str]:
    """Yield the keys of a field, the one that wins first."""
    for other in REGISTRY.fields:
        if other.name == field.name:
            yield from filter(None, (other.annotation, other.setting.key))


def spelled(field: Field, value: Any) -> str:
    """Return *value* on one line, as users would write it; empty where nginx's own default holds."""
    if value is None:
        return "round_robin" if field.name == "lb_method" else ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        apart = " " if isinstance(value, Words) or field.group == "logging" else ","
        return " ".join(apart.join(map(str, value)).split())
    return " ".join(str(value).split())
