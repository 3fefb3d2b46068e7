"""Settings with another value: once for the ConfigMap, then for each host and route where they differ besides."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from headgate.comparing.hosts import Hosts
from headgate.comparing.report import SettingChange
from headgate.comparing.routes import by_match
from headgate.explain.provenance import spelled
from headgate.routes import Layers
from headgate.settings import REGISTRY, ConfigParams, Setting
from headgate.translate import Environment
from headgate.translate.draft import Draft, Place

_FIELDS: Final[dict[str, Setting]] = {field.name: field for field in reversed(REGISTRY.fields)}
"""Each setting once; of two spellings the first declared, which is the proper one."""

Values = tuple[str, str]
"""The old and the new value."""
Differing = Mapping[str, Values]
"""The settings that differ, by the name of their field."""


def settings(
    old: tuple[Environment, Hosts], new: tuple[Environment, Hosts], config_map: str
) -> Iterator[SettingChange]:
    """Yield the settings that differ of everything, of each host and of each route that both have.

    Args:
        old: the environment and the hosts of OLD.
        new: likewise.
        config_map: the ConfigMap, which decides about everything.
    """
    everywhere = _differing(old[0].params, new[0].params)
    for field, values in everywhere.items():
        yield SettingChange(None, "", _FIELDS[field].spec.key, *values, config_map)
    drafts = Draft(old[0], ""), Draft(new[0], "")
    # Many routes have the same values, which are then the same object: `params` is compared once.
    for name in (name for name in new[1] if name in old[1]):
        hosts = old[1][name].host, new[1][name].host
        places = drafts[0].host(hosts[0]), drafts[1].host(hosts[1])
        of_host = _differing(places[0].params, places[1].params)
        yield from _rows(name, "", places, _besides(of_host, everywhere))
        routes = by_match(hosts[0]), by_match(hosts[1])
        for match in (match for match in routes[1] if match in routes[0]):
            inner = drafts[0].route(routes[0][match]), drafts[1].route(routes[1][match])
            found = _besides(_differing(inner[0].params, inner[1].params), everywhere)
            yield from _rows(name, match, inner, _besides(found, of_host))


def _rows(host: str, route: str, places: tuple[Place, Place], found: Differing) -> Iterator[SettingChange]:
    for field, values in found.items():
        origin = _origin(places[1].layers, field) or _origin(places[0].layers, field)
        yield SettingChange(host, route, _FIELDS[field].annotation, *values, origin)


def _origin(layers: Layers, field: str) -> str:
    """Return the object that sets *field*, empty if none of them does."""
    return next((str(layer.origin) for layer in reversed(layers) if field in layer.overrides), "")


def _besides(found: Differing, known: Differing) -> Differing:
    """Return what is in *found* and not, with the same values, in *known*."""
    return {field: values for field, values in found.items() if known.get(field) != values}


def _differing(old: ConfigParams, new: ConfigParams) -> Differing:
    """Return the settings that differ; most places of most comparisons have none."""
    if old == new:
        return {}
    found: dict[str, Values] = {}
    for name in reversed(_FIELDS):
        field = _FIELDS[name]
        before, after = (getattr(getattr(params, field.group), name) for params in (old, new))
        if before != after:
            found[name] = spelled(field, before), spelled(field, after)
    return found
