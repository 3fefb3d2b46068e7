"""A Draft: one resource on its way to ``ir``, with the parts that its servers share."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping

import msgspec

from headgate.ir.http import CacheZone, Certificate, LimitZone, SplitClients, Upstream, VariableMap
from headgate.ir.snippets import Directives, read
from headgate.problems import ObjectRef, Problem
from headgate.routes import Backend, Layers, Policies, Route, VirtualHost, layered
from headgate.settings import ConfigParams, Header
from headgate.translate import naming
from headgate.translate.environment import Environment, location_reads_variables, reads_variables
from headgate.translate.headers import request_headers

UpstreamKey = tuple[ObjectRef, str, str, str]
"""Who asks, for which host, for which port of which Service."""


class Place(msgspec.Struct, frozen=True, gc=False):
    """A host or a route of another object: the value of every setting there, and what its backends are sent.

    Attributes:
        layers: where the values come from.
        params: the values.
        request_headers: what backends are sent.
        policies: the Policies that apply.
    """

    layers: Layers
    params: ConfigParams
    request_headers: tuple[Header, ...]
    policies: Policies

    @property
    def origin(self) -> ObjectRef:
        """The object that speaks here."""
        return self.layers[-1].origin

    def sets(self, name: str) -> bool:
        """Whether that object itself sets the field *name*."""
        return name in self.layers[-1].overrides

    def has(self, name: str) -> bool:
        """Whether an object sets the field *name*, not only the ConfigMap."""
        return any(name in layer.overrides for layer in self.layers)

    @property
    def server_snippet(self) -> Directives:
        """What the snippet of the server says."""
        return read(self.params.snippets.server_snippets)

    @property
    def location_snippet(self) -> Directives:
        """What the snippet of the location says."""
        return read(self.params.snippets.location_snippets)

    @property
    def own_response_headers(self) -> tuple[Header, ...] | None:
        """The response headers that the object itself adds, ``None`` where it says nothing of them."""
        return self.params.headers.add_header if self.sets("add_header") else None

    def key(self, name: str) -> str:
        """Return the key of the field *name* as the user wrote it: in the topmost layer that says it."""
        for layer in reversed(self.layers):
            if name in layer.overrides:
                return layer.overrides.key(name)
        return self.layers[-1].overrides.key(name)


class Draft:
    """What the servers of a resource need: ``upstreams``, ``zones``, ``certificates`` and ``problems`` grow meanwhile.

    Whether ``resource_variables`` are read, which every location asks, is computed here, once.
    """

    def __init__(self, env: Environment, salt: str, hosts: Collection[VirtualHost] = ()) -> None:
        """Begin with nothing; *salt* is the end of every name, *hosts* are those that are to be translated."""
        self.env, self.salt = env, salt
        self.upstreams: dict[str, Upstream] = {}
        self.zones: dict[str, LimitZone] = {}
        self.caches: dict[str, CacheZone] = {}
        self.splits: dict[str, SplitClients] = {}
        self.maps: dict[str, VariableMap] = {}
        self._counts: Counter[tuple[ObjectRef, str]] = Counter()
        self.certificates: list[Certificate] = []
        self.problems: dict[Problem, None] = {}
        self.resource_variables = env.resource_variables
        self._names: dict[str, UpstreamKey] = {}
        self._variables: dict[str, ObjectRef] = {}
        self._files: dict[str, ObjectRef] = {}
        self._prefixes: dict[str, ObjectRef] = {}
        self._params: dict[Layers, ConfigParams] = {}
        self._places: dict[tuple[Layers, Policies], Place] = {}
        self._last: Place | None = None
        found = [place.params for host in hosts for place in (self.host(host), *map(self.route, host.routes))]
        own = {id(params): params for params in found if params is not env.params}
        self.resource_variables |= any(map(location_reads_variables, own.values()))
        self.resource_variables |= any(reads_variables(*each.texts) for host in hosts for each in host.every_policies)

    def params(self, layers: Layers) -> ConfigParams:
        """Lay *layers* over the ConfigMap, once; sizes that do not fit together become a Problem."""
        if self._last and layers == self._last.layers:  # as nearly always: cheaper than its hash
            return self._last.params
        if layers not in self._params:
            self._params[layers], problems = layered(layers[-1:], self._below(layers), self.env.gates)
            self.problems.update(dict.fromkeys(problems))
        return self._params[layers]

    def host(self, host: VirtualHost) -> Place:
        """Return what holds for *host*."""
        return self._place(host.settings, host.policies)

    @property
    def inherited_headers(self) -> tuple[Header, ...]:
        """The request headers that ``http {}`` says."""
        return self.env.request_headers if self.env.shares_headers else ()

    def speaks_grpc(self, place: Place) -> bool:
        """Whether clients can speak gRPC at *place*: with HTTP/2, which older builds have for whole ports only."""
        capabilities = self.env.capabilities
        own = capabilities.grpc and capabilities.http2_directive and place.params.tls.http2
        return own or self.env.speaks_grpc

    def route(self, route: Route) -> Place:
        """Return what holds for *route*."""
        return self._place(route.settings, route.policies)

    def policy_variable(self, wanted: str, policy: ObjectRef) -> str:
        """Return the name of a variable of *policy*; of two that would be called alike the second gets a hash."""
        name = re.sub("[^A-Za-z0-9]", "_", f"{wanted}{self.salt}")
        if self._variables.setdefault(name, policy) != policy:
            name = f"{name}_{naming.digest((policy,))[1:]}"
        return name

    def upstream_name(self, origin: ObjectRef, host: str, backend: Backend, variant: str = "") -> str:
        """Return the name of an upstream; of two that would be called alike the second gets a hash behind it.

        A *variant* is an upstream of its own, with connections that others do not use.
        """
        service = (
            backend.service if backend.namespace in {"", origin.namespace} else f"{backend.namespace}/{backend.service}"
        )
        key = origin, host, service, f"{backend.upstream or backend.port}{variant}"
        base = f"{backend.upstream or naming.upstream(origin, host, backend.service, backend.port)}{variant}"
        name = f"{base}{self.salt}"
        if self._names.setdefault(name, key) != key:
            name = f"{base}{naming.digest(key)}{self.salt}"
            self._names[name] = key
        return name

    def suffix(self, origin: ObjectRef) -> str:
        """Return the end of the names of *origin*'s files; of two objects called alike the second gets a hash."""
        holder = self._files.setdefault(naming.config_file(origin), origin)
        return self.salt if holder == origin else f"{naming.salt(origin)}{self.salt}"

    @property
    def claims(self) -> Iterator[str]:
        """The names that would be others if another object had them, or that only one object may have."""
        kinds: Mapping[str, Iterable[str]] = {
            "upstream": self._names,
            "policy variable": self._variables,
            "prefix": self._prefixes,
            "file": self._files,
            "zone": (*self.zones, *self.caches),
            "variable": (*self.splits, *self.maps),
        }
        return (f"{kind} {name}" for kind, names in kinds.items() for name in names)

    def count(self, origin: ObjectRef, what: str) -> int:
        """Return how many times this was asked of *what* of *origin* before."""
        self._counts[origin, what] += 1
        return self._counts[origin, what] - 1

    def variable(self, origin: ObjectRef, end: str) -> str:
        """Return the name of a variable of *origin*; of two objects called alike the second gets a hash."""
        holder = self._prefixes.setdefault(naming.variable(origin, ""), origin)
        suffix = "" if holder == origin else naming.salt(origin)
        return naming.variable(origin, end, f"{suffix}{self.salt}")

    def warn(self, origin: ObjectRef, field: str, value: str, words: tuple[str, str]) -> None:
        """Note a Problem, once however many locations have it; *words* are the reason and the effect."""
        self.problems.setdefault(Problem(origin, field, value, *words))

    def _below(self, layers: Layers) -> ConfigParams:
        return self.params(layers[:-1]) if len(layers) > 1 else self.env.params

    def _place(self, layers: Layers, policies: Policies) -> Place:
        last = self._last
        if last and layers == last.layers and policies == last.policies:
            return last
        key = layers, policies
        if key not in self._places:
            params = self.params(layers)
            same = params is self.env.params
            headers = self.env.request_headers if same else request_headers(params, port=self.env.port)
            self._places[key] = Place(layers, params, headers, policies)
        self._last = self._places[key]
        return self._last
