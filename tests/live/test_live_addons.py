"""Modules that are loaded only where something asks for them, with the image's nginx, which has them all."""

from __future__ import annotations

import http.client
from collections.abc import Iterator

import pytest

from tests.directories import short_directory
from tests.live.headgate_process import LOOPBACK, HeadgateProcess
from tests.live.json_objects import ManifestFolder, cafe, config_map, ingress
from tests.nginx_binaries import LUA, capabilities
from tests.waiting import DEADLINE_S, wait_until

Setup = tuple[HeadgateProcess, ManifestFolder]
MORE = 'more_set_headers "X-More: of-{name}" "Server: shop";\nmore_clear_headers Content-Type;'


@pytest.fixture(scope="module")
def setup(tea: int) -> Iterator[Setup]:
    if LUA is None or not capabilities(LUA).addons:
        pytest.skip("no nginx with further modules: make lua-nginx")
    with short_directory() as directory:
        manifests = cafe(directory, tea)
        manifests.put(ingress("plain", "plain.test"))
        flags = ("-enable-snippets", "-nginx-configmaps=ours/config")
        running = HeadgateProcess(directory, LUA, f"--manifests={manifests.path}", *flags)
        running.start_ready()
        yield running, manifests
        running.stop()


def loaded(headgate: HeadgateProcess) -> list[str]:
    """The modules of ``load_module``, without those for endpoints."""
    lines = [line for line in headgate.file("nginx.conf").splitlines() if line.startswith("load_module")]
    names = [line.rpartition("/")[2].removesuffix(".so;") for line in lines]
    return [name for name in names if "lua" not in name and "ndk" not in name and "stream" not in name]


def test_a_snippet_loads_its_module_without_a_restart(setup: Setup) -> None:
    headgate, manifests = setup
    assert loaded(headgate) == []
    master = headgate.master
    manifests.put(ingress("more", "more.test", location_snippets=MORE.format(name="more")))
    wait_until(lambda: headgate.get("more.test").headers.get("X-More") == "of-more")
    answer = headgate.get("more.test")
    assert (answer.headers["Server"], answer.headers.get("Content-Type")) == ("shop", None)
    assert headgate.get("plain.test").headers.get("X-More") is None
    assert loaded(headgate) == ["ngx_http_headers_more_filter_module"]
    assert headgate.master == master


def test_a_snippet_that_nginx_refuses_leaves_the_last_one_with_its_module(setup: Setup) -> None:
    headgate, manifests = setup
    manifests.put(ingress("more", "more.test", location_snippets=MORE.format(name="kept")))
    wait_until(lambda: headgate.get("more.test").headers.get("X-More") == "of-kept")
    manifests.put(ingress("more", "more.test", location_snippets="injected on;"))
    wait_until(
        lambda: any(reason == "AddedOrUpdatedWithError" for reason, _ in headgate.events("Ingress default/more"))
    )
    assert headgate.get("more.test").headers["X-More"] == "of-kept"


def test_keys_of_the_config_map_may_use_modules(setup: Setup) -> None:
    headgate, manifests = setup
    manifests.put(config_map(http_snippets="brotli on;\nbrotli_min_length 1;\nbrotli_types *;"))
    wait_until(lambda: encoding(headgate) == "br")
    assert "ngx_http_brotli_filter_module" in loaded(headgate)
    path = f"load_module {module_path('ngx_http_brotli_filter_module')};"
    manifests.put(config_map(main_snippets=path, http_snippets="brotli on;\nbrotli_min_length 2;"))
    wait_until(lambda: "brotli_min_length 2;" in headgate.file("nginx.conf"))
    assert headgate.file("nginx.conf").count("ngx_http_brotli_filter_module") == 1
    assert headgate.get("plain.test").status == 200


def encoding(headgate: HeadgateProcess) -> str | None:
    """How a response is compressed for a client that knows Brotli."""
    connection = http.client.HTTPConnection(LOOPBACK, headgate.http, timeout=DEADLINE_S)
    try:
        connection.request("GET", "/", headers={"Host": "plain.test", "Accept-Encoding": "br"})
        return connection.getresponse().getheader("Content-Encoding")
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def module_path(name: str) -> str:
    assert LUA
    return next(addon.path for addon in capabilities(LUA).addons if addon.name == name)
