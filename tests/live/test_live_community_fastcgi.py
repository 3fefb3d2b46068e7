"""Ingresses of ingress-nginx with backends that speak FastCGI, a real server of which answers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.directories import short_directory
from tests.live.fastcgi_server import fastcgi_server
from tests.live.headgate_process import HeadgateProcess
from tests.live.json_objects import ManifestFolder, cafe, config_map, endpoints, ingress_class, path, service
from tests.live.test_live_community import community
from tests.waiting import wait_until

Setup = tuple[HeadgateProcess, ManifestFolder]


def params(**data: str) -> dict[str, object]:
    return {**config_map("default", "php"), "data": data}


@pytest.fixture(scope="module")
def setup(nginx_binary: str, tea: int) -> Iterator[Setup]:
    with short_directory() as directory, fastcgi_server() as port:
        manifests = cafe(directory, tea)
        fast = {"backend_protocol": "FCGI", "fastcgi_index": "index.php", "fastcgi_params_configmap": "php"}
        manifests.put(
            ingress_class(controller="k8s.io/ingress-nginx"),
            service("php"),
            endpoints("php", "127.0.0.1", port=port),
            params(SCRIPT_FILENAME="/srv$fastcgi_script_name", SERVER_SOFTWARE="shop"),
            community("php", {"php.test": [path("php")]}, upstream_vhost="inner.test", **fast),
            community("pages", {"pages.test": [path("php")]}, custom_http_errors="404", default_backend="tea", **fast),
            community("moved", {"moved.test": [path("php", "/a/(.*)")]}, rewrite_target="/b/$1", **fast),
            community("kept", {"kept.test": [path("php")]}, denylist_source_range="127.0.0.1", **fast),
            community("main", {"canary.test": [path("tea")]}, 1),
            community("canary", {"canary.test": [path("php")]}, 2, canary="true", canary_by_header="X-New", **fast),
        )
        headgate = HeadgateProcess(directory, nginx_binary, f"--manifests={manifests.path}")
        headgate.start_ready()
        yield headgate, manifests
        headgate.stop()


def asked(headgate: HeadgateProcess, host: str, uri: str = "/", **headers: str) -> dict[str, str]:
    """Return the parameters that the server got."""
    answer = headgate.get(host, uri, headers={key.replace("_", "-"): value for key, value in headers.items()})
    return dict(line.split("=", 1) for line in answer.body.splitlines() if "=" in line)


def test_the_server_gets_the_parameters(setup: Setup) -> None:
    found = asked(setup[0], "php.test", "/shop/?a=1", X_Own="1")
    wanted = {
        "SCRIPT_FILENAME": "/srv/shop/index.php", "QUERY_STRING": "a=1", "REQUEST_URI": "/shop/?a=1",
        "SERVER_SOFTWARE": "shop", "HTTP_X_OWN": "1", "HTTP_HOST": "inner.test", "REMOTE_ADDR": "127.0.0.1",
    }  # fmt: skip
    assert {name: found.get(name) for name in wanted} == wanted


def test_what_a_client_says_of_itself_is_not_passed(setup: Setup) -> None:
    found = asked(setup[0], "php.test", "/", Proxy="http://evil.test", X_Forwarded_For="10.0.0.1", X_Real_IP="10.0.0.1")
    assert "HTTP_PROXY" not in found
    assert (found["HTTP_X_FORWARDED_FOR"], found["HTTP_X_REAL_IP"]) == ("127.0.0.1", "127.0.0.1")


def test_paths_errors_guards_and_canaries_are_as_for_http(setup: Setup) -> None:
    headgate, _ = setup
    assert asked(headgate, "moved.test", "/a/x.php")["SCRIPT_FILENAME"] == "/srv/b/x.php"
    page = headgate.get("pages.test", "/missing.php")
    assert "Server name: tea" in page.body
    assert headgate.get("kept.test").status == 403
    assert "Server name: tea" in headgate.get("canary.test").body
    assert asked(headgate, "canary.test", "/x.php", X_New="always")["SCRIPT_FILENAME"] == "/srv/x.php"


def test_the_config_map_is_followed_and_without_it_requests_are_refused(setup: Setup) -> None:
    headgate, manifests = setup
    manifests.put(params(SCRIPT_FILENAME="/new$fastcgi_script_name"))
    wait_until(lambda: asked(headgate, "php.test", "/x.php").get("SCRIPT_FILENAME") == "/new/x.php")
    manifests.delete(params())
    wait_until(lambda: headgate.get("php.test").status == 500)
