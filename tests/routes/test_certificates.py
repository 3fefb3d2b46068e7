"""Certificates beside hosts that are routed at run time: renewed in server blocks; sessions open no other host."""

from __future__ import annotations

import asyncio
import base64
import socket
import ssl
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import pytest
from aioquic.tls import SessionTicket

from headgate.ir import Layout
from headgate.nginx import probe
from tests.directories import short_directory
from tests.http3_client import get, http3_client
from tests.k8s.certificates import Authority
from tests.live.json_objects import Json, config_map, ingress, path, secret, tls_secret
from tests.live.test_live_policies import policy
from tests.nginx_binaries import LUA
from tests.routes.routed_nginx import LOOPBACK, RoutedNginx
from tests.waiting import DEADLINE_S, eventually

CERTIFIED, OPEN = "certified.test", "open.test"


@pytest.fixture
async def routed(backends: list[Json]) -> AsyncIterator[RoutedNginx]:
    """An nginx with HTTP/3 that is not started yet, with the Services of ``backends``."""
    with short_directory() as folder:
        place = Layout.under(str(folder))
        nginx = RoutedNginx(place, await probe(LUA or ""), "-nginx-configmaps=ours/config")
        nginx.put(*backends, config_map(http3="true"))
        yield nginx
        await nginx.manager.quit(0.2)


def opened() -> Json:
    return ingress("open", {OPEN: [path("tea")]}, tls={"cert-a": [OPEN]})


def certified(authority: Authority) -> list[Json]:
    """A host that demands certificates of *authority*, with the certificate of the other host."""
    server = ingress("certified", {CERTIFIED: [path("coffee")]}, tls={"cert-a": [CERTIFIED]}, policies="certified")
    return [
        secret("clients", kind="nginx.org/ca", ca_crt=authority.pem),
        policy("certified", ingressMTLS={"clientCertSecret": "clients"}),
        server,
    ]


def ask(port: int, name: str, host: str, version: ssl.TLSVersion, session: Any = None) -> tuple[int, Any, bool]:
    """Ask *host* with the server name *name*: the status (0: no answer), the session, and whether it was resumed."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.minimum_version = context.maximum_version = version
    if session:
        context = session[1]
    try:
        with (
            socket.create_connection((LOOPBACK, port), DEADLINE_S) as plain,
            context.wrap_socket(plain, server_hostname=name, session=session and session[0]) as secure,
        ):
            secure.sendall(f"GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
            answer = b"".join(iter(lambda: secure.recv(65536), b""))
            return int(answer.split(b" ")[1]), (secure.session, context), bool(secure.session_reused)
    except (ssl.SSLError, ConnectionError):
        return 0, None, False


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_a_session_of_a_routed_host_opens_no_host_that_demands_a_certificate(
    routed: RoutedNginx, version: ssl.TLSVersion
) -> None:
    await routed.apply(opened())
    assert list(routed.hosts) == [OPEN]

    async def asked(name: str, host: str, session: Any = None) -> tuple[int, Any, bool]:
        return await asyncio.to_thread(ask, routed.https, name, host, version, session)

    status, session, _ = await asked(OPEN, OPEN)
    assert status == 200
    assert (await asked(OPEN, OPEN, session))[::2] == (200, True)
    await routed.apply(*certified(Authority()))
    assert OPEN not in routed.hosts  # its handshakes may lead to that host
    for name, resumed in ((CERTIFIED, session), (OPEN, session), (OPEN, None), (CERTIFIED, None)):
        status, *_ = await asked(name, CERTIFIED, resumed)
        assert status in {0, 400, 421}, (name, bool(resumed))
    assert (await asked(OPEN, OPEN, session))[0] == 200


async def test_a_session_of_http3_opens_no_host_that_demands_a_certificate(routed: RoutedNginx) -> None:
    await routed.apply(opened())
    assert list(routed.hosts) == [OPEN]
    tickets: list[SessionTicket] = []
    async with http3_client(routed.https, OPEN, tickets=tickets) as client:
        assert (await client.get()).status == 200
    async with http3_client(routed.https, OPEN, ticket=tickets[0]) as client:
        assert (await client.get()).status == 200
        assert client.resumed
    await routed.apply(*certified(Authority()))
    for name in (OPEN, CERTIFIED):
        async with http3_client(routed.https, name, ticket=tickets[1]) as client:
            assert (await client.get("/", CERTIFIED)).status in {400, 421}, name


async def over_tcp(routed: RoutedNginx, host: str) -> bytes:
    certificate, answer = await routed.get_secure(host)
    assert answer.startswith("200")
    return certificate


async def over_quic(routed: RoutedNginx, host: str) -> bytes:
    async with http3_client(routed.https, host) as client:
        return client.certificate


async def test_certificates_of_server_blocks_are_renewed_without_a_reload(routed: RoutedNginx) -> None:
    """One host has a TLS context of its own, and one shares that of the default server."""
    await routed.apply(
        ingress("own", {"own.test": [path("tea")]}, tls={"cert-a": ["own.test"]}, ssl_ciphers="HIGH:!aNULL"),
        ingress("shared", {"shared.test": [path("tea")]}, tls={"cert-b": ["shared.test"]}, server_snippets="# own"),
    )
    assert not routed.hosts
    for host, name in (("own.test", "cert-a"), ("shared.test", "cert-b")):
        renewed = tls_secret(name, host)
        assert not (await routed.apply(renewed)).reloaded
        # A worker takes what it read in the last second from its cache (ssl_certificate_cache).
        wanted = ssl.PEM_cert_to_DER_cert(base64.b64decode(renewed["data"]["tls.crt"]).decode())
        await eventually(partial(over_tcp, routed, host), wanted.__eq__)
        await eventually(partial(over_quic, routed, host), wanted.__eq__)


async def test_a_host_that_is_routed_has_http3_without_a_reload(routed: RoutedNginx) -> None:
    await routed.apply(opened())
    other = ingress("other", {"other.test": [path("coffee")]}, tls={"cert-b": ["other.test"]})
    assert not (await routed.apply(other)).reloaded
    assert "Server name: coffee" in (await get(routed.https, "other.test")).text
