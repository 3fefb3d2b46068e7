"""Captures in paths that replace those of requests: ``$1`` is what the first group of the route's path matched."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from headgate.api.nginx_org.virtualserver import Route
from headgate.settings.regex import capture_fault
from headgate.validation.custom_settings import actions_of
from headgate.validation.fields import Fault
from headgate.validation.routepath import RoutePath


def idle_captures(routes: Iterable[Route], field: str) -> Iterator[Fault]:
    """Yield the paths in *routes*, at *field*, with captures that the path of their route does not make."""
    for index, route in enumerate(routes):
        path = RoutePath.of(route.path)
        for action, where in actions_of(route, f"{field}[{index}]"):
            text = (action.proxy.rewrite_path if action.proxy else "") or ""
            if fault := capture_fault(text, path.path if path.is_regex else None):
                yield f"{where}.proxy.rewritePath", text, fault
