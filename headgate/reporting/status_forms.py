"""What is written to the status of an object, by kind. Pure.

A form returns the fields of the status that it decides; all others stay as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from headgate.api.core import LoadBalancerIngress
from headgate.reporting.verdicts import Verdict

Addresses = tuple[LoadBalancerIngress, ...]
Fields = Mapping[str, Any]
"""Fields of a status, as JSON."""

GENERATION: Final = "observedGeneration"


class Exposure(msgspec.Struct, frozen=True):
    """Where clients reach the controller; ``ports`` is a text such as ``[80,443]``, empty if it is not known."""

    addresses: Addresses = ()
    ports: str = ""


Form = Callable[[Verdict, Exposure | None], Fields | None]
"""Returns the fields for a verdict, ``None`` if nothing is to be written; without an Exposure, addresses stay."""


def ingress_status(verdict: Verdict, exposure: Exposure | None) -> Fields | None:
    """Return ``loadBalancer`` of an Ingress: the addresses if it is served, else none."""
    if not verdict.served:
        return {"loadBalancer": {}}
    if exposure is None:
        return None
    found = [_address(each) for each in exposure.addresses]
    return {"loadBalancer": {"ingress": found} if found else {}}


def state_status(verdict: Verdict, _: Exposure | None) -> Fields:
    """Return the fields that all custom resources have."""
    return {
        "state": verdict.state.value,
        "reason": verdict.reason,
        "message": verdict.message,
        GENERATION: verdict.subject.generation,
    }


def exposed_status(verdict: Verdict, exposure: Exposure | None) -> Fields:
    """Return the fields of a VirtualServer: the addresses stand there whether it is served or not.

    ExternalDNS takes its records from them; a mistake in the object must not delete these.
    """
    fields = dict(state_status(verdict, exposure))
    if exposure is not None:
        ports = {"ports": exposure.ports} if exposure.ports else {}
        fields["externalEndpoints"] = [{**_address(each), **ports} for each in exposure.addresses]
    return fields


def referenced_status(verdict: Verdict, exposure: Exposure | None) -> Fields:
    """Return the fields of a VirtualServerRoute: also which object refers to it."""
    return {**exposed_status(verdict, exposure), "referencedBy": verdict.owner.key if verdict.owner else ""}


def differs(status: Fields, wanted: Fields) -> bool:
    """Whether *status* has other values than *wanted*.

    A definition that somebody else installed may not have ``observedGeneration``; the API server drops it then.
    """
    fields = (key for key in wanted if key != GENERATION or key in status)
    return any(_plain(status.get(key)) != _plain(wanted[key]) for key in fields)


def _address(found: LoadBalancerIngress) -> dict[str, str]:
    return {"ip": found.ip} if found.ip else {"hostname": found.hostname or ""}


def _plain(value: Any) -> Any:
    """Return *value* without empty fields, and without the ports of a load balancer, which Headgate does not write."""
    if isinstance(value, Mapping):
        found = {key: _plain(each) for key, each in value.items() if not (key == "ports" and isinstance(each, list))}
        return {key: each for key, each in found.items() if each} or None
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value] or None
    return value or None
