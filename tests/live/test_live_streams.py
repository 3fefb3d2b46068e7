"""TransportServers in a folder, with real clients and backends of TCP, UDP and TLS."""

from __future__ import annotations

import ssl
from collections.abc import Iterator

import pytest
from showcase.ports import free_port, free_ports

from headgate.nginx.capabilities import embedded
from tests.live.headgate_process import HeadgateProcess, StartHeadgate, ask, trusting
from tests.live.json_objects import ManifestFolder, config_map, ingress, tls_secret
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
from tests.live.test_live_virtual_servers import answer, virtual_server
from tests.waiting import wait_until

WHEEL = embedded() or ""
needs_hosts = pytest.mark.skipif(not WHEEL, reason="needs nginx 1.25.5")


@pytest.fixture(scope="module")
def app() -> Iterator[int]:
    """The port of a backend of TCP that answers ``app hello``."""
    with tcp_backend("app") as port:
        yield port


@pytest.fixture(scope="module")
def datagrams() -> Iterator[int]:
    """The port of a backend of UDP that answers ``datagrams hello``."""
    with udp_backend("datagrams") as port:
        yield port


def test_connections_and_datagrams_reach_their_backends_through_listeners(
    serve_manifests: StartHeadgate, manifests: ManifestFolder, app: int, datagrams: int, nginx_binary: str
) -> None:
    port = free_port()
    both = listener("both-tcp", port), listener("both-udp", port, "UDP")
    manifests.put(global_configuration(*both), *backend_objects("app", app))
    manifests.put(*backend_objects("datagrams", datagrams, "UDP"))
    manifests.put(transport_server("tcp", "both-tcp", "app"), transport_server("udp", "both-udp", "datagrams", "UDP"))
    headgate = serve_manifests(nginx=nginx_binary)
    assert over_tcp(port) == "app hello"
    assert over_udp(port) == "datagrams hello"
    served = "nginx_ingress_controller_transportserver_resources_total"
    kinds = ("tcp", "udp", "passthrough")
    wait_until(lambda: [headgate.metric(served, type=kind) for kind in kinds] == [1, 1, 0])


def test_a_change_of_the_global_configuration_moves_everything_that_uses_it_in_one_reload(
    serve_manifests: StartHeadgate, manifests: ManifestFolder, app: int, datagrams: int
) -> None:
    one, two, three, four = free_ports(4)
    manifests.put(global_configuration(listener("a", one), listener("b", two, "UDP")), *backend_objects("app", app))
    manifests.put(*backend_objects("datagrams", datagrams, "UDP"))
    manifests.put(transport_server("tcp", "a", "app"), transport_server("udp", "b", "datagrams", "UDP"))
    headgate = serve_manifests()
    before = headgate.reloads()
    manifests.put(global_configuration(listener("a", three), listener("b", four, "UDP")))
    wait_until(lambda: over_tcp(three) == "app hello")
    assert over_udp(four) == "datagrams hello"
    assert wait_until(lambda: headgate.reloads() - before) == 1
    wait_until(lambda: over_tcp(one) == "")
    manifests.delete(global_configuration())
    wait_until(lambda: over_tcp(three) == "")
    wait_until(lambda: "Listener a doesn't exist" in headgate.events("TransportServer default/tcp")[-1][1])


def test_without_endpoints_connections_are_closed(
    serve_manifests: StartHeadgate, manifests: ManifestFolder, app: int
) -> None:
    port = free_port()
    service, slices = backend_objects("app", app)
    manifests.put(global_configuration(listener("a", port)), service, transport_server("tcp", "a", "app"))
    serve_manifests()
    assert over_tcp(port) == ""
    manifests.put(slices)
    wait_until(lambda: over_tcp(port) == "app hello")


def test_a_transport_server_that_nginx_refuses_leaves_the_others_serving(
    serve_manifests: StartHeadgate, manifests: ManifestFolder, app: int, nginx_binary: str
) -> None:
    one, two = free_ports(2)
    manifests.put(global_configuration(listener("a", one), listener("b", two)), *backend_objects("app", app))
    manifests.put(transport_server("good", "a", "app"))
    manifests.put(transport_server("bad", "b", "app", serverSnippets="no_such_directive on;"))
    headgate = serve_manifests("-enable-snippets", nginx=nginx_binary)
    assert over_tcp(one) == "app hello"
    assert over_tcp(two) == ""
    reason, message = headgate.events("TransportServer default/bad")[-1]
    assert reason == "AddedOrUpdatedWithError"
    assert "no_such_directive" in message
    manifests.put(transport_server("bad", "b", "app", serverSnippets="proxy_upload_rate 1m;"))
    wait_until(lambda: over_tcp(two) == "app hello")


