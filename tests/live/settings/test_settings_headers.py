"""Headers: which ones clients see, and which ones backends."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.live.json_objects import config_map
from tests.live.settings.backends import LOOPBACK
from tests.live.settings.hosts import certificate, host, master, minion
from tests.live.settings.serving_nginx import ServingNginx, served

pytestmark = pytest.mark.asyncio(loop_scope="module")

FORWARDED = {"X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Port", "X-Forwarded-Proto"}
HSTS = "max-age=2592000; preload"


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def nginx() -> AsyncIterator[ServingNginx]:
    """Nothing from a ConfigMap."""
    hosts = [
        host("plain"),
        host("added", add_header="X-Sometimes:1,X-Always:2:always"),
        host("quoted", add_header='X-A:it\'s \\"so\\"; a=1'),
        host("hidden", proxy_hide_headers="X-Powered-By,X-Version"),
        host("passed", proxy_pass_headers="Server"),
        host("set", proxy_set_headers="X-Fixed:blue, X-Url:http://x.test/,X-Own,X-Gone:,Host:inner.test"),
        host("silent", server_tokens="false"),
        host("frank", server_tokens="true"),
        certificate(),
        master("shop", tls={"certificate": ["shop.test"]}, hsts="true", add_header="X-Shop:1", ssl_redirect="false"),
        minion("shop", "/same"),
        minion("shop", "/own", add_header="X-Own:1"),
        minion("shop", "/merged", add_header="X-Own:1", add_header_inherit="merge"),
        minion("shop", "/none", add_header_inherit="off"),
        minion("shop", "/snippet", location_snippets="add_header X-Snippet 1;"),
        minion("shop", "/set", proxy_set_headers="X-Minion:1"),
    ]
    async with served(hosts, "-enable-snippets") as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def configured() -> AsyncIterator[ServingNginx]:
    """Everything from the ConfigMap; some hosts say otherwise."""
    settings = config_map(
        add_header="X-All:1",
        add_header_inherit="merge",
        proxy_hide_headers="X-Powered-By",
        proxy_pass_headers="Server",
        disable_forwarded_headers="true",
        server_tokens="false",
    )
    hosts = [
        host("common"),
        host("merged", add_header="X-Own:1"),
        host("own", add_header="X-Own:1", add_header_inherit="on"),
        host("none", add_header_inherit="off"),
        host("shown", proxy_hide_headers="X-Version"),
    ]
    async with served([settings, *hosts], "-enable-snippets") as running:
        yield running


# --- to clients -----------------------------------------------------------------------------------------


async def test_added_headers_are_on_errors_only_with_always(nginx: ServingNginx) -> None:
    good = await nginx.get("added.test")
    assert (good.status, good.headers["X-Sometimes"], good.headers["X-Always"]) == (200, "1", "2")
    nginx.backend("added").reply(404)
    bad = await nginx.get("added.test")
    assert (bad.status, "X-Sometimes" in bad.headers, bad.headers["X-Always"]) == (404, False, "2")
    assert "X-Always" not in (await nginx.get("plain.test")).headers
    assert (await nginx.get("quoted.test")).headers["X-A"] == 'it\'s "so"; a=1'


@pytest.mark.parametrize(
    ("uri", "seen"),
    [
        ("/same", {"X-Shop"}),
        ("/own", {"X-Own"}),
        ("/merged", {"X-Shop", "X-Own"}),
        ("/none", set()),
        ("/snippet", {"X-Shop", "X-Snippet"}),
    ],
)
async def test_headers_that_a_minion_adds_or_inherits_never_remove_hsts(
    nginx: ServingNginx, uri: str, seen: set[str]
) -> None:
    answer = await nginx.get("shop.test", uri, tls=True)
    assert {"X-Shop", "X-Own", "X-Snippet"} & answer.headers.keys() == seen
    assert answer.headers.getall("Strict-Transport-Security") == [HSTS]


@pytest.mark.parametrize(
    ("name", "seen"), [("common", {"X-All"}), ("merged", {"X-All", "X-Own"}), ("own", {"X-Own"}), ("none", set())]
)
async def test_headers_of_the_configmap_are_inherited_as_configured(
    configured: ServingNginx, name: str, seen: set[str]
) -> None:
    assert {"X-All", "X-Own"} & (await configured.get(f"{name}.test")).headers.keys() == seen


async def test_hidden_headers_of_a_backend_are_removed(nginx: ServingNginx, configured: ServingNginx) -> None:
    told = {"X-Powered-By": "steam", "X-Version": "1", "X-Colour": "red"}
    for where, name, seen in (
        (nginx, "plain", {"X-Powered-By", "X-Version", "X-Colour"}),
        (nginx, "hidden", {"X-Colour"}),
        (configured, "common", {"X-Version", "X-Colour"}),
        (configured, "shown", {"X-Powered-By", "X-Colour"}),
    ):
        where.backend(name).reply(200, headers=told)
        assert told.keys() & (await where.get(f"{name}.test")).headers.keys() == seen


async def test_passed_headers_are_those_of_the_backend(nginx: ServingNginx, configured: ServingNginx) -> None:
    for where, name, server in ((nginx, "passed", "tea/1"), (configured, "common", "tea/1")):
        where.backend(name).reply(200, headers={"Server": "tea/1"})
        assert (await where.get(f"{name}.test")).headers.getall("Server") == [server]
    nginx.backend("plain").reply(200, headers={"Server": "tea/1"})
    assert (await nginx.get("plain.test")).headers["Server"].startswith("nginx")


async def test_server_tokens_shows_or_hides_the_version(nginx: ServingNginx, configured: ServingNginx) -> None:
    assert (await nginx.get("frank.test")).headers["Server"].startswith("nginx/")
    assert (await nginx.get("silent.test")).headers["Server"] == "nginx"
    nginx.backend("silent").reply(200)
    page = await nginx.get("silent.test", headers={"Content-Length": "x"})
    assert page.status == 400
    assert "nginx/" not in page.text
    unknown = await configured.get("unknown.test")
    assert (unknown.status, unknown.headers["Server"]) == (404, "nginx")


# --- to backends ----------------------------------------------------------------------------------------


async def test_configured_request_headers_reach_the_backend(nginx: ServingNginx) -> None:
    await nginx.get("set.test", headers={"X-Fixed": "red", "X-Own": "mine", "X-Gone": "1"})
    told = nginx.backend("set").last.headers
    assert told.getall("X-Fixed") == ["blue"]
    assert (told["X-Url"], told["X-Own"], told["Host"]) == ("http://x.test/", "mine", "inner.test")
    assert "X-Gone" not in told
    await nginx.get("set.test")
    assert "X-Own" not in nginx.backend("set").last.headers


async def test_a_minion_sets_headers_for_its_paths_only(nginx: ServingNginx) -> None:
    await nginx.get("shop.test", "/set")
    assert nginx.backend("shop").last.headers["X-Minion"] == "1"
    assert nginx.backend("shop").last.headers["X-Forwarded-Host"] == "shop.test"
    await nginx.get("shop.test", "/same")
    assert "X-Minion" not in nginx.backend("shop").last.headers


async def test_forwarded_headers_describe_client_and_request(nginx: ServingNginx) -> None:
    await nginx.get("plain.test", headers={"X-Forwarded-For": "203.0.113.7", "X-Forwarded-Proto": "gopher"})
    told = nginx.backend("plain").last.headers
    assert told.getall("X-Forwarded-For") == [f"203.0.113.7, {LOOPBACK}"]
    assert told.getall("X-Forwarded-Proto") == ["http"]
    assert (told["X-Forwarded-Port"], told["X-Forwarded-Host"]) == (str(nginx.http), "plain.test")
    assert (told["Host"], told["X-Real-IP"]) == ("plain.test", LOOPBACK)


async def test_forwarded_headers_can_be_left_unchanged(configured: ServingNginx) -> None:
    await configured.get("common.test")
    assert not FORWARDED & configured.backend("common").last.headers.keys()
    await configured.get("common.test", headers={"X-Forwarded-For": "203.0.113.7"})
    assert configured.backend("common").last.headers["X-Forwarded-For"] == "203.0.113.7"
