"""A resource and a snapshot → its routes, with everything they point at. Pure."""

from headgate.resolve.contents import SecretKind
from headgate.resolve.endpoints import Wanted, endpoints
from headgate.resolve.ingress import lower_ingress
from headgate.resolve.lowered import Lowered
from headgate.resolve.names import Names
from headgate.resolve.references import References
from headgate.resolve.secrets import DEFAULT, WILDCARD, LocalSecretStore, Validated
from headgate.resolve.snapshot import SliceIndex, Snapshot

__all__ = [
    "DEFAULT", "WILDCARD", "LocalSecretStore", "Lowered", "Names", "References", "SecretKind", "SliceIndex", "Snapshot",
    "Validated", "Wanted", "endpoints", "lower_ingress",
]  # fmt: skip
