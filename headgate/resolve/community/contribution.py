"""What one Ingress of ingress-nginx contributes to its hosts: routes, certificates, a default backend."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property

import msgspec
from msgspec import structs

from headgate.api.networking import IngressBackend, IngressSpec
from headgate.problems import Problem
from headgate.resolve.community.below import above, lookup, with_headers
from headgate.resolve.community.certified import certificate_headers, client_certificates
from headgate.resolve.community.errors import ErrorBackend
from headgate.resolve.community.guards import lower_guards
from headgate.resolve.community.named import fastcgi, response_headers
from headgate.resolve.contents import SecretKind
from headgate.resolve.search import Search
from headgate.routes import (
    Action,
    Answer,
    Backend,
    Changes,
    Endpoints,
    Forward,
    HttpsRedirect,
    Layer,
    Layers,
    Match,
    PathType,
    Redirect,
    Route,
    Tls,
)
from headgate.routes.policies import ClientCertificates, ExternalAuth
from headgate.settings import COMMUNITY, Header, Overrides, Quoted, Scope, Words
from headgate.settings.community.config_map import lacks_target
from headgate.settings.regex import regex_fault
from headgate.settings.upstream import Sticky
from headgate.validation.community import CommunityPath, ValidCommunityIngress

DEFAULT_BACKEND = "spec.defaultBackend"
OTHERWISE = "requests to its paths there are answered 500"
DEFAULT_CERTIFICATE = "the certificate of the default server is used for {hosts}"
INTERNAL_ERROR = 500
SUBSET = 3
"""Endpoints of a subset without a size."""
TOLD = {
    "Host": "$http_host",
    "X-Request-ID": "$request_id",
    "X-Forwarded-For": "$remote_addr",
    "X-Forwarded-Host": "$http_host",
    "X-Forwarded-Scheme": "$scheme",
    "X-Scheme": "$scheme",
    "X-Original-Forwarded-For": "$http_x_forwarded_for",
    "Proxy": "",
}
"""Headers about a request for backends; those that a client sends about itself are not trusted."""
CHALLENGES = "/.well-known/acme-challenge"
_PLAIN_EXPRESSION = re.compile(r"/[A-Za-z0-9/._~-]*(?:\.\*|\(\.\*\))?\$?")
OF_ROUTES = (Scope.LOCATION, Scope.INHERITED, Scope.JOINED, Scope.OWN)


class Around(msgspec.Struct, frozen=True, kw_only=True):
    """What holds around the paths of a host, whichever Ingress they are of.

    Attributes:
        regular: whether they are regular expressions.
        secure: whether the host has TLS.
        guarded: the Services that some clients are kept out of.
        certificates: what the host asks of clients.
    """

    regular: bool
    secure: bool
    guarded: frozenset[str] = frozenset()
    certificates: ClientCertificates | None = None


class Contribution:
    """The routes of one Ingress; Services are looked up once, however many paths name one."""

    def __init__(
        self, search: Search, valid: ValidCommunityIngress, paths: Sequence[CommunityPath], below: Layers
    ) -> None:
        """Look up what *valid* needs, which holds *paths* of its own; *below* is what holds without annotations."""
        self.valid = valid
        self._search = search
        self._said = valid.annotations
        self._paths = paths
        self._spec = valid.ingress.spec or IngressSpec()
        self._services: dict[tuple[str, str], Backend] = {}
        own = self._with_target(valid.overrides.part(*OF_ROUTES))
        self._lookup = Layer(valid.ingress.ref, lookup(search.community, own))
        headers, unsent = response_headers(search, valid)
        self._fastcgi, wrong = fastcgi(search, valid)
        policies = lower_guards(search, valid)
        self._policies = structs.replace(policies, refused=policies.refused or unsent or wrong)
        self._hidden = tuple(header.name for header in headers)
        self._errors = ErrorBackend(search, valid, self._lookup)
        self._changes = self._header_changes()
        backends = [path.backend for path in paths]
        if self._spec.default_backend:
            backends.append(self._spec.default_backend)
        names = dict.fromkeys(each.service.name for each in backends if each.service)
        self.settings = (
            *below,
            Layer(valid.ingress.ref, self._with_headers(self._with_sessions(own, tuple(names)), headers)),
        )

    def _with_target(self, own: Overrides) -> Overrides:
        """Return *own*, without what is to be replaced in the header Location if nothing says by what."""
        name = "proxy_redirect_from"
        if name not in own or not lacks_target({**self._search.community.overrides.explicit, **own.explicit}):
            return own
        reason = f"needs {COMMUNITY.prefix}proxy-redirect-to"
        value = str(own.explicit[name])
        self._search.report(Problem(self.valid.ingress.ref, own.key(name), value, reason, "it has no effect"))
        explicit = {key: each for key, each in own.explicit.items() if key != name}
        return Overrides(explicit, own.keys, own.dialect)

    def _with_headers(self, own: Overrides, headers: tuple[Header, ...]) -> Overrides:
        """Return *own* over the ConfigMap, with the response *headers*."""
        over = above(self._search.community, own)
        return with_headers(self._search.community, over, headers) if headers else over

    @property
    def asks_certificates(self) -> bool:
        """Whether it asks clients of its hosts for certificates."""
        return bool(self._said.auth_tls_secret or self._said.auth_tls_match_cn)

    @cached_property
    def certificates(self) -> ClientCertificates | str | None:
        """What it asks of clients of its hosts, or why that is not possible."""
        return client_certificates(self._search, self.valid)

    @property
    def usable_certificates(self) -> bool:
        """Whether it asks clients for certificates, and that is possible."""
        return self.asks_certificates and not isinstance(self.certificates, str)

    def _uncertified(self, asked: ClientCertificates | None) -> str:
        """Return why its paths are closed: it asks for certificates otherwise than its host, which has *asked*."""
        if not self.asks_certificates:
            return ""
        own = self.certificates
        if isinstance(own, str) or own is None:
            return own or ""
        if asked is not None and structs.replace(own, policy=asked.policy) == asked:
            return ""
        reason = "asks for client certificates otherwise than an older Ingress of the host, whose rules hold there"
        field = f"{COMMUNITY.prefix}auth-tls-secret"
        self._search.report(Problem(self.valid.ingress.ref, field, "", reason, OTHERWISE))
        return f"{field} {reason}"

    @property
    def to_https(self) -> bool:
        """Whether requests in plain HTTP are redirected, where the host has TLS."""
        return self._said.ssl_redirect or self._said.force_ssl_redirect

    @property
    def has_tls(self) -> bool:
        """Whether it asks for TLS: then all of its hosts have it."""
        return bool(self._spec.tls)

    def regular(self, host: str) -> bool:
        """Whether it makes all paths of *host* regular expressions."""
        said = self._said
        own = [path.path for path in self._paths if path.host == host]
        rewritten = said.rewrite_target is not None and any(path != said.rewrite_target for path in own)
        return bool(own) and (said.use_regex or rewritten)

    def certificate(self, host: str) -> Tls | None:
        """Return the certificate that it has for *host*, ``None`` if it has none."""
        for i, tls in enumerate(self._spec.tls or ()):
            if host.lower() not in map(str.lower, tls.hosts or ()):
                continue
            if not tls.secret_name:
                return Tls(None, default=True)
            effect = DEFAULT_CERTIFICATE.format(hosts=", ".join(tls.hosts or ()))
            field = f"spec.tls[{i}].secretName"
            found = self._search.secret(self.valid.ingress.ref, field, tls.secret_name, SecretKind.TLS, effect)
            return Tls(found, tls.secret_name, default=True)
        return None

    @property
    def passes_tls(self) -> bool:
        """Whether it wants TLS connections for its hosts passed on."""
        return self._said.ssl_passthrough

    def root_backend(self, host: str) -> Backend | None:
        """Return the Service of its path ``/`` of *host*, as TLS connections are passed on to it."""
        path = next((path for path in self._paths if (path.host, path.path) == (host, "/")), None)
        if path is None or path.backend.service is None or self.valid.refused:
            return None
        ref = self.valid.ingress.ref
        found = self._backend(path.backend, f"{path.field}.backend")
        upstream = f"{ref.namespace}_{ref.name}_{host}_{found.service}_{found.port}"
        return Backend(found.service, found.port, found.namespace, found.endpoints, upstream=upstream)

    def default_routes(self, host: str, around: Around) -> Iterator[Route]:
        """Yield the route of its default backend, which answers where no path of *host* does, as guarded as these."""
        backend = self._spec.default_backend
        if backend is not None and backend.service is not None:
            path = CommunityPath(DEFAULT_BACKEND, host, "/", exact=False, backend=backend)
            yield from (route for _, route in self._routes([path], around, rewrites=False))

    @property
    def guarded(self) -> frozenset[str]:
        """The Services that it keeps some clients out of, as ``namespace/name``."""
        if not (self._policies.keeps_out or self._policies.refused):
            return frozenset()
        names = (path.backend.service.name for path in self._paths if path.backend.service)
        return frozenset(f"{self.valid.ingress.metadata.namespace}/{name}" for name in names)

    def routes(self, host: str, around: Around) -> Iterator[tuple[CommunityPath, Route]]:
        """Yield the paths of *host*, each with its route, given what is *around*."""
        yield from self._routes([path for path in self._paths if path.host == host], around)

    def _routes(
        self, paths: Iterable[CommunityPath], around: Around, *, rewrites: bool = True
    ) -> Iterator[tuple[CommunityPath, Route]]:
        policies = structs.replace(
            self._policies,
            client_certificates=around.certificates,
            refused=self._policies.refused or self._uncertified(around.certificates),
        )
        told = tuple(certificate_headers(self.valid, around.certificates))
        if asked := policies.external_auth:
            policies = structs.replace(policies, external_auth=structs.replace(asked, headers=(*asked.headers, *told)))
        for path in paths:
            action, own = self._action(path, told, rewrites=rewrites), policies
            if policies.external_auth and self._is_open(path, regular=around.regular):
                own = structs.replace(policies, external_auth=None)
                action = _without_answers(action, policies.external_auth.passed)
            pages = self._errors.pages(action, around.guarded, signs_in=self._signs_in)
            for match in self._matches(path, regular=around.regular):
                route = Route(
                    match=match,
                    action=action,
                    error_pages=pages,
                    pages_field=self._errors.field,
                    intercepts=not self._said.disable_proxy_intercept_errors,
                    origin=self.valid.ingress.ref,
                    settings=self.settings,
                    policies=own,
                    field=path.field,
                    redirect=self._redirect(path, secure=around.secure),
                )
                yield path, route

    def _is_open(self, path: CommunityPath, *, regular: bool) -> bool:
        """Whether global-auth-url does not decide about *path*, as by default of no-auth-locations.

        A regular expression must not match anything else.
        """
        if f"{COMMUNITY.prefix}auth-url" in self.valid.ingress.annotations:
            return False
        inside = path.path == CHALLENGES or path.path.startswith(f"{CHALLENGES}/")
        return inside and (not regular or _PLAIN_EXPRESSION.fullmatch(path.path) is not None)

    @property
    def _signs_in(self) -> bool:
        return bool(self._policies.external_auth and self._policies.external_auth.signin)

    def _matches(self, path: CommunityPath, *, regular: bool) -> Iterator[Match]:
        if not regular:
            yield Match(path.path, PathType.EXACT if path.exact else PathType.PREFIX)
            return
        # A text that was no expression when it was written may be a wrong one, or may not match itself: what it
        # guards stays guarded.
        texts = [path.path] if not regex_fault(path.path) else []
        if not self.regular(path.host) and not any(_matches_itself(text) for text in texts):
            texts.append(re.escape(path.path))
        yield from (Match(f"^{text}", PathType.NGINX, None, "~*") for text in texts)

    def _action(self, path: CommunityPath, told: tuple[Header, ...], *, rewrites: bool) -> Action:
        said = self._said
        if self.valid.refused:
            return Answer(INTERNAL_ERROR, "", "text/plain")
        if said.temporal_redirect:
            return Redirect(said.temporal_redirect, said.temporal_redirect_code)
        if said.permanent_redirect:
            return Redirect(said.permanent_redirect, said.permanent_redirect_code)
        changes = self._changes
        if told:
            changes = structs.replace(changes, set_headers=(*changes.set_headers, *told))
        if rewrites and said.rewrite_target is not None and said.rewrite_target != path.path:
            changes = structs.replace(
                changes,
                path=said.rewrite_target,
                pattern=f"(?i){path.path}",
                set_headers=(*changes.set_headers, *self._prefix_header()),
            )
        backend = self._backend(path.backend, path.field if path.field == DEFAULT_BACKEND else f"{path.field}.backend")
        return Forward((backend,), changes if changes != Changes() else None)

    def _prefix_header(self) -> tuple[Header, ...]:
        prefix = self._said.x_forwarded_prefix
        return (Header("X-Forwarded-Prefix", Quoted(prefix)),) if prefix else ()

    def _header_changes(self) -> Changes:
        headers = [Header(name, Quoted(value)) for name, value in {**TOLD, **self._search.community.told}.items()]
        if self._said.connection_proxy_header and not self._said.backend_protocol.startswith("grpc"):
            headers.append(Header("Connection", Quoted(self._said.connection_proxy_header)))
        if self._said.upstream_vhost:
            headers.append(Header("Host", Quoted(self._said.upstream_vhost)))
        if self._policies.external_auth:
            passed = self._policies.external_auth.passed
            headers += [Header(name, Quoted(ExternalAuth.answered(name))) for name in passed]
        headers += self._search.community.set_headers
        return Changes(
            set_headers=tuple({header.name.lower(): header for header in headers}.values()), hide_headers=self._hidden
        )

    def _redirect(self, path: CommunityPath, *, secure: bool) -> HttpsRedirect | None:
        said, community = self._said, self._search.community
        asked = said.force_ssl_redirect or (said.ssl_redirect and secure)
        if not asked or path.path.startswith(community.plain_paths):
            return None
        ported = bool(self.valid.overrides.values.passing.port_in_redirect)
        return HttpsRedirect(
            community.redirect_code, forwarded=community.forwarded, ported=ported, slash=said.preserve_trailing_slash
        )

    def _backend(self, backend: IngressBackend, field: str) -> Backend:
        service = backend.service
        assert service is not None  # noqa: S101 - validation skips others
        key = service.name, str(service.port or "")
        if key not in self._services:
            found = self._search.endpoints(self._lookup, f"{field}.service", service.name, service.port)
            self._services[key] = self.backend_of(*key, found)
        return self._services[key]

    def backend_of(self, service: str, port: str, endpoints: Endpoints) -> Backend:
        """Return a port of *service* as the annotations say that it speaks."""
        protocol = self._said.backend_protocol
        return Backend(
            service,
            port,
            self.valid.ingress.metadata.namespace,
            endpoints,
            grpc=protocol in {"grpc", "grpcs"},
            tls=protocol in {"https", "grpcs"} or (protocol == "http" and self._said.ssl_passthrough),
            websocket=self._fastcgi is None,
            fastcgi=self._fastcgi,
            as_client=protocol == "auto_http",
            unserved=self._errors.unserved,
        )

    def _with_sessions(self, own: Overrides, services: tuple[str, ...]) -> Overrides:
        """Return *own* with a cookie for the sessions of *services*, if that is asked for, and with load-balance."""
        if self._said.load_balance == "ewma" and "lb_method" not in own:
            explicit = {**own.explicit, "lb_method": Words(("ewma",))}
            own = Overrides(explicit, {**own.keys, "lb_method": f"{COMMUNITY.prefix}load-balance"}, COMMUNITY)
        method = own.explicit.get("lb_method")
        if self._said.upstream_hash_by_subset and method and method[0] == "hash":
            words = Words((*method, f"subset={self._said.upstream_hash_by_subset_size or SUBSET}"))
            own = Overrides({**own.explicit, "lb_method": words}, own.keys, COMMUNITY)
        if self._said.affinity != "cookie" or not services:
            return own
        cookie = Words(("cookie", *self._cookie()))
        key = f"{COMMUNITY.prefix}affinity"
        sticky: Mapping[str, object] = {"sticky_cookie_services": tuple(Sticky(name, cookie) for name in services)}
        return Overrides({**own.explicit, **sticky}, {**own.keys, "sticky_cookie_services": key}, COMMUNITY)

    def _cookie(self) -> Iterator[str]:
        said = self._said
        yield said.session_cookie_name
        lifetime = (
            said.session_cookie_max_age if said.session_cookie_max_age is not None else said.session_cookie_expires
        )
        if lifetime is not None:
            yield f"expires={lifetime}s"
        if said.session_cookie_domain:
            yield f"domain={said.session_cookie_domain}"
        yield "httponly"
        if said.session_cookie_secure:
            yield "secure"
        if said.session_cookie_samesite:
            yield f"samesite={said.session_cookie_samesite}"
        yield f"path={said.session_cookie_path or '/'}"


def _without_answers(action: Action, passed: Iterable[str]) -> Action:
    """Return *action* where nobody decides: backends get none of the headers *passed*, and not those of clients."""
    names = {name.lower() for name in passed}
    if not isinstance(action, Forward) or action.changes is None or not names:
        return action
    headers = (
        Header(header.name, Quoted("")) if header.name.lower() in names else header
        for header in action.changes.set_headers
    )
    return Forward(action.backends, structs.replace(action.changes, set_headers=tuple(headers)))


def _matches_itself(text: str) -> bool:
    """Whether *text*, as a regular expression, matches the path that it is as a plain text."""
    try:
        return re.match(text, text, re.IGNORECASE) is not None
    except re.error:  # of another kind than Python's
        return False
