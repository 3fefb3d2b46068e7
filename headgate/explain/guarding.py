"""Which Policies guard a request, and what they answer, in the order in which nginx looks at them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from msgspec import structs

from headgate.explain import tokens
from headgate.explain.addresses import is_allowed, rules_at, verdicts
from headgate.explain.answer import Step
from headgate.explain.branches import is_known, is_met, value_of
from headgate.explain.context import RequestContext
from headgate.explain.question import USUAL_METHOD
from headgate.problems import ObjectRef, some
from headgate.routes import Condition, Policies
from headgate.routes.policies import (
    ASKED_URI,
    ASKED_URL,
    AccessControl,
    ApiKeys,
    ClientCertificates,
    ExternalAuth,
    Jwt,
    Oidc,
    RateLimit,
)
from headgate.settings import COMMUNITY

REFUSED, UNKNOWN, FORBIDDEN, PREFLIGHT, REDIRECT = 500, 401, 403, 204, 302
BASIC = "basic "
ANNOTATIONS = {
    "accessControl": "allowlist-source-range, denylist-source-range",
    "basicAuth": "auth-type",
    "connections": "limit-connections",
    "cors": "enable-cors",
    "externalAuth": "auth-url",
    "ingressMTLS": "auth-tls-secret",
    "mirror": "mirror-target",
    "rateLimit": "limit-rps, limit-rpm",
}
"""The annotations of ingress-nginx that are kept as Policies of a type."""
STORED = frozenset({"GET", "HEAD"})
"""Methods whose responses a cache always stores (``proxy_cache_methods``)."""
_PERHAPS_EMPTY = re.compile(r"\$\{(?:(?:http|arg|cookie|apikey)_\w*|args)\}")
"""Variables that are empty where a client does not send what they hold."""


def policies_of(context: RequestContext) -> Policies:
    """Return the Policies that hold at *context*."""
    holder = context.route or context.host
    found = holder.policies if holder else Policies()
    if context.challenged and context.host:
        return structs.replace(found, limits=context.host.policies.limits)
    if context.location and context.location.unguarded:
        found = structs.replace(found, oidc=None)
    if undecided(context):  # what the server says holds there, and nothing that locations say
        return structs.replace(found, external_auth=None, api_keys=None, jwt=None, cors=None, cache=None)
    return found


def undecided(context: RequestContext) -> ExternalAuth | None:
    """Return what asks a service to which the location of *context* leads without a decision, for signing in."""
    host, location = context.host, context.location
    if context.route or host is None or location is None or not location.backend:
        return None
    every = (policies.external_auth for policies in (host.policies, *(route.policies for route in host.routes)))
    return next((found for found in every if found and found.signin_base == str(location.path)), None)


def refusal(context: RequestContext) -> Step | None:
    """Return that a Policy cannot be used, so that every request is answered 500."""
    fault = policies_of(context).refused
    return Step(f"{REFUSED}, because {fault}", status=REFUSED) if fault else None


def first(context: RequestContext) -> Iterator[Step]:
    """Yield what goes before limits and passwords."""
    found = policies_of(context)
    if certificates := found.client_certificates:
        known = {"on": "required: 400 without a valid one, 403 over plain HTTP", "off": "not requested"}
        verify = certificates.verify
        yield Step(f"client certificate {known.get(verify, verify.replace('_', ' '))}",
                   _because(certificates.policy, "ingressMTLS"))  # fmt: skip
    if certificates and certificates.subject:
        yield _by_subject(context, certificates)
    if found.cors:
        status = PREFLIGHT if context.question.method == "OPTIONS" else None
        whose = "this request, because its method is" if status else "requests with the method"
        words = f"{PREFLIGHT} to {whose} OPTIONS, with CORS headers"
        yield Step(words, _because(found.cors.policy, "cors"), status=status)


def _by_subject(context: RequestContext, found: ClientCertificates) -> Step:
    """Return what becomes of clients whose certificate has another subject; in plain HTTP there is none."""
    because = _because(found.policy, "ingressMTLS")
    words = f"client certificate: {FORBIDDEN} if its subject does not match {found.subject}"
    if not context.question.secure:
        return Step(words, because, status=FORBIDDEN)
    return Step(words, because, condition="the subject of the client certificate matches", otherwise=str(FORBIDDEN))


def limits(context: RequestContext) -> Iterator[Step]:
    """Yield the limits of Policies."""
    found = policies_of(context).limits
    for limit in found:
        only = f", if {limit.condition.variable} is {limit.condition.value!r}" if limit.condition else ""
        dry = " (only counted: dryRun)" if found[0].dry_run else ""
        empty = "" if _PERHAPS_EMPTY.sub("", limit.key) else "; requests for which that is empty are not counted"
        words = f"rate limit: {found[0].status} for more than {limit.rate} with the same {limit.key}{only}{dry}{empty}"
        words += _not_counted(limit.exempt)
        yield Step(f"{words}{_counted(context, limit, found)}", _because(limit.policy, "rateLimit"))


def connections(context: RequestContext) -> Iterator[Step]:
    """Yield the limit of connections."""
    if found := policies_of(context).connections:
        words = f"connection limit: {found.status} for more than {found.most} at a time with the same {found.key}"
        yield Step(f"{words}{_not_counted(found.exempt)}", _because(found.policy, "connections"))


def _not_counted(exempt: tuple[str, ...]) -> str:
    return f"; clients in {some(exempt)} are not counted" if exempt else ""


def _counted(context: RequestContext, limit: RateLimit, every: Iterable[RateLimit]) -> str:
    """Say whether the request meets the condition of *limit*, one of *every*, where that can be known."""
    condition = limit.condition
    if condition is None or not is_known(condition.variable):
        return ""
    tiers = [each.condition for each in every if each.condition and each.condition.variable == condition.variable]
    met = [each for each in tiers if is_met(context, Condition(each.variable, each.value))]
    counted = condition in met or (condition.default and not met)
    return "; this request is counted" if counted else "; this request is not counted"


def access(context: RequestContext) -> Iterator[Step]:
    """Yield which clients are allowed: by address, password, key, or the decision of a service."""
    found = policies_of(context)
    if found.any_lets_in and found.access and not found.access.allow and (found.passwords or found.external_auth):
        found = structs.replace(found, access=None)  # who is not denied is not let in by that
    checks = tuple(_checks(context, found))
    yield from _any(checks) if found.any_lets_in and len(checks) > 1 else checks
    if found.jwt:
        yield _by_token(context, found.jwt)
    if found.mirror:
        words = f"a copy of the request goes to {found.mirror.backend.service}, and its answer does not count"
        yield Step(words, _because(found.mirror.policy, "mirror"))
    if found.cache:
        methods = STORED.union(found.cache.methods)
        words = "a cached response is used if there is one"
        if context.question.method not in methods:
            words = f"no cached response is used for {context.question.method}, only for {', '.join(sorted(methods))}"
        yield Step(words, _because(found.cache.policy, "cache"))


def _checks(context: RequestContext, found: Policies) -> Iterator[Step]:
    """Yield each check of the client."""
    if found.access:
        yield _by_address(context, found.access)
    if found.passwords:
        yield by_password(context, _because(found.passwords.policy, "basicAuth"))
    if found.api_keys:
        yield _by_key(context, found.api_keys)
    if found.external_auth:
        yield _by_decision(context, found.external_auth)
    if found.oidc:
        yield _by_session(context, found.oidc)


def _by_token(context: RequestContext, jwt: Jwt) -> Step:
    """Return what becomes of a request with the token that is given, and without one."""
    because = _because(jwt.policy, "jwt")
    guard = context.view.tokens.get(jwt.name)
    where = _place_of_token(jwt)
    answer = f"redirect to {jwt.login_url}" if jwt.login_url else str(UNKNOWN)
    status = REDIRECT if jwt.login_url else UNKNOWN
    words = f"JSON Web Token in {where}, verified by {jwt.keys}: {answer} without a valid one"
    token = context.question.token or _sent_token(context, jwt)
    if guard is None or not guard.keys:
        if jwt.keys.startswith("Secret "):
            return Step(f"{words}; there is no key, so {REFUSED}", because, status=REFUSED)
        words += f"; its keys are not known here, and while there are none, {REFUSED}"
        if not token:
            return Step(words, because, status=status)
        return Step(words, because, condition="a key verifies the token", otherwise=answer)
    if not token:
        return Step(words, because, status=status)
    if fault := tokens.refusal(guard, token, context.view.now):
        return Step(f"{words}; the given one is refused: {fault}", because, status=status)
    return Step(f"{words}; the given one is valid", because)


def _place_of_token(jwt: Jwt) -> str:
    kind, _, name = jwt.token.removeprefix("$").partition("_")
    if kind == "http" and name.lower() != "authorization":
        return f"header {name.replace('_', '-')}"
    return {"arg": f"argument {name}", "cookie": f"cookie {name}"}.get(kind, "Authorization (Bearer)")


def _sent_token(context: RequestContext, jwt: Jwt) -> str:
    """Return the token among the headers and arguments of the request, empty if there is none."""
    sent = value_of(context, jwt.token or "$http_authorization")
    if jwt.token.lower() not in {"", "$http_authorization"}:
        return sent
    scheme, _, token = sent.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _any(checks: tuple[Step, ...]) -> Iterator[Step]:
    """Yield *checks* as one of which any lets the client in (``satisfy any``); of the refusals 401 counts most."""
    because = (*dict.fromkeys(text for check in checks for text in check.because),)
    words = f"any of these lets the client in: {'; '.join(check.what for check in checks)}"
    failing = [check.status for check in checks if check.status]
    if error := next((status for status in failing if status not in {UNKNOWN, FORBIDDEN}), None):
        yield Step(words, because, status=error)
        return
    refusal = UNKNOWN if UNKNOWN in failing or any(check.otherwise for check in checks) else FORBIDDEN
    if len(failing) == len(checks):
        yield Step(words, because, status=refusal)
    elif all(check.status or check.condition for check in checks):
        condition = " or ".join(check.condition for check in checks if check.condition)
        yield Step(words, because, condition=condition, otherwise=f"{UNKNOWN} or {FORBIDDEN}")
    else:
        yield Step(words, because)


def _by_address(context: RequestContext, control: AccessControl) -> Step:
    """Return what *control* makes of the client: its address is known, or decides, or every client is let in or not."""
    because = tuple(each for policy in control.policies for each in _because(policy, "accessControl"))
    inside = "is in" if control.allow else "is not in"
    listed = some(control.allow or control.deny)
    kept_out = f"that are not in {listed}" if control.allow else f"in {listed}"
    words = f"access: {FORBIDDEN} for clients {kept_out}"
    rules = rules_at(context.location, context.server.server)
    if address := context.question.address:
        if is_allowed(rules, address):
            return Step(f"{words}; {address} is allowed", because)
        return Step(f"{words}; {address} is denied", because, status=FORBIDDEN)
    outcomes = verdicts(rules, ipv6=context.view.env.ipv6)
    if True not in outcomes:
        return Step(f"access: {FORBIDDEN} for every client", because, status=FORBIDDEN)
    condition = f"the client's address {inside} {listed}" if False in outcomes else ""
    return Step(words, because, condition=condition, otherwise=str(FORBIDDEN))


def by_password(context: RequestContext, because: tuple[str, ...]) -> Step:
    """Return what becomes of a request with a password, and without one; what is no basic authentication is none."""
    if not context.question.headers.get("authorization", "").lower().startswith(BASIC):
        return Step(f"password: {UNKNOWN} without one", because, status=UNKNOWN)
    words = f"password: {UNKNOWN} unless it is the right one"
    return Step(words, because, condition="the password is the right one", otherwise=str(UNKNOWN))


def _by_key(context: RequestContext, keys: ApiKeys) -> Step:
    """Return what becomes of a request with an API key, and without one."""
    variables = [*(f"$http_{name.lower().replace('-', '_')}" for name in keys.headers),
                 *(f"$arg_{name}" for name in keys.query)]  # fmt: skip
    sent = any(value_of(context, variable) for variable in variables)
    where = " or ".join([*(f"header {name}" for name in keys.headers), *(f"argument {name}" for name in keys.query)])
    words = f"API key in {where}: {UNKNOWN} without one, {FORBIDDEN} for one that is unknown"
    because = _because(keys.policy, "apiKey")
    if not sent:
        return Step(words, because, status=UNKNOWN)
    return Step(words, because, condition="the API key is known", otherwise=str(FORBIDDEN))


def _by_decision(context: RequestContext, external: ExternalAuth) -> Step:
    """Return that a service authorizes the request; where it has no endpoints, no request is allowed."""
    service = f"Service {external.backend.namespace}/{external.backend.service}"
    because = _because(external.policy, "externalAuth")
    if not external.backend.endpoints.servers:
        return Step(
            f"{REFUSED}, because {service}, which authorizes requests, has no endpoints", because, status=REFUSED
        )
    signin = external.signin.replace(ASKED_URL, "the URL").replace(ASKED_URI, "the path")
    after = f"; its 401 is replaced by the response of {signin}" if external.signin else ""
    words = f"authorization: {service} is sent a subrequest for {external.path}{after}"
    if context.question.method != USUAL_METHOD:
        words += f"; it gets X-Original-Method: {context.question.method}"
    otherwise = f"the response of {signin} for 401, or 403" if external.signin else "401 or 403"
    return Step(words, because, condition=f"{service} allows the request", otherwise=otherwise)


def _by_session(context: RequestContext, oidc: Oidc) -> Step:
    """Return that clients are logged in; whether one is, only its cookie says."""
    because = _because(oidc.policy, "oidc")
    if fault := context.view.env.without_sessions:
        return Step(f"{REFUSED}, because sessions need the live data plane, and {fault}", because, status=REFUSED)
    provider = oidc.issuer or oidc.authorization
    words = f"session: pages lead to a login at {provider} by way of {oidc.path}, other requests get {UNKNOWN}"
    return Step(words, because, condition="the client is logged in", otherwise=f"302 to {oidc.path}, or {UNKNOWN}")


def in_plain_http(context: RequestContext) -> Step:
    """Return the refusal of a request over which no certificate can be shown."""
    found = policies_of(context).client_certificates
    because = _because(found.policy, "ingressMTLS") if found else ()
    return Step(f"{FORBIDDEN}, because a client certificate is required, which needs HTTPS", because, status=FORBIDDEN)


def _because(policy: ObjectRef, kind: str) -> tuple[str, ...]:
    """Return the field of *policy* that holds its type, or the annotation of an Ingress that has the same meaning."""
    if policy.kind == "Ingress" and kind == "jwt":
        return (f"{policy}: nginx.com/jwt-key",)
    if policy.kind == "Ingress":
        return (f"{policy}: {COMMUNITY.prefix}{ANNOTATIONS[kind]}",)
    return (f"{policy}: spec.{kind}",)
