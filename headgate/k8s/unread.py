"""Kinds that configure an ingress controller and that Headgate does not read: known, so that they are reported."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from headgate.k8s.generators import KUSTOMIZE_GROUP, kustomize


class Unread(msgspec.Struct, frozen=True):
    """The kinds of one API group.

    Attributes:
        reason: why they have no effect; completes the sentence "HTTPRoute gateway.networking.k8s.io/v1 …".
        kinds: those that matter; all of the group if empty.
    """

    reason: str
    kinds: frozenset[str] = frozenset()


_COMING = "is not served yet"
_F5 = "is for F5 App Protect, closed software of NGINX Plus that Headgate does not drive"


def _of(controller: str, *kinds: str) -> Unread:
    return Unread(f"is a kind of {controller}, which Headgate does not read", frozenset(kinds))


UNREAD: Mapping[str, Unread] = {
    "gateway.networking.k8s.io": Unread(_COMING),
    "gateway.networking.x-k8s.io": Unread(_COMING),
    "appprotect.f5.com": Unread(_F5),
    "appprotectdos.f5.com": Unread(_F5),
    "traefik.io": _of("Traefik"),
    "traefik.containo.us": _of("Traefik"),
    "projectcontour.io": _of("Contour", "HTTPProxy", "TLSCertificateDelegation", "ExtensionService"),
    "configuration.konghq.com": _of("Kong"),
    "networking.istio.io": _of("Istio"),
    KUSTOMIZE_GROUP: Unread(kustomize("DIR")),
}
"""By API group. All others, such as ``apps``, do not concern an ingress controller."""


def unread(group: str, kind: str) -> str:
    """Return why *kind* of *group* has no effect, ``""`` if it does not concern an ingress controller."""
    found = UNREAD.get(group)
    return found.reason if found and (not found.kinds or kind in found.kinds) else ""
