"""A resource and a snapshot → the resource with everything it points at. Pure."""

from headgate.resolve.contents import SecretKind
from headgate.resolve.endpoints import Wanted, endpoints
from headgate.resolve.ex import Endpoints, IngressEx, MergeableIngresses, SecretReference, ServicePort
from headgate.resolve.ingress import Resolved, resolve_ingress
from headgate.resolve.names import Names
from headgate.resolve.references import References
from headgate.resolve.secrets import DEFAULT, WILDCARD, LocalSecretStore, Validated
from headgate.resolve.snapshot import SliceIndex, Snapshot

__all__ = [
    "DEFAULT", "WILDCARD", "Endpoints", "IngressEx", "LocalSecretStore", "MergeableIngresses", "Names", "References",
    "Resolved", "SecretKind", "SecretReference", "ServicePort", "SliceIndex", "Snapshot", "Validated", "Wanted",
    "endpoints", "resolve_ingress",
]  # fmt: skip
