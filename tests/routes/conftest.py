"""Backends, directories and an nginx with Lua."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
from showcase.backends import running
from showcase.example import Endpoint
from showcase.ports import free_port

from headgate.ir import Layout
from headgate.nginx import probe
from tests.directories import short_directory
from tests.live.json_objects import Json, endpoints, service, tls_secret
from tests.nginx_binaries import LUA
from tests.routes.routed_nginx import LOOPBACK, RoutedNginx


@pytest.fixture(autouse=True)
def needs_lua() -> None:
    if not LUA:
        pytest.skip("no nginx with Lua (tools/lua_nginx.sh)")


@pytest.fixture(scope="session")
def backends() -> Iterator[list[Json]]:
    """The Services ``tea`` and ``coffee``, which answer what they are asked, and ``none``; and two certificates."""
    tea, coffee = free_port(), free_port()
    with running([Endpoint("tea", LOOPBACK, tea), Endpoint("coffee", LOOPBACK, coffee)]):
        yield [
            *(service(name) for name in ("tea", "coffee", "none")),
            *(tls_secret(name, f"{name}.test") for name in ("cert-a", "cert-b")),
            endpoints("tea", LOOPBACK, port=tea),
            endpoints("coffee", LOOPBACK, port=coffee),
        ]


@pytest.fixture
async def routed(backends: list[Json]) -> AsyncIterator[RoutedNginx]:
    """An nginx that is not started yet, with the Services of ``backends``."""
    with short_directory() as folder:
        nginx = RoutedNginx(Layout.under(str(folder)), await probe(LUA or ""))
        nginx.put(*backends)
        yield nginx
        await nginx.manager.quit(0.2)
