"""externalAuth and apiKey: ``auth_request``, of which a location has one, and the location that decides."""

from __future__ import annotations

from msgspec import structs

from headgate.ir.http import Backend, CacheZone, Line, Location, VariableMap
from headgate.problems import ObjectRef
from headgate.routes import Changes, Match, PathType, Policies
from headgate.routes.policies import ASKED_URI, ASKED_URL, ExternalAuth
from headgate.settings import NOTHING, Header, Quoted, Snippet, Words
from headgate.settings.values import Duration
from headgate.translate import naming
from headgate.translate.actions import set_headers
from headgate.translate.errors import NO_PAGE
from headgate.translate.paths import LocationPath
from headgate.translate.policies.api_key import KeyVariables, key_variables
from headgate.translate.policies.parts import Part, Site
from headgate.translate.upstreams import translate_upstream

AUTHORITIES = "/etc/ssl/certs/ca-certificates.crt"
"""The authorities of the system, in Debian and its kin."""
UNAUTHORIZED = "401"
PERMITTED = Words(("204",))
ASKED = "yes"
ALWAYS = "always"
UNESCAPED = {ASKED_URL: "$scheme://$http_host$request_uri", ASKED_URI: "$request_uri"}
"""What stands for each, unescaped, where nginx has no Lua."""
COOKIES = "$external_auth_cookies"
OTHER_COOKIES = "headgate_other_cookies"
"""The variable with the cookies of the client that are not of sessions (OpenID Connect)."""
AUTH_LOCATION = "external_auth_location"
CACHE = ("10m", "max_size=128m", "inactive=30m")
"""The zone with answers: its size, and what else nginx is told about it."""
DECIDES: tuple[Line, ...] = (
    NO_PAGE,
    ("proxy_intercept_errors", Words(("off",))),
    ("proxy_cache", Words(("off",))),
)
"""Lines of a location that decides. With an ``error_page`` of the server a refusal becomes the status of that page, and
200 lets the client in."""


def translate_subrequest(site: Site) -> Part:
    """Return ``auth_request`` for what the Policies ask, and note the location that it asks."""
    keys, external = site.policies.api_keys, site.policies.external_auth
    if keys is None and external is None:
        return Part()
    variables = key_variables(site.draft, site.origin, keys) if keys else None
    path = _path(site, external, f"{keys.policy.namespace}_{keys.policy.name}" if keys else "")
    site.inner[path] = _location(site, path, external, variables)
    lines: list[Line] = [("auth_request", Words((Quoted(path),)))]
    for header in external.passed if external else ():
        source = f"$upstream_http_{header.lower().replace('-', '_')}"
        lines.append(("auth_request_set", Words((ExternalAuth.answered(header), source))))
    if external and external.signin:
        lines += _to_signin(site, external, variables)
        if external.signin_base:
            _signin(site, external)
    elif not site.server and (around := site.host.policies.external_auth) and around.signin:
        lines.append(NO_PAGE)  # the page of the server is where clients sign in for another Policy
    headers: tuple[Header, ...] = ()
    if external and external.cookies:
        lines.append(("auth_request_set", Words((COOKIES, "$upstream_http_set_cookie"))))
        headers = (Header("Set-Cookie", Quoted(COOKIES), always=external.cookies == ALWAYS),)
    own = variables.set if variables and not site.server else ()
    asked = [] if site.server or external is None else [each for each in UNESCAPED if each in external.signin]
    if site.draft.env.live is None:
        own = (*own, *((each.removeprefix("$"), Quoted(UNESCAPED[each])) for each in asked))
        asked = []
    return Part(
        lines=tuple(lines),
        variables=own,
        headers=headers,
        asked_url=ASKED_URL.removeprefix("$") if ASKED_URL in asked else "",
        asked_uri=ASKED_URI.removeprefix("$") if ASKED_URI in asked else "",
    )


