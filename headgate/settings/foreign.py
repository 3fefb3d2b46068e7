"""Annotations of other ingress controllers: known, not read, and never ignored in silence.

One row for each prefix. A prefix that Headgate learns to read, as a dialect, is taken out of the table.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

Advice = Mapping[str, tuple[str, ...]]
"""Names, or ``name: value`` where only that value has the same meaning, and what to write for Headgate instead."""


class Foreign(msgspec.Struct, frozen=True, kw_only=True):
    """The annotations of one prefix.

    Attributes:
        prefix: what they begin with; names are what follows it.
        controller: whose they are, as messages name it.
        guards: prefixes of the names that restrict access.
        idle: among these, the names (or ``name: value``) that do not restrict access by themselves.
        snippets: names whose value is configuration, which may restrict access too.
        instead: what to write for Headgate, where it has the same.
    """

    prefix: str
    controller: str
    guards: tuple[str, ...] = ()
    idle: frozenset[str] = frozenset()
    snippets: tuple[str, ...] = ()
    instead: Advice = {}

    def protects(self, key: str, text: str, present: Mapping[str, str]) -> bool:
        """Whether an Ingress with the annotations *present* would be open to more clients without *key*: *text*."""
        name = key.removeprefix(self.prefix)
        if name in self.snippets:
            return bool(_ACCESS.search(text))
        if not name.startswith(self.guards) or self.idle.intersection(_forms(name, text)):
            return False
        return not any(other in present for other in self.advice(key, text))

    def advice(self, key: str, text: str) -> tuple[str, ...]:
        """Return what has the meaning of *key*: *text* for Headgate, if anything has."""
        found = (self.instead.get(form) for form in _forms(key.removeprefix(self.prefix), text))
        return next((words for words in found if words), ())

    def reason(self, key: str, text: str, present: Mapping[str, str]) -> str:
        """Return why *key* of an Ingress with the annotations *present* is not used, and what to write."""
        reason = f"an annotation of {self.controller}, which Headgate does not read"
        advice = self.advice(key, text)
        if applied := next((other for other in advice if other in present), ""):
            return f"{reason}; {applied} applies"
        if advice:
            return f"{reason}; write {' or '.join(advice)}"
        return f"{reason}; {_NOTHING_LIKE_IT}" if self.protects(key, text, present) else reason


def foreign(key: str) -> Foreign | None:
    """Return the row of the annotation *key*, ``None`` if it is of no ingress controller in the table."""
    if not key.startswith(_PREFIXES):
        return None
    return next(row for row in FOREIGN if key.startswith(row.prefix))


_NOTHING_LIKE_IT = "there is no equivalent: restrict access by other means, then remove it"


def _forms(name: str, text: str) -> tuple[str, str]:
    return f"{name}: {text.strip().lower()}", name


_ACCESS = re.compile(
    r"(?<![\w-])(?:allow|deny|reject|satisfy|auth_\w+|http-request\s+auth|limit_except|valid_referers|ssl_verify_client"
    r"|secure_link\w*|modsecurity\w*|js_access|\w+_by_lua\w*|return[\"']?\s+[\"']?[45]\d\d)(?![\w-])"
)
"""Words of nginx and HAProxy that keep clients out."""


def _same(*names: str) -> Advice:
    """Return the advice for settings that have the same name here."""
    return {name: (f"nginx.org/{name}",) for name in names}


def _session(*names: str) -> Advice:
    return dict.fromkeys(names, ("nginx.org/sticky-cookie-services",))


_BASIC: Advice = {
    "auth-type: basic": ("nginx.org/basic-auth-secret",),
    "auth-secret": ("nginx.org/basic-auth-secret",),
    "auth-realm": ("nginx.org/basic-auth-realm",),
}
_SHARED: Advice = {
    **_BASIC,
    **_same("app-root", "rewrite-target", "ssl-ciphers", "ssl-redirect"),
    "affinity": ("nginx.org/sticky-cookie-services",),
    "backend-protocol": ("nginx.org/ssl-services", "nginx.org/grpc-services"),
    "force-ssl-redirect": ("nginx.org/redirect-to-https",),
    "limit-rps": ("nginx.org/limit-req-rate",),
    "proxy-body-size": ("nginx.org/client-max-body-size",),
    "server-alias": ("a further host in spec.rules",),
    "service-upstream": ("nginx.org/use-cluster-ip",),
    **_session("session-cookie-name"),
}
"""What several controllers call by the same name."""

_GUARDS = ("auth-", "oauth", "allowlist-", "denylist-", "whitelist-", "waf")
_IDLE = frozenset(("auth-realm", "auth-secret-type", "auth-tls-verify-client: off"))

COMMUNITY = Foreign(
    prefix="nginx.ingress.kubernetes.io/",
    controller="ingress-nginx",
    guards=(
        "auth-",
        "allowlist-source-range",
        "denylist-source-range",
        "whitelist-source-range",
        "enable-modsecurity",
        "enable-owasp-core-rules",
        "modsecurity-snippet",
    ),
    idle=_IDLE
    | {f"{name}: {off}" for name in ("enable-modsecurity", "enable-owasp-core-rules") for off in ("false", "f", "0")},
    snippets=("configuration-snippet", "server-snippet", "stream-snippet"),
    instead={
        **_SHARED,
        **_same(
            "client-body-buffer-size",
            "custom-http-errors",
            "proxy-buffer-size",
            "proxy-buffering",
            "proxy-busy-buffers-size",
            "proxy-connect-timeout",
            "proxy-max-temp-file-size",
            "proxy-next-upstream",
            "proxy-next-upstream-timeout",
            "proxy-next-upstream-tries",
            "proxy-read-timeout",
            "proxy-redirect-from",
            "proxy-redirect-to",
            "proxy-send-timeout",
            "ssl-prefer-server-ciphers",
        ),
        **_session(
            "affinity-mode",
            "session-cookie-domain",
            "session-cookie-expires",
            "session-cookie-max-age",
            "session-cookie-path",
            "session-cookie-samesite",
            "session-cookie-secure",
        ),
        "configuration-snippet": ("nginx.org/location-snippets",),
        "custom-headers": ("nginx.org/add-header",),
        "limit-burst-multiplier": ("nginx.org/limit-req-burst",),
        "limit-rpm": ("nginx.org/limit-req-rate",),
        "load-balance": ("nginx.org/lb-method",),
        "proxy-buffers-number": ("nginx.org/proxy-buffers",),
        "server-snippet": ("nginx.org/server-snippets",),
        "stream-snippet": ("the ConfigMap key stream-snippets",),
        "upstream-hash-by": ("nginx.org/lb-method",),
        "upstream-vhost": ("nginx.org/proxy-set-headers",),
        "use-regex": ("nginx.org/path-regex",),
        "x-forwarded-prefix": ("nginx.org/proxy-set-headers",),
    },
)
_TRAEFIK = Foreign(
    prefix="traefik.ingress.kubernetes.io/",
    controller="Traefik",
    guards=("router.middlewares", "router.tls.options", "auth-", "whitelist-"),
    idle=_IDLE,
    instead={
        **_BASIC,
        **_same("app-root", "rewrite-target"),
        "router.pathmatcher": ("pathType", "nginx.org/path-regex"),
        "rule-type": ("pathType", "nginx.org/rewrites"),
        "router.tls": ("spec.tls",),
    },
)
_HAPROXYTECH = Foreign(
    prefix="haproxy.org/",
    controller="the HAProxy Kubernetes Ingress Controller",
    guards=("auth-", "allow-list", "deny-list", "whitelist", "blacklist", "client-ca"),
    idle=_IDLE,
    snippets=("backend-config-snippet", "frontend-config-snippet"),
    instead={
        **_BASIC,
        **_same("ssl-redirect"),
        "auth-type: basic-auth": ("nginx.org/basic-auth-secret",),
        "cookie-persistence": ("nginx.org/sticky-cookie-services",),
        "load-balance": ("nginx.org/lb-method",),
        "path-rewrite": ("nginx.org/rewrite-target", "nginx.org/rewrites"),
        "pod-maxconn": ("nginx.org/max-conns",),
        "rate-limit-requests": ("nginx.org/limit-req-rate",),
        "rate-limit-status-code": ("nginx.org/limit-req-reject-code",),
        "request-set-header": ("nginx.org/proxy-set-headers",),
        "response-set-header": ("nginx.org/add-header",),
        "server-ssl": ("nginx.org/ssl-services",),
        "set-host": ("nginx.org/proxy-set-headers",),
        "ssl-redirect-code": ("nginx.org/http-redirect-code",),
        "timeout-connect": ("nginx.org/proxy-connect-timeout",),
        "timeout-server": ("nginx.org/proxy-read-timeout",),
    },
)
_HAPROXY_INGRESS = Foreign(
    prefix="haproxy-ingress.github.io/",
    controller="HAProxy Ingress",
    guards=_GUARDS,
    idle=_IDLE,
    snippets=("config-backend", "config-backend-early", "config-backend-late"),
    instead={
        **_SHARED,
        **_same("hsts", "hsts-include-subdomains", "hsts-max-age"),
        "balance-algorithm": ("nginx.org/lb-method",),
        "headers": ("nginx.org/proxy-set-headers",),
        "maxconn-server": ("nginx.org/max-conns",),
        "path-type": ("pathType", "nginx.org/path-regex"),
        "secure-backends": ("nginx.org/ssl-services",),
        "ssl-redirect-code": ("nginx.org/http-redirect-code",),
        "timeout-connect": ("nginx.org/proxy-connect-timeout",),
        "timeout-server": ("nginx.org/proxy-read-timeout",),
    },
)
_CONTOUR = Foreign(
    prefix="projectcontour.io/",
    controller="Contour",
    instead={
        "num-retries": ("nginx.org/proxy-next-upstream-tries",),
        "response-timeout": ("nginx.org/proxy-read-timeout",),
        "retry-on": ("nginx.org/proxy-next-upstream",),
        "tls-minimum-protocol-version": ("the ConfigMap key ssl-protocols",),
        "websocket-routes": ("nginx.org/websocket-services",),
    },
)
_KONG = Foreign(
    prefix="konghq.com/",
    controller="Kong",
    guards=("plugins",),
    instead={
        "host-aliases": ("a further host in spec.rules",),
        "https-redirect-status-code": ("nginx.org/http-redirect-code",),
        "response-buffering": ("nginx.org/proxy-buffering",),
        "rewrite": ("nginx.org/rewrite-target",),
        "strip-path": ("nginx.org/rewrites",),
    },
)
_ALB = Foreign(
    prefix="alb.ingress.kubernetes.io/",
    controller="the AWS Load Balancer Controller",
    guards=(
        "auth-",
        "conditions.",
        "inbound-cidrs",
        "jwt-validation",
        "mutual-authentication",
        "security-group",
        "waf",
        "web-acl-id",
    ),
    idle=frozenset(("auth-type: none",)),
    instead={
        **_same("ssl-redirect"),
        "backend-protocol": ("nginx.org/ssl-services",),
        "backend-protocol-version": ("nginx.org/grpc-services",),
        "listen-ports": ("nginx.org/listen-ports", "nginx.org/listen-ports-ssl"),
    },
)

FOREIGN: tuple[Foreign, ...] = (
    COMMUNITY,
    _TRAEFIK,
    _HAPROXYTECH,
    msgspec.structs.replace(_HAPROXYTECH, prefix="haproxy.com/"),
    _HAPROXY_INGRESS,
    Foreign(
        prefix="ingress.kubernetes.io/",
        controller="HAProxy Ingress, Traefik 1 and other controllers",
        guards=(*_GUARDS, *(name for name in _HAPROXYTECH.guards if not name.startswith(_GUARDS))),
        idle=_IDLE,
        snippets=(*_HAPROXYTECH.snippets, *_HAPROXY_INGRESS.snippets),
        # ssl-redirect is read, as a deprecated spelling.
        instead={name: words for name, words in _SHARED.items() if name != "ssl-redirect"},
    ),
    _CONTOUR,
    msgspec.structs.replace(_CONTOUR, prefix="contour.heptio.com/"),
    _KONG,
    Foreign(prefix="plugins.konghq.com", controller="Kong", guards=("",)),
    Foreign(prefix="configuration.konghq.com", controller="Kong"),
    _ALB,
    Foreign(prefix="networking.gke.io/", controller="GKE Ingress"),
    Foreign(prefix="ingress.gcp.kubernetes.io/", controller="GKE Ingress"),
    Foreign(
        prefix="kubernetes.io/ingress.",
        controller="GKE Ingress",
        instead={"allow-http: false": ("nginx.org/ssl-redirect",)},
    ),
)
"""Every prefix that is known, and not read."""

_PREFIXES = tuple(row.prefix for row in FOREIGN)
