"""A connection that was made for one host is used for another one, which demands a certificate of its clients.

Browsers do so over HTTP/2 if the certificate of the server is valid for both (RFC 9113, section 9.1.1). nginx answers
421 (Misdirected Request), so that a handshake in which no certificate was asked for opens nothing.
"""

from __future__ import annotations

import itertools
import socket
import ssl
from collections.abc import Iterable
from pathlib import Path

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import Event, ResponseReceived, StreamEnded, StreamReset

from tests.k8s.certificates import Authority
from tests.live.headgate_process import LOOPBACK, HeadgateProcess, StartHeadgate
from tests.live.json_objects import ManifestFolder, config_map, ingress, secret, tls_secret
from tests.live.test_live_policies import policy
from tests.live.test_live_policies_tls import client
from tests.live.test_live_virtual_servers import answer, virtual_server

OPEN = ("open.shop.test", "open-ingress.shop.test")
"""A VirtualServer and an Ingress that anybody may ask."""
GUARDED = ("guarded.shop.test", "guarded-ingress.shop.test")
"""The same, for clients with a certificate of one authority."""
OTHERS = ("others.shop.test", "optional.shop.test")
"""VirtualServers for clients of another authority; the last one lets in clients without a certificate."""
MISDIRECTED = 421


def over_one_connection(
    headgate: HeadgateProcess, context: ssl.SSLContext, name: str, hosts: Iterable[str]
) -> dict[str, int]:
    """Return the status that each of *hosts* answers over one HTTP/2 connection made for the server *name*."""
    context.set_alpn_protocols(["h2"])
    with (
        socket.create_connection((LOOPBACK, headgate.https), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname=name) as secure,
    ):
        assert secure.selected_alpn_protocol() == "h2"
        http2 = H2Connection(H2Configuration(header_encoding="utf-8"))
        http2.initiate_connection()
        return {host: _status(http2, secure, host) for host in hosts}


def _status(http2: H2Connection, secure: ssl.SSLSocket, host: str) -> int:
    stream = http2.get_next_available_stream_id()
    wanted = ((":method", "GET"), (":scheme", "https"), (":authority", host), (":path", "/"))
    http2.send_headers(stream, wanted, end_stream=True)
    status = 0
    while True:
        secure.sendall(http2.data_to_send())
        received = secure.recv(65_535)
        events: list[Event] = http2.receive_data(received) if received else [StreamReset()]
        for event in events:
            if isinstance(event, ResponseReceived):
                status = int(dict(event.headers)[":status"])
        if any(isinstance(event, StreamEnded | StreamReset) for event in events):
            return status


def over_http1(headgate: HeadgateProcess, context: ssl.SSLContext, name: str, hosts: Iterable[str]) -> dict[str, int]:
    """Return the status that each of *hosts* answers over an HTTP/1.1 connection made for the server *name*."""
    context.set_alpn_protocols(["http/1.1"])
    found = {}
    for host in hosts:
        with (
            socket.create_connection((LOOPBACK, headgate.https), timeout=10) as plain,
            context.wrap_socket(plain, server_hostname=name) as secure,
        ):
            secure.sendall(f"GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
            found[host] = int(b"".join(iter(lambda: secure.recv(65_535), b"")).split(b" ", 2)[1])
    return found


@pytest.fixture
def authorities() -> tuple[Authority, Authority]:
    """Those of the clients of GUARDED, and of OTHERS."""
    return Authority(), Authority()


@pytest.fixture
def headgate(
    serve_manifests: StartHeadgate,
    manifests: ManifestFolder,
    authorities: tuple[Authority, Authority],
    nginx_binary: str,
) -> HeadgateProcess:
    """All hosts, with one certificate that is valid for each of them."""
    ours, others = authorities
    manifests.put(
        config_map(http2="true"),
        tls_secret("all", "*.shop.test"),
        secret("ours", kind="nginx.org/ca", ca_crt=ours.pem),
        secret("others", kind="nginx.org/ca", ca_crt=others.pem),
        policy("ours", ingressMTLS={"clientCertSecret": "ours"}),
        policy("others", ingressMTLS={"clientCertSecret": "others"}),
        policy("optional", ingressMTLS={"clientCertSecret": "others", "verifyClient": "optional"}),
    )
    for host, policies in (
        (OPEN[0], ()),
        (GUARDED[0], ("ours",)),
        (OTHERS[0], ("others",)),
        (OTHERS[1], ("optional",)),
    ):
        name = host.partition(".")[0]
        named = {"policies": [{"name": each} for each in policies]} if policies else {}
        manifests.put(
            virtual_server(name, {"path": "/", "action": answer(name)}, host=host, tls={"secret": "all"}, **named)
        )
    manifests.put(ingress("open-ingress", OPEN[1], tls={"all": [OPEN[1]]}))
    manifests.put(ingress("guarded-ingress", GUARDED[1], tls={"all": [GUARDED[1]]}, policies="ours"))
    return serve_manifests("-nginx-configmaps=ours/config", nginx=nginx_binary)


@pytest.mark.parametrize("ask", [over_one_connection, over_http1])
def test_a_connection_to_an_open_host_opens_no_host_that_demands_a_certificate(
    headgate: HeadgateProcess, directory: Path, authorities: tuple[Authority, Authority], ask: object
) -> None:
    assert callable(ask)
    unknown, known = (client(directory, authority) for authority in (None, authorities[0]))
    for name, context in itertools.product(OPEN, (unknown, known)):
        found = ask(headgate, context, name, (*OPEN, *GUARDED, *OTHERS, *OPEN))
        assert found == {**dict.fromkeys(OPEN, 200), **dict.fromkeys((*GUARDED, *OTHERS), MISDIRECTED)}, name


@pytest.mark.parametrize("ask", [over_one_connection, over_http1])
def test_a_certificate_for_one_host_opens_no_other_host(
    headgate: HeadgateProcess, directory: Path, authorities: tuple[Authority, Authority], ask: object
) -> None:
    assert callable(ask)
    unknown, known, other = (client(directory, authority) for authority in (None, *authorities))
    every = (*OPEN, *GUARDED, *OTHERS)
    for name in GUARDED:
        for context, own in ((known, 200), (unknown, 400), (other, 400)):
            wanted = {**dict.fromkeys(every, MISDIRECTED), **dict.fromkeys(OPEN, 200), name: own}
            asked = (*OPEN, *(host for host in (*GUARDED, *OTHERS) if host != name), name)
            assert ask(headgate, context, name, asked) == wanted, (name, own)
    # A host that lets in clients without a certificate hands on neither that nor the certificate of a client.
    for context in (unknown, other):
        found = ask(headgate, context, OTHERS[1], (OTHERS[0], *GUARDED, OTHERS[1]))
        assert found == {**dict.fromkeys((OTHERS[0], *GUARDED), MISDIRECTED), OTHERS[1]: 200}
