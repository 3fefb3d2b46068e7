"""What the refusals of nginx mean for each object: its own, and those of objects that it shares something with."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain

from headgate.api import Service
from headgate.ir import ApplyResult
from headgate.pipeline import Generation
from headgate.problems import ObjectRef, Problem
from headgate.reporting.verdicts import Refusal
from headgate.routes import Route

NO_NAME = "requests for it are answered 502 until its name resolves; it is tried again"
KEPT_NAME = "requests go to its earlier name, or are answered 502, until its name resolves; it is tried again"
NO_LIST = "its hosts are answered 500 unless an earlier configuration keeps out as many clients; it is tried again"
_SNIPPETS = "location_snippets"
_PLACE = re.compile(r" in /\S+:\d+$")
"""Where nginx found what it complains about, which is a file of Headgate's."""


def refusal(ref: ObjectRef, owner: ObjectRef | None, result: ApplyResult) -> Refusal | None:
    """Return why nginx does not serve *ref* as it stands; *owner* is the resource that it belongs to."""
    if owner is None:
        return None
    kept = ref in result.kept and ref not in result.idle
    if own := result.refused.get(ref) or ("" if result.ok else result.error):
        return Refusal(own, kept=kept, closed=ref in result.closed)
    if ref in result.idle and (words := result.refused.get(owner)):
        return Refusal(f"{owner}, to which it belongs, was refused: {words}", kept=False)
    return None


def shared(generation: Generation, result: ApplyResult) -> Mapping[ObjectRef, tuple[Problem, ...]]:
    """Return what to tell objects that nginx serves.

    It may refuse others (a Service that they need, or an heir of theirs), or warn of something in their files.
    """
    found: dict[ObjectRef, list[Problem]] = {}
    several = (_unresolved(generation, result), _handed_down(generation, result), _lists(generation, result))
    for problem in (*chain.from_iterable(several), *_warned(result)):
        told = found.setdefault(problem.origin, [])
        if problem not in told:
            told.append(problem)
    return {ref: tuple(problems) for ref, problems in found.items()}


def _unresolved(generation: Generation, result: ApplyResult) -> Iterator[Problem]:
    """Yield a Problem for each object that points at a Service whose name nginx cannot resolve."""
    services = {ref for ref in result.refused if Service.KIND.includes(ref)}
    for _, upstream in sorted(generation.upstreams.items()) if services else ():
        if (service := upstream.external) in services:
            words = _PLACE.sub("", result.refused[service])
            effect = KEPT_NAME if service in result.kept else NO_NAME
            # Where nginx looks for the very name, an object names a host (auth-url), not a Service with another one.
            what = f"host {service.name}" if f'"{service.name}:' in words else str(service)
            yield Problem(upstream.origin, "", "", f"{what} cannot be reached by its name: {words}", effect)


def _lists(generation: Generation, result: ApplyResult) -> Iterator[Problem]:
    """Yield a Problem for each Policy whose certificate revocation list nginx cannot read."""
    for ref, found in generation.resources.items() if result.refused else ():
        for host in found.wanted.table.hosts if ref in result.refused else ():
            certificates = host.policies.client_certificates
            if certificates and certificates.revocations and f"/{certificates.revocations}" in result.refused[ref]:
                name = certificates.revocations.rpartition("/")[2]
                reason = f"cannot be used by nginx, which therefore refuses {ref}: {result.refused[ref]}"
                yield Problem(certificates.policy, "spec.ingressMTLS.crlFileName", name, reason, NO_LIST)


def _warned(result: ApplyResult) -> Iterator[Problem]:
    """Yield a Problem for each warning of nginx about the files of an object."""
    for origin, texts in result.warnings.items():
        if origin is not None:
            yield from (Problem(origin, "", "", f"nginx warns: {text}") for text in texts)


def _handed_down(generation: Generation, result: ApplyResult) -> Iterator[Problem]:
    """Yield a Problem for each object whose snippet is included in the locations of another one that nginx refuses."""
    for found in generation.resources.values() if result.refused else ():
        table = found.wanted.table
        for ref in (member for member in table.members[1:] if member in result.refused):
            if key := _inherited(route for host in table.hosts for route in host.routes if route.origin == ref):
                words = _PLACE.sub("", result.refused[ref])
                reason = f"is included in the locations of {ref} too, which nginx refuses: {words}"
                yield Problem(table.origin, key, "", reason)
                break


def _inherited(routes: Iterable[Route]) -> str:
    """Return the key of the snippet that stands in *routes* and is not of the object that asks for them."""
    for route in routes:
        *below, own = route.settings
        if _SNIPPETS not in own.overrides:
            return next((layer.overrides.key(_SNIPPETS) for layer in below if _SNIPPETS in layer.overrides), "")
    return ""
