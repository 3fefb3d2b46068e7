"""Who asks for what no resource serves reaches nobody's backend: an unknown host on a port that Ingresses open, or an
exact host on a port where only a wildcard is served. On each build of nginx.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from showcase.ports import free_port, free_ports

from tests.live.json_objects import Json, config_map, endpoints, ingress, path, tls_secret
from tests.live.settings.backends import LOOPBACK
from tests.live.settings.grpc_over_h2 import GrpcBackend, call
from tests.live.settings.hosts import CERTIFICATE, certificate, host, tls_host
from tests.live.settings.serving_nginx import ServingNginx, served
from tests.nginx_binaries import capabilities
from tests.waiting import DEADLINE_S

pytestmark = pytest.mark.asyncio(loop_scope="module")

PLAIN, OTHER, SECURE = free_ports(3)
PORTS = {"usual": 0, "plain": PLAIN, "other": OTHER, "secure": SECURE}


def of(name: str, host: str, *, tls: bool = False, **annotations: str) -> Json:
    """An Ingress of any host, which goes to the Service *name*."""
    secrets = {CERTIFICATE: [host]} if tls else None
    return ingress(name, {host: [path(name)]}, tls=secrets, **annotations)


def merged(host: str) -> list[Json]:
    """A master and its minion, which goes to the Service ``merged``."""
    master = ingress("master", host, mergeable_ingress_type="master")
    del master["spec"]["rules"][0]["http"]
    return [master, ingress("minion", {host: [path("merged")]}, mergeable_ingress_type="minion")]


OBJECTS = [
    certificate(),
    host("lp", listen_ports=str(PLAIN)),
    host("lq", listen_ports=f"{PLAIN},{OTHER}"),
    tls_host("ls", listen_ports=str(OTHER), listen_ports_ssl=str(SECURE), ssl_redirect="false"),
    of("wild", "*.wild.test", tls=True, ssl_redirect="false"),
    of("plain", "plain.wild.test"),
    of("secure", "secure.wild.test", tls=True),
    of("elsewhere", "elsewhere.wild.test", tls=True, listen_ports=str(OTHER), listen_ports_ssl=str(SECURE)),
    *merged("merged.wild.test"),
    of("far", "*.far.test", tls=True, listen_ports=str(PLAIN), listen_ports_ssl=str(SECURE), ssl_redirect="false"),
    of("near", "near.far.test"),
]


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def nginx(nginx_binary: str) -> AsyncIterator[ServingNginx]:
    async with served(OBJECTS, binary=nginx_binary) as running:
        yield running


@pytest.mark.parametrize(
    ("host", "port", "text"),
    [
        ("lp.test", "plain", "lp"),
        ("lq.test", "plain", "lq"),
        ("lq.test", "other", "lq"),
        ("unknown.test", "plain", None),
        ("unknown.test", "other", None),
        ("lp.test", "other", None),
        ("lp.test", "usual", None),
        ("q.wild.test", "usual", "wild"),
        ("plain.wild.test", "usual", "plain"),
        ("merged.wild.test", "usual", "merged"),
        ("elsewhere.wild.test", "usual", None),
        ("q.wild.test", "plain", None),
        ("q.far.test", "plain", "far"),
        ("near.far.test", "usual", "near"),
        ("near.far.test", "plain", None),
    ],
)
async def test_plain_http(nginx: ServingNginx, host: str, port: str, text: str | None) -> None:
    answer = await nginx.get(host, port=PORTS[port])
    assert (answer.status, answer.text if text else None) == ((200, text) if text else (404, None))


@pytest.mark.parametrize(
    ("host", "port", "text"),
    [
        ("q.wild.test", "usual", "wild"),
        ("secure.wild.test", "usual", "secure"),
        ("plain.wild.test", "usual", None),
        ("merged.wild.test", "usual", None),
        ("elsewhere.wild.test", "usual", None),
        ("elsewhere.wild.test", "secure", "elsewhere"),
        ("ls.test", "secure", "ls"),
        ("unknown.test", "secure", None),
        ("q.wild.test", "secure", None),
        ("q.far.test", "secure", "far"),
        ("near.far.test", "secure", None),
        ("near.far.test", "usual", None),
    ],
)
async def test_https(nginx: ServingNginx, host: str, port: str, text: str | None) -> None:
    if text:
        assert (await nginx.get(host, tls=True, port=PORTS[port])).text == text
        return
    with pytest.raises(ssl.SSLError, match=r"(?i)unrecognized.name"):
        await nginx.handshake(host, port=PORTS[port])


@pytest.mark.parametrize(("host", "port"), [("plain.wild.test", "usual"), ("near.far.test", "secure")])
async def test_a_request_for_such_a_host_within_a_connection_to_the_wildcard(
    nginx: ServingNginx, host: str, port: str
) -> None:
    """The certificate covers the host, so clients may send such requests (RFC 9113, 9.1.1)."""
    wildcard = host.replace("plain", "q").replace("near", "q")
    answer = await nginx.get(wildcard, tls=True, port=PORTS[port], headers={"Host": host})
    assert answer.status == 404


async def test_the_default_certificate_is_for_unknown_hosts_alone(nginx_binary: str) -> None:
    """It is not shown to a host that is there without TLS while a wildcard covers it."""
    fallback = tls_secret("fallback", "fallback.test", namespace="ours")
    secure = free_port()
    objects = [
        certificate(),
        fallback,
        config_map(default_server_return="410"),
        tls_host("ls", listen_ports_ssl=str(secure)),
        of("wild", "*.wild.test", tls=True),
        of("plain", "plain.wild.test"),
    ]
    async with served(objects, "-default-server-tls-secret=ours/fallback", binary=nginx_binary) as nginx:
        for port in (0, secure):
            assert (await nginx.get("unknown.test", tls=True, port=port)).status == 410
            assert await shown(nginx, "unknown.test", port) == await shown(nginx, "other.test", 0)
            assert await shown(nginx, "ls.test", secure) != await shown(nginx, "unknown.test", port)
        with pytest.raises(ssl.SSLError, match=r"(?i)unrecognized.name"):
            await nginx.handshake("plain.wild.test")


async def shown(nginx: ServingNginx, host: str, port: int) -> bytes | None:
    return (await nginx.handshake(host, port=port)).getpeercert(binary_form=True)


async def test_a_port_speaks_what_the_oldest_ingress_wants(nginx_binary: str) -> None:
    port = free_port()
    objects = [certificate(), host("a", listen_ports=str(port)), tls_host("b", listen_ports_ssl=str(port))]
    told = [f"nginx.org/listen-ports-ssl: port {port} is used for HTTP by another resource: Ingress default/a"]
    async with served(objects, binary=nginx_binary, problems=told) as nginx:
        assert (await nginx.get("a.test", port=port)).text == "a"
        assert (await nginx.get("unknown.test", port=port)).status == 404


async def test_behind_the_proxy_protocol(nginx_binary: str) -> None:
    port = free_port()
    objects = [config_map(proxy_protocol="true"), host("a", listen_ports=str(port))]
    async with served(objects, binary=nginx_binary) as nginx:
        for name, status in (("a", b" 200 "), ("unknown", b" 404 ")):
            asked = f"PROXY TCP4 192.0.2.1 127.0.0.1 5555 80\r\nGET / HTTP/1.0\r\nHost: {name}.test\r\n\r\n"
            assert status in (await nginx.send(asked.encode(), port)).splitlines()[0]


async def test_grpc_without_tls_on_a_port_that_others_open_too(nginx_binary: str) -> None:
    if not capabilities(nginx_binary).http2_directive:
        pytest.skip("this nginx speaks HTTP/2 over TLS alone")
    port = free_port()
    async with GrpcBackend().running() as grpc:
        objects = [
            config_map(http2="true"),
            host("a", listen_ports=str(port)),
            host("grpc", listen_ports=str(port), grpc_services="grpc"),
            endpoints("grpc", LOOPBACK, port=grpc.port),
        ]
        async with served(objects, binary=nginx_binary) as nginx, asyncio.timeout(DEADLINE_S):
            assert (await call(port, "grpc.test", "/cafe.Tea/Say", b"hello", tls=False)).message == b"hello"
            assert (await nginx.get("a.test", port=port)).text == "a"
