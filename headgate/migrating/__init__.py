"""``headgate migrate``: what becomes of the Ingresses of ingress-nginx here, and how they are in the other dialect."""

from headgate.migrating.audit import Audit, Outcome, audit
from headgate.migrating.conversion import (
    Conversion,
    Target,
    Wanted,
    as_summary,
    as_yaml,
    community_tables,
    convert,
    file_names,
)
from headgate.migrating.text import as_json, as_text

__all__ = [
    "Audit", "Conversion", "Outcome", "Target", "Wanted", "as_json", "as_summary", "as_text", "as_yaml", "audit",
    "community_tables", "convert", "file_names",
]  # fmt: skip
