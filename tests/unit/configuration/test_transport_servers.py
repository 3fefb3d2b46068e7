"""Who has a listener: TransportServers that ask for the same one."""

from __future__ import annotations

from typing import Any

from headgate.api import TopLevel, TransportServer
from headgate.configuration import Configuration
from headgate.controller.kinds import CLAIMANTS
from headgate.validation.rules import Rules
from tests.properties.cluster_objects import object_in


def transport_server(name: str, age: int, protocol: str = "TCP", **spec: Any) -> TopLevel:
    spec = {
        "listener": {"name": "dns", "protocol": protocol},
        "upstreams": [{"name": "app", "service": "app", "port": 53}],
        "action": {"pass": "app"},
        **spec,
    }
    metadata = {"creationTimestamp": f"20{30 - age}-01-01T00:00:00Z"}
    return object_in(TransportServer, "shop", name, spec=spec, metadata=metadata)


def served(*objects: TopLevel) -> set[str]:
    found = Configuration(CLAIMANTS, Rules())
    found.update(objects, [])
    return {ref.name for ref in found.resources}


def test_the_oldest_of_a_listener_has_it() -> None:
    assert served(transport_server("young", 1), transport_server("old", 2)) == {"old"}


def test_an_older_one_with_another_protocol_does_not_take_the_listener_of_others() -> None:
    objects = transport_server("wrong", 2, "UDP"), transport_server("right", 1, "TCP")
    assert served(*objects) == {"wrong", "right"}
