"""Annotations that keep clients out only beside another one, or not on a canary; ingress-nginx does the same."""

from __future__ import annotations

from headgate.problems import Problem
from headgate.resolve.search import Search
from headgate.settings import COMMUNITY
from headgate.settings.community.annotations import GUARDS
from headgate.validation.community import ValidCommunityIngress

NEEDED = {
    "auth-secret": ("auth-type", "clients are not asked for a password"),
    "auth-tls-verify-client": ("auth-tls-secret", "clients are not asked for a certificate"),
}
"""What does nothing without another annotation, and what happens then."""
OF_CANARY = "the annotations of the Ingress whose paths it shares apply to its requests"
_OFF = frozenset({"off"})


def report_lonely(search: Search, valid: ValidCommunityIngress) -> None:
    """Report what in the annotations of *valid* does nothing, because another annotation is not there."""
    said, ref = valid.ingress.annotations, valid.ingress.ref
    for name, (needed, effect) in NEEDED.items():
        key, other = f"{COMMUNITY.prefix}{name}", f"{COMMUNITY.prefix}{needed}"
        if key in said and other not in said and said[key].strip() not in _OFF:
            reason = f"does nothing without {other}, as in ingress-nginx; set that too, or remove this"
            search.report(Problem(ref, key, said[key], reason, effect))


def report_of_canary(search: Search, valid: ValidCommunityIngress) -> None:
    """Report the guards of the canary *valid*."""
    said, ref = valid.ingress.annotations, valid.ingress.ref
    keys = [key for name in sorted(GUARDS) if (key := f"{COMMUNITY.prefix}{name}") in said]
    for key in keys:
        reason = "does nothing on a canary, as in ingress-nginx; set it on the Ingress whose paths it shares"
        search.report(Problem(ref, key, said[key], reason, OF_CANARY))