def _to_signin(site: Site, external: ExternalAuth, keys: KeyVariables | None) -> tuple[Line, ...]:
    """Return the lines by which clients that the service answers 401 are sent to sign in.

    ``error_page`` applies to every 401. Signing in gives nobody a key or a password, so where these are required too,
    401 stays 401 until the service was asked: until there was a subrequest, with a key if there are *keys*.
    """
    policies, policy = site.policies, external.policy
    if not (keys or policies.passwords or policies.basic_auth):
        return (("error_page", Words((UNAUTHORIZED, "=", Quoted(external.signin)))),)
    end = f"{site.origin.namespace}_{site.origin.name}_{site.origin.kind.lower()}_{policy.namespace}_{policy.name}"
    asked = site.draft.policy_variable(f"ext_auth_asked_{end}", policy)
    page = site.draft.policy_variable(f"ext_auth_signin_{end}", policy)
    path = f"/_unauthorized_{policy.namespace}_{policy.name}{_attached(site)}"
    choices = ((Quoted(""), Quoted(path)), (Quoted("default"), Quoted(external.signin)))
    site.draft.maps[page] = VariableMap(Quoted(f"${asked}"), page, choices, site.origin)
    site.inner[path] = Location(
        path=Quoted(path), modifier="=", origin=site.inner_origin, internal=True, answer=Words((UNAUTHORIZED,)),
        lines=(NO_PAGE,), own=NOTHING,
    )  # fmt: skip
    return (
        ("auth_request_set", Words((f"${asked}", f"${keys.key}" if keys else ASKED))),
        ("error_page", Words((UNAUTHORIZED, "=", f"${page}"))),
    )


def _attached(site: Site) -> str:
    """Return the end of the names of locations for an object that attaches to the host of another one."""
    return f"_{naming.digest((site.origin,))[1:]}" if site.inner_origin else ""


def _path(site: Site, external: ExternalAuth | None, keys: str) -> str:
    """Return the path of the location that decides: what it does, and for whom."""
    attached = _attached(site)
    if external is None:
        return f"/_validate_apikey_{keys}{attached}"
    policy = external.policy
    name = "_".join(filter(None, (policy.namespace, policy.name, keys)))
    plain = not {"?", "$"}.intersection(external.path)  # neither can stand in the path of a location
    return f"/_external_auth_{name}{attached}{external.path if plain else naming.digest((external.path,))}"


def _location(site: Site, path: str, external: ExternalAuth | None, variables: KeyVariables | None) -> Location:
    checks = variables.checks if variables else ()
    if external is None:
        return Location(
            path=Quoted(path), modifier="=", origin=site.inner_origin, internal=True, checks=checks, answer=PERMITTED,
            lines=DECIDES, own=NOTHING,
        )  # fmt: skip
    backend = _backend(site, external, external.path)
    decides = DECIDES[:-1] if external.cache_key else DECIDES
    lines = (
        *decides,
        ("proxy_pass_request_body", Words(("off",))),
        *([("proxy_method", Words((external.method,)))] if external.method else []),
        *_remembered(site, external),
        *_tls(site, external),
    )
    cookies = OTHER_COOKIES if site.draft.env.sessions else ""
    return Location(
        path=Quoted(path),
        modifier="=",
        origin=site.inner_origin,
        internal=True,
        checks=checks,
        backend=backend,
        request_headers=_asked(external, site.draft.env.port, body=False, cookies=cookies),
        cookies=cookies,
        lines=lines,
        snippet=Snippet(external.snippet) if external.snippet else None,
        own=NOTHING,
    )


def _remembered(site: Site, external: ExternalAuth) -> tuple[Line, ...]:
    """Return the cache of answers, and note its zone: each object has one, so that none reads those of another."""
    if not external.cache_key:
        return ()
    owner = site.origin
    zone = naming.hashed(f"auth_{owner.namespace}_{owner.name}_{owner.kind.lower()}", CACHE, site.draft.salt)
    path = Quoted(f"{site.draft.env.layout.temp}/{zone}")
    site.draft.caches[zone] = CacheZone(path, zone, CACHE[0], Words(CACHE[1:]), owner)
    key = Quoted(f"$host ${AUTH_LOCATION} {external.cache_key}")
    valid = (("proxy_cache_valid", Words(words)) for words in external.cache_valid)
    return (
        ("proxy_buffering", Words(("on",))),  # what is not buffered is not stored
        ("proxy_cache", Words((zone,))),
        ("proxy_cache_key", Words((key,))),
        *valid,
    )


def auth_variables(policies: Policies, path: LocationPath) -> tuple[tuple[str, Quoted], ...]:
    """Return the variable by which answers about one location are not used for another one."""
    external = policies.external_auth
    if external is None or not external.cache_key:
        return ()
    return ((AUTH_LOCATION, Quoted(_literal(f"{path.modifier} {path.path}"))),)


def _literal(text: str) -> str:
    """Return *text*, or a digest of it where nginx would read variables in it."""
    return naming.digest((text,)) if "$" in text else text


