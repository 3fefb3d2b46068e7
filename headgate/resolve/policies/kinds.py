"""The types of Policies as a table, and how those that an object refers to become one ``routes.Policies``."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final

import msgspec

from headgate.api.nginx_org import Policy
from headgate.api.nginx_org.actions import PolicyReference
from headgate.problems import ObjectRef, Problem
from headgate.resolve.policies.access_control import lower_access_control
from headgate.resolve.policies.api_key import lower_api_key
from headgate.resolve.policies.basic_auth import lower_basic_auth
from headgate.resolve.policies.cache import lower_cache
from headgate.resolve.policies.cors import lower_cors
from headgate.resolve.policies.egress_mtls import lower_egress_mtls
from headgate.resolve.policies.external_auth import lower_external_auth
from headgate.resolve.policies.hsts import lower_hsts
from headgate.resolve.policies.ingress_mtls import lower_ingress_mtls
from headgate.resolve.policies.jwt import lower_jwt
from headgate.resolve.policies.lowering import Lowering, Unusable
from headgate.resolve.policies.merging import FINE, Warned, first, merged_access, merged_limits, none
from headgate.resolve.policies.oidc import lower_oidc
from headgate.resolve.policies.rate_limit import lower_rate_limit
from headgate.resolve.search import Search
from headgate.resolve.snapshot import missing
from headgate.routes import Policies

ANSWERED: Final = "requests to {} are answered 500"


class Scope(enum.Enum):
    """Where an object refers to Policies; the value completes "cannot be used in …"."""

    HOST = "spec.policies of a VirtualServer"
    ROUTE = "routes"
    INGRESS = "Ingresses"
    MINION = "minions"


EVERYWHERE: Final = frozenset(Scope)
CUSTOM: Final = frozenset({Scope.HOST, Scope.ROUTE})


class PolicyKind(msgspec.Struct, frozen=True):
    """A row of the table.

    Attributes:
        field: the field of ``routes.Policies``.
        lower: makes its value (Unusable: it cannot be used now).
        join: what becomes of two of one object: the value, and the words of a warning (Unusable: it is refused).
        scopes: where it may be used.
    """

    field: str
    lower: Callable[[Lowering, Any], Any]
    join: Callable[[Any, Any], tuple[Any, Warned]] = first
    scopes: frozenset[Scope] = CUSTOM


KINDS: Final[Mapping[str, PolicyKind]] = MappingProxyType(
    {
        "accessControl": PolicyKind("access", lower_access_control, merged_access, EVERYWHERE),
        "rateLimit": PolicyKind("limits", lambda *given: (lower_rate_limit(*given),), merged_limits),
        "basicAuth": PolicyKind("passwords", lower_basic_auth),
        "ingressMTLS": PolicyKind(
            "client_certificates", lower_ingress_mtls, scopes=frozenset({Scope.HOST, Scope.INGRESS})
        ),
        "egressMTLS": PolicyKind("backend_tls", lower_egress_mtls, scopes=EVERYWHERE),
        "apiKey": PolicyKind("api_keys", lower_api_key, none, EVERYWHERE),
        "jwt": PolicyKind("jwt", lower_jwt, scopes=EVERYWHERE),
        "cors": PolicyKind("cors", lower_cors, scopes=EVERYWHERE),
        "cache": PolicyKind("cache", lower_cache),
        "hsts": PolicyKind("hsts", lower_hsts, scopes=frozenset({Scope.HOST})),
        "externalAuth": PolicyKind("external_auth", lower_external_auth, scopes=EVERYWHERE),
        "oidc": PolicyKind("oidc", lower_oidc, none),
    }
)
"""By the names of the types in manifests."""


class Referrer(msgspec.Struct, frozen=True, kw_only=True):
    """Who refers to Policies.

    Attributes:
        origin: the object.
        field: where it does (``spec.routes[0].policies``); ``indexed`` whether each reference has a number there.
        scope: what kind of place that is.
        guarded: what is answered 500 if a Policy cannot be used, in words.
        tls: whether the host speaks TLS.
    """

    origin: ObjectRef
    field: str
    scope: Scope
    guarded: str
    indexed: bool = True
    tls: bool = False


def lower_policies(search: Search, referrer: Referrer, references: Iterable[PolicyReference] | None) -> Policies:
    """Lower all *references* of one place; where one cannot be used, requests are refused."""
    found: dict[str, Any] = {}
    refused = ""
    for index, reference in enumerate(references or ()):
        ref = Policy.KIND.ref(reference.namespace or referrer.origin.namespace, reference.name)
        field = f"{referrer.field}[{index}]" if referrer.indexed else referrer.field
        try:
            reason, effect = _join(search, referrer, ref, found)
        except Unusable as fault:
            effect = ANSWERED.format(referrer.guarded)
            search.report(Problem(referrer.origin, field, ref.key, str(fault), effect))
            refused = refused or f"Policy {ref.key} {fault}"
        else:
            if reason:
                search.report(Problem(referrer.origin, field, ref.key, reason, effect))
    return Policies(**found, refused=refused)


def _elsewhere(referrer: Referrer, ref: ObjectRef, fault: str) -> str:
    """Return how a Policy of another namespace is named, where *ref* names none and there is none of its name here."""
    if ref.namespace != referrer.origin.namespace or not fault.startswith(missing(ref)):
        return ""
    how = "policies[].namespace" if referrer.scope in CUSTOM else "namespace/name"
    return f"; for a Policy of another namespace write {how}"


def _around(referrer: Referrer, kind: PolicyKind) -> str:
    """Return what may refer to a Policy of *kind* instead of *referrer*."""
    if referrer.scope is Scope.ROUTE and Scope.HOST in kind.scopes:
        return "; name it in spec.policies of the VirtualServer"
    return "; name it on the master" if referrer.scope is Scope.MINION and Scope.INGRESS in kind.scopes else ""


def _join(search: Search, referrer: Referrer, ref: ObjectRef, found: dict[str, Any]) -> Warned:
    """Add the Policy *ref* to what was *found* before; return the words of a warning.

    Raises:
        Unusable: it cannot be used, or not there, or not beside those before it.
    """
    valid = search.policy(ref)
    if isinstance(valid, str):
        raise Unusable(f"{valid}{_elsewhere(referrer, ref, valid)}")
    kind = KINDS[valid.kind]
    if referrer.scope not in kind.scopes:
        raise Unusable(
            f"is of type {valid.kind}, which cannot be used in {referrer.scope.value}{_around(referrer, kind)}"
        )
    lowering = Lowering(search, valid.item.ref, f"spec.{valid.kind}", referrer.tls)
    value = kind.lower(lowering, valid.spec)
    if kind.field not in found:
        found[kind.field] = value
        return FINE
    found[kind.field], warning = kind.join(found[kind.field], value)
    return warning
