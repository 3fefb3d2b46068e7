"""Which Policies guard a request, and what they answer, in the order in which nginx looks at them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from msgspec import structs

from headgate.explain.answer import Step
from headgate.explain.branches import is_known, is_met
from headgate.explain.context import RequestContext
from headgate.explain.question import USUAL_METHOD
from headgate.problems import ObjectRef
from headgate.routes import Condition, Policies
from headgate.routes.policies import ExternalAuth, RateLimit

REFUSED, UNKNOWN, FORBIDDEN, PREFLIGHT = 500, 401, 403, 204
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
    if undecided(context):  # what the server says holds there, and nothing that locations say
        return structs.replace(found, external_auth=None, api_keys=None, cors=None, cache=None)
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
        known = {"on": "a certificate: 400 without one that is valid, 403 over plain HTTP", "off": "no certificate"}
        verify = certificates.verify
        yield Step(f"clients show {known.get(verify, f'a certificate ({verify})')}",
                   _because(certificates.policy, "ingressMTLS"))  # fmt: skip
    if found.cors:
        status = PREFLIGHT if context.question.method == "OPTIONS" else None
        whose = "this request, because its method is" if status else "requests with the method"
        words = f"{PREFLIGHT} to {whose} OPTIONS, with the headers of CORS"
        yield Step(words, _because(found.cors.policy, "cors"), status=status)


def limits(context: RequestContext) -> Iterator[Step]:
    """Yield the limits of Policies."""
    found = policies_of(context).limits
    for limit in found:
        only = f", if {limit.condition.variable} is {limit.condition.value!r}" if limit.condition else ""
        dry = " (only counted: dryRun)" if found[0].dry_run else ""
        empty = "" if _PERHAPS_EMPTY.sub("", limit.key) else "; requests for which that is empty are not counted"
        words = f"rate limit: {found[0].status} for more than {limit.rate} with the same {limit.key}{only}{dry}{empty}"
        yield Step(f"{words}{_counted(context, limit, found)}", _because(limit.policy, "rateLimit"))


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
    if control := found.access:
        kept_out = f"that are not in {', '.join(control.allow)}" if control.allow else f"in {', '.join(control.deny)}"
        yield Step(
            f"access: {FORBIDDEN} for clients {kept_out}",
            tuple(each for policy in control.policies for each in _because(policy, "accessControl")),
        )
    if found.passwords:
        given = "authorization" in context.question.headers
        words = "password: 401 unless it is the right one" if given else "password: 401 without one"
        yield Step(words, _because(found.passwords.policy, "basicAuth"), status=None if given else UNKNOWN)
    if keys := found.api_keys:
        sent = any(name.lower() in context.question.headers for name in keys.headers)
        places = [*(f"header {name}" for name in keys.headers), *(f"argument {name}" for name in keys.query)]
        where = " or ".join(places)
        sent = sent or any(f"{name}=" in (context.question.query or "") for name in keys.query)
        words = f"API key in {where}: {UNKNOWN} without one, {FORBIDDEN} for one that is unknown"
        yield Step(words, _because(keys.policy, "apiKey"), status=None if sent else UNKNOWN)
    if external := found.external_auth:
        service = f"{external.backend.namespace}/{external.backend.service}"
        after = f"; clients that it does not know are sent to {external.signin}" if external.signin else ""
        words = f"Service {service} is asked for {external.path} and decides{after}"
        if context.question.method != USUAL_METHOD:
            words += f"; it gets X-Original-Method: {context.question.method}"
        yield Step(words, _because(external.policy, "externalAuth"))
    if found.cache:
        methods = STORED.union(found.cache.methods)
        words = "a stored response is used if there is one"
        if context.question.method not in methods:
            words = f"no stored response is used for {context.question.method}, only for {', '.join(sorted(methods))}"
        yield Step(words, _because(found.cache.policy, "cache"))


def _because(policy: ObjectRef, kind: str) -> tuple[str, ...]:
    """Return the field of *policy* that holds its type."""
    return (f"{policy}: spec.{kind}",)
