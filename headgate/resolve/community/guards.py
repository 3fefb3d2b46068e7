"""What annotations of ingress-nginx ask of clients and responses, as the Policies of its routes."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import structs

from headgate.problems import Problem
from headgate.resolve.community.certified import backend_tls
from headgate.resolve.community.idle_guards import report_lonely
from headgate.resolve.community.named import auth_headers
from headgate.resolve.contents import SecretKind
from headgate.resolve.search import Search
from headgate.routes import Backend, Endpoints, Policies, SecretReference
from headgate.routes.policies import (
    ASKED_URI,
    ASKED_URL,
    AccessControl,
    ConnectionLimit,
    Cors,
    ExternalAuth,
    Mirror,
    Passwords,
    RateLimit,
)
from headgate.settings import COMMUNITY, Header, Quoted
from headgate.settings.community import CommunityHosts
from headgate.settings.community.log_variables import IN_ANNOTATIONS, replaced_variables
from headgate.settings.community.values import SAME, Service, wrong_origins
from headgate.validation.community import ValidCommunityIngress

LOCKED = "requests that need a password are answered 403"
CLOSED = "its requests are answered 500"
NO_COPIES = "no copies are sent"
ZONE = "5m"
KINDS = {"auth-file": SecretKind.AUTH_FILE, "auth-map": SecretKind.AUTH_MAP}


def lower_guards(search: Search, valid: ValidCommunityIngress) -> Policies:
    """Return what the annotations of *valid* ask; what cannot be used closes its routes."""
    refused, trusted = _unusable(search, valid), backend_tls(search, valid)
    if isinstance(trusted, str):
        refused, trusted = refused or trusted, None
    report_lonely(search, valid)
    unreachable = _unreachable(search, valid)
    told, unsent = auth_headers(search, valid)
    refused = refused or unreachable or unsent
    return Policies(
        refused=valid.closed or refused,
        access=_access(valid, search.community),
        any_lets_in=_any_lets_in(search, valid),
        limits=_limits(valid, search.community),
        connections=_connections(valid, search.community),
        passwords=None if refused else _passwords(search, valid),
        external_auth=None if unreachable or unsent else _external_auth(search, valid, told),
        cors=_cors(search, valid),
        backend_tls=trusted,
        mirror=_mirror(search, valid),
    )


def _key(name: str) -> str:
    return f"{COMMUNITY.prefix}{name}"


def _unusable(search: Search, valid: ValidCommunityIngress) -> str:
    """Return why the passwords that *valid* asks for cannot be used, and report it."""
    said, ref = valid.annotations, valid.ingress.ref
    if said.auth_type is None:
        return ""
    namespace = (said.auth_secret or "").rpartition("/")[0]
    if said.auth_type == "digest":
        fault = (_key("auth-type"), "digest", "is not possible on open-source NGINX; use basic")
    elif not said.auth_secret:
        fault = (_key("auth-secret"), "", f"is missing, which {_key('auth-type')} needs")
    elif namespace not in {"", ref.namespace}:
        fault = (_key("auth-secret"), said.auth_secret, "is of another namespace, which is not allowed")
    else:
        return ""
    search.report(Problem(ref, *fault, CLOSED))
    return fault[2]


def _unreachable(search: Search, valid: ValidCommunityIngress) -> str:
    """Return why the service of auth-url may not be asked, and report it.

    A host that the ConfigMap names always may; that of the request is one of the hosts of the Ingress, which must.
    """
    said, key = valid.annotations, _key("auth-url")
    if said.auth_url is None:
        return ""
    if said.auth_url.host == SAME:
        if not valid.main_hosts:
            reason = f"has {SAME}, which needs a host that is one name"
            text = valid.ingress.annotations.get(key, "")
            search.report(Problem(valid.ingress.ref, key, text, reason, CLOSED))
            return f"{key} {reason}"
        faults = (_refused_host(search, valid, "auth-url", host, CLOSED) for host in valid.main_hosts)
        return next(filter(None, faults), "")
    if key not in valid.ingress.annotations:
        return ""
    return _refused_host(search, valid, "auth-url", said.auth_url.host, CLOSED)


def _refused_host(search: Search, valid: ValidCommunityIngress, name: str, host: str, effect: str) -> str:
    """Return why *host* of the annotation *name* is not asked, and report it."""
    fault = search.host_fault(host)
    if fault:
        text = valid.ingress.annotations.get(_key(name), "")
        search.report(Problem(valid.ingress.ref, _key(name), text, f"cannot be used: its host {host} {fault}", effect))
    return fault


def _any_lets_in(search: Search, valid: ValidCommunityIngress) -> bool:
    """Whether one check is enough; not where the ConfigMap keeps clients out, whom a password would let in then."""
    if valid.annotations.satisfy != "any" or not search.community.denied:
        return valid.annotations.satisfy == "any"
    reason = "would let in clients with a password that block-cidrs of the ConfigMap keeps out"
    search.report(Problem(valid.ingress.ref, _key("satisfy"), "any", reason, "all checks must let a client in"))
    return False


def _access(valid: ValidCommunityIngress, community: CommunityHosts) -> AccessControl | None:
    said = valid.annotations
    allowed = said.allowlist_source_range or said.whitelist_source_range
    denied = tuple(dict.fromkeys((*community.denied, *said.denylist_source_range)))
    if not allowed and not denied:
        return None
    return AccessControl((valid.ingress.ref,), allowed, denied, denies_first=True)


def _limits(valid: ValidCommunityIngress, community: CommunityHosts) -> tuple[RateLimit, ...]:
    said, ref = valid.annotations, valid.ingress.ref
    asked = {"rps": (said.limit_rps, "s"), "rpm": (said.limit_rpm, "m")}
    return tuple(
        RateLimit(
            policy=ref,
            part=f"_{name}",
            key=community.limit_key,
            rate=f"{count}r/{unit}",
            size=ZONE,
            burst=count * said.limit_burst_multiplier,
            no_delay=True,
            exempt=_exempt(valid),
            status=community.limit_status,
        )
        for name, (count, unit) in asked.items()
        if count
    )


def _exempt(valid: ValidCommunityIngress) -> tuple[str, ...]:
    return valid.annotations.limit_allowlist or valid.annotations.limit_whitelist


def _connections(valid: ValidCommunityIngress, community: CommunityHosts) -> ConnectionLimit | None:
    most = valid.annotations.limit_connections
    if not most:
        return None
    return ConnectionLimit(
        policy=valid.ingress.ref,
        key=community.limit_key,
        most=most,
        size=ZONE,
        exempt=_exempt(valid),
        status=community.connection_status,
    )


def _passwords(search: Search, valid: ValidCommunityIngress) -> Passwords | None:
    said, ref = valid.annotations, valid.ingress.ref
    if said.auth_type is None or not said.auth_secret:
        return None
    kind, name = KINDS[said.auth_secret_type], said.auth_secret.rpartition("/")[2]
    secret: SecretReference = search.secret(ref, _key("auth-secret"), name, kind, LOCKED)
    return Passwords(ref, said.auth_realm, secret)


def _external_auth(search: Search, valid: ValidCommunityIngress, sent: tuple[Header, ...]) -> ExternalAuth | None:
    said, ref = valid.annotations, valid.ingress.ref
    if said.auth_url is None:
        return None
    # The Service behind the host of a request is that behind another host of the Ingress, which gets the same Host.
    same = said.auth_url.host == SAME
    url = structs.replace(said.auth_url, host=valid.main_hosts[0]) if same else said.auth_url
    keeps = said.auth_keepalive and said.auth_keepalive_requests and said.auth_keepalive_timeout
    return ExternalAuth(
        policy=ref,
        backend=_named(url, ref.namespace),
        path=url.path,
        signin=_signin(valid, search.community) if said.auth_signin else "",
        server_name=url.host,
        host=SAME if same else _host(url),
        passed=said.auth_response_headers,
        headers=(*_forwarded(search.community), *_told(valid), *sent),
        method=said.auth_method,
        cookies="always" if said.auth_always_set_cookie else "some",
        cache_key=said.auth_cache_key or "",
        cache_valid=said.auth_cache_duration,
        keepalive=said.auth_keepalive if keeps else None,
        keepalive_requests=said.auth_keepalive_requests if keeps else None,
        keepalive_timeout=said.auth_keepalive_timeout if keeps else None,
        snippet=said.auth_snippet or "",
    )


def _mirror(search: Search, valid: ValidCommunityIngress) -> Mirror | None:
    said, ref = valid.annotations, valid.ingress.ref
    if said.mirror_target is None:
        return None
    if _refused_host(search, valid, "mirror-target", said.mirror_target.host, NO_COPIES):
        return None
    return Mirror(
        policy=ref,
        backend=_named(said.mirror_target, ref.namespace),
        path=said.mirror_target.path,
        host=said.mirror_host or _host(said.mirror_target),
        body=said.mirror_request_body,
    )


def _named(url: Service, namespace: str) -> Backend:
    """Return the backend that *url* names."""
    endpoints = Endpoints((f"{url.host}:{url.port}",), named=not _is_address(url.host))
    return Backend(url.host, str(url.port), namespace, endpoints, tls=url.tls)


def _host(url: Service) -> str:
    """Return the host of *url*, with a port that is not the usual one."""
    usual = url.port == (443 if url.tls else 80)
    return url.host if usual else f"{url.host}:{url.port}"


def _forwarded(community: CommunityHosts) -> Iterator[Header]:
    """Yield the headers of the request to the service about what a proxy in front says, if that counts."""
    if "X-Forwarded-Scheme" in community.told:
        names = ("X-Forwarded-Host", "X-Forwarded-Port", "X-Forwarded-Proto")
        yield from (Header(name, Quoted(community.told[name])) for name in names)


def _told(valid: ValidCommunityIngress) -> Iterator[Header]:
    """Yield headers of the request to the service."""
    said = valid.annotations
    if said.auth_request_redirect:
        yield Header("X-Auth-Request-Redirect", Quoted(said.auth_request_redirect))
    if said.auth_method:
        yield Header("X-Scheme", Quoted("$scheme"))
    if said.auth_keepalive:
        yield Header("Connection", Quoted(""))


def _is_address(host: str) -> bool:
    return host.replace(".", "").isdigit()


def _signin(valid: ValidCommunityIngress, community: CommunityHosts) -> str:
    """Return where clients are sent, with the URL that they asked for; nginx would itself ask for a bare path."""
    said = valid.annotations
    text = valid.ingress.annotations.get(_key("auth-signin"), said.auth_signin or "").strip()
    parts = (replaced_variables(part, IN_ANNOTATIONS)[0] for part in text.split("$escaped_request_uri"))
    url, param = ASKED_URI.join(parts), said.auth_signin_redirect_param
    forwarded = community.told.get("X-Forwarded-Scheme", "")
    host = community.told["Host"] if forwarded else "$http_host"
    if url.startswith("/"):
        url = f"{forwarded or '$scheme'}://{host}{url}"
    if f"{param}=" in url.partition("?")[2]:
        return url
    asked = f"{forwarded}%3A%2F%2F{host}{ASKED_URI}" if forwarded else ASKED_URL
    return f"{url}{'&' if '?' in url else '?'}{param}={asked}"


def _cors(search: Search, valid: ValidCommunityIngress) -> Cors | None:
    said, key = valid.annotations, _key("cors-allow-origin")
    if not said.enable_cors:
        return None
    text = valid.ingress.annotations.get(key, "")
    if wrong := ", ".join(map(repr, wrong_origins(text))):
        rest = "only pages of the others may ask" if said.cors_allow_origin else "no page of another origin may ask"
        reason = f"is a list with {wrong[:120]}, which is no origin such as https://shop.example.com"
        search.report(Problem(valid.ingress.ref, key, text, reason, rest))
    return Cors(
        policy=valid.ingress.ref,
        origins=said.cors_allow_origin,
        methods=said.cors_allow_methods,
        headers=said.cors_allow_headers,
        exposed=said.cors_expose_headers,
        credentials=said.cors_allow_credentials,
        max_age=said.cors_max_age,
        matched=True,
    )
