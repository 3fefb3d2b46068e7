"""``headgate migrate``: what becomes of the Ingresses of ingress-nginx here."""

from headgate.migrating.audit import Audit, Outcome, audit
from headgate.migrating.text import as_json, as_text

__all__ = ["Audit", "Outcome", "as_json", "as_text", "audit"]
