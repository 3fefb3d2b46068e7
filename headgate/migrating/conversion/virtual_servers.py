"""A host of Ingresses as a VirtualServer; routes of Ingresses of other namespaces as VirtualServerRoutes."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from headgate.api.nginx_org.actions import IN_HEADER
from headgate.migrating.conversion import carried
from headgate.migrating.conversion.guards import CLIENTS, Guards
from headgate.migrating.conversion.outcome import Document, Loss, Names, custom
from headgate.problems import ObjectRef
from headgate.resolve.community.contribution import TOLD
from headgate.routes import Backend, Choice, Forward, PathType, Redirect, Route, Split, VirtualHost
from headgate.settings import Header
from headgate.translate.paths import LocationPath, location_paths

SERVED: Final = (*CLIENTS, "cors", "backend_tls")
PortNumber = Callable[[str, str, str], int | None]
"""Returns the number of a port of a Service: namespace, Service, port by number or name."""
NO_FIELD: Final = "has no field in a VirtualServer; the ConfigMap decides"
NO_VARIABLE: Final = "has a variable that a VirtualServer does not; it is removed"
TO_HTTPS: Final = "https://${host}${request_uri}"
LONGEST: Final = 63
_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")


def braced(text: str) -> str:
    """Return *text* with the variables of nginx as custom resources write them."""
    return _VARIABLE.sub(lambda found: f"${{{found[1] or found[2]}}}", text)


class Writer:
    """Writes the VirtualServer of one host."""

    def __init__(self, host: VirtualHost, guards: Guards, names: Names, port: PortNumber, class_name: str) -> None:
        """Write *host*."""
        self._host, self._guards, self._names, self._port, self._class = host, guards, names, port, class_name
        self._upstreams: dict[str, dict[str, dict[str, Any]]] = {}
        self._inner = {route.match.path: route for route in host.routes if route.match.type is PathType.INTERNAL}
        self._outer = tuple(route for route in host.routes if route.match.type is not PathType.INTERNAL)

    def documents(self) -> Iterator[Document]:
        """Yield VirtualServerRoutes, and the VirtualServer."""
        host, origin = self._host, self._host.origin
        tls = self._tls()
        self._guards.note_certificate(host)
        owners = dict.fromkeys(route.origin for route in self._outer)
        if host.ordered and len({owner.namespace for owner in owners}) > 1:
            self._guards.note_order(host, owners)
        policies = self._guards.of_host(origin, host.policies, secure=tls is not None)
        routes, others = [], []
        for place in self._places():
            assert place.route is not None  # noqa: S101 - those without one are left out
            written = self._route(place, place.route, redirects=tls is None or "redirect" not in tls)
            if place.route.origin.namespace == origin.namespace:
                routes.append(written)
                continue
            namespace = place.route.origin.namespace
            part = self._names.of("VirtualServerRoute", namespace, place.route.origin.name)
            routes.append({"path": written["path"], "route": f"{namespace}/{part}"})
            others.append((namespace, part, written))
        spec = {
            "ingressClassName": self._class,
            "host": host.name,
            **({"tls": tls} if tls is not None else {}),
            **({"policies": policies} if policies else {}),
            **self._host_settings(routes),
            "upstreams": list(self._upstreams.get(origin.namespace, {}).values()),
            "routes": routes,
        }
        for namespace, part, written in others:
            yield Document(custom("VirtualServerRoute", namespace, part, self._subroute(namespace, written)))
        name = self._names.of("VirtualServer", origin.namespace, origin.name)
        yield Document(custom("VirtualServer", origin.namespace, name, spec))

    def _subroute(self, namespace: str, written: Mapping[str, Any]) -> dict[str, Any]:
        used = set(_upstreams_of(written))
        upstreams = [each for name, each in self._upstreams.get(namespace, {}).items() if name in used]
        return {
            "ingressClassName": self._class, "host": self._host.name, "upstreams": upstreams, "subroutes": [written],
        }  # fmt: skip

    def _places(self) -> list[LocationPath]:
        found, lost = location_paths(self._outer, None)
        for route in lost:
            self._guards.note(route.origin, f"path {route.match}", "is that of an older Ingress already", Loss.DIFFERS)
        return [place for place in found if place.route is not None]

    # --- the host -----------------------------------------------------------------------------------------

    def _tls(self) -> dict[str, Any] | None:
        host = self._host
        redirects = [route.redirect for route in self._outer if not isinstance(route.action, Redirect)]
        named = host.tls.secret.ref.name if host.tls and host.tls.secret else ""
        wanted = [each for each in (host.redirect, *redirects) if each]
        if not named and not (host.tls and host.tls.named):
            return None
        tls: dict[str, Any] = {"secret": named or (host.tls.named if host.tls else "")}
        if wanted and (host.redirect or all(redirects)):
            first = wanted[0]
            based_on = "x-forwarded-proto" if first.forwarded else "scheme"
            tls["redirect"] = {"enable": True, "code": first.code, "basedOn": based_on}
        return tls

    def _host_settings(self, routes: list[dict[str, Any]]) -> dict[str, Any]:
        explicit = self._host.settings[-1].overrides.explicit
        if (root := explicit.get("app_root")) and not any(route["path"] == "=/" for route in routes):
            action = {"redirect": {"url": f"${{scheme}}://${{host}}{root}", "code": 302}}
            routes.insert(0, {"path": "=/", "action": action})
        self._unsaid(self._host.origin, self._host.settings[-1].overrides)
        snippet = explicit.get("server_snippets")
        return {"server-snippets": str(snippet)} if snippet else {}

    def _unsaid(self, origin: ObjectRef, overrides: Any) -> None:
        for name, _ in carried.unsaid(overrides, carried.has_upstream_field):
            self._guards.note(origin, name, NO_FIELD, Loss.LOST)

    # --- routes -------------------------------------------------------------------------------------------

    def _route(self, place: LocationPath, route: Route, *, redirects: bool) -> dict[str, Any]:
        own = carried.own(route.settings, route.origin)
        self._unsaid(route.origin, own)
        self._guards.note_backends(route.origin, route.settings, self._backends(route.action))
        policies = self._guards.of_route(route.origin, route.policies, SERVED)
        if route.error_pages:
            self._guards.note(
                route.origin, "default-backend", "does not answer for errors in a VirtualServer", Loss.LOST
            )
        written: dict[str, Any] = {"path": f"{place.modifier}{' ' if '~' in place.modifier else ''}{place.path}"}
        if policies:
            written["policies"] = policies
        written |= self._decided(route, route.action)
        if redirects and route.redirect and not isinstance(route.action, Redirect):
            condition = {"variable": "$scheme", "value": "http"}
            if route.redirect.forwarded:
                condition = {"header": "X-Forwarded-Proto", "value": "http"}
            action = {"redirect": {"url": TO_HTTPS, "code": route.redirect.code}}
            written["matches"] = [{"conditions": [condition], "action": action}, *written.get("matches", [])]
        if snippet := own.explicit.get("location_snippets"):
            written["location-snippets"] = str(snippet)
        return written

    def _decided(self, route: Route, action: Any) -> dict[str, Any]:
        """Return action, splits or matches."""
        if isinstance(action, Split):
            return {"splits": self._splits(route, action)}
        if isinstance(action, Choice):
            matches = [
                {"conditions": [_condition(each) for each in case.conditions], **self._inside(case.target)}
                for case in action.cases
            ]
            return {"matches": matches, **self._inside(action.otherwise)}
        return {"action": self._action(route, action)}

    def _backends(self, action: Any) -> Iterator[Backend]:
        """Yield the backends of *action*, with those of canaries."""
        if isinstance(action, Forward):
            yield action.backend
        targets = [target for _, target in action.shares] if isinstance(action, Split) else []
        if isinstance(action, Choice):
            targets = [*(case.target for case in action.cases), action.otherwise]
        for target in targets:
            yield from self._backends(self._inner[target].action)

    def _inside(self, target: str) -> dict[str, Any]:
        route = self._inner[target]
        return self._decided(route, route.action)

    def _splits(self, route: Route, split: Split) -> list[dict[str, Any]]:
        weights = _whole([share for share, _ in split.shares])
        if weights != [share for share, _ in split.shares]:
            self._guards.note(split.by or route.origin, "canary-weight", "is rounded to whole percents", Loss.DIFFERS)
        targets = [self._inner[target] for _, target in split.shares]
        return [
            {"weight": weight, "action": self._action(target, target.action)}
            for weight, target in zip(weights, targets, strict=True)
        ]

    def _action(self, route: Route, action: Any) -> dict[str, Any]:
        if isinstance(action, Redirect):
            return {"redirect": {"url": braced(action.url), "code": action.code}}
        assert isinstance(action, Forward)  # noqa: S101 - nothing else is left
        upstream = self._upstream(route, action.backend)
        if upstream is None:
            return {"return": {"code": 503, "body": "no such port\n"}}
        changes = action.changes
        if changes is None:
            return {"pass": upstream}
        proxy: dict[str, Any] = {"upstream": upstream}
        if changes.path:
            proxy["rewritePath"] = changes.path
        headers = self._headers(route, changes.set_headers)
        if headers:
            proxy["requestHeaders"] = {"set": headers}
        return {"proxy": proxy}

    def _headers(self, route: Route, given: Sequence[Header]) -> list[dict[str, str]]:
        found = []
        for each in given:
            if all(map(_is_known, _variables(each.value))):
                found.append({"name": each.name, "value": braced(each.value)})
            elif TOLD.get(each.name) != each.value:  # what clients say themselves must not reach backends in its place
                found.append({"name": each.name, "value": ""})
                if "$external_auth_" not in each.value:
                    self._guards.note(route.origin, f"header {each.name} of requests", NO_VARIABLE, Loss.LOST)
        return found

    def _upstream(self, route: Route, backend: Backend) -> str | None:
        number = self._port(backend.namespace, backend.service, backend.port)
        if number is None:
            why = f"is not a port of Service {backend.namespace}/{backend.service}; requests are answered 503"
            self._guards.note(route.origin, f"port {backend.port}", why, Loss.LOST)
            return None
        own = carried.unkeyed(route.settings) | dict(carried.own(route.settings, route.origin).explicit)
        local = backend.namespace == route.origin.namespace
        fields: dict[str, Any] = {
            "service": backend.service if local else f"{backend.namespace}/{backend.service}", "port": number,
            **({"type": "grpc"} if backend.grpc else {}),
            **({"tls": {"enable": True}} if backend.tls else {}),
            **carried.upstream_fields({name: own[name] for name in own if name != "lb_method" or own[name]}),
        }  # fmt: skip
        if cookie := carried.session_cookie(own, backend.service):
            fields["sessionCookie"] = cookie
        known = self._upstreams.setdefault(route.origin.namespace, {})
        base = _label(f"{backend.service}-{number}")
        for i in range(len(known) + 1):
            name = f"{base}-{i + 1}" if i else base
            if known.setdefault(name, {"name": name, **fields}) == {"name": name, **fields}:
                return name
        return None


def _variables(text: str) -> Iterator[str]:
    return (found[1] or found[2] for found in _VARIABLE.finditer(text))


def _is_known(variable: str) -> bool:
    """Whether headers of a VirtualServer may have *variable*."""
    beginnings = tuple(each.removesuffix("*") for each in IN_HEADER if each.endswith("*"))
    return variable in IN_HEADER or variable.startswith(beginnings)


def _condition(condition: Any) -> dict[str, str]:
    value = f"!{condition.value}" if condition.negated else condition.value
    kind, _, name = condition.variable.removeprefix("$").partition("_")
    if kind == "cookie":
        return {"cookie": name, "value": value}
    return {"header": name.replace("_", "-"), "value": value}


def _whole(shares: Sequence[float]) -> list[int]:
    """Return *shares* as whole percents whose sum is 100; a share of a canary is not rounded to nothing."""
    first = min(max(round(shares[0]), 1), 99)
    return [first, 100 - first]


def _label(text: str) -> str:
    """Return *text* as the name of an upstream (RFC 1035)."""
    text = re.sub(r"[^a-z0-9-]", "-", text.lower())
    text = text if text[0].isalpha() else f"s-{text}"
    if len(text) <= LONGEST - 4:
        return text
    return f"{text[: LONGEST - 15]}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


def _upstreams_of(value: Any) -> Iterator[str]:
    """Yield the names of upstreams that a route has."""
    if isinstance(value, Mapping):
        for key, each in value.items():
            if key in {"pass", "upstream"} and isinstance(each, str):
                yield each
            else:
                yield from _upstreams_of(each)
    elif isinstance(value, list):
        for each in value:
            yield from _upstreams_of(each)
