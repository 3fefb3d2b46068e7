"""One port at all addresses and at one: objects that come, change and go there, with a real nginx."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from showcase.ports import free_port

from tests.live.headgate_process import StartHeadgate
from tests.live.json_objects import ManifestFolder
from tests.live.stream_backends import (
    backend_objects,
    global_configuration,
    listener,
    over_tcp,
    tcp_backend,
    transport_server,
)
from tests.waiting import wait_until

ADDRESSES = {"ipv4": "127.0.0.2", "ipv6": "::1"}


@pytest.fixture(scope="module")
def app() -> Iterator[int]:
    """The port of a backend of TCP that answers ``app hello``."""
    with tcp_backend("app") as port:
        yield port


def test_when_the_one_for_all_addresses_goes_the_one_for_an_address_is_served(
    serve_manifests: StartHeadgate, manifests: ManifestFolder, app: int
) -> None:
    port, other = free_port(), free_port()
    manifests.put(
        global_configuration(listener("all", port), listener("local", port, **ADDRESSES), listener("other", other))
    )
    manifests.put(*backend_objects("app", app))
    manifests.put(transport_server("all", "all", "app"), transport_server("local", "local", "app"))
    serve_manifests("--log-level=debug")
    assert over_tcp(port) == "app hello"
    assert over_tcp(port, address="127.0.0.2") == "app hello"
    manifests.delete(transport_server("all", "all", "app"))
    manifests.put(transport_server("other", "other", "app"))
    wait_until(lambda: over_tcp(other) == "app hello")
    wait_until(lambda: over_tcp(port) == "")
    wait_until(lambda: over_tcp(port, address="127.0.0.2") == "app hello")


def test_one_for_all_addresses_is_served_beside_an_older_one_for_an_address(
    serve_manifests: StartHeadgate, manifests: ManifestFolder, app: int
) -> None:
    port = free_port()
    manifests.put(global_configuration(listener("all", port), listener("local", port, **ADDRESSES)))
    manifests.put(*backend_objects("app", app), transport_server("local", "local", "app"))
    serve_manifests()
    assert over_tcp(port, address="127.0.0.2") == "app hello"
    manifests.put(transport_server("all", "all", "app"))
    wait_until(lambda: over_tcp(port) == "app hello")
    wait_until(lambda: over_tcp(port, address="127.0.0.2") == "app hello")
