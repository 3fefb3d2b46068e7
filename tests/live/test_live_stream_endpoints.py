"""Endpoints of TransportServers change without a reload where nginx has njs; where they do not, the status says why."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from showcase.ports import free_port, free_ports

from headgate.commands.status import main
from headgate.offline import generate_folder
from tests.live.headgate_process import HeadgateProcess, StartHeadgate
from tests.live.json_objects import Json, ManifestFolder, config_map
from tests.live.stream_backends import (
    backend_objects,
    global_configuration,
    listener,
    over_tcp,
    over_tls,
    over_udp,
    tcp_backend,
    transport_server,
    udp_backend,
)
from tests.nginx_binaries import LUA, capabilities
from tests.simulated_cluster import flags
from tests.waiting import wait_until

PASSED = "pass.test"
UDP = {"upstreamParameters": {"udpResponses": 1}}


@pytest.fixture(autouse=True)
def needs_njs() -> None:
    if not LUA or capabilities(LUA).stream_js is None:
        pytest.skip("no nginx with Lua and njs (tools/lua_nginx.sh)")


class Backends:
    """Two backends each of TCP, UDP and TLS, called ``one`` and ``two``."""

    def __init__(self, ports: dict[str, dict[str, int]]) -> None:
        self._ports = ports

    def objects(self, name: str) -> list[Json]:
        """The Services ``tcp``, ``udp`` and ``tls`` with the endpoints called *name*."""
        protocols = {"tcp": "TCP", "udp": "UDP", "tls": "TCP"}
        return [each for kind, of in protocols.items() for each in backend_objects(kind, self._ports[kind][name], of)]


@pytest.fixture(scope="module")
def backends() -> Iterator[Backends]:
    with (
        tcp_backend("one") as tcp_one, tcp_backend("two") as tcp_two,
        udp_backend("one") as udp_one, udp_backend("two") as udp_two,
        tcp_backend("one", certificate_for=PASSED) as tls_one, tcp_backend("two", certificate_for=PASSED) as tls_two,
    ):  # fmt: skip
        yield Backends({
            "tcp": {"one": tcp_one, "two": tcp_two},
            "udp": {"one": udp_one, "two": udp_two},
            "tls": {"one": tls_one, "two": tls_two},
        })  # fmt: skip


def status(headgate: HeadgateProcess, capsys: pytest.CaptureFixture[str], *flags: str) -> str:
    capsys.readouterr()
    main([f"--prefix={headgate.prefix}", *flags], {})
    return capsys.readouterr().out


def test_endpoints_of_tcp_udp_and_tls_passthrough_change_without_a_reload(
    new_headgate: StartHeadgate, manifests: ManifestFolder, backends: Backends, capsys: pytest.CaptureFixture[str]
) -> None:
    tcp, udp, retried = free_ports(3)
    on = listener("tcp", tcp), listener("udp", udp, "UDP"), listener("retried", retried)
    manifests.put(global_configuration(*on), *backends.objects("one"))
    manifests.put(transport_server("tcp", "tcp", "tcp"), transport_server("udp", "udp", "udp", "UDP", **UDP))
    manifests.put(transport_server("tls", "tls-passthrough", "tls", "TLS_PASSTHROUGH", host=PASSED))
    argv = (f"--manifests={manifests.path}", "-enable-tls-passthrough", "-nginx-configmaps=ours/config")
    headgate = new_headgate(*argv, nginx=LUA or "")
    headgate.flags.append(f"-tls-passthrough-port={headgate.https}")
    headgate.start_ready()

    def answers() -> list[str]:
        return [over_tcp(tcp), over_udp(udp, seconds=5), over_tls(headgate.https, PASSED)]

    assert answers() == ["one hello"] * 3
    before = headgate.reloads()
    for name in ("two", "one", "two"):
        manifests.put(*backends.objects(name))
        wait_until(lambda name=name: answers() == [f"{name} hello"] * 3)
    assert headgate.reloads() == before
    text = status(headgate, capsys)
    assert "endpoints change without a reload, those of TCP and UDP by njs " in text
    assert "Endpoints that change by reloads" not in text

    # One whose connections nginx itself must pass to the next server is in files, which is told.
    manifests.put(transport_server("retried", "retried", "tcp", upstreamParameters={"nextUpstream": True}))
    wait_until(lambda: over_tcp(retried) == "two hello")
    told = "Endpoints that change by reloads\n  TransportServer default/retried: nextUpstream is true"
    wait_until(lambda: told in status(headgate, capsys))
    before = headgate.reloads()
    manifests.put(*backends.objects("one"))
    wait_until(lambda: over_tcp(retried) == "one hello")
    assert answers() == ["one hello"] * 3
    assert wait_until(lambda: headgate.reloads() - before) == 1

    # So are all while the ConfigMap has something in the way.
    manifests.put(config_map(stream_snippets="access_log off;"))
    wait_until(lambda: "the stream-snippets of the ConfigMap have access_log" in status(headgate, capsys))
    manifests.put(*backends.objects("two"))
    wait_until(lambda: answers() == ["two hello"] * 3)
    manifests.put(config_map())
    wait_until(lambda: "by njs" in status(headgate, capsys))
    assert answers() == ["two hello"] * 3


def test_endpoints_that_checks_cannot_connect_get_no_connections_and_are_shown(
    serve_manifests: StartHeadgate, manifests: ManifestFolder, backends: Backends, capsys: pytest.CaptureFixture[str]
) -> None:
    port, dead = free_port(), free_port()
    manifests.put(global_configuration(listener("tcp", port)), *backends.objects("one"))
    other = backend_objects("tcp", dead)[1]
    other["metadata"]["name"] = "tcp-dead"
    other["endpoints"] = [{"addresses": ["127.0.0.2"]}]
    check: dict[str, Any] = {"enable": True, "interval": "200ms", "match": {"send": "PING", "expect": "one PING"}}
    app = {"name": "app", "service": "tcp", "port": 80, "healthCheck": check}
    manifests.put(other, transport_server("tcp", "tcp", "tcp", upstreams=[{**app, "maxFails": 0}]))
    headgate = serve_manifests(nginx=LUA or "")
    wait_until(lambda: "unhealthy" in status(headgate, capsys, "-o", "wide"))
    wait_until(lambda: {over_tcp(port) for _ in range(20)} == {"one hello"})
    labels = {"resource_type": "transportserver", "resource_name": "tcp"}
    server = f"127.0.0.2:{dead}"
    assert headgate.metric("nginx_ingress_nginxplus_upstream_server_state", server=server, **labels) > 1
    assert headgate.metric("nginx_ingress_nginxplus_upstream_server_health_checks_unhealthy", server=server, **labels)


def test_njs_learns_of_the_end_of_sessions_that_are_reported_to_the_controller_too(
    manifests: ManifestFolder, backends: Backends
) -> None:
    manifests.put(global_configuration(listener("tcp", 5000)), *backends.objects("one"))
    manifests.put(transport_server("tcp", "tcp", "tcp"))
    latency = ("-enable-prometheus-metrics", "-enable-latency-metrics")
    argv = [f"--manifests={manifests.path}", "-data-plane=live", *latency]
    files = generate_folder(flags(argv), None, capabilities(LUA or "")).files
    logs = [line.strip() for line in files["stream-conf.d/ts_default_tcp.conf"].data.decode().splitlines()]
    assert [line.split()[1] for line in logs if line.startswith("access_log ")][-1] == "/dev/null"
    assert "access_log /dev/null stream-main if=$headgate_session;" in logs


def test_njs_is_there_while_there_are_transport_servers(
    serve_manifests: StartHeadgate, manifests: ManifestFolder, backends: Backends
) -> None:
    port, module = free_port(), "ngx_stream_js_module"
    manifests.put(global_configuration(listener("tcp", port)), *backends.objects("one"))
    headgate = serve_manifests(nginx=LUA or "")
    assert module not in headgate.file("nginx.conf")
    for turn, (name, other) in enumerate((("one", "two"), ("two", "one"))):
        server = transport_server("tcp", "tcp", "tcp")
        manifests.put(server)
        wait_until(lambda name=name: over_tcp(port) == f"{name} hello")
        assert module in headgate.file("nginx.conf")
        manifests.put(*backends.objects(other))
        wait_until(lambda other=other: over_tcp(port) == f"{other} hello")
        wait_until(lambda turn=turn: headgate.reloads() == 2 + 2 * turn)  # the start, and each change of the object
        manifests.delete(server)
        wait_until(lambda: module not in headgate.file("nginx.conf"))
        wait_until(lambda turn=turn: headgate.reloads() == 3 + 2 * turn)
        assert over_tcp(port) == ""