def _asked(external: ExternalAuth, port: str, *, body: bool, cookies: str = "") -> tuple[Header, ...]:
    """Return the headers of the authorization request, which describe the request of the client.

    Where there are sessions, it has the variable *cookies* for those of others, and no user that the client names.
    """
    told = {
        "Host": external.host,
        "X-Real-IP": "$remote_addr",
        "X-Forwarded-For": "$proxy_add_x_forwarded_for",
        "X-Forwarded-Host": "$host",
        "X-Forwarded-Port": port,
        "X-Forwarded-Proto": "$scheme",
        "X-Forwarded-Uri": "$request_uri",
        "X-Original-URI": "$request_uri",
        "X-Original-URL": "$scheme://$http_host$request_uri",
        "X-Original-Method": "$request_method",
        "X-Auth-Request-Redirect": "$request_uri",
    }
    if not body:
        told["Content-Length"] = ""
    if cookies:
        told |= {"Cookie": f"${cookies}", "username": ""}
    headers = tuple(Header(name, Quoted(value)) for name, value in told.items())
    return set_headers(headers, Changes(set_headers=external.headers))


def _backend(site: Site, external: ExternalAuth, path: str) -> Backend:
    draft, owner = site.draft, site.origin
    named = f"ext_auth_{owner.namespace}_{owner.name}_{external.policy.namespace}_{external.policy.name}"
    target = structs.replace(external.backend, upstream=named)
    name = draft.upstream_name(site.origin, "", target)
    if name not in draft.upstreams:
        params = draft.env.params
        if external.keepalive is not None:
            idle = external.keepalive_timeout
            values = {
                "keepalive": external.keepalive,
                "upstream_keepalive_requests": external.keepalive_requests,
                "upstream_keepalive_timeout": Duration(f"{idle}s") if idle else None,
            }
            params = params.replaced({"upstream": values})
        draft.upstreams[name] = translate_upstream(name, site.origin, target, params, draft.env)
    return Backend("https" if target.tls else "http", name, path)


def _tls(site: Site, external: ExternalAuth) -> tuple[Line, ...]:
    if not external.backend.tls:
        return ()
    lines: list[Line] = [
        ("proxy_ssl_server_name", Words(("on",))),
        ("proxy_ssl_name", Words((external.server_name,))),
    ]
    if external.verify:
        authority = external.authority
        file = f"{site.draft.env.layout.conf}/{authority.file}" if authority else AUTHORITIES
        lines += [
            ("proxy_ssl_verify", Words(("on",))),
            ("proxy_ssl_verify_depth", Words((str(external.depth),))),
            ("proxy_ssl_trusted_certificate", Words((Quoted(file),))),
        ]
    return tuple(lines)


def _signin(site: Site, external: ExternalAuth) -> None:
    """Note the location below which requests reach the service without a decision, unless a route has its path."""
    base = external.signin_base
    paths = {route.match.path.rstrip("/") for route in site.host.routes if route.match.type is not PathType.INTERNAL}
    if base.rstrip("/") in paths:
        words = ("is the path of a route, which answers there", "requests to it do not reach the service")
        site.draft.warn(external.policy, "spec.externalAuth.authSigninRedirectBasePath", base, words)
        return
    if owner := _taken_from(site, base):
        if site.host.policies.external_auth == external:
            return  # it applies to the whole host, which has the location
        reason = (
            f"asks for {base} (authSigninRedirectBasePath), which {owner} answers; use a path below one of this object"
        )
        site.draft.warn(
            site.origin, "", f"Policy {external.policy.key}", (reason, "requests to it stay with that object")
        )
        return
    site.inner.setdefault(
        base,
        Location(
            path=Quoted(base),
            origin=site.inner_origin,
            backend=_backend(site, external, ""),
            request_headers=_asked(external, site.draft.env.port, body=True),
            lines=(("auth_request", Words(("off",))), *_tls(site, external)),
            own=NOTHING,
        ),
    )


def _taken_from(site: Site, base: str) -> ObjectRef | None:
    """Return the object that answers *base*, if that is another one than the one that attaches to its host.

    Who has a part of a host must not take other parts, which may be guarded. Exact paths and expressions go before the
    location of *base* in any case, and so do longer prefixes.
    """
    if site.origin == site.host.origin:
        return None
    matches = [(route.match, route.origin) for route in site.host.routes if _is_prefix(route.match)]
    around = [(len(match.path), origin) for match, origin in matches if base.startswith(match.path)]
    if not around:
        return site.host.origin if site.host.default else None
    _, owner = max(around, key=lambda found: found[0])
    return owner if owner != site.origin else None


def _is_prefix(match: Match) -> bool:
    if match.pattern or match.type in {PathType.INTERNAL, PathType.EXACT} or match.regex:
        return False
    return match.modifier != "="
