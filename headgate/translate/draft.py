"""A Draft: one resource on its way to ``ir``, with the parts that its servers share."""

from __future__ import annotations

import msgspec

from headgate.ir.http import Certificate, LimitZone, Upstream
from headgate.problems import ObjectRef, Problem
from headgate.resolve.ex import IngressEx, MergeableIngresses
from headgate.settings import ConfigParams, inherited, overlay
from headgate.translate.environment import Environment


class Member(msgspec.Struct, frozen=True):
    """An Ingress of the resource, and the value of every knob in its locations."""

    ex: IngressEx
    params: ConfigParams

    @property
    def ref(self) -> ObjectRef:
        """The Ingress."""
        return self.ex.ingress.ref


class Draft:
    """The master (or the only Ingress), the members whose paths are served, and what they need.

    ``upstreams``, ``zones``, ``certificates`` and ``problems`` grow while servers are made.
    """

    def __init__(self, resource: IngressEx | MergeableIngresses, env: Environment, salt: str) -> None:
        """Lay annotations over the ConfigMap, and a minion's over what it inherits from its master."""
        self.env, self.salt = env, salt
        self.upstreams: dict[str, Upstream] = {}
        self.zones: dict[str, LimitZone] = {}
        self.certificates: list[Certificate] = []
        self.problems: list[Problem] = []
        if isinstance(resource, MergeableIngresses):
            self.master = self._member(resource.master, env.params)
            base = env.params.replaced(inherited(resource.master.said))
            self.members = tuple(self._member(minion, base) for minion in resource.minions)
        else:
            self.master = self._member(resource, env.params)
            self.members = (self.master,)

    def _member(self, ex: IngressEx, base: ConfigParams) -> Member:
        params, problems = overlay(base, ex.said, ex.ingress.ref, self.env.gates)
        self.problems += problems
        return Member(ex, params)

    def warn(self, origin: ObjectRef, field: str, value: str, words: tuple[str, str]) -> None:
        """Note a Problem, once however many locations have it; *words* are the reason and the effect."""
        problem = Problem(origin, field, value, *words)
        if problem not in self.problems:
            self.problems.append(problem)
