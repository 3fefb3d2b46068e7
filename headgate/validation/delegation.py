"""Which routes of a VirtualServer refer to a VirtualServerRoute, and whether its subroutes belong there."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from headgate.api.nginx_org.virtualserver import Route
from headgate.validation.fields import Fault
from headgate.validation.routepath import RoutePath, with_article
from headgate.validation.text import label_fault, label_value_fault

Label = tuple[str, str]
Name = tuple[str, str]
"""Namespace and name of a VirtualServerRoute."""


class Delegations(msgspec.Struct, frozen=True):
    """The routes that refer to VirtualServerRoutes, by what they say.

    Looking one up costs the number of its labels and of the routes that refer to it, not the number of all routes.

    Attributes:
        paths: the path of each route of the VirtualServer.
        own: the indexes of the routes that refer to no VirtualServerRoute; ``delegated`` those of all others.
        uniform: whether no route has Policies of its own.
        named: the indexes of the routes that name a VirtualServerRoute, by its name.
        selectors: the indexes of the routes that select by labels, with these, by the first of the labels.
    """

    paths: tuple[RoutePath, ...] = ()
    own: tuple[int, ...] = ()
    delegated: frozenset[int] = frozenset()
    uniform: bool = True
    named: Mapping[Name, tuple[int, ...]] = {}
    selectors: Mapping[Label, tuple[tuple[int, frozenset[Label]], ...]] = {}

    @classmethod
    def of(cls, routes: Sequence[Route], namespace: str) -> Delegations:
        """Index the *routes* of a VirtualServer in *namespace*."""
        named: defaultdict[Name, tuple[int, ...]] = defaultdict(tuple)
        selectors: defaultdict[Label, tuple[tuple[int, frozenset[Label]], ...]] = defaultdict(tuple)
        for index, route in enumerate(routes):
            if route.route:
                named[qualified(route.route, namespace)] += (index,)
            elif labels := _labels(route):
                selectors[min(labels)] += ((index, labels),)
        delegated = frozenset(index for index, route in enumerate(routes) if route.route or route.route_selector)
        return cls(
            paths=tuple(RoutePath.of(route.path) for route in routes),
            own=tuple(index for index in range(len(routes)) if index not in delegated),
            delegated=delegated,
            uniform=not any(route.policies for route in routes),
            named=dict(named),
            selectors=dict(selectors),
        )

    def __bool__(self) -> bool:
        """Whether any route refers to a VirtualServerRoute."""
        return bool(self.named or self.selectors)

    def references(self, name: Name, labels: Mapping[str, str]) -> tuple[int, ...]:
        """Return the indexes of the routes that refer to the VirtualServerRoute *name*, which has *labels*."""
        own = frozenset(labels.items())
        selected = (index for label in own for index, wanted in self.selectors.get(label, ()) if wanted <= own)
        return tuple(sorted((*self.named.get(name, ()), *selected)))

    def placed(self, name: Name, labels: Mapping[str, str], subroutes: Sequence[RoutePath]) -> tuple[int, ...] | str:
        """Return the index of the route that each of *subroutes* belongs to, or why they do not belong here.

        ``""`` says that no route refers to the VirtualServerRoute.
        """
        references = self.references(name, labels)
        if not references:
            return ""
        found = [self._place(references, path) for path in subroutes]
        for index, place in enumerate(found):
            if place is None:
                path = subroutes[index]
                return f"spec.subroutes[{index}].path: {str(path)!r} {self._unfit(references, path)}"
        for index in self.named.get(name, ()):
            path = self.paths[index]
            if not path.is_prefix and path not in subroutes:
                return f"spec.subroutes: none has the path {str(path)!r} of spec.routes[{index}], which names it"
        return tuple(place for place in found if place is not None)

    def _place(self, references: Sequence[int], path: RoutePath) -> int | None:
        """Return the route that *path* belongs to: one with the same path, or the longest prefix of it."""
        if not path.is_prefix:
            return next((index for index in references if self.paths[index] == path), None)
        above = (
            index
            for index in references
            if self.paths[index].modifier == path.modifier and path.path.startswith(self.paths[index].path)
        )
        return max(above, key=lambda index: len(self.paths[index].path), default=None)

    def _unfit(self, references: Sequence[int], path: RoutePath) -> str:
        """Return why *path* belongs to none of the routes *references*."""
        routes = ", ".join(f"spec.routes[{index}] ({self.paths[index]})" for index in references[:3])
        routes += ", …" if len(references) > len(references[:3]) else ""
        refer = "which refers to it" if len(references) == 1 else "which refer to it"
        categories = {self.paths[index].category for index in references}
        if path.category not in categories:
            kinds = " or ".join(sorted(categories))
            return f"is {with_article(path.category)}, and the path of {routes}, {refer}, is {with_article(kinds)}"
        if path.is_prefix:
            return f"does not begin with the path of {routes}, {refer}"
        return f"is not the path of {routes}, {refer}"


def qualified(text: str, namespace: str) -> Name:
    """Split ``[namespace/]name``; *namespace* is that of the object which says it."""
    first, _, name = text.rpartition("/")
    return first or namespace, name


def reference_faults(routes: Sequence[Route], namespace: str) -> Iterator[Fault]:
    """Yield what is wrong with the references of *routes* to VirtualServerRoutes."""
    first: dict[Name, int] = {}
    for index, route in enumerate(routes):
        path = f"spec.routes[{index}]"
        if route.route_selector:
            yield from _selector_faults(route.route_selector.match_labels, f"{path}.routeSelector.matchLabels")
        if not route.route:
            continue
        known = first.setdefault(qualified(route.route, namespace), index)
        own, other = (RoutePath.of(routes[number].path).category for number in (index, known))
        if own != other:
            reason = (
                f"is named by spec.routes[{known}] too, whose path is {with_article(other)}, and {route.path} is"
                f" {with_article(own)}; all paths of a VirtualServerRoute must match in the same way"
            )
            yield f"{path}.route", route.route, reason


def _selector_faults(labels: Mapping[str, str] | None, path: str) -> Iterator[Fault]:
    if labels is not None and not labels:
        yield path, "", "is empty; there must be at least one label"
    for key, value in (labels or {}).items():
        if fault := label_fault(key):
            yield path, key, fault
        if fault := label_value_fault(value) if value else "is empty; a selector needs the value of the label":
            yield f"{path}.{key}", value, fault


def _labels(route: Route) -> frozenset[Label]:
    selector = route.route_selector
    return frozenset(((selector and selector.match_labels) or {}).items())
