"""Fields of custom resources that are settings: they become Overrides, as the annotations of an Ingress do."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any, Final

from headgate.api.nginx_org.actions import Action, Match
from headgate.api.nginx_org.upstreams import SessionCookie, Upstream
from headgate.api.nginx_org.virtualserver import Route, VirtualServerSpec
from headgate.settings import REGISTRY, Overrides
from headgate.settings.parsers import Unfit
from headgate.settings.upstream import Sticky
from headgate.settings.values import Buffers, Duration, Size, Snippet, Words
from headgate.validation.fields import Fault
from headgate.validation.routepath import RoutePath

UPSTREAM: Final[Mapping[str, str]] = MappingProxyType(
    {
        "lb_method": "lb_method",
        "fail_timeout": "fail_timeout",
        "max_fails": "max_fails",
        "max_conns": "max_conns",
        "slow_start": "slow_start",
        "keepalive": "keepalive",
        "connect_timeout": "proxy_connect_timeout",
        "read_timeout": "proxy_read_timeout",
        "send_timeout": "proxy_send_timeout",
        "next_upstream": "proxy_next_upstream",
        "next_upstream_timeout": "proxy_next_upstream_timeout",
        "next_upstream_tries": "proxy_next_upstream_tries",
        "client_max_body_size": "client_max_body_size",
        "client_body_buffer_size": "client_body_buffer_size",
        "buffering": "proxy_buffering",
        "buffer_size": "proxy_buffer_size",
        "busy_buffers_size": "proxy_busy_buffers_size",
    }
)
"""Fields of an upstream, and the fields of the settings that they are."""
UNBUFFERED: Final = "is for upstreams of type http only; nginx does not buffer gRPC"
ALL_HEADERS: Final = "is for upstreams of type http only; nginx passes all headers of gRPC requests"
DOS: Final = "is for F5 DoS for NGINX, which runs in NGINX Plus only"
PLUS: Final = "belongs to NGINX Plus, and is not supported yet"


def upstream_settings(upstream: Upstream, path: str) -> tuple[Overrides, list[Fault]]:
    """Return the settings of the upstream at *path*, and the fields that they refuse.

    The fields were checked one by one before; settings also have the limits of nginx.
    """
    settings = {setting.name: setting for setting in REGISTRY.fields}
    explicit: dict[str, Any] = {}
    keys: dict[str, str] = {}
    faults: list[Fault] = []

    def take(name: str, key: str, make: Callable[[], Any], field: str = "", text: str = "") -> None:
        try:
            explicit[name], keys[name] = make(), f"{path}.{key}"
        except Unfit as unfit:
            faults.append((f"{path}.{field or key}", text, f"is {unfit.about(text)}"))

    for field, name in UPSTREAM.items():
        value = getattr(upstream, field)
        if value is not None and value != "":
            text = str(value).lower() if isinstance(value, bool) else str(value)
            take(name, field.replace("_", "-"), partial(settings[name].parse, text), text=text)
    if buffers := upstream.buffers:
        size = buffers.size or "4k"
        take("proxy_buffers", "buffers", lambda: Buffers(buffers.number or 1, Size.parse(size)), "buffers.size", size)
    service = upstream.service.rpartition("/")[2]
    if upstream.type == "grpc":
        take("grpc_services", "type", lambda: (service,))
    if (cookie := upstream.session_cookie) and cookie.enable:
        take(
            "sticky_cookie_services", "sessionCookie", lambda: (Sticky(service, _cookie(cookie)),),
            "sessionCookie.expires", cookie.expires or "",
        )  # fmt: skip
    return Overrides(explicit, keys), faults


def _cookie(cookie: SessionCookie) -> Words:
    words = ["cookie", cookie.name]
    if cookie.expires:
        words.append(f"expires={cookie.expires if cookie.expires == 'max' else Duration.parse(cookie.expires)}")
    words += [f"domain={cookie.domain}"] if cookie.domain else []
    words += ["httponly"] if cookie.http_only else []
    words += ["secure"] if cookie.secure else []
    words += [f"samesite={cookie.samesite.lower()}"] if cookie.samesite else []
    words += [f"path={cookie.path}"] if cookie.path else []
    return Words(words)


def host_settings(spec: VirtualServerSpec, *, snippets: bool) -> Overrides:
    """Return the settings of the host; without *snippets* those are left out.

    A host without ``tls.redirect`` is not redirected, whatever the ConfigMap has; there is no key for it.
    """
    redirect = spec.tls.redirect if spec.tls else None
    enabled = redirect is not None and redirect.enable
    by_proxy = enabled and redirect is not None and redirect.based_on == "x-forwarded-proto"
    explicit: dict[str, Any] = {"ssl_redirect": enabled and not by_proxy, "redirect_to_https": by_proxy}
    keys = {"ssl_redirect": "spec.tls.redirect.enable"} if redirect else {}
    if redirect and redirect.based_on:
        keys["redirect_to_https"] = "spec.tls.redirect.basedOn"
    if redirect and redirect.code:
        explicit["http_redirect_code"], keys["http_redirect_code"] = redirect.code, "spec.tls.redirect.code"
    if spec.add_header_inherit:
        explicit["add_header_inherit"] = spec.add_header_inherit.lower()
        keys["add_header_inherit"] = "spec.add-header-inherit"
    if spec.server_snippets and snippets:
        explicit["server_snippets"] = Snippet(spec.server_snippets)
        keys["server_snippets"] = "spec.server-snippets"
    return Overrides(explicit, keys)


def route_settings(route: Route, path: str, *, snippets: bool) -> Overrides:
    """Return the settings of a route; without *snippets* those are left out."""
    explicit: dict[str, Any] = {}
    keys: dict[str, str] = {}
    if route.location_snippets and snippets:
        explicit["location_snippets"] = Snippet(route.location_snippets)
        keys["location_snippets"] = f"{path}.location-snippets"
    if route.add_header_inherit:
        explicit["add_header_inherit"] = route.add_header_inherit.lower()
        keys["add_header_inherit"] = f"{path}.add-header-inherit"
    return Overrides(explicit, keys)


def idle_for_grpc(upstreams: Sequence[Upstream], routes: Iterable[Route], field: str) -> Iterator[Fault]:
    """Yield what nginx cannot do where requests of *routes*, at *field*, go to an upstream of type grpc."""
    grpc = {each.name for each in upstreams if each.type == "grpc"}
    for index, upstream in enumerate(upstreams):
        given = {
            "buffering": upstream.buffering,
            "buffers": upstream.buffers,
            "busy-buffers-size": upstream.busy_buffers_size,
        }
        for name, value in given.items():
            if upstream.name in grpc and value is not None and value != "":
                yield f"spec.upstreams[{index}].{name}", _shown(value), UNBUFFERED
    for index, route in enumerate(routes):
        for action, path in actions_of(route, f"{field}[{index}]"):
            headers = action.proxy.request_headers if action.proxy and action.proxy.upstream in grpc else None
            if headers and headers.pass_ is False:
                yield f"{path}.proxy.requestHeaders.pass", "false", ALL_HEADERS


def _shown(value: object) -> str:
    """Return *value* as manifests have it, ``""`` for an object."""
    if isinstance(value, bool):
        return str(value).lower()
    return value if isinstance(value, str) else ""


def actions_of(route: Route, path: str) -> Iterator[tuple[Action, str]]:
    """Yield every action of *route*, which is at *path*, and where it is."""
    parts: list[tuple[Route | Match, str]] = [(route, path)]
    parts += [(match, f"{path}.matches[{index}]") for index, match in enumerate(route.matches or ())]
    for part, where in parts:
        if part.action:
            yield part.action, f"{where}.action"
        for index, split in enumerate(part.splits or ()):
            if split.action:
                yield split.action, f"{where}.splits[{index}].action"


def idle(spec: VirtualServerSpec) -> Iterator[Fault]:
    """Yield the fields that have no effect here."""
    if spec.dos:
        yield "spec.dos", spec.dos, DOS
    yield from idle_routes(spec.routes or (), "spec.routes")
    for index, route in enumerate(spec.routes or ()):
        yield from _idle_beside_reference(route, f"spec.routes[{index}]")
    yield from idle_upstreams(spec.upstreams or ())


def idle_routes(routes: Iterable[Route], field: str) -> Iterator[Fault]:
    """Yield the fields of *routes*, at *field*, that have no effect here."""
    for index, route in enumerate(routes):
        if route.dos:
            yield f"{field}[{index}].dos", route.dos, DOS
        if doubt := RoutePath.of(route.path).doubt:
            yield f"{field}[{index}].path", route.path, doubt


def _idle_beside_reference(route: Route, path: str) -> Iterator[Fault]:
    """Yield what has no effect in a route that refers to VirtualServerRoutes."""
    if route.matches and (route.route or route.route_selector):
        yield f"{path}.matches", "", "does nothing beside route and routeSelector; write it into the VirtualServerRoute"
    if route.route_selector and route.route_selector.match_expressions:
        yield f"{path}.routeSelector.matchExpressions", "", "does nothing, as in the F5 controller; use matchLabels"


def idle_upstreams(upstreams: Iterable[Upstream]) -> Iterator[Fault]:
    """Yield the fields of *upstreams* that have no effect here."""
    for index, upstream in enumerate(upstreams):
        plus = {
            "ntlm": upstream.ntlm,
        }
        for name, used in plus.items():
            if used:
                yield f"spec.upstreams[{index}].{name}", "", PLUS
