"""The ConfigMaps of ingress-nginx for TCP and UDP: each key is a port, each value the Service behind it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

import msgspec

from headgate.problems import ObjectRef, Problem

_VALUE: Final = re.compile(
    r"(?P<namespace>[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?)/(?P<service>[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?)"
    r":(?P<port>[0-9]{1,5}|[a-z0-9](?:[-a-z0-9]{0,13}[a-z0-9])?)(?::(?P<decode>PROXY)?)?(?::(?P<encode>PROXY)?)?"
)
CLOSED: Final = "the port is not opened"
_LARGEST: Final = 65_535


class PortService(msgspec.Struct, frozen=True):
    """The Service behind a port.

    Attributes:
        origin: the ConfigMap; ``key`` the port as it is written there.
        udp: whether it is a port of UDP.
        target: its port, by number or name.
        decodes: whether clients' addresses come by the PROXY protocol; ``encodes`` whether they are sent by it.
    """

    origin: ObjectRef
    key: str
    udp: bool
    namespace: str
    service: str
    target: str
    decodes: bool = False
    encodes: bool = False

    @property
    def ref(self) -> ObjectRef:
        """What it is called where an object would be: the ConfigMap with the port."""
        protocol = "udp" if self.udp else "tcp"
        name = f"{self.origin.name}-{protocol}-{self.key}"
        return ObjectRef(self.origin.kind, self.origin.namespace, name, self.origin.group)


def read_services(
    data: Mapping[str, str], origin: ObjectRef, reserved: Mapping[int, str], *, udp: bool
) -> tuple[dict[ObjectRef, PortService], list[Problem]]:
    """Read the ConfigMap *origin*; *reserved* are the ports that Headgate has, by what.

    Returns:
        the Services, and a Problem for each key that cannot be used.
    """
    found: dict[ObjectRef, PortService] = {}
    problems: list[Problem] = []
    for key, text in sorted(data.items()):
        fault, value = _port_fault(key, reserved), _VALUE.fullmatch(text.strip())
        if value is None:
            fault = fault or "is not NAMESPACE/SERVICE:PORT, perhaps with :PROXY or ::PROXY"
        if fault or value is None:
            problems.append(Problem(origin, key, text, fault, CLOSED, code="InvalidValue"))
            continue
        if udp and (value["decode"] or value["encode"]):
            reason = "asks for the PROXY protocol, which UDP does not have here"
            problems.append(Problem(origin, key, text, reason, "the port is opened without it", code="InvalidValue"))
        service = PortService(
            origin, str(int(key)), udp, value["namespace"], value["service"], value["port"],
            decodes=bool(value["decode"]) and not udp, encodes=bool(value["encode"]) and not udp,
        )  # fmt: skip
        found[service.ref] = service
    return found, problems


def _port_fault(key: str, reserved: Mapping[int, str]) -> str:
    if not re.fullmatch("[0-9]{1,5}", key) or not 1 <= int(key) <= _LARGEST:
        return "is of no port; the key is a number from 1 to 65535"
    return f"is of the port of {reserved[int(key)]}" if int(key) in reserved else ""
