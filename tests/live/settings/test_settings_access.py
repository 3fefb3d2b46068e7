"""Who may ask, and what those are shown who get an error."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.live.json_objects import Json, secret
from tests.live.settings.hosts import host, master, minion
from tests.live.settings.serving_nginx import ServingNginx, served

pytestmark = pytest.mark.asyncio(loop_scope="module")


def login(password: str) -> dict[str, str]:
    """The header with which jane comes (RFC 7617)."""
    return {"Authorization": f"Basic {b64encode(f'jane:{password}'.encode()).decode()}"}


JANE = login("secret")


def with_page(item: Json) -> Json:
    """Let the Service ``page`` answer for errors."""
    item["spec"]["defaultBackend"] = {"service": {"name": "page", "port": {"number": 80}}}
    return item


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def nginx() -> AsyncIterator[ServingNginx]:
    hosts = [
        secret("users", kind="nginx.org/htpasswd", htpasswd=b"jane:{PLAIN}secret\n"),
        host("open"),
        host("closed", basic_auth_secret="users", basic_auth_realm='Staff \\"only\\"'),
        host("nameless", basic_auth_secret="users"),
        host("empty", basic_auth_secret="users", basic_auth_realm=""),
        host("odd", basic_auth_secret="users", basic_auth_realm="it's a \\\\ back\\slash"),
        host("gone", basic_auth_secret="nobody"),
        master("shop"),
        minion("shop", "/staff", basic_auth_secret="users", basic_auth_realm="Shop"),
        minion("shop", "/all"),
        with_page(host("pages", custom_http_errors="404,5xx")),
        with_page(host("large", custom_http_errors="413", client_max_body_size="1k")),
        with_page(host("locked", custom_http_errors="401", basic_auth_secret="users")),
        with_page(master("mall", custom_http_errors="404")),
        minion("mall", "/same"),
        minion("mall", "/own", custom_http_errors="503"),
    ]
    async with served(hosts, problems=["'nobody' does not exist"]) as running:
        running.backend("page").reply(200, "a page")
        yield running


async def test_only_requests_with_the_password_are_served(nginx: ServingNginx) -> None:
    refused = await nginx.get("closed.test")
    assert (refused.status, refused.headers["WWW-Authenticate"]) == (401, r'Basic realm="Staff \"only\""')
    assert (await nginx.get("closed.test", headers=login("guess"))).status == 401
    assert not nginx.backend("closed").requests
    assert (await nginx.get("closed.test", headers=JANE)).text == "closed"
    assert (await nginx.get("open.test")).status == 200
    for name in ("nameless", "empty"):
        assert (await nginx.get(f"{name}.test")).headers["WWW-Authenticate"] == 'Basic realm=""'


async def test_a_realm_is_a_quoted_string(nginx: ServingNginx) -> None:
    """RFC 9110 §5.6.4: a quote and a backslash inside are escaped."""
    told = (await nginx.get("odd.test")).headers["WWW-Authenticate"]
    assert told == r'Basic realm="it' "'" r's a \\ back\\slash"'


async def test_no_request_is_served_where_the_secret_is_missing(nginx: ServingNginx) -> None:
    assert (await nginx.get("gone.test", headers=JANE)).status == 403


async def test_a_minion_protects_only_its_paths(nginx: ServingNginx) -> None:
    refused = await nginx.get("shop.test", "/staff")
    assert (refused.status, refused.headers["WWW-Authenticate"]) == (401, 'Basic realm="Shop"')
    assert (await nginx.get("shop.test", "/staff", headers=JANE)).status == 200
    assert (await nginx.get("shop.test", "/all")).status == 200


@pytest.mark.parametrize(("status", "text"), [(404, "a page"), (500, "a page"), (503, "a page"), (403, "own words")])
async def test_chosen_errors_get_the_page_of_the_default_backend(nginx: ServingNginx, status: int, text: str) -> None:
    nginx.backend("pages").reply(status, "own words")
    answer = await nginx.get("pages.test", "/tea?x=1")
    assert (answer.status, answer.text) == (status, text)
    if text == "a page":
        told = nginx.backend("page").last.headers
        assert (told["X-Code"], told["X-Original-URI"], told["Host"]) == (str(status), "/tea?x=1", "pages.test")


async def test_the_page_is_asked_for_without_the_body_of_the_request(nginx: ServingNginx) -> None:
    nginx.backend("pages").reply(404)
    assert (await nginx.get("pages.test", method="POST", data=b"tea")).text == "a page"
    assert nginx.backend("pages").last.body == b"tea"
    assert (nginx.backend("page").last.method, nginx.backend("page").last.body) == ("POST", b"")
    head = b"POST / HTTP/1.1\r\nHost: large.test\r\nConnection: close\r\nContent-Length: 200000\r\n\r\n"
    answer = await nginx.send(head + bytes(200_000))
    assert answer.startswith(b"HTTP/1.1 413 "), "nginx has thrown the body away, and the page does not wait for it"
    assert answer.endswith(b"a page")
    assert "Content-Length" not in nginx.backend("page").last.headers


async def test_an_error_page_for_401_needs_no_password(nginx: ServingNginx) -> None:
    answer = await nginx.get("locked.test")
    assert answer.text == "a page"
    assert nginx.backend("page").last.headers["X-Code"] == "401"
    assert (await nginx.get("locked.test", headers=JANE)).text == "locked"


async def test_a_minion_has_its_own_error_pages_or_its_masters(nginx: ServingNginx) -> None:
    for status, uri, text in ((404, "/same", "a page"), (503, "/same", ""), (404, "/own", ""), (503, "/own", "a page")):
        nginx.backend("mall").reply(status)
        assert (await nginx.get("mall.test", uri)).text == text