def test_a_port_of_a_tcp_listener_is_taken_from_an_ingress(
    serve_manifests: StartHeadgate, manifests: ManifestFolder, app: int
) -> None:
    port = free_port()
    manifests.put(ingress("web", "a.test", listen_ports=str(port), created="2020-01-01T00:00:00Z"))
    headgate = serve_manifests()
    assert ask(port, "a.test", "/").status == 200
    manifests.put(
        global_configuration(listener("tcp", port)), *backend_objects("app", app), transport_server("t", "tcp", "app")
    )
    wait_until(lambda: over_tcp(port) == "app hello")
    wait_until(lambda: headgate.events("Ingress default/web")[-1][0] == "Rejected")
    manifests.delete(global_configuration())
    wait_until(lambda: ask(port, "a.test", "/").status == 200)


# --- TLS ----------------------------------------------------------------------------------------------


@needs_hosts
def test_tls_is_terminated_for_several_hosts_on_one_listener(
    serve_manifests: StartHeadgate, manifests: ManifestFolder, app: int
) -> None:
    port = free_port()
    with tcp_backend("other") as other:
        manifests.put(global_configuration(listener("a", port)), *backend_objects("app", app))
        manifests.put(*backend_objects("other", other))
        for host in ("one", "two"):
            manifests.put(tls_secret(host, f"{host}.test"))
        tls = {"host": "one.test", "tls": {"secret": "one"}}
        manifests.put(transport_server("one", "a", "app", **tls))
        manifests.put(transport_server("two", "a", "other", host="two.test", tls={"secret": "two"}))
        serve_manifests(nginx=WHEEL)
        assert over_tls(port, "one.test") == "app hello"
        assert over_tls(port, "two.test") == "other hello"
        assert over_tls(port, "three.test") == ""
        assert over_tls(port, None) == ""
        manifests.put(transport_server("every", "a", "other", tls={"secret": "two"}))
        wait_until(lambda: over_tls(port, "three.test") == "other hello")
        assert over_tls(port, "one.test") == "app hello"


def test_tls_is_terminated_for_every_connection_of_a_listener(
    serve_manifests: StartHeadgate, manifests: ManifestFolder, app: int, nginx_binary: str
) -> None:
    port = free_port()
    manifests.put(global_configuration(listener("a", port)), *backend_objects("app", app), tls_secret("cert", "a.test"))
    manifests.put(transport_server("tls", "a", "app", tls={"secret": "cert"}))
    serve_manifests(nginx=nginx_binary)
    assert over_tls(port, "a.test") == "app hello"
    assert over_tls(port, None) == "app hello"
    manifests.delete(tls_secret("cert", "a.test"))
    wait_until(lambda: over_tls(port, "a.test") == "")


def test_protocols_and_ciphers_of_the_config_map_apply_to_tls_of_streams(
    serve_manifests: StartHeadgate, manifests: ManifestFolder, app: int, nginx_binary: str
) -> None:
    port, before = free_port(), ssl.TLSVersion.TLSv1_2
    manifests.put(global_configuration(listener("a", port)), *backend_objects("app", app), tls_secret("cert", "a.test"))
    manifests.put(transport_server("tls", "a", "app", tls={"secret": "cert"}), config_map(ssl_protocols="TLSv1.3"))
    serve_manifests("-nginx-configmaps=ours/config", nginx=nginx_binary)
    assert [over_tls(port, "a.test"), over_tls(port, "a.test", before)] == ["app hello", ""]
    manifests.put(config_map(ssl_protocols="TLSv1.2"))
    wait_until(lambda: over_tls(port, "a.test", before) == "app hello")
    manifests.put(config_map(ssl_protocols="TLSv1.2", ssl_ciphers="ECDHE-RSA-AES128-GCM-SHA256"))
    wait_until(lambda: over_tls(port, "a.test", before) == "")  # the certificate has a key of an elliptic curve


# --- TLS passthrough ----------------------------------------------------------------------------------


