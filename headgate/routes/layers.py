"""Layers: what several objects say about the same route, one over the other."""

from __future__ import annotations

import msgspec

from headgate.problems import ObjectRef, Problem
from headgate.settings import ConfigParams, Overrides, Role, overlay


class Layer(msgspec.Struct, frozen=True, gc=False):
    """What one object says, to be laid over what stands below it; ``role`` is its part in a mergeable set."""

    origin: ObjectRef
    overrides: Overrides
    role: Role = Role.REGULAR

    def __hash__(self) -> int:
        return hash(self.origin)


Layers = tuple[Layer, ...]
"""Lowest first; the ConfigMap, which is below all of them, is not among them."""


def layered(
    layers: Layers, base: ConfigParams, gates: frozenset[str] = frozenset()
) -> tuple[ConfigParams, list[Problem]]:
    """Lay *layers* over *base*; see ``settings.overlay`` for *gates* and the Problems."""
    problems: list[Problem] = []
    for layer in layers:
        base, found = overlay(base, layer.overrides, layer.origin, gates)
        problems += found
    return base, problems
