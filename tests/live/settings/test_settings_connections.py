"""Connections of clients: how long they are kept, and who stands at their other end. On each build of nginx."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.live.json_objects import config_map
from tests.live.settings.backends import LOOPBACK
from tests.live.settings.hosts import certificate, host, tls_host
from tests.live.settings.serving_nginx import ServingNginx, served, trusting_context
from tests.waiting import DEADLINE_S

CLIENT = "203.0.113.9"
LINE = f"PROXY TCP4 {CLIENT} {LOOPBACK} 5555 80\r\n".encode()
BINARY = bytes.fromhex("0d0a0d0a000d0a515549540a 21 11 000c cb007109 7f000001 15b3 0050")
"""The same in version 2 of the protocol."""
REQUEST = b"GET /tea HTTP/1.1\r\nHost: tea.test\r\nConnection: close\r\n\r\n"


@pytest_asyncio.fixture
async def proxied(nginx_binary: str) -> AsyncIterator[ServingNginx]:
    settings = config_map(proxy_protocol="true", log_format="$remote_addr $proxy_protocol_addr $uri")
    async with served([settings, certificate(), tls_host("tea", ssl_redirect="false")], binary=nginx_binary) as nginx:
        yield nginx


async def test_a_connection_is_kept_for_keepalive_requests(nginx_binary: str) -> None:
    async with (
        served([config_map(keepalive_requests="3"), host("tea")], binary=nginx_binary) as nginx,
        nginx.client() as client,
    ):
        kept = [(await client.get("tea.test")).headers["Connection"] for _ in range(4)]
        assert kept == ["keep-alive", "keep-alive", "close", "keep-alive"]


async def test_an_idle_connection_is_kept_for_keepalive_timeout(nginx_binary: str) -> None:
    async with served([config_map(keepalive_timeout="50ms"), host("tea")], binary=nginx_binary) as nginx:
        request = REQUEST.replace(b"Connection: close\r\n", b"")
        assert b"Connection: keep-alive" in await nginx.send(request), "nginx ended the connection, for we did not"
    async with served([config_map(keepalive_timeout="0"), host("tea")], binary=nginx_binary) as nginx:
        assert (await nginx.get("tea.test")).headers["Connection"] == "close"


@pytest.mark.parametrize("header", [LINE, BINARY], ids=["v1", "v2"])
async def test_the_proxy_protocol_names_the_client(proxied: ServingNginx, header: bytes) -> None:
    assert (await proxied.send(header + REQUEST)).startswith(b"HTTP/1.1 200 ")
    assert await proxied.logged("/tea") == f"{LOOPBACK} {CLIENT} /tea"


async def test_the_proxy_protocol_precedes_tls(proxied: ServingNginx) -> None:
    async with asyncio.timeout(DEADLINE_S):
        reader, writer = await asyncio.open_connection(LOOPBACK, proxied.https)
        writer.write(LINE)
        await writer.start_tls(trusting_context(), server_hostname="tea.test")
        writer.write(REQUEST)
        assert (await reader.readline()).startswith(b"HTTP/1.1 200 ")
        writer.transport.abort()


async def test_without_the_proxy_protocol_no_request_is_answered(proxied: ServingNginx) -> None:
    assert await proxied.send(REQUEST) == b""
    assert not proxied.backend("tea").requests
