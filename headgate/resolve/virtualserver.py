"""A VirtualServer becomes a RouteTable: with the endpoints and Secrets that it names."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import msgspec

from headgate.api.networking import ServiceBackendPort
from headgate.api.nginx_org import actions as api
from headgate.api.nginx_org.upstreams import Upstream
from headgate.api.nginx_org.virtualserver import Route as ApiRoute
from headgate.configuration import Resource
from headgate.resolve.contents import SecretKind
from headgate.resolve.ingress import UNENCRYPTED
from headgate.resolve.lowered import Lowered
from headgate.resolve.search import Search
from headgate.resolve.secrets import LocalSecretStore
from headgate.resolve.snapshot import Snapshot
from headgate.routes import (
    Action,
    Answer,
    Backend,
    Case,
    Changes,
    Choice,
    Condition,
    Endpoints,
    ErrorPage,
    Forward,
    Layer,
    Layers,
    Match,
    PathType,
    Redirect,
    Route,
    RouteTable,
    Split,
    Tls,
    VirtualHost,
)
from headgate.settings import Header, Overrides, Quoted
from headgate.settings.values import unescaped
from headgate.validation.virtualserver import RoutePath, ValidVirtualServer

FOUND, MOVED = 200, 301


def lower_virtual_server(
    resource: Resource, snapshot: Snapshot, secrets: LocalSecretStore, *, allow_loopback: bool = False
) -> Lowered:
    """Lower *resource*, a VirtualServer, to routes; arguments as for an Ingress."""
    search = Search(snapshot, secrets, allow_loopback=allow_loopback)
    valid: ValidVirtualServer = resource.candidate.valid
    layer = Layer(resource.ref, valid.overrides)
    lowering = _Lowering(search, valid, layer)
    host = VirtualHost(
        name=valid.spec.host,
        origin=resource.ref,
        settings=(layer,),
        handed_down=(layer,),
        routes=tuple(lowering.routes()),
        tls=lowering.tls(),
        gunzip=bool(valid.spec.gunzip),
        http_snippet=valid.http_snippet,
    )
    return search.lowered(RouteTable(origin=resource.ref, members=(resource.ref,), hosts=(host,)))


class _Lowering:
    """The routes of one VirtualServer; upstreams are looked up once, however many routes name one."""

    def __init__(self, search: Search, valid: ValidVirtualServer, layer: Layer) -> None:
        self._search = search
        self._valid = valid
        self._layer = layer
        self._upstreams = {each.name: (each, i) for i, each in enumerate(valid.spec.upstreams or ())}
        self._settings_of = {self._block(name): overrides for name, overrides in valid.upstreams.items()}
        self._endpoints: dict[str, Endpoints] = {}
        self._counts = {"splits": 0, "matches": 0}
        self._inner: list[Route] = []

    def tls(self) -> Tls | None:
        """Return how the host speaks TLS."""
        tls = self._valid.spec.tls
        if tls is None:
            return None
        effect = UNENCRYPTED.format(hosts=self._valid.spec.host)
        if tls.secret:
            found = self._search.secret(self._layer.origin, "spec.tls.secret", tls.secret, SecretKind.TLS, effect)
            return Tls(found, tls.secret)
        wildcard = self._search.wildcard
        if wildcard is None:
            return None  # as the incumbent: plain HTTP only
        self._search.need_wildcard(self._layer.origin, "spec.tls.secret", effect)
        return Tls(wildcard)

    def routes(self) -> Iterator[Route]:
        """Yield the routes in their order, then the internal ones to which they lead."""
        for index, route in enumerate(self._valid.spec.routes or ()):
            yield from self._route(route, index)

    def _route(self, route: ApiRoute, index: int) -> Iterator[Route]:
        path = RoutePath.of(route.path)
        outer = _Outer(route, index, path, self._valid.routes[index])
        self._inner = []
        if route.matches:
            action: Action = self._choice(outer)
        elif route.splits:
            action = self._split(outer, route.splits, f"spec.routes[{index}].splits")
        else:
            action = self._action(outer, route.action or api.Action(), inner=False)
        match = Match(path.path, PathType.NGINX, None, path.modifier)
        yield self._made(outer, match, action, f"spec.routes[{index}]")
        yield from self._inner

    def _made(self, outer: _Outer, match: Match, action: Action, field: str) -> Route:
        return Route(
            match=match,
            action=action,
            origin=self._layer.origin,
            settings=self._settings(outer, action),
            field=field,
            error_pages=tuple(map(_error_page, outer.route.error_pages or ())),
        )

    def _settings(self, outer: _Outer, action: Action) -> Layers:
        """Return the layers of a route: host, upstream, route."""
        own = [Layer(self._layer.origin, outer.overrides)] if outer.overrides else []
        name = action.backend.upstream if isinstance(action, Forward) else ""
        upstream = self._settings_of.get(name)
        below = [Layer(self._layer.origin, upstream)] if upstream else []
        return (self._layer, *below, *own)

    # --- actions ------------------------------------------------------------------------------------------

    def _action(self, outer: _Outer, action: api.Action, *, inner: bool) -> Action:
        if action.redirect:
            return Redirect(unescaped(action.redirect.url), action.redirect.code or MOVED)
        if action.return_:
            return _answer(action.return_)
        if action.proxy:
            backend = self._backend(action.proxy.upstream)
            return Forward((backend,), _changes(action.proxy, outer.path, inner=inner))
        return Forward((self._backend(action.pass_ or ""),))

    def _inside(self, outer: _Outer, action: api.Action | None, target: str, field: str) -> str:
        """Add the internal route *target* with *action*; return its path."""
        lowered = self._action(outer, action or api.Action(), inner=True)
        self._inner.append(self._made(outer, Match(target, PathType.INTERNAL), lowered, field))
        return target

    def _split(self, outer: _Outer, splits: Sequence[api.Split], field: str) -> Split:
        number = self._counts["splits"]
        self._counts["splits"] += 1
        return Split(
            tuple(
                (each.weight or 0, self._inside(
                    outer, each.action, f"/internal_location_splits_{number}_split_{index}", f"{field}[{index}]"
                ))
                for index, each in enumerate(splits)
            )
        )  # fmt: skip

    def _branch(
        self, outer: _Outer, action: api.Action | None, splits: Sequence[api.Split] | None, target: str, field: str
    ) -> str:
        """Add the internal route *target* with an action or splits; return its path."""
        if not splits:
            return self._inside(outer, action, target, field)
        lowered = self._split(outer, splits, f"{field}.splits")
        self._inner.append(self._made(outer, Match(target, PathType.INTERNAL), lowered, field))
        return target

    def _choice(self, outer: _Outer) -> Choice:
        number, route, field = self._counts["matches"], outer.route, f"spec.routes[{outer.index}]"
        self._counts["matches"] += 1
        base = f"/internal_location_matches_{number}"
        cases = tuple(
            Case(
                tuple(map(_condition, match.conditions or ())),
                self._branch(outer, match.action, match.splits, f"{base}_match_{i}", f"{field}.matches[{i}]"),
            )
            for i, match in enumerate(route.matches or ())
        )
        return Choice(cases, self._branch(outer, route.action, route.splits, f"{base}_default", field))

    # --- backends -----------------------------------------------------------------------------------------

    def _block(self, name: str) -> str:
        """Return the name of the block of the upstream *name*."""
        ref = self._layer.origin
        return f"vs_{ref.namespace}_{ref.name}_{name}"

    def _backend(self, name: str) -> Backend:
        upstream, index = self._upstreams[name]
        if name not in self._endpoints:
            self._endpoints[name] = self._find(upstream, f"spec.upstreams[{index}].service")
        namespace, _, service = upstream.service.rpartition("/")
        return Backend(
            service,
            str(upstream.port or ""),
            namespace or self._layer.origin.namespace,
            self._endpoints[name],
            upstream=self._block(name),
            grpc=upstream.type == "grpc",
            tls=bool(upstream.tls and upstream.tls.enable),
            websocket=True,
        )

    def _find(self, upstream: Upstream, field: str) -> Endpoints:
        namespace, _, service = upstream.service.rpartition("/")
        port = ServiceBackendPort(number=upstream.port)
        key = f"{field.removesuffix('.service')}.use-cluster-ip" if upstream.use_cluster_ip else ""
        return self._search.service(
            self._layer.origin, field, (namespace or self._layer.origin.namespace, service), port, key
        )


class _Outer(msgspec.Struct, frozen=True):
    """A route of the object, with its number, path and settings."""

    route: ApiRoute
    index: int
    path: RoutePath
    overrides: Overrides


def _answer(action: api.ActionReturn) -> Answer:
    headers = tuple(Header(each.name, Quoted(unescaped(each.value)), always=True) for each in action.headers or ())
    return Answer(action.code or FOUND, unescaped(action.body), action.type or "text/plain", headers)


def _error_page(page: api.ErrorPage) -> ErrorPage:
    if page.redirect:
        return ErrorPage(page.codes or (), Redirect(unescaped(page.redirect.url), page.redirect.code or MOVED))
    found = page.return_ or api.ErrorPageReturn()
    headers = tuple(Header(each.name, Quoted(unescaped(each.value)), always=True) for each in found.headers or ())
    return ErrorPage(
        page.codes or (), Answer(found.code or 0, unescaped(found.body), found.type or "text/html", headers)
    )


def _changes(proxy: api.ActionProxy, path: RoutePath, *, inner: bool) -> Changes:
    requests = proxy.request_headers or api.ProxyRequestHeaders()
    responses = proxy.response_headers or api.ProxyResponseHeaders()
    rewrite = proxy.rewrite_path or ""
    pattern = _pattern(path) if rewrite and (inner or path.is_regex) else ""
    if pattern and not path.is_regex and path.modifier != "=":
        rewrite = f"{rewrite}$1"
    return Changes(
        path=unescaped(rewrite),
        pattern=pattern,
        pass_request_headers=requests.pass_ is not False,
        set_headers=tuple(Header(each.name, Quoted(unescaped(each.value))) for each in requests.set or ()),
        hide_headers=tuple(responses.hide or ()),
        pass_headers=tuple(responses.pass_ or ()),
        ignore_headers=tuple(responses.ignore or ()),
        add_headers=tuple(
            Header(each.name, Quoted(unescaped(each.value)), always=each.always) for each in responses.add or ()
        ),
    )


def _pattern(path: RoutePath) -> str:
    """Return the regular expression of the paths that *path* matches; what follows a prefix is ``$1``."""
    if path.is_regex:
        return f"{'(?i)' if path.modifier == '~*' else ''}^{path.path}"
    return f"^{re.escape(path.path)}{'$' if path.modifier == '=' else '(.*)$'}"


def _condition(condition: api.Condition) -> Condition:
    value = unescaped(condition.value)
    return Condition(_source(condition), value.removeprefix("!"), negated=value.startswith("!"))


def _source(condition: api.Condition) -> str:
    """Return the variable of nginx that a condition looks at."""
    if condition.header:
        return "$http_" + condition.header.lower().replace("-", "_")
    if condition.cookie:
        return f"$cookie_{condition.cookie}"
    if condition.argument:
        return f"$arg_{condition.argument}"
    return condition.variable or ""
