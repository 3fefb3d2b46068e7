"""VirtualServers through each build of nginx: splits, matches, changes and error pages of gRPC, and large bodies."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import grpc.aio
import pytest
import pytest_asyncio
from showcase.ports import free_port

from tests.k8s.certificates import Authority
from tests.live.json_objects import Json, config_map, endpoints, secret, service
from tests.live.settings.backends import LOOPBACK, Backend
from tests.live.settings.grpc_over_h2 import GrpcBackend, GrpcMessage, call
from tests.live.settings.hosts import CERTIFICATE, certificate
from tests.live.settings.serving_nginx import ServingNginx, served
from tests.waiting import DEADLINE_S

pytestmark = pytest.mark.asyncio(loop_scope="module")

HOST = "vs.test"
UNAVAILABLE = "14"
PAGES = [
    {"codes": [502], "return": {"code": 200, "body": "sorry", "type": "text/plain"}},
    {"codes": [504], "redirect": {"url": "http://help.test", "code": 302}},
]


def action(upstream: str, rewrite: str = "", **more: Any) -> Json:
    return {"proxy": {"upstream": upstream, **({"rewritePath": rewrite} if rewrite else {}), **more}}


def halves(*actions: Json) -> list[Json]:
    return [{"weight": 100 // len(actions), "action": action} for action in actions]


HEADERS = {
    "requestHeaders": {"set": [{"name": "X-Method", "value": "${request_method}"}, {"name": "X-Gone", "value": ""}]},
    "responseHeaders": {"hide": ["X-Hidden"], "add": [{"name": "X-Via", "value": "nginx", "always": True}]},
}
ROUTES = [
    {"path": "/both.Tea/", "splits": halves({"pass": "tea"}, {"pass": "locked"})},
    {"path": "/mixed.Tea/", "splits": halves({"pass": "tea"}, {"pass": "plain"})},
    {"path": "/old.Tea/", "action": action("tea", "/new.Tea/", **HEADERS)},
    {"path": "=/old.Tea/Exact", "action": action("tea", "/new.Tea/Say")},
    {"path": "~ ^/any[.](\\w+)/", "action": action("tea", "/cafe.$1/Say")},
    {
        "path": "/chosen.Tea/",
        "matches": [
            {"conditions": [{"header": "x-version", "value": "v2"}], "action": action("locked", "/v2.Tea/")},
            {"conditions": [{"header": "x-version", "value": "down"}], "action": {"pass": "dead"}},
        ],
        "action": {"pass": "tea"},
    },
    {"path": "/sorry.Tea/", "action": {"pass": "dead"}, "errorPages": PAGES},
    {"path": "/late.Tea/", "action": {"pass": "patient"}, "errorPages": PAGES},
    {"path": "/dead.Tea/", "splits": halves({"pass": "dead"}, {"pass": "dead"})},
    {"path": "/large", "splits": halves({"pass": "large"}, {"pass": "large"})},
    {"path": "/small", "splits": halves({"pass": "small"}, {"pass": "small"})},
]


def virtual_server(*routes: Json) -> Json:
    upstreams = [
        {"name": "tea", "service": "tea", "port": 80, "type": "grpc"},
        {"name": "locked", "service": "locked", "port": 80, "type": "grpc", "tls": {"enable": True}},
        {"name": "dead", "service": "dead", "port": 80, "type": "grpc"},
        {"name": "patient", "service": "tea", "port": 80, "type": "grpc", "read-timeout": "100ms"},
        {"name": "plain", "service": "plain", "port": 80},
        {"name": "large", "service": "plain", "port": 80, "client-max-body-size": "3m"},
        {"name": "small", "service": "plain", "port": 80, "client-max-body-size": "1k"},
    ]
    return {
        "apiVersion": "k8s.nginx.org/v1",
        "kind": "VirtualServer",
        "metadata": {"name": "cafe", "namespace": "default"},
        "spec": {"host": HOST, "tls": {"secret": CERTIFICATE}, "upstreams": upstreams, "routes": routes or ROUTES},
    }


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def tea() -> AsyncIterator[GrpcBackend]:
    async with GrpcBackend().running() as backend:
        yield backend


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def locked(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[GrpcBackend]:
    tls = Authority().server_context(tmp_path_factory.mktemp("tls"), "inner.test")
    tls.set_alpn_protocols(["h2"])
    async with GrpcBackend(tls).running() as backend:
        yield backend


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def nginx(nginx_binary: str, tea: GrpcBackend, locked: GrpcBackend) -> AsyncIterator[ServingNginx]:
    plain = Backend("plain", free_port())
    ports = {"tea": tea.port, "locked": locked.port, "dead": free_port(), "plain": plain.port}
    objects = [config_map(http2="true"), certificate(), virtual_server()]
    for name, port in ports.items():
        objects += [service(name), endpoints(name, LOOPBACK, port=port)]
    async with served(objects, binary=nginx_binary, backends=[plain]) as nginx:
        yield nginx


async def ask(nginx: ServingNginx, path: str, *headers: tuple[str, str]) -> GrpcMessage:
    async with asyncio.timeout(DEADLINE_S):
        return await call(nginx.https, HOST, path, b"hello", headers)


def paths(backend: GrpcBackend) -> list[str]:
    return [request.headers[":path"] for request in backend.requests]


async def test_calls_are_divided_among_upstreams_with_and_without_tls(
    nginx: ServingNginx, tea: GrpcBackend, locked: GrpcBackend
) -> None:
    for _ in range(40):
        answer = await ask(nginx, "/both.Tea/Say?a=1")
        assert (answer.message, answer.trailers) == (b"hello", {"grpc-status": "0"})
    assert "/both.Tea/Say?a=1" in paths(tea)
    assert "/both.Tea/Say?a=1" in paths(locked)


async def test_a_split_may_lead_to_grpc_and_to_http(nginx: ServingNginx, tea: GrpcBackend) -> None:
    found = [await ask(nginx, "/mixed.Tea/Say") for _ in range(40)]
    assert {answer.headers.get("content-type") == "application/grpc" for answer in found} == {True, False}
    assert "/mixed.Tea/Say" in paths(tea)


@pytest.mark.parametrize(
    ("asked", "passed"),
    [("/old.Tea/Say?a=1", "/new.Tea/Say?a=1"), ("/old.Tea/Exact", "/new.Tea/Say"), ("/any.Milk/x", "/cafe.Milk/Say")],
)
async def test_the_path_of_a_call_is_replaced(nginx: ServingNginx, tea: GrpcBackend, asked: str, passed: str) -> None:
    assert (await ask(nginx, asked)).message == b"hello"
    assert paths(tea)[-1] == passed


async def test_headers_of_calls_are_changed(nginx: ServingNginx, tea: GrpcBackend) -> None:
    answer = await ask(nginx, "/old.Tea/Say", ("x-gone", "here"), ("x-kept", "here"))
    seen = tea.requests[-1].headers
    assert (seen["x-method"], seen["x-kept"], "x-gone" in seen) == ("POST", "here", False)
    assert answer.headers["x-via"] == "nginx"


async def test_the_first_match_decides_about_a_call(nginx: ServingNginx, tea: GrpcBackend, locked: GrpcBackend) -> None:
    assert (await ask(nginx, "/chosen.Tea/Say")).message == b"hello"
    assert paths(tea)[-1] == "/chosen.Tea/Say"
    assert (await ask(nginx, "/chosen.Tea/Say?b", ("x-version", "v2"))).message == b"hello"
    assert paths(locked)[-1] == "/v2.Tea/Say?b"


@pytest.mark.parametrize("path", ["/dead.Tea/Say", "/chosen.Tea/Say"])
async def test_errors_behind_splits_and_matches_have_a_grpc_status(nginx: ServingNginx, path: str) -> None:
    assert (await ask(nginx, path, ("x-version", "down"))).headers["grpc-status"] == UNAVAILABLE


async def test_error_pages_replace_the_errors_of_their_codes(nginx: ServingNginx) -> None:
    page = await ask(nginx, "/sorry.Tea/Say")
    assert (page.headers[":status"], page.headers["content-type"]) == ("200", "text/plain")
    assert "grpc-status" not in page.headers
    moved = await ask(nginx, "/late.Tea/Never")
    assert (moved.headers[":status"], moved.headers["location"]) == ("302", "http://help.test")


async def test_the_upstream_behind_a_split_decides_how_large_a_body_may_be(nginx: ServingNginx) -> None:
    large = await nginx.get(HOST, "/large", tls=True, method="POST", data=io.BytesIO(b"x" * 2_000_000))
    small = await nginx.get(HOST, "/small", tls=True, method="POST", data=b"x" * 2_000)
    assert (large.status, small.status) == (200, 413)


async def test_a_client_of_grpc_gets_a_stream_and_the_status(nginx_binary: str) -> None:
    """The library of gRPC on both sides."""
    authority = Authority()
    certificate, key = authority.issue("*.test")
    pair = secret(CERTIFICATE, kind="kubernetes.io/tls", tls_crt=certificate, tls_key=key)
    routes = [{"path": "/old.Tea/", "splits": halves(action("tea", "/new.Tea/"), action("tea", "/new.Tea/"))}]
    async with counting() as port:
        objects = [config_map(http2="true"), pair, service("tea"), endpoints("tea", LOOPBACK, port=port)]
        async with served([*objects, virtual_server(*routes)], binary=nginx_binary) as own, asyncio.timeout(DEADLINE_S):
            trusted = grpc.ssl_channel_credentials(authority.pem)
            async with grpc.aio.secure_channel(
                f"{LOOPBACK}:{own.https}", trusted, [("grpc.ssl_target_name_override", HOST)]
            ) as channel:
                received, status = await counted(channel, "/old.Tea/Count")
    assert received == [b"x0", b"x1", b"x2"]
    assert status == (grpc.StatusCode.OUT_OF_RANGE, "no more")


@asynccontextmanager
async def counting() -> AsyncIterator[int]:
    """Run a server of gRPC, and yield its port."""

    async def count(request: bytes, context: Any) -> AsyncIterator[bytes]:
        for number in range(3):
            yield request + str(number).encode()
        await context.abort(grpc.StatusCode.OUT_OF_RANGE, "no more")

    server = grpc.aio.server()
    methods = {"Count": grpc.unary_stream_rpc_method_handler(count)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("new.Tea", methods),))
    port = server.add_insecure_port(f"{LOOPBACK}:0")
    await server.start()
    try:
        yield port
    finally:
        await server.stop(None)


async def counted(channel: grpc.aio.Channel, method: str) -> tuple[list[bytes], tuple[grpc.StatusCode, str]]:
    """Return the messages of a stream, and the status after them."""
    stream = channel.unary_stream(method)(b"x")
    received = [await stream.read() for _ in range(3)]
    return received, (await stream.code(), await stream.details())
