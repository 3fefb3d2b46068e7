"""A Policy claims nothing: other objects refer to it."""

from __future__ import annotations

from collections.abc import Sequence

from headgate.api.nginx_org import Policy
from headgate.configuration.claims import Claims, Holder
from headgate.problems import ObjectRef
from headgate.validation.policy import ValidPolicy


def policy_class(item: Policy) -> str | None:
    """Return the class that *item* names; without one it is of every controller's."""
    return (item.spec and item.spec.ingress_class_name) or None


def policy_claims(_: ValidPolicy) -> Claims:
    """Return no claim."""
    return Claims((), _way_out)


def _way_out(_: ObjectRef, __: Sequence[Holder]) -> str:
    return ""
