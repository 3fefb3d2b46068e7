"""Ingresses of ingress-nginx in the other dialect: from their routes, so that what is served is what is written."""

from headgate.migrating.conversion.converting import Target, Wanted, community_tables, convert
from headgate.migrating.conversion.outcome import Conversion, Document, Loss, Note
from headgate.migrating.conversion.text import as_summary, as_yaml, file_names

__all__ = [
    "Conversion", "Document", "Loss", "Note", "Target", "Wanted", "as_summary", "as_yaml", "community_tables",
    "convert", "file_names",
]  # fmt: skip
