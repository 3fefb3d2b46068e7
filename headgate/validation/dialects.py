"""An Ingress is checked by the rules of the dialect of its class."""

from __future__ import annotations

from headgate.api import Ingress
from headgate.problems import Problem
from headgate.settings import COMMUNITY
from headgate.validation.community import validate_community_ingress
from headgate.validation.ingress import ValidIngress, validate_ingress
from headgate.validation.rules import Rules


def validate_ingress_by_dialect(ingress: Ingress, rules: Rules) -> tuple[ValidIngress | None, list[Problem]]:
    """Check *ingress* whole; results as of ``validate_ingress``."""
    if rules.dialect is COMMUNITY:
        return validate_community_ingress(ingress, rules)
    return validate_ingress(ingress, rules)
