"""What backends speak: TLS, gRPC, WebSocket. On each build of nginx."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import aiohttp
import pytest
import pytest_asyncio
from showcase.ports import free_port

from tests.k8s.certificates import Authority
from tests.live.json_objects import Json, config_map, endpoints
from tests.live.settings.backends import LOOPBACK, Backend, echo_websocket
from tests.live.settings.grpc_over_h2 import UNIMPLEMENTED, GrpcBackend, call
from tests.live.settings.hosts import backed_host, certificate, host, joined, tls_host
from tests.live.settings.serving_nginx import ServingNginx, served
from tests.nginx_binaries import capabilities
from tests.waiting import DEADLINE_S

pytestmark = pytest.mark.asyncio(loop_scope="module")

SAY = "/cafe.Tea/Say"
DEADLINE_EXCEEDED, UNAVAILABLE = "4", "14"
UNHEARD = "nginx.org/grpc-services: needs bare.test in spec.tls: gRPC needs HTTP/2, which nginx before 1.25.1"


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def grpc() -> AsyncIterator[GrpcBackend]:
    async with GrpcBackend().running() as backend:
        yield backend


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def nginx(
    nginx_binary: str, grpc: GrpcBackend, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[ServingNginx]:
    """Services that speak something else than plain HTTP, and the same without the setting."""
    tls = Authority().server_context(tmp_path_factory.mktemp("tls"), "inner.test")
    tls.set_alpn_protocols(["h2", "http/1.1"])
    locked = Backend("locked", free_port(), tls=tls)
    secret = GrpcBackend(tls)
    objects = joined(
        [config_map(http2="true", log_format="$host $request_uri_no_args ${service} $grpc_status."), certificate()],
        backed_host("tls", port=locked.port, ssl_services="tls"),
        backed_host("no-tls", port=locked.port),
        backed_host("chat", websocket_services="chat"),
        backed_host("kept-chat", websocket_services="kept-chat", keepalive="8"),
        backed_host("no-chat"),
        speaking("grpc", grpc.port),
        speaking("grpcs", secret.port, ssl_services="grpcs"),
        speaking("patient", grpc.port, proxy_read_timeout="100ms"),
        speaking("dead", free_port()),
        [host("bare", grpc_services="bare"), endpoints("bare", LOOPBACK, port=grpc.port)],
    )
    told = [] if speaks_bare_http2(nginx_binary) else [UNHEARD]
    async with secret.running(), served(objects, binary=nginx_binary, backends=[locked], problems=told) as nginx:
        yield nginx


def speaks_bare_http2(binary: str) -> bool:
    """Whether nginx speaks HTTP/2 without TLS beside HTTP/1.1."""
    return capabilities(binary).http2_directive


def speaking(name: str, port: int, **annotations: str) -> list[Json]:
    """Return a host with TLS, whose backend speaks gRPC on *port*."""
    return [tls_host(name, grpc_services=name, **annotations), endpoints(name, LOOPBACK, port=port)]


async def test_a_backend_can_be_asked_over_tls(nginx: ServingNginx) -> None:
    assert (await nginx.get("tls.test")).text == "locked", "ssl-services"
    assert (await nginx.get("no-tls.test")).status == 502


async def test_a_websocket_is_echoed(nginx: ServingNginx) -> None:
    url = f"http://{LOOPBACK}:{nginx.http}/"
    for name in ("chat", "kept-chat", "no-chat"):
        nginx.backend(name).handler = echo_websocket
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(DEADLINE_S)) as session:
        for name in ("chat", "kept-chat"):
            async with session.ws_connect(url, headers={"Host": f"{name}.test"}) as talk:
                await talk.send_str("hello")
                assert await talk.receive_str() == "hello", "websocket-services"
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await session.ws_connect(url, headers={"Host": "no-chat.test"})


@pytest.mark.parametrize("name", ["grpc", "grpcs"])
async def test_a_grpc_call_is_proxied_with_its_trailers(nginx: ServingNginx, name: str) -> None:
    async with asyncio.timeout(DEADLINE_S):
        answer = await call(nginx.https, f"{name}.test", SAY, b"hello", [("x-token", "t")])
    assert (answer.headers[":status"], answer.headers["content-type"]) == ("200", "application/grpc")
    assert (answer.message, answer.trailers) == (b"hello", {"grpc-status": "0"})


async def test_a_grpc_call_comes_through_without_tls_where_nginx_can(nginx: ServingNginx, nginx_binary: str) -> None:
    """Clients begin with HTTP/2 at once (RFC 9113, 3.3); those of HTTP/1.1 notice nothing."""
    assert (await nginx.get("bare.test")).status == 200
    async with asyncio.timeout(DEADLINE_S):
        if not speaks_bare_http2(nginx_binary):
            with pytest.raises(ConnectionError):
                await call(nginx.http, "bare.test", SAY, b"hello", tls=False)
            return
        answer = await call(nginx.http, "bare.test", SAY, b"hello", tls=False)
    assert (answer.message, answer.trailers) == (b"hello", {"grpc-status": "0"})


async def test_a_grpc_backend_receives_path_headers_and_message(nginx: ServingNginx, grpc: GrpcBackend) -> None:
    async with asyncio.timeout(DEADLINE_S):
        await call(nginx.https, "grpc.test", SAY, b"hello", [("x-token", "t")])
    seen = grpc.requests[-1]
    assert (seen.headers[":path"], seen.headers["te"], seen.headers["x-token"]) == (SAY, "trailers", "t")
    assert seen.headers["x-forwarded-proto"] == "https"
    assert seen.message == b"hello"


async def test_the_status_of_a_call_is_logged(nginx: ServingNginx) -> None:
    async with asyncio.timeout(DEADLINE_S):
        await call(nginx.https, "grpc.test", f"{SAY}?logged", b"hello")
        await call(nginx.https, "grpc.test", "/cafe.Tea/Missing", b"")
        await call(nginx.https, "dead.test", f"{SAY}?logged", b"")
    await nginx.get("no-chat.test", "/plain?x=/y")
    for line in (f"grpc.test {SAY} grpc 0.", f"grpc.test /cafe.Tea/Missing grpc {UNIMPLEMENTED}.",
                 f"dead.test {SAY} dead {UNAVAILABLE}.", "no-chat.test /plain no-chat ."):  # fmt: skip
        assert await nginx.logged(line) == line


async def test_errors_of_grpc_locations_have_a_grpc_status(nginx: ServingNginx) -> None:
    async with asyncio.timeout(DEADLINE_S):
        missing = await call(nginx.https, "grpc.test", "/cafe.Tea/Missing", b"")
        dead = await call(nginx.https, "dead.test", SAY, b"")
        late = await call(nginx.https, "patient.test", "/cafe.Tea/Never", b"")
    assert missing.headers["grpc-status"] == UNIMPLEMENTED
    assert dead.headers["grpc-status"] == UNAVAILABLE
    assert late.headers["grpc-status"] == DEADLINE_EXCEEDED
