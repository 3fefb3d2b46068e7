"""Paths and ports: which location answers, and what the backend is asked for."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from showcase.ports import free_ports

from tests.live.json_objects import ingress, path
from tests.live.settings.hosts import certificate, host, master, minion, tls_host
from tests.live.settings.serving_nginx import ServingNginx, served

pytestmark = pytest.mark.asyncio(loop_scope="module")

SPECIFIC = "ImplementationSpecific"
ONE, OTHER, SECURE = free_ports(3)


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def nginx() -> AsyncIterator[ServingNginx]:
    hosts = [
        certificate(),
        host("root", app_root="/shop/window"),
        ingress(
            "beans",
            {"beans.test": [path("coffee", "/coffee"), path("milk", "/milk"), path("milk", "/exact", "Exact")]},
            rewrites="serviceName=coffee rewrite=/beans/;serviceName=milk rewrite=/cow",
        ),
        host("target", path("target", "/old"), rewrite_target="/new"),
        host("query", path("query", "/old"), rewrite_target="/new?from=old"),
        host("captured", path("captured", "/tea/(.*)/(.*)", SPECIFIC), path_regex="case_sensitive",
             rewrite_target="/$2/$1"),
        host("uncased", path("uncased", "/TEA/(.*)", SPECIFIC), path_regex="case_insensitive", rewrite_target="/$1"),
        host("sensitive", path("sensitive", "/tea/[0-9]+$", SPECIFIC), path_regex="case_sensitive"),
        host("insensitive", path("insensitive", "/tea/[0-9]+$", SPECIFIC), path_regex="case_insensitive"),
        host("exact", path("exact", "/tea", SPECIFIC), path_regex="exact"),
        host("unsaid", path("unsaid", "/tea", SPECIFIC)),
        master("shop"),
        minion("shop", "/tea/[0-9]+", path_regex="case_sensitive"),
        minion("shop", "/old", "moved", rewrite_target="/new"),
        host("ports", listen_ports=f"{ONE},{OTHER}"),
        host("usual"),
        tls_host("both", listen_ports=str(ONE), listen_ports_ssl=str(SECURE), ssl_redirect="false"),
    ]  # fmt: skip
    async with served(hosts) as running:
        yield running


async def asked(nginx: ServingNginx, name: str, uri: str, service: str = "") -> str | int:
    """Return what the backend was asked for, or the status if it was not asked."""
    answer = await nginx.get(f"{name}.test", uri)
    return nginx.backend(service or name).last.path if answer.text == (service or name) else answer.status


async def test_the_root_redirects_to_app_root(nginx: ServingNginx) -> None:
    answer = await nginx.get("root.test", "/")
    assert (answer.status, answer.headers["Location"]) == (302, "http://root.test/shop/window")
    assert await asked(nginx, "root", "/shop/window") == "/shop/window"


@pytest.mark.parametrize(
    ("uri", "service", "seen"),
    [
        ("/coffee", "coffee", "/beans/"),
        ("/coffee/", "coffee", "/beans/"),
        ("/coffee/dark?x=1", "coffee", "/beans/dark?x=1"),
        ("/coffeehouse", "coffee", 404),
        ("/milk", "milk", "/cow"),
        ("/milk/cold", "milk", "/cow/cold"),
        ("/exact", "milk", "/cow"),
    ],
)
async def test_each_service_gets_its_rewrite_in_place_of_the_matched_path(
    nginx: ServingNginx, uri: str, service: str, seen: str | int
) -> None:
    assert await asked(nginx, "beans", uri, service) == seen


@pytest.mark.parametrize(
    ("name", "uri", "seen"),
    [
        ("target", "/old", "/new"),
        ("target", "/old/deeper?x=1", "/new?x=1"),
        ("query", "/old?x=1", "/new?from=old&x=1"),
        ("captured", "/tea/green/cup", "/cup/green"),
        ("captured", "/tea/a/b/c?x=1", "/c/a/b?x=1"),
        ("uncased", "/tea/Green", "/Green"),
        ("target", "/other", 404),
    ],
)
async def test_rewrite_target_replaces_the_whole_path_with_captures(
    nginx: ServingNginx, name: str, uri: str, seen: str | int
) -> None:
    assert await asked(nginx, name, uri) == seen


@pytest.mark.parametrize(
    ("name", "uris", "others"),
    [
        ("sensitive", {"/tea/1", "/tea/22"}, {"/TEA/1", "/tea/x", "/tea/1/x", "/x/tea/1"}),
        ("insensitive", {"/tea/1", "/Tea/22"}, {"/tea/x", "/tea/1/x", "/x/tea/1"}),
        ("exact", {"/tea", "/tea?x=1"}, {"/tea/", "/tea/1", "/teas", "/TEA"}),
        ("unsaid", {"/tea", "/tea/1", "/teas"}, {"/TEA", "/x/tea"}),
        ("shop", {"/tea/1", "/tea/1/x"}, {"/tea/x"}),
    ],
)
async def test_paths_match_as_path_regex_says(nginx: ServingNginx, name: str, uris: set[str], others: set[str]) -> None:
    assert {uri for uri in uris | others if await asked(nginx, name, uri) == uri} == uris


async def test_a_minion_rewrites_only_its_path(nginx: ServingNginx) -> None:
    assert await asked(nginx, "shop", "/old", "moved") == "/new"


async def test_listen_ports_replace_the_default_port(nginx: ServingNginx) -> None:
    for port in (ONE, OTHER):
        assert (await nginx.get("ports.test", port=port)).text == "ports"
        assert nginx.backend("ports").last.headers["X-Forwarded-Port"] == str(port)
    assert (await nginx.get("ports.test")).status == 404
    assert (await nginx.get("usual.test")).text == "usual"


async def test_ports_for_tls_and_for_plain_http(nginx: ServingNginx) -> None:
    assert (await nginx.get("both.test", port=ONE)).text == "both"
    assert (await nginx.get("both.test", port=SECURE, tls=True)).text == "both"
    assert (await nginx.get("both.test")).status == 404
