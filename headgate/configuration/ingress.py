"""The claims of an Ingress: hosts, or for a minion paths below the master of its host.

The solver of an ACME challenge attaches to the holder of its host; if there is none, it is an Ingress as any other.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from headgate.api import Ingress
from headgate.api.networking import HTTPIngressPath
from headgate.configuration.claims import TAKEN, Attachment, AttachmentRule, Candidate, Claim, Claims, Holder, Slot
from headgate.configuration.conflicts import out_of_hosts
from headgate.problems import ObjectRef, Problem, Severity
from headgate.settings import INCUMBENT, Overrides, Role
from headgate.validation.ingress import ValidIngress
from headgate.validation.virtualserver import ValidVirtualServer


def ingress_class(ingress: Ingress) -> str:
    """Return the class that *ingress* names, or ``""``; the annotation wins over the field."""
    return INCUMBENT.class_of(ingress.annotations) or (ingress.spec and ingress.spec.ingress_class_name) or ""


def ingress_claims(valid: ValidIngress) -> Claims:
    """Return the slots that an Ingress claims."""
    if valid.challenge:
        return solver_claims(valid.hosts[0])
    if valid.role is not Role.MINION:
        slots = (*map(host_claim, valid.hosts), *_ports(valid.overrides))
        return Claims(slots, out_of_hosts, shared=valid.role is Role.MASTER)
    host = valid.hosts[0]
    return Claims(tuple(_paths(valid, host)), _out_of_paths, (Attachment(Slot(host), MERGEABLE),))


def solver_claims(host: str) -> Claims:
    """Return the slots that the solver of an ACME challenge on *host* claims."""
    return Claims((host_claim(host),), out_of_hosts, (Attachment(Slot(host), CHALLENGE),), last=True)


def host_claim(host: str) -> Claim:
    """Return the claim of an Ingress to *host*."""
    return Claim(Slot(host), "spec.rules", f"host {host or 'empty host'}")


def _ports(overrides: Overrides) -> Iterator[Claim]:
    """Yield a claim for each port of its own: on a port nginx speaks either HTTP or HTTPS, for all hosts."""
    for name, use in (("listen_ports", "HTTP"), ("listen_ports_ssl", "HTTPS")):
        for port in getattr(overrides.values.routing, name):
            yield Claim(Slot(listener=str(port)), overrides.key(name), f"port {port}", use)


def _paths(valid: ValidIngress, host: str) -> Iterator[Claim]:
    """Yield a claim for each path of a minion, in the order of the paths."""
    spec = valid.ingress.spec
    rules = (spec and spec.rules) or ()
    paths = (rules[0].http and rules[0].http.paths) or () if rules else ()
    regex = valid.overrides.values.routing.path_regex
    for i, path in enumerate(paths):
        field = f"spec.rules[0].http.paths[{i}].path"
        yield Claim(Slot(host, path=_place(path, regex)), field, f"path {_bare(path)}")


def _place(path: HTTPIngressPath, regex: str | None) -> tuple[str, str]:
    """Return the place among the paths of a host that *path* takes; of two minions the older one has it.

    ``/tea`` and ``/tea/`` are one place, whether they are Prefix or ImplementationSpecific: a request for the one would
    else go to the younger minion. An Exact ``/tea`` is another place, which goes before them (Kubernetes API).
    """
    text = path.path or "/"
    if regex in {"case_sensitive", "case_insensitive"}:
        return regex, text
    if path.path_type == "Exact" or regex == "exact":
        return "=", text
    return "", f"{text.rstrip('/')}/"


def _bare(path: HTTPIngressPath) -> str:
    """Return the path as messages name it: the Prefixes ``/tea`` and ``/tea/`` mean the same (Kubernetes API)."""
    text = path.path or "/"
    return text.rstrip("/") or "/" if path.path_type == "Prefix" else text


def _out_of_paths(_loser: ObjectRef, _holders: Sequence[Holder]) -> str:
    return "use another path"


def _declines(holder: Candidate, _: Candidate) -> str | None:
    return None if isinstance(holder.valid, ValidIngress) and holder.valid.role is Role.MASTER else ""


def _orphan(minion: Candidate, parent: Candidate | None, _: Sequence[Candidate]) -> Problem:
    holder = parent.as_holder(Slot(minion.valid.hosts[0])) if parent else None
    taken = f": its host is taken by {holder}, which is not a master" if holder else ""
    if holder and holder.ref.kind == "VirtualServer" and holder.ref.namespace == minion.ref.namespace:
        taken += "; make its paths routes of that VirtualServer, or use another host"
    return Problem(
        minion.ref,
        "",
        "",
        f"Ingress master is invalid or doesn't exist{taken}",
        "its paths are not served until there is a master for its host",
        Severity.ERROR,
        code="NoIngressMasterFound",
    )


def _takes_no_challenge(holder: Candidate, _: Candidate) -> str | None:
    return None if isinstance(holder.valid, ValidIngress | ValidVirtualServer) else ""


def _unsolved(solver: Candidate, parent: Candidate | None, _: Sequence[Candidate]) -> Problem:
    holder = parent.as_holder(Slot(solver.valid.hosts[0])) if parent else None
    reason = f"{TAKEN}: {holder}, which serves no HTTP; use another solver (DNS-01) for this host"
    return Problem(solver.ref, "", "", reason, "the ACME challenge fails", Severity.ERROR, code="Rejected")


MERGEABLE = AttachmentRule(_declines, _orphan)
"""Minions attach to the master that holds their host."""
CHALLENGE = AttachmentRule(_takes_no_challenge, _unsolved)
"""Solvers of ACME challenges attach to the Ingress or VirtualServer that holds their host."""
