"""Snippets of one Ingress: the variables that they may read, the types of what they answer, and none at all."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.live.json_objects import Json, path, secret
from tests.live.settings.hosts import host, master, minion
from tests.live.settings.serving_nginx import ServingNginx, served

pytestmark = pytest.mark.asyncio(loop_scope="module")

ALL = "$resource_type/${resource_namespace}/$resource_name/${service}"
READ = f'add_header X-Resource "{ALL}" always;'
TYPES = {
    "/robots.txt": "text/plain", "/ads.txt": "text/plain", "/.well-known/assetlinks.json": "application/json",
    "/feed.xml": "text/xml", "/index.html": "text/html", "/style.css": "text/css", "/app.js": "text/javascript",
    "/logo.svg": "image/svg+xml", "/favicon.ico": "image/vnd.microsoft.icon", "/app.wasm": "application/wasm",
    "/app.webmanifest": "application/manifest+json", "/font.woff2": "font/woff2",
    "/LICENSE": "application/octet-stream",
}  # fmt: skip
"""What snippets answer, by its name (RFC 9110 §8.3, and IANA's list of media types)."""


def objects() -> list[Json]:
    answers = "\n".join(f'location = {name} {{ return 200 "x"; }}' for name in TYPES)
    return [
        host("location", path("location", "/a"), path("other", "/b"), location_snippets=READ),
        host("server", server_snippets=READ),
        host("braces", location_snippets="add_header X-Resource ${service}-x always;"),
        host("key", limit_req_key="${resource_name}${service}", limit_req_rate="1000r/s"),
        host("hash", lb_method="hash $service consistent"),
        host("similar", location_snippets='set $services "mine";\nadd_header X-Resource $services always;'),
        master("shop", server_snippets=READ),
        minion("shop", "/own", location_snippets=READ),
        minion("shop", "/plain"),
        host("types", server_snippets=answers),
        secret("users", kind="nginx.org/htpasswd", htpasswd=b"jane:{PLAIN}secret\n"),
        host("no-server-snippet", server_snippets=""),
        host("no-location-snippet", location_snippets="\n\n"),
        host("no-realm", basic_auth_secret="users", basic_auth_realm=""),
        host("no-size", proxy_busy_buffers_size=""),
        host("no-ciphers", ssl_ciphers=""),
    ]


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def nginx(nginx_binary: str) -> AsyncIterator[ServingNginx]:
    async with served(objects(), "-enable-snippets", binary=nginx_binary) as nginx:
        yield nginx


@pytest.mark.parametrize(
    ("name", "uri", "read"),
    [
        ("location", "/a", "ingress/default/location/location"),
        ("location", "/b", "ingress/default/location/other"),
        ("server", "/", "ingress/default/server/server"),
        ("braces", "/", "braces-x"),
        ("similar", "/", "mine"),
        ("shop", "/own", "ingress/default/shop-own/shop"),
        ("shop", "/plain", "ingress/default/shop-plain/shop"),
        ("shop", "/nobody", "ingress/default/shop/"),
    ],
)
async def test_a_snippet_reads_which_resource_answers(nginx: ServingNginx, name: str, uri: str, read: str) -> None:
    assert (await nginx.get(f"{name}.test", uri)).headers["X-Resource"] == read


@pytest.mark.parametrize("name", ["key", "hash"])
async def test_other_settings_read_it_too(nginx: ServingNginx, name: str) -> None:
    assert (await nginx.get(f"{name}.test")).text == name


@pytest.mark.parametrize("uri", TYPES)
async def test_an_answer_has_the_type_of_its_name(nginx: ServingNginx, uri: str) -> None:
    answer = await nginx.get("types.test", uri)
    assert (answer.status, answer.headers["Content-Type"]) == (200, TYPES[uri])


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("no-server-snippet", 200),
        ("no-location-snippet", 200),
        ("no-realm", 401),
        ("no-size", 200),
        ("no-ciphers", 200),
    ],
)
async def test_an_empty_text_says_nothing(nginx: ServingNginx, name: str, status: int) -> None:
    assert (await nginx.get(f"{name}.test")).status == status
