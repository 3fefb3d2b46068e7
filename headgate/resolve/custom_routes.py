"""Routes of a VirtualServer or subroutes of a VirtualServerRoute become routes, with the upstreams of that object."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from headgate.api.networking import ServiceBackendPort
from headgate.api.nginx_org import actions as api
from headgate.api.nginx_org.upstreams import Upstream
from headgate.api.nginx_org.virtualserver import Route as ApiRoute
from headgate.problems import ObjectRef
from headgate.resolve.checks import check_of
from headgate.resolve.search import Search
from headgate.routes import (
    Action,
    Answer,
    Backend,
    Backup,
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
    Policies,
    Queue,
    Redirect,
    Route,
    Split,
)
from headgate.settings import Header, Overrides, Quoted
from headgate.settings.framing import OF_REQUESTS, without_framing
from headgate.settings.values import Duration, unescaped
from headgate.validation.routepath import RoutePath

FOUND, MOVED = 200, 301
NO_POLICIES = Policies()
NO_BACKUP = "there is no backup until it has some"
BACKED_UP = "requests for it go to its backup until it has some"
RESOLVED = ", if nginx resolves names at run time"


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A route as an object asks for it.

    Attributes:
        route: the route.
        field: where the object has it.
        path: its path.
        below: the layers below that of its upstream, lowest first; ``above`` those above it.
        error_pages: what clients get instead of errors, its own or what it inherits.
        pages_of: the object that *error_pages* are of; ``pages_field`` is where it has them.
        policies: all Policies that hold there.
    """

    route: ApiRoute
    field: str
    path: RoutePath
    below: Layers
    above: Layers
    error_pages: tuple[api.ErrorPage, ...] = ()
    pages_of: ObjectRef | None = None
    pages_field: str = ""
    policies: Policies = NO_POLICIES


class Names(msgspec.Struct, frozen=True):
    """How names of an object begin: those of its ``upstreams``, and the paths of its ``internal`` locations."""

    upstreams: str
    internal: str


class CustomRoutes:
    """Lowers the routes of one object; upstreams are looked up once, however many routes name one."""

    def __init__(
        self,
        search: Search,
        origin: ObjectRef,
        upstreams: Sequence[Upstream],
        settings: Mapping[str, Overrides],
        names: Names,
    ) -> None:
        """Lower for the object *origin*, which has *upstreams* with *settings*, by name."""
        self._search = search
        self._origin = origin
        self._names = names
        self._upstreams = {each.name: (each, i) for i, each in enumerate(upstreams)}
        self._layers = {self._block(name): Layer(origin, overrides) for name, overrides in settings.items()}
        self._endpoints: dict[str, Endpoints] = {}
        self._counts = {"splits": 0, "matches": 0}
        self._inner: list[Route] = []

    def routes(self, asked: Asked) -> Iterator[Route]:
        """Yield the route, then the internal ones to which it leads."""
        self._inner = []
        route, path = asked.route, asked.path
        if route.matches:
            action: Action = self._choice(asked)
        elif route.splits:
            action = self._split(asked, route.splits, f"{asked.field}.splits")
        else:
            action = self._action(asked, route.action or api.Action(), inner=False)
        yield self._made(asked, Match(path.path, PathType.NGINX, None, path.modifier), action, asked.field)
        yield from self._inner

    def _made(self, asked: Asked, match: Match, action: Action, field: str) -> Route:
        upstream = self._layers.get(action.backend.upstream) if isinstance(action, Forward) else None
        return Route(
            match=match,
            action=action,
            origin=self._origin,
            settings=(*asked.below, *([upstream] if upstream else []), *asked.above),
            policies=asked.policies,
            field=field,
            error_pages=tuple(map(_error_page, asked.error_pages)),
            pages_of=asked.pages_of,
            pages_field=asked.pages_field,
        )

    # --- actions ------------------------------------------------------------------------------------------

    def _action(self, asked: Asked, action: api.Action, *, inner: bool) -> Action:
        if action.redirect:
            return Redirect(unescaped(action.redirect.url), action.redirect.code or MOVED)
        if action.return_:
            return _answer(action.return_)
        if action.proxy:
            backend = self._backend(action.proxy.upstream)
            return Forward((backend,), _changes(action.proxy, asked.path, inner=inner))
        return Forward((self._backend(action.pass_ or ""),))

    def _inside(self, asked: Asked, action: api.Action | None, target: str, field: str) -> str:
        """Add the internal route *target* with *action*; return its path."""
        lowered = self._action(asked, action or api.Action(), inner=True)
        self._inner.append(self._made(asked, Match(target, PathType.INTERNAL), lowered, field))
        return target

    def _split(self, asked: Asked, splits: Sequence[api.Split], field: str) -> Split:
        number = self._counts["splits"]
        self._counts["splits"] += 1
        return Split(
            tuple(
                (each.weight or 0, self._inside(
                    asked, each.action, f"{self._names.internal}splits_{number}_split_{index}", f"{field}[{index}]"
                ))
                for index, each in enumerate(splits)
            )
        )  # fmt: skip

    def _branch(
        self, asked: Asked, action: api.Action | None, splits: Sequence[api.Split] | None, target: str, field: str
    ) -> str:
        """Add the internal route *target* with an action or splits; return its path."""
        if not splits:
            return self._inside(asked, action, target, field)
        lowered = self._split(asked, splits, f"{field}.splits")
        self._inner.append(self._made(asked, Match(target, PathType.INTERNAL), lowered, field))
        return target

    def _choice(self, asked: Asked) -> Choice:
        number, route, field = self._counts["matches"], asked.route, asked.field
        self._counts["matches"] += 1
        base = f"{self._names.internal}matches_{number}"
        cases = tuple(
            Case(
                tuple(map(_condition, match.conditions or ())),
                self._branch(asked, match.action, match.splits, f"{base}_match_{i}", f"{field}.matches[{i}]"),
            )
            for i, match in enumerate(route.matches or ())
        )
        return Choice(cases, self._branch(asked, route.action, route.splits, f"{base}_default", field))

    # --- backends -----------------------------------------------------------------------------------------

    def _block(self, name: str) -> str:
        """Return the name of the block of the upstream *name*."""
        return f"{self._names.upstreams}{name}"

    def _backend(self, name: str) -> Backend:
        upstream, index = self._upstreams[name]
        backup = self._backup(upstream, f"spec.upstreams[{index}].backup")
        if name not in self._endpoints:
            self._endpoints[name] = self._find(upstream, f"spec.upstreams[{index}].service", backup)
        namespace, _, service = upstream.service.rpartition("/")
        return Backend(
            service,
            str(upstream.port or ""),
            namespace or self._origin.namespace,
            self._endpoints[name],
            upstream=self._block(name),
            grpc=upstream.type == "grpc",
            tls=bool(upstream.tls and upstream.tls.enable),
            websocket=True,
            check=check_of(upstream, f"spec.upstreams[{index}]"),
            backup=backup,
            queue=_queue(upstream, f"spec.upstreams[{index}].queue"),
        )

    def _backup(self, upstream: Upstream, field: str) -> Backup | None:
        if not upstream.backup:
            return None
        if field not in self._endpoints:
            name, port = (self._origin.namespace, upstream.backup), ServiceBackendPort(number=upstream.backup_port)
            self._endpoints[field] = self._search.service(self._origin, field, name, port, unserved=NO_BACKUP)
        found = self._endpoints[field]
        if not found.servers:
            return None
        return Backup(found, field, f"{self._origin.namespace}/{upstream.backup}", str(upstream.backup_port))

    def _find(self, upstream: Upstream, field: str, backup: Backup | None) -> Endpoints:
        namespace, _, service = upstream.service.rpartition("/")
        port = ServiceBackendPort(number=upstream.port)
        key = f"{field.removesuffix('.service')}.use-cluster-ip" if upstream.use_cluster_ip else ""
        name = namespace or self._origin.namespace, service
        unserved = f"{BACKED_UP}{RESOLVED if backup.endpoints.named else ''}" if backup else ""
        return self._search.service(
            self._origin, field, name, port, key, labels=upstream.subselector, unserved=unserved
        )


