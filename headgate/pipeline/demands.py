"""What keeps clients out of objects, as far as it can be read without lowering them: Policies and passwords."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from headgate.api import Secret
from headgate.api.nginx_org import Policy
from headgate.api.nginx_org.actions import PolicyReference
from headgate.configuration import Candidate, Resource
from headgate.problems import ObjectRef
from headgate.validation.ingress import ValidIngress

Demand = tuple[ObjectRef, str, ObjectRef]
"""An object, a place of it (a path, or empty for the whole object), and the Policy or Secret that is to guard it."""


def demands(resource: Resource) -> frozenset[Demand]:
    """Return what *resource* asks for, with all that attaches to it."""
    members = (resource.candidate, *(attached.candidate for attached in resource.attached))
    return frozenset((member.ref, place, ref) for member in members for place, ref in _asked(member))


def _asked(member: Candidate) -> Iterator[tuple[str, ObjectRef]]:
    if isinstance(member.valid, ValidIngress):
        auth = member.valid.overrides.values.auth
        for name in auth.policies:
            namespace, _, bare = name.rpartition("/")
            yield "", Policy.KIND.ref(namespace or member.ref.namespace, bare)
        if auth.basic_auth_secret:
            yield "", Secret.KIND.ref(member.ref.namespace, auth.basic_auth_secret)
        if auth.jwt_key:
            yield "", Secret.KIND.ref(member.ref.namespace, auth.jwt_key)
        return
    spec = getattr(member.item, "spec", None)
    yield from (("", ref) for ref in _named(member, getattr(spec, "policies", None)))
    for route in (*(getattr(spec, "routes", None) or ()), *(getattr(spec, "subroutes", None) or ())):
        yield from ((route.path, ref) for ref in _named(member, route.policies))


def _named(member: Candidate, references: Iterable[PolicyReference] | None) -> Iterator[ObjectRef]:
    for each in references or ():
        yield Policy.KIND.ref(each.namespace or member.ref.namespace, each.name)
