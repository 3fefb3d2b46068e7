"""The types of Policies as a table: what each adds. Passwords and limits are in ``access``, HSTS is in ``hosts``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from headgate.routes import Forward, Policies, VirtualHost
from headgate.settings import Quoted
from headgate.translate.policies.access_control import translate_access_control, translate_satisfaction
from headgate.translate.policies.api_key import CLIENT, TOKEN
from headgate.translate.policies.cache import translate_cache
from headgate.translate.policies.connection_limit import translate_connection_limit
from headgate.translate.policies.cors import translate_cors
from headgate.translate.policies.egress_mtls import translate_backend_tls
from headgate.translate.policies.external_auth import translate_subrequest
from headgate.translate.policies.ingress_mtls import translate_client_certificates
from headgate.translate.policies.jwt import reads_claims
from headgate.translate.policies.mirror import translate_mirror
from headgate.translate.policies.oidc import translate_oidc
from headgate.translate.policies.parts import NOTHING, Part, Site, joined

KINDS: Final[tuple[Callable[[Site], Part], ...]] = (
    translate_client_certificates,
    translate_satisfaction,
    translate_access_control,
    translate_connection_limit,
    translate_subrequest,
    translate_backend_tls,
    translate_cache,
    translate_cors,
    translate_mirror,
    translate_oidc,
)
NONE: Final = Policies()
NO_CLIENT: Final = ((TOKEN, Quoted("")), (CLIENT, Quoted("")))


def translate_policies(site: Site) -> Part:
    """Return what the Policies of *site* add to it."""
    if site.policies == NONE and not site.reads_keys:
        return NOTHING
    part = joined(kind(site) for kind in KINDS)
    _warn_of_clients(site)
    if site.reads_keys and not site.server and not site.policies.api_keys:
        return joined((part, Part(variables=NO_CLIENT)))
    return part


def _warn_of_clients(site: Site) -> None:
    """Warn of limits that count by the client of an API key or by a token where nobody is asked for one."""
    for limit in () if site.server or site.policies.jwt else site.policies.limits:
        if (limit.condition and limit.condition.claim) or reads_claims((limit.key,)):
            words = ("counts by claims, and no Policy of type jwt applies here", "the limit applies to no request")
            site.draft.warn(site.origin, "", f"Policy {limit.policy.key}", words)
    for limit in () if site.server or site.policies.api_keys else site.policies.limits:
        if any(limit.key == f"${{{name}}}" for name in (TOKEN, CLIENT)):
            words = (
                f"counts by {limit.key}, and no Policy of type apiKey applies here",
                "the limit applies to no request",
            )
            site.draft.warn(site.origin, "", f"Policy {limit.policy.key}", words)


def reads_keys(host: VirtualHost) -> bool:
    """Whether something at *host* reads the variables of API keys, which every location must set then."""
    texts = [text for policies in host.every_policies for text in policies.texts]
    for route in host.routes:
        changes = route.action.changes if isinstance(route.action, Forward) else None
        texts += [header.value for header in changes.set_headers] if changes else []
    return any(variable in text for text in texts for variable in (TOKEN, CLIENT))
