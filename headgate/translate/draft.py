"""A Draft: one resource on its way to ``ir``, with the parts that its servers share."""

from __future__ import annotations

import msgspec

from headgate.ir.http import Certificate, LimitZone, Upstream
from headgate.problems import ObjectRef, Problem
from headgate.resolve.ex import IngressEx, MergeableIngresses
from headgate.settings import ConfigParams, Header, Said, Scope, overlay, scoped
from headgate.translate.environment import Environment
from headgate.translate.headers import request_headers


class Member(msgspec.Struct, frozen=True):
    """An Ingress of the resource, the value of every knob in its locations, and what their backends are sent."""

    ex: IngressEx
    params: ConfigParams
    request_headers: tuple[Header, ...]

    @property
    def ref(self) -> ObjectRef:
        """The Ingress."""
        return self.ex.ingress.ref


class Layer(msgspec.Struct, frozen=True):
    """What one Ingress says, to be laid over what stands below it."""

    origin: ObjectRef
    said: Said

    def over(self, base: ConfigParams, gates: frozenset[str]) -> tuple[ConfigParams, list[Problem]]:
        """Lay it over *base*; see ``overlay``."""
        return overlay(base, self.said, self.origin, gates)


def layers(resource: IngressEx | MergeableIngresses, member: IngressEx) -> tuple[Layer, ...]:
    """Return what lies over the ConfigMap where the paths of *member* are served, the lowest first.

    ``explain`` tells by it where a value comes from; Draft lays the same, what minions share only once.
    """
    if not isinstance(resource, MergeableIngresses) or member is resource.master:
        return (own(member),)
    return (handed_down(resource.master), own(member))


def own(member: IngressEx) -> Layer:
    """Return what *member* says for itself."""
    return Layer(member.ingress.ref, member.said)


def handed_down(master: IngressEx) -> Layer:
    """Return what minions take over from their *master*: what speaks for the host, and what they inherit."""
    return Layer(master.ingress.ref, scoped(master.said, Scope.SERVER, Scope.INHERITED))


class Draft:
    """The master (or the only Ingress), the members whose paths are served, and what they need.

    ``host`` is what servers say: of a master only what minions take over, for nginx would hand down the rest too.
    ``upstreams``, ``zones``, ``certificates`` and ``problems`` grow while servers are made. What every location
    asks for is computed here, once: ``request_headers`` of the whole, and whether ``resource_variables`` are read.
    """

    def __init__(self, resource: IngressEx | MergeableIngresses, env: Environment, salt: str) -> None:
        """Lay annotations over the ConfigMap, and a minion's over what it inherits from its master."""
        self.env, self.salt = env, salt
        self.upstreams: dict[str, Upstream] = {}
        self.zones: dict[str, LimitZone] = {}
        self.certificates: list[Certificate] = []
        self.problems: list[Problem] = []
        self.request_headers = request_headers(env.params)
        self.resource_variables = env.resource_variables
        if isinstance(resource, MergeableIngresses):
            self.master = self._member(resource.master, env.params)
            self.host, _ = handed_down(resource.master).over(env.params, env.gates)
            self.members = tuple(self._minion(minion) for minion in resource.minions)
        else:
            self.master = self._member(resource, env.params)
            self.host = self.master.params
            self.members = (self.master,)

    def _member(self, ex: IngressEx, base: ConfigParams) -> Member:
        params, problems = own(ex).over(base, self.env.gates)
        self.problems += problems
        return self._with(ex, params)

    def _minion(self, ex: IngressEx) -> Member:
        """Return a minion; its request headers join those of its master, and win over them."""
        minion = self._member(ex, self.host)
        headers = (*self.master.params.headers.proxy_set_headers, *minion.params.headers.proxy_set_headers)
        params = minion.params.replaced({"headers": {"proxy_set_headers": headers}}) if headers else minion.params
        return self._with(ex, params)

    def _with(self, ex: IngressEx, params: ConfigParams) -> Member:
        """Return the member whose knobs have the values *params*."""
        same = params is self.env.params
        return Member(ex, params, self.request_headers if same else request_headers(params))

    def warn(self, origin: ObjectRef, field: str, value: str, words: tuple[str, str]) -> None:
        """Note a Problem, once however many locations have it; *words* are the reason and the effect."""
        problem = Problem(origin, field, value, *words)
        if problem not in self.problems:
            self.problems.append(problem)