def _queue(upstream: Upstream, field: str) -> Queue | None:
    asked = upstream.queue
    if asked is None or asked.size is None:
        return None
    return Queue(field, asked.size, Duration.parse(asked.timeout).seconds if asked.timeout else 60)


def _answer(action: api.ActionReturn) -> Answer:
    headers = tuple(
        Header(each.name, Quoted(unescaped(each.value)), always=True) for each in without_framing(action.headers)
    )
    return Answer(action.code or FOUND, unescaped(action.body), action.type or "text/plain", headers)


def _error_page(page: api.ErrorPage) -> ErrorPage:
    if page.redirect:
        return ErrorPage(page.codes or (), Redirect(unescaped(page.redirect.url), page.redirect.code or MOVED))
    found = page.return_ or api.ErrorPageReturn()
    headers = tuple(
        Header(each.name, Quoted(unescaped(each.value)), always=True) for each in without_framing(found.headers)
    )
    return ErrorPage(
        page.codes or (), Answer(found.code or 0, unescaped(found.body), found.type or "text/html", headers)
    )


def _changes(proxy: api.ActionProxy, path: RoutePath, *, inner: bool) -> Changes:
    requests = proxy.request_headers or api.ProxyRequestHeaders()
    responses = proxy.response_headers or api.ProxyResponseHeaders()
    rewrite = proxy.rewrite_path or ""
    new, question_mark, query = rewrite.partition("?")  # proxy_pass would put a second one before the client's query
    pattern = _pattern(path) if rewrite and (inner or path.is_regex or question_mark) else ""
    if pattern and not path.is_regex and path.modifier != "=":
        rewrite = f"{new}$1{question_mark}{query}"
    return Changes(
        path=unescaped(rewrite),
        pattern=pattern,
        pass_request_headers=requests.pass_ is not False,
        set_headers=tuple(
            Header(each.name, Quoted(unescaped(each.value))) for each in without_framing(requests.set, OF_REQUESTS)
        ),
        hide_headers=tuple(responses.hide or ()),
        pass_headers=tuple(responses.pass_ or ()),
        ignore_headers=tuple(responses.ignore or ()),
        add_headers=tuple(
            Header(each.name, Quoted(unescaped(each.value)), always=each.always)
            for each in without_framing(responses.add)
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
