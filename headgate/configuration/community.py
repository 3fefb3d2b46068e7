"""The claims of an Ingress of ingress-nginx: Ingresses share hosts, and of two with the same path the older one has it.

The oldest Ingress with a host holds it, and the others attach to that one. A canary claims nothing: it attaches to the
holder of its host, and adds to paths of others.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from headgate.configuration.claims import Attachment, AttachmentRule, Candidate, Claim, Claims, Holder, Slot
from headgate.configuration.conflicts import out_of_hosts
from headgate.configuration.ingress import host_claim, ingress_claims, solver_claims
from headgate.problems import ObjectRef, Problem, Severity
from headgate.settings import COMMUNITY
from headgate.validation.community import CommunityPath, ValidCommunityIngress
from headgate.validation.ingress import ValidIngress

WITHOUT_NAME = "remove it here, or the host there"
EXACT, PREFIX = "Exact", "Prefix"


def claims_by_dialect(valid: ValidIngress) -> Claims:
    """Return the claims of an Ingress, by the rules of its dialect."""
    return community_claims(valid) if isinstance(valid, ValidCommunityIngress) else ingress_claims(valid)


def community_claims(valid: ValidCommunityIngress) -> Claims:
    """Return the slots that an Ingress of ingress-nginx claims: its hosts, then its paths in their order."""
    if valid.challenge:
        return solver_claims(valid.hosts[0])
    if valid.canary:
        hosts = tuple(dict.fromkeys(path.host for path in valid.paths))
        return Claims((), out_of_hosts, tuple(Attachment(Slot(host), CANARY) for host in hosts))
    claims = tuple(map(host_claim, valid.hosts))
    attachments = tuple(Attachment(claim.slot, SHARED) for claim in claims)
    paths = tuple(map(_path, valid.paths))
    return Claims((*claims, *paths, *_further(valid)), _out_of_slots, attachments, shared=True, by_name=True)


def _further(valid: ValidCommunityIngress) -> Iterator[Claim]:
    """Yield claims to names that it has only as long as no object asks for them as a host."""
    for name, annotation in valid.further_hosts.items():
        key = f"{COMMUNITY.prefix}{annotation}"
        yield Claim(Slot(name), key, f"host {name}", last=True, advice=WITHOUT_NAME)


def held_paths(valid: ValidCommunityIngress, held: frozenset[int]) -> tuple[CommunityPath, ...]:
    """Return the paths of *valid* whose claims are among *held*, the indexes of its claims."""
    first = len(valid.hosts)
    return tuple(path for index, path in enumerate(valid.paths, first) if index in held)


def is_duplicate(candidate: Candidate, problems: Iterable[Problem]) -> bool:
    """Whether other Ingresses have all that *candidate* would serve, as *problems* of its standing say.

    Such an Ingress ingress-nginx does not admit.
    """
    if not isinstance(candidate.valid, ValidCommunityIngress) or candidate.valid.challenge:
        return False
    spec, lost = candidate.valid.ingress.spec, {problem.field for problem in problems}
    paths = [claim for claim in candidate.claims.slots if claim.slot.below]
    return bool(paths) and not (spec and spec.default_backend) and all(claim.field in lost for claim in paths)


def _path(path: CommunityPath) -> Claim:
    kind = EXACT if path.exact else PREFIX
    place = path.path if path.exact else path.path.rstrip("/")  # /foo and /foo/ would be the same location of nginx
    return Claim(Slot(path.host, path=(kind, place)), f"{path.field}.path", f"path {path.path} ({kind})")


def _out_of_slots(loser: ObjectRef, holders: Sequence[Holder]) -> str:
    if all(holder.shared for holder in holders):
        return "use another path"
    return out_of_hosts(loser, holders)


def _shares(holder: Candidate, _: Candidate) -> str | None:
    return None if isinstance(holder.valid, ValidCommunityIngress) and not holder.valid.challenge else ""


def _unshared(_attached: Candidate, _parent: Candidate | None, _naming: Sequence[Candidate]) -> None:
    """Say nothing: the host is a slot that another object holds."""


def _lonely(canary: Candidate, parent: Candidate | None, _: Sequence[Candidate]) -> Problem:
    taken = f": its host is held by {parent.ref}, which is no Ingress of ingress-nginx" if parent else ""
    reason = f"no other Ingress has a path to which this canary could be added{taken}"
    return Problem(canary.ref, "", "", reason, "it is not served", Severity.ERROR, code="Rejected")


SHARED = AttachmentRule(_shares, _unshared)
"""Ingresses attach to the oldest one that has their host."""
CANARY = AttachmentRule(_shares, _lonely)
"""Canaries attach to the holder of their host."""
