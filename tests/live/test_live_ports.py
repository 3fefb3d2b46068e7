"""Ports that Ingresses open come and go with them; one that cannot be opened harms nobody who does not ask for it."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from showcase.ports import free_port

from tests.live.headgate_process import HeadgateProcess, StartHeadgate, ask
from tests.live.json_objects import Json, ManifestFolder, answering, config_map, ingress, path, tls_secret
from tests.waiting import wait_until

FLAGS = ("-enable-snippets", "-disable-ipv6")
UNKNOWN = "unknown.test"


@contextmanager
def taken(port: int) -> Iterator[None]:
    """Have another process listen on *port*."""
    with socket.create_server(("0.0.0.0", port)):
        yield


def text(port: int, host: str) -> str:
    return ask(port, host, "/").body


def last(headgate: HeadgateProcess, name: str) -> str:
    """Return the message of the newest event about an Ingress, empty if there is none."""
    return (headgate.events(f"Ingress default/{name}") or [("", "")])[-1][1]


def wildcard(**annotations: str) -> tuple[Json, Json]:
    """A wildcard with TLS, and its Secret."""
    item = answering("wild", "*.wild.test", "wild", tls={"wild": ["*.wild.test"]}, ssl_redirect="false", **annotations)
    return tls_secret("wild", "*.wild.test"), item


def test_a_port_has_its_default_server_as_long_as_somebody_opens_it(
    serve_manifests: StartHeadgate, manifests: ManifestFolder
) -> None:
    port, other = free_port(), free_port()
    one = answering("a", "a.test", "a", listen_ports=str(port))
    two = answering("b", "b.test", "b", listen_ports=f"{port},{other}")
    manifests.put(one)
    headgate = serve_manifests(*FLAGS)
    assert (text(port, "a.test"), ask(port, UNKNOWN, "/").status, ask(other, UNKNOWN, "/").status) == ("a", 404, 0)
    manifests.put(two)
    wait_until(lambda: text(port, "b.test") == "b")
    assert [ask(at, UNKNOWN, "/").status for at in (port, other)] == [404, 404]
    manifests.delete(one)
    wait_until(lambda: ask(port, "a.test", "/").status == 404)
    assert text(port, "b.test") == "b"
    manifests.delete(two)
    wait_until(lambda: not headgate.file(f"conf.d/_listen-{port}.conf"))
    wait_until(lambda: ask(port, "b.test", "/").status == 0)


def test_a_port_that_is_taken_is_left_out_with_those_who_ask_for_it(
    serve_manifests: StartHeadgate, manifests: ManifestFolder
) -> None:
    port, other = free_port(), free_port()
    manifests.put(answering("first", "first.test", "first"))
    headgate = serve_manifests(*FLAGS)
    with taken(port):
        manifests.put(
            answering("a", "a.test", "a", listen_ports=str(port)),
            answering("b", "b.test", "b", listen_ports=str(port)),
            answering("c", "c.test", "c", listen_ports=str(other)),
        )
        wait_until(lambda: text(other, "c.test") == "c")
        assert ask(other, UNKNOWN, "/").status == 404
        assert headgate.get("first.test").body == "first"
        for name in ("a", "b"):
            wait_until(lambda name=name: "Address already in use" in last(headgate, name))
    for name in ("a", "b"):
        wait_until(lambda name=name: text(port, f"{name}.test") == name)
    assert ask(port, UNKNOWN, "/").status == 404


def test_the_last_good_port_of_a_refused_ingress_keeps_its_default_server(
    serve_manifests: StartHeadgate, manifests: ManifestFolder
) -> None:
    port, other = free_port(), free_port()
    manifests.put(answering("a", "a.test", "a", listen_ports=str(port)))
    headgate = serve_manifests(*FLAGS)
    broken = ingress("a", "a.test", listen_ports=str(other), server_snippets="no_such_directive on;")
    manifests.put(broken, answering("late", "late.test", "late"))
    wait_until(lambda: "the previous configuration is kept" in last(headgate, "a"))
    wait_until(lambda: headgate.get("late.test").body == "late")
    assert (text(port, "a.test"), ask(port, UNKNOWN, "/").status, ask(other, "a.test", "/").status) == ("a", 404, 0)
    manifests.put(answering("a", "a.test", "a", listen_ports=str(other)))
    wait_until(lambda: text(other, "a.test") == "a")
    assert ask(other, UNKNOWN, "/").status == 404
    wait_until(lambda: ask(port, "a.test", "/").status == 0)


def test_https_for_a_host_without_tls_is_refused_as_long_as_a_wildcard_covers_it(
    serve_manifests: StartHeadgate, manifests: ManifestFolder
) -> None:
    manifests.put(answering("plain", "plain.wild.test", "plain"))
    headgate = serve_manifests(*FLAGS)
    before = headgate.file("conf.d/default-plain.conf")
    secret, wild = wildcard()
    manifests.put(secret, wild)
    wait_until(lambda: headgate.get_tls("q.wild.test").body == "wild")
    with pytest.raises(ssl.SSLError, match=r"(?i)unrecognized.name"):
        headgate.certificate("plain.wild.test")
    assert headgate.get("plain.wild.test").body == "plain"
    manifests.put(answering("plain", "plain.wild.test", "own", tls={"wild": ["plain.wild.test"]}, ssl_redirect="false"))
    wait_until(lambda: headgate.get_tls("plain.wild.test").body == "own")
    manifests.put(answering("plain", "plain.wild.test", "plain"))
    wait_until(lambda: headgate.get_tls("plain.wild.test").status == 0)
    manifests.delete(wild)
    wait_until(lambda: headgate.file("conf.d/default-plain.conf") == before)


def test_a_port_that_a_wildcard_cannot_open_costs_the_hosts_below_it_nothing(
    serve_manifests: StartHeadgate, manifests: ManifestFolder
) -> None:
    port = free_port()
    with taken(port):
        secret, wild = wildcard(listen_ports_ssl=str(port))
        manifests.put(secret, wild, answering("plain", "plain.wild.test", "plain"))
        headgate = serve_manifests(*FLAGS)
        wait_until(lambda: "Address already in use" in last(headgate, "wild"))
        assert headgate.get("plain.wild.test").body == "plain"
        assert "added or updated" in last(headgate, "plain")
        assert "not applied" not in last(headgate, "plain")
    wait_until(lambda: headgate.file(f"conf.d/default-plain@{port}.conf"))
    wait_until(lambda: "not applied" not in last(headgate, "wild"))


def test_a_default_server_of_the_http_snippets_is_the_only_one_of_its_port(
    serve_manifests: StartHeadgate, manifests: ManifestFolder
) -> None:
    port = free_port()
    manifests.put(
        ingress("a", {"a.test": [path("tea")]}, listen_ports=str(port)),
        config_map(http_snippets=f"server {{ listen {port} default_server; return 418; }}"),
    )
    serve_manifests(*FLAGS, "-nginx-configmaps=ours/config")
    assert (ask(port, "a.test", "/").status, ask(port, UNKNOWN, "/").status) == (200, 418)
