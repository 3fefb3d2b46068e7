"""An Ingress is lowered by the dialect of its class."""

from __future__ import annotations

from headgate.configuration import Resource
from headgate.resolve.community import lower_community_ingress
from headgate.resolve.ingress import lower_ingress
from headgate.resolve.lowered import Lowered
from headgate.resolve.secrets import LocalSecretStore
from headgate.resolve.snapshot import Snapshot
from headgate.validation.community import ValidCommunityIngress


def lower_by_dialect(
    resource: Resource, snapshot: Snapshot, secrets: LocalSecretStore, *, allow_loopback: bool = False
) -> Lowered:
    """Lower *resource* to routes; arguments as for ``lower_ingress``."""
    community = isinstance(resource.candidate.valid, ValidCommunityIngress)
    lower = lower_community_ingress if community else lower_ingress
    return lower(resource, snapshot, secrets, allow_loopback=allow_loopback)
