"""The rules of a Policy that concern several fields together; those of one field are with its declaration."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from headgate.api.nginx_org.fields import declared
from headgate.api.nginx_org.policy import (
    CORS,
    HSTS,
    JWT,
    OIDC,
    AccessControl,
    APIKey,
    BasicAuth,
    Cache,
    CacheConditions,
    EgressMTLS,
    ExternalAuth,
    IngressMTLS,
    Policy,
    PolicySpec,
    RateLimit,
)
from headgate.ir.layout import OWN_REVOCATIONS, REVOCATIONS
from headgate.ir.snippets import leaves_its_block
from headgate.networks import as_compared, has_more_bits
from headgate.problems import Problem, Severity
from headgate.settings.auth import realm
from headgate.settings.parsers import VARIABLE, Unfit
from headgate.settings.regex import regex_fault
from headgate.settings.variables import unknown_variable
from headgate.validation.fields import Fault, field_faults, name_faults
from headgate.validation.oidc import oidc_doubts, oidc_faults
from headgate.validation.rules import Rules

Doubt = tuple[str, str, str, str]
"""Field, what was there, why it is likely a mistake, and what happens."""

REFUSED: Final = "requests that it guards are answered 500"
UNKNOWN_VARIABLE: Final = (
    "nginx refuses the objects that refer to this Policy, unless a snippet or a named group of a path defines the"
    " variable"
)
SIGNIN_BASE: Final = "/oauth2"
"""Where requests need no authorization, if a sign-in page is named."""
PRELOAD_AGE: Final = 31_536_000
"""Seconds that browsers ask for before they preload a host (hstspreload.org)."""
NOT_SERVED: Final[Mapping[str, str]] = MappingProxyType(
    {
        "waf": "is for F5 WAF for NGINX, closed software of NGINX Plus that Headgate does not drive",
    }
)
"""Types that are known and fail closed, with the reason."""
VARIABLES: Final = re.compile(VARIABLE)
_CONDITION_VARIABLE = re.compile(r"\$?(?:[A-Za-z_][A-Za-z0-9_]*|\{[A-Za-z_][A-Za-z0-9_]*\})")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_FORBIDDEN = frozenset(
    (
        "accept-charset", "accept-encoding", "access-control-request-headers", "access-control-request-method",
        "connection", "content-length", "cookie", "cookie2", "date", "dnt", "expect", "host", "keep-alive", "origin",
        "referer", "te", "trailer", "transfer-encoding", "upgrade", "via",
    )
)  # fmt: skip
"""Headers of requests that pages cannot set (Fetch standard, forbidden request-header)."""


class ValidPolicy(msgspec.Struct, frozen=True):
    """A Policy that may be used.

    Attributes:
        item: the object.
        kind: its type, as the object names it (``accessControl``).
        spec: what it says of that type.
    """

    item: Policy
    kind: str
    spec: Any


def validate_policy(item: Policy, rules: Rules) -> tuple[ValidPolicy | None, list[Problem]]:
    """Check *item* whole.

    Returns:
        the Policy, or ``None`` if a Problem refuses it, and every Problem found.
    """
    spec = item.spec or PolicySpec()
    given = {name: found for name, attribute in TYPES.items() if (found := getattr(spec, attribute)) is not None}
    faults = [*name_faults(item), *field_faults(spec, "spec"), *_types(given)]
    for name, found in given.items():
        if name in NOT_SERVED:
            faults.append((f"spec.{name}", "", NOT_SERVED[name]))
        elif check := CHECKS.get(name):
            faults += check(found, f"spec.{name}", rules)
    problems = [Problem(item.ref, *fault, REFUSED, Severity.ERROR) for fault in dict.fromkeys(faults)]
    if problems:
        return None, problems
    kind, found = next(iter(given.items()))
    doubts = (*_doubts(found), *_unknown_variables(found))
    return ValidPolicy(item, kind, found), [Problem(item.ref, *doubt) for doubt in doubts]


def _unknown_variables(spec: Any) -> Iterator[Doubt]:
    """Yield the texts with variables that nginx does not have by itself; nginx refuses those that nothing defines."""
    for field, text in _texts_with_variables(spec):
        if reason := unknown_variable(text):
            yield field, text, reason, UNKNOWN_VARIABLE


def _texts_with_variables(spec: Any) -> Iterator[tuple[str, str]]:
    """Yield the texts that may have any variable, by their fields; other fields have the names of theirs."""
    if isinstance(spec, Cache):
        conditions = spec.conditions or CacheConditions()
        yield "spec.cache.cacheKey", spec.cache_key or ""
        lists = {"noCache": conditions.no_cache or (), "bypass": conditions.bypass or ()}
        for name, texts in lists.items():
            yield from ((f"spec.cache.conditions.{name}[{index}]", text) for index, text in enumerate(texts))
    elif isinstance(spec, ExternalAuth):
        yield "spec.externalAuth.authSigninURI", spec.auth_signin_uri or ""
    elif isinstance(spec, RateLimit) and spec.condition:
        for index, each in enumerate(spec.condition.variables or ()):
            yield f"spec.rateLimit.condition.variables[{index}].name", f"${each.name.removeprefix('$')}"


def _doubts(spec: Any) -> Iterator[Doubt]:
    """Yield what is likely a mistake."""
    if isinstance(spec, AccessControl):
        yield from _more_bits(spec)
    if isinstance(spec, OIDC):
        yield from oidc_doubts(spec)
    if isinstance(spec, JWT) and spec.jwks_uri and not (spec.ssl_verify and spec.jwks_uri.startswith("https:")):
        lacks = "has no TLS" if spec.jwks_uri.startswith("http:") else "is fetched without sslVerify: true"
        effect = "anybody who can answer in place of that server decides which tokens are accepted"
        yield "spec.jwt.jwksURI", spec.jwks_uri, lacks, effect
    uri = spec.auth_signin_uri if isinstance(spec, ExternalAuth) else None
    if not uri or not uri.startswith("/"):
        return
    base = spec.auth_signin_redirect_base_path or SIGNIN_BASE
    if not f"{uri.partition('?')[0]}/".startswith(f"{base.rstrip('/')}/"):
        reason = f"is not below authSigninRedirectBasePath, {base!r}, so that authorization is needed for this page too"
        effect = "clients that are to sign in get 401, or 404 without a route"
        yield "spec.externalAuth.authSigninURI", uri, reason, effect


def _more_bits(spec: AccessControl) -> Iterator[tuple[str, str, str, str]]:
    """Yield the CIDR blocks that may be meant as an address, or with another prefix."""
    for name in ("allow", "deny"):
        for index, text in enumerate(getattr(spec, name) or ()):
            if has_more_bits(text):
                network = as_compared(text)
                reason = f"has bits beyond the length of its prefix; write {network}, or the address without a prefix"
                yield f"spec.accessControl.{name}[{index}]", text, reason, f"it applies to all of {network}"


TYPES: Final[Mapping[str, str]] = MappingProxyType(
    {each.name: each.attribute for each in declared(PolicySpec) if each.attribute != "ingress_class_name"}
)
"""The types of Policies, by their names in manifests, and the attributes of a spec that hold them."""


def _types(given: Mapping[str, Any]) -> Iterator[Fault]:
    if len(given) != 1:
        found = f"has {' and '.join(given)}" if given else "has none"
        yield "spec", "", f"must have exactly one of {', '.join(TYPES)}, and {found}"


def _access_control(spec: AccessControl, path: str, _: Rules) -> Iterator[Fault]:
    chosen = [name for name in ("allow", "deny") if getattr(spec, name)]
    if len(chosen) != 1:
        found = "has both" if chosen else "has none"
        yield path, "", f"must have exactly one of allow, deny, and {found}"


def _rate_limit(spec: RateLimit, path: str, _: Rules) -> Iterator[Fault]:
    condition = spec.condition
    if condition is None:
        return
    where = f"{path}.condition"
    chosen = [name for name in ("jwt", "variables") if getattr(condition, name)]
    if len(chosen) != 1:
        yield where, "", f"must have exactly one of jwt, variables, and has {'both' if chosen else 'none'}"
    if condition.jwt and not all(condition.jwt.claim.split(".")):
        yield f"{where}.jwt.claim", condition.jwt.claim, "has an empty name between dots"
    match = condition.jwt.match if condition.jwt else ""
    if match.startswith("~") and (fault := regex_fault(match[1:].removeprefix("*"))):
        yield f"{where}.jwt.match", match, f"is {fault}"
    if len(condition.variables or ()) > 1:
        yield (
            f"{where}.variables",
            str(len(condition.variables or ())),
            "is the number of variables; only one is allowed",
        )
    for index, each in enumerate(condition.variables or ()):
        inner = f"{where}.variables[{index}]"
        if not _CONDITION_VARIABLE.fullmatch(each.name):
            yield f"{inner}.name", each.name, "is not a variable of open-source NGINX, such as $request_method"
        if _CONTROL.search(each.match):
            yield f"{inner}.match", each.match, "has a control character"
        elif each.match.startswith("~") and (fault := regex_fault(each.match[1:].removeprefix("*"))):
            yield f"{inner}.match", each.match, f"is {fault}"


def _basic_auth(spec: BasicAuth, path: str, _: Rules) -> Iterator[Fault]:
    try:
        realm(spec.realm or "")
    except Unfit as unfit:
        yield f"{path}.realm", spec.realm or "", f"is {unfit}"


def _ingress_mtls(spec: IngressMTLS, path: str, _: Rules) -> Iterator[Fault]:
    name = spec.crl_file_name or ""
    if name and (not name.endswith(REVOCATIONS) or name.endswith(OWN_REVOCATIONS)):
        reason = (
            f"does not end with {REVOCATIONS}, or ends with {OWN_REVOCATIONS}; others are removed from that directory"
        )
        yield f"{path}.crlFileName", name, reason


def _egress_mtls(spec: EgressMTLS, path: str, _: Rules) -> Iterator[Fault]:
    if spec.verify_server and not spec.trusted_cert_secret:
        yield f"{path}.trustedCertSecret", "", "is missing; verifyServer needs the authority of the endpoints"
    known = ("SSLv2", "SSLv3", "TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3")
    for word in (spec.protocols or "").split():
        if word not in known:
            yield f"{path}.protocols", word, f"is not one of {', '.join(known)}"


def _api_key(spec: APIKey, path: str, _: Rules) -> Iterator[Fault]:
    supplied = spec.supplied_in
    if supplied and not (supplied.header or supplied.query):
        yield f"{path}.suppliedIn", "", "must have header or query, and has neither"


def _cache(spec: Cache, path: str, _: Rules) -> Iterator[Fault]:
    codes = spec.allowed_codes or ()
    if codes and not spec.time:
        yield f"{path}.time", "", "is missing; allowedCodes needs it"
    if "any" in codes and len(codes) > 1:
        yield f"{path}.allowedCodes", "any", "must be alone"
    if spec.cache_purge_allow:
        yield f"{path}.cachePurgeAllow", "", "belongs to NGINX Plus, and is not supported; remove it"
    if spec.lock and (spec.lock.timeout or spec.lock.age) and not spec.lock.enable:
        yield f"{path}.lock", "", "has a timeout or an age without enable: true"
    yield from _doubles(spec.cache_use_stale or (), f"{path}.cacheUseStale")
    yield from _texts(spec, path)


def _texts(spec: Cache, path: str) -> Iterator[Fault]:
    """Check the texts of a cache that have variables."""
    key = spec.cache_key or ""
    if bad := next((part for part in ("$(", "`", ";", "&&", "||") if part in key), ""):
        yield f"{path}.cacheKey", key, f"has {bad} in it"
    conditions = spec.conditions
    texts: dict[str, tuple[str, ...]] = {"cacheKey": (key,)}
    if conditions:
        texts |= {"conditions.noCache": conditions.no_cache or (), "conditions.bypass": conditions.bypass or ()}
    for name, values in texts.items():
        for value in values:
            if "$" in VARIABLES.sub("", value):
                yield f"{path}.{name}", value, "has a $ that does not begin a variable"


def is_forbidden(header: str) -> bool:
    """Whether pages cannot set *header* (Fetch standard)."""
    return header.lower() in _FORBIDDEN or header.lower().startswith(("proxy-", "sec-"))


def _cors(spec: CORS, path: str, _: Rules) -> Iterator[Fault]:
    yield from _doubles(spec.allow_origin or (), f"{path}.allowOrigin")
    if spec.allow_origin is not None and not spec.allow_origin:
        yield f"{path}.allowOrigin", "", "is empty; there must be at least one"
    if "*" in (spec.allow_origin or ()) and spec.allow_credentials:
        yield f"{path}.allowCredentials", "true", "cannot be used with the origin *; browsers refuse that"
    if {"GET", "HEAD"} <= set(spec.allow_methods or ()):
        yield f"{path}.allowMethods", "HEAD", "comes with GET; remove it"
    for header in spec.allow_headers or ():
        if is_forbidden(header):
            yield f"{path}.allowHeaders", header, "is a header that pages cannot set"
    for header in spec.expose_headers or ():
        if header.lower() in {"set-cookie", "set-cookie2"}:
            yield f"{path}.exposeHeaders", header, "is a header that pages cannot read"


def _doubles(values: Iterable[str], path: str) -> Iterator[Fault]:
    for value, count in Counter(values).items():
        if count > 1:
            yield path, value, "is there twice"


def _external_auth(spec: ExternalAuth, path: str, rules: Rules) -> Iterator[Fault]:
    needs = {
        "sslVerify": (spec.ssl_verify, spec.ssl_enabled, "sslEnabled"),
        "trustedCertSecret": (spec.trusted_cert_secret, spec.ssl_enabled and spec.ssl_verify, "sslEnabled, sslVerify"),
    }
    for name, (given, needed, words) in needs.items():
        if given and not needed:
            yield f"{path}.{name}", "", f"needs {words}"
    if spec.auth_snippets and "enable-snippets" not in rules.gates:
        yield f"{path}.authSnippets", "", "is not permitted; start Headgate with -enable-snippets"
    elif spec.auth_snippets and leaves_its_block(spec.auth_snippets):
        yield f"{path}.authSnippets", "", "closes a block that it did not open; remove the } without a {"
    for name in ("auth_uri", "auth_signin_uri", "auth_signin_redirect_base_path"):
        if (text := getattr(spec, name) or "") and "$" in VARIABLES.sub("", text):
            yield f"{path}.{_ADDRESSES[name]}", text, "has a $ that does not begin a variable"
        elif "$" in text and name != "auth_signin_uri":
            yield f"{path}.{_ADDRESSES[name]}", text, "has a variable, which is not allowed here"
    if (base := spec.auth_signin_redirect_base_path) == "/":
        reason = "is every path of the host, so that no request would be authorized; use another path"
        yield f"{path}.authSigninRedirectBasePath", base, reason


_ADDRESSES: Final = {
    "auth_uri": "authURI",
    "auth_signin_uri": "authSigninURI",
    "auth_signin_redirect_base_path": "authSigninRedirectBasePath",
}


def _jwt(spec: JWT, path: str, _: Rules) -> Iterator[Fault]:
    if spec.realm == "off":
        reason = "is a realm that turns the authentication off in NGINX Plus; remove the Policy if that is meant"
        yield f"{path}.realm", spec.realm, reason
    chosen = [name for name in ("secret", "jwks_uri") if getattr(spec, name)]
    if len(chosen) != 1:
        yield path, "", f"must have exactly one of secret, jwksURI, and has {'both' if chosen else 'none'}"
    if spec.jwks_uri and not spec.key_cache:
        yield f"{path}.keyCache", "", "is missing; jwksURI needs it"
    only = {
        "keyCache": spec.key_cache, "sniEnabled": spec.sni_enabled, "sniName": spec.sni_name,
        "sslVerify": spec.ssl_verify, "trustedCertSecret": spec.trusted_cert_secret,
    }  # fmt: skip
    for name, given in only.items() if not spec.jwks_uri else ():
        if given:
            yield f"{path}.{name}", "", "needs jwksURI"
    if spec.sni_name and not spec.sni_enabled:
        yield f"{path}.sniName", spec.sni_name, "needs sniEnabled: true"
    if spec.sni_name and not spec.sni_name.startswith("https://"):
        yield f"{path}.sniName", spec.sni_name, "is not a URL that begins with https://"
    if spec.trusted_cert_secret and not spec.ssl_verify:
        yield f"{path}.trustedCertSecret", "", "needs sslVerify: true"
    if "://" in (spec.jwks_uri or ""):
        yield from _key_set_url(spec.jwks_uri or "", f"{path}.jwksURI")
    yield from _expected(spec, path)


def _expected(spec: JWT, path: str) -> Iterator[Fault]:
    """Refuse what is empty in place of absent: the claim would not be checked."""
    reason = "is empty, so that the claim would not be checked; write what it must be, or leave the field out"
    if spec.issuer is not None and not spec.issuer:
        yield f"{path}.issuer", "", reason
    if spec.audience is not None and not spec.audience:
        yield f"{path}.audience", "", reason


def _key_set_url(text: str, path: str) -> Iterator[Fault]:
    try:
        found = urlsplit(text)
        usable = found.scheme in {"http", "https"} and bool(found.hostname) and found.port != 0
    except ValueError:
        usable = False
    if not usable:
        yield path, text, "is not a URL with http or https, a host and a path"
    elif not found.path or found.path == "/":
        yield path, text, "has no path"
    elif found.username is not None or found.fragment:
        yield path, text, "has a user name or a fragment, which are not allowed here"


def _hsts(spec: HSTS, path: str, _: Rules) -> Iterator[Fault]:
    if spec.preload and not spec.include_sub_domains:
        yield f"{path}.preload", "true", "needs includeSubDomains: true"
    if spec.preload and (spec.max_age or 0) < PRELOAD_AGE:
        yield f"{path}.preload", "true", f"needs a maxAge of {PRELOAD_AGE} or more"


CHECKS: Final[Mapping[str, Callable[[Any, str, Rules], Iterator[Fault]]]] = MappingProxyType(
    {
        "accessControl": _access_control,
        "rateLimit": _rate_limit,
        "basicAuth": _basic_auth,
        "ingressMTLS": _ingress_mtls,
        "egressMTLS": _egress_mtls,
        "apiKey": _api_key,
        "cache": _cache,
        "cors": _cors,
        "externalAuth": _external_auth,
        "jwt": _jwt,
        "hsts": _hsts,
        "oidc": oidc_faults,
    }
)
"""The rules of each type over several fields."""
