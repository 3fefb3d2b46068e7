"""What PCRE knows and Python's ``re`` does not is served; a named group takes no variable away from others."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.live.json_objects import path
from tests.live.settings.hosts import certificate, host, tls_host
from tests.live.settings.serving_nginx import ServingNginx, served

pytestmark = pytest.mark.asyncio(loop_scope="module")

EXPRESSIONS = {
    "cased": ("/(?i)shop/", {"/SHOP/1", "/shop/1"}, {"/shop"}),
    "ahead": ("/(?!api|auth)(.*)", {"/other", "/"}, {"/api", "/auth/x"}),
    "counted": ("/[A-Z0-9]{3,5}/x$", {"/ABC1/x"}, {"/AB/x", "/ABC1/xy"}),
    "behind": (r"/.*(?<!\.png|\.jpeg)$", {"/pic.gif"}, {"/pic.png", "/pic.jpeg"}),
    "named": (r"/(?<name>[a-z]+)/(?P<id>\d+)", {"/abc/12"}, {"/abc/x"}),
    "end": (r"/end\z", {"/end"}, {"/ends"}),
    "classes": ("/[[:alnum:]_-]+/docs", {"/a_b/docs"}, {"/a.b/docs"}),
    "possessive": ("/a++b", {"/aab"}, {"/aac"}),
    "braces": (r"/\x{41}/", {"/A/"}, {"/B/"}),
    "semicolon": ("/a;b", {"/a;b"}, {"/a"}),
    "space": ("/a b", {"/a%20b"}, {"/ab"}),
    "quote": ('/"x"', {"/%22x%22"}, {"/x"}),
}
"""Path, what it matches, and what it does not."""
GROUPS = ("secret_dir_path", "connection_upgrade", "http_upgrade", "args", "ssl_client_verify", "ARGS")


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def nginx(nginx_binary: str) -> AsyncIterator[ServingNginx]:
    hosts = [
        host(name, path(name, expression, "ImplementationSpecific"), path_regex="case_sensitive")
        for name, (expression, *_) in EXPRESSIONS.items()
    ]
    hosts += [
        host(f"group{i}", path("a", f"/(?<{group}>x)", "ImplementationSpecific"), path_regex="case_sensitive")
        for i, group in enumerate(GROUPS)
    ]
    hosts += [certificate(), tls_host("secure", websocket_services="secure")]
    async with served(
        hosts, binary=nginx_binary, problems=[f"a group called {name}, which" for name in GROUPS]
    ) as nginx:
        yield nginx


@pytest.mark.parametrize("name", EXPRESSIONS)
async def test_an_expression_matches_as_pcre_has_it(nginx: ServingNginx, name: str) -> None:
    _, matching, others = EXPRESSIONS[name]
    found = {uri for uri in matching | others if (await nginx.get(f"{name}.test", uri)).text == name}
    assert found == matching


async def test_variables_that_others_read_keep_their_values(nginx: ServingNginx) -> None:
    answer = await nginx.get("secure.test", "/?a=1", tls=True, headers={"Upgrade": "websocket"})
    assert answer.text == "secure"
    assert nginx.backend("secure").last.headers["Connection"] == "upgrade"
