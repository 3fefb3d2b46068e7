"""Ports of TCP and UDP from the ConfigMaps of ingress-nginx, with real clients and backends."""

from __future__ import annotations

import socket
from typing import Any

from showcase.ports import free_port, free_ports

from tests.live.headgate_process import StartHeadgate
from tests.live.json_objects import Json, ManifestFolder, config_map
from tests.live.stream_backends import backend_objects, over_tcp, over_udp, tcp_backend, udp_backend
from tests.waiting import wait_until

TCP, UDP = "--tcp-services-configmap=ours/tcp", "--udp-services-configmap=ours/udp"


def ports(name: str, **services: str) -> Json:
    return config_map("ours", name, **services)


def of(port: int, target: str) -> dict[str, Any]:
    return {str(port): target}


def test_connections_and_datagrams_reach_services_and_ports_follow_the_config_map(
    serve_manifests: StartHeadgate, manifests: ManifestFolder, nginx_binary: str
) -> None:
    one, two, three, four = free_ports(4)
    with tcp_backend("app") as app, udp_backend("datagrams") as datagrams:
        manifests.put(*backend_objects("app", app), *backend_objects("datagrams", datagrams, "UDP"))
        target, other = "default/app:80", "default/datagrams:80"
        manifests.put(ports("tcp", **of(one, target), **of(three, f"{target}::PROXY"), **{"0": target}))
        manifests.put(ports("udp", **of(two, other)))
        headgate = serve_manifests(TCP, UDP, nginx=nginx_binary)
        assert over_tcp(one) == "app hello"
        assert over_udp(two) == "datagrams hello"
        assert over_tcp(three).startswith("app PROXY TCP4 127.0.0.1")
        told = headgate.events("ConfigMap ours/tcp")
        assert [reason for reason, _ in told] == ["InvalidValue", "UpdatedWithError"]
        manifests.put(ports("tcp", **of(four, target)))
        wait_until(lambda: over_tcp(four) == "app hello")
        wait_until(lambda: over_tcp(one) == "")


def test_a_port_that_somebody_else_has_is_told_and_the_others_serve(
    serve_manifests: StartHeadgate, manifests: ManifestFolder
) -> None:
    good = free_port()
    with tcp_backend("app") as app, socket.create_server(("", 0)) as taken:
        manifests.put(*backend_objects("app", app))
        manifests.put(ports("tcp", **of(good, "default/app:80"), **of(taken.getsockname()[1], "default/app:80")))
        headgate = serve_manifests(TCP)
        wait_until(lambda: over_tcp(good) == "app hello")
        wait_until(lambda: any("is refused by nginx" in text for _, text in headgate.events("ConfigMap ours/tcp")))