def test_tls_connections_are_passed_on_by_their_server_name(
    new_headgate: StartHeadgate, manifests: ManifestFolder, nginx_binary: str
) -> None:
    with tcp_backend("behind", certificate_for="pass.test") as behind:
        manifests.put(*backend_objects("behind", behind), tls_secret("cert", "web.test"))
        passing = transport_server("pass", "tls-passthrough", "behind", "TLS_PASSTHROUGH", host="pass.test")
        passing["metadata"]["creationTimestamp"] = "2026-01-01T00:00:00Z"
        manifests.put(passing, ingress("web", "web.test", tls={"cert": ["web.test"]}))
        flags = (f"--manifests={manifests.path}", "-enable-tls-passthrough", "-enable-latency-metrics")
        headgate = new_headgate(*flags, nginx=nginx_binary)
        headgate.flags.append(f"-tls-passthrough-port={headgate.https}")
        headgate.start_ready()
        assert over_tls(headgate.https, "pass.test") == "behind hello"
        wait_until(lambda: sessions_of(headgate) == {"pass": 1})
        answer = headgate.get_tls("web.test")
        assert answer.status == 200
        assert "x-real-ip: 127.0.0.1" in answer.body.lower()
        assert headgate.get_tls("pass.test").status == 0
        manifests.put(ingress("late", "pass.test", tls={"cert": ["pass.test"]}, created="2026-02-01T00:00:00Z"))
        wait_until(lambda: headgate.events("Ingress default/late"))
        assert over_tls(headgate.https, "pass.test") == "behind hello"
        manifests.put(ingress("late", "pass.test", tls={"cert": ["pass.test"]}, created="2025-01-01T00:00:00Z"))
        wait_until(lambda: headgate.get_tls("pass.test").status == 200)
        wait_until(lambda: sessions_of(headgate) == {})  # nor those of HTTPS, which pass the same server in front


def sessions_of(headgate: HeadgateProcess) -> dict[str, float]:
    """Return how many sessions ended, by TransportServer."""
    every = "headgate_stream_sessions_total"
    return {each.labels["resource_name"]: each.value for each in headgate.samples() if each.name == every}


# --- VirtualServers -----------------------------------------------------------------------------------


def test_a_virtual_server_is_served_on_its_listeners_alone_and_moves_with_them(
    serve_manifests: StartHeadgate, manifests: ManifestFolder
) -> None:
    plain, secure, other = free_ports(3)
    https = listener("https", secure, "HTTP", ssl=True)
    manifests.put(global_configuration(listener("http", plain, "HTTP"), https), tls_secret("cert", "a.test"))
    tls = {"secret": "cert"}
    custom = {"http": "http", "https": "https"}
    manifests.put(
        virtual_server("web", {"path": "/", "action": answer("here")}, host="a.test", listener=custom, tls=tls)
    )
    headgate = serve_manifests()
    assert ask(plain, "a.test", "/").body == "here"
    assert ask(secure, "a.test", "/", tls=trusting()).body == "here"
    assert ask(plain, "b.test", "/").status == 404
    assert headgate.get("a.test").status == 404
    manifests.put(global_configuration(listener("http", other, "HTTP")))
    wait_until(lambda: ask(other, "a.test", "/").body == "here")
    wait_until(lambda: ask(secure, "a.test", "/", tls=trusting()).status == 0)


def test_a_listener_moves_to_another_address_of_its_port(
    serve_manifests: StartHeadgate, manifests: ManifestFolder, app: int
) -> None:
    port = free_port()
    manifests.put(global_configuration(listener("a", port)), *backend_objects("app", app))
    manifests.put(transport_server("tcp", "a", "app"))
    headgate = serve_manifests()
    assert over_tcp(port, address="127.0.0.2") == "app hello"
    manifests.put(global_configuration(listener("a", port, ipv4="127.0.0.1", ipv6="::1")))
    wait_until(lambda: over_tcp(port, address="127.0.0.2") == "")
    wait_until(lambda: over_tcp(port) == "app hello")
    wait_until(lambda: headgate.events("TransportServer default/tcp")[-1][0] == "AddedOrUpdated")


def test_the_last_good_file_of_a_refused_object_gives_its_port_to_another_module(
    serve_manifests: StartHeadgate, manifests: ManifestFolder, app: int
) -> None:
    port, other = free_ports(2)
    manifests.put(global_configuration(listener("a", port)), *backend_objects("app", app))
    manifests.put(transport_server("tcp", "a", "app"))
    headgate = serve_manifests("-enable-snippets")
    assert over_tcp(port) == "app hello"
    manifests.put(transport_server("tcp", "a", "app", serverSnippets="no_such_directive on;"))
    wait_until(lambda: headgate.events("TransportServer default/tcp")[-1][0] == "AddedOrUpdatedWithError")
    assert over_tcp(port) == "app hello"
    manifests.put(
        virtual_server("web", {"path": "/", "action": answer("here")}, host="a.test", listener={"http": "web"}),
        global_configuration(listener("a", other), listener("web", port, "HTTP")),
    )
    wait_until(lambda: ask(port, "a.test", "/").body == "here")
    assert {ask(port, "a.test", "/").body for _ in range(40)} == {"here"}
