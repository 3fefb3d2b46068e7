"""Ingresses of ingress-nginx behind a proxy that terminates TLS, and with clients that have to sign in."""

from __future__ import annotations

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from tests.directories import short_directory
from tests.live.headgate_process import HeadgateProcess
from tests.live.json_objects import cafe, config_map, endpoints, ingress_class, path, service
from tests.live.test_live_community import community

FRONT = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "front.test, inner.test", "X-Forwarded-Port": "8443"}
NAME = "ingress-nginx-controller"
CHALLENGE = "/.well-known/acme-challenge/token"


class Backend(BaseHTTPRequestHandler):
    """Answers 401 to ``/decide``, a Location of its own to ``/moved``, and else with what it was sent."""

    def do_GET(self) -> None:
        body = "".join(f"{name}: {value}\n" for name, value in self.headers.items()).lower().encode()
        self.send_response({"/decide": 401, "/moved": 302}.get(self.path, 200))
        if self.path == "/moved":
            self.send_header("Location", "http://backend.internal/there")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Be quiet."""


@pytest.fixture(scope="module")
def backend() -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Backend) as found:
        Thread(target=found.serve_forever, daemon=True).start()
        yield found.server_port
        found.shutdown()


@pytest.fixture(scope="module")
def headgate(nginx_binary: str, tea: int, backend: int) -> Iterator[HeadgateProcess]:
    decide = f"http://127.0.0.1:{backend}/decide"
    with short_directory() as directory:
        manifests = cafe(directory, tea)
        manifests.put(
            ingress_class(controller="k8s.io/ingress-nginx"),
            config_map(
                "ours",
                NAME,
                use_forwarded_headers="true",
                proxy_real_ip_cidr="127.0.0.0/8",
                global_auth_url=decide,
                global_auth_response_headers="X-User",
                global_auth_signin="https://login.test/?to=$escaped_request_uri",
                global_auth_signin_redirect_param="to",
            ),
            service("own"),
            endpoints("own", "127.0.0.1", port=backend),
            community("plain", {"plain.test": [path("own")]}, enable_global_auth="false"),
            community("forced", {"forced.test": [path("own")]}, force_ssl_redirect="true", enable_global_auth="false"),
            community("secure", {"secure.test": [path("own")]}, tls=True, enable_global_auth="false"),
            community(
                "moved",
                {"moved.test": [path("own")]},
                enable_global_auth="false",
                proxy_redirect_from="http://backend.internal/",
                proxy_redirect_to="https://shop.test/",
            ),
            community("younger", {"moved.test": [path("own", "/plain")]}, 2, enable_global_auth="false"),
            community("global", {"global.test": [path("own")]}),
            community("solving", {"global.test": [path("own", "/.well-known/acme-challenge")]}, 2),
            community("signs-in", {"in.test": [path("own")]}, auth_url=decide, auth_signin="/login"),
            community(
                "escaped",
                {"escaped.test": [path("own")]},
                auth_url=decide,
                auth_signin="https://$host/start?rd=$escaped_request_uri",
            ),
        )
        running = HeadgateProcess(
            directory, nginx_binary, f"--manifests={manifests.path}", f"--configmap=ours/{NAME}",
            "--ingress-class=nginx", "--controller-class=k8s.io/ingress-nginx",
        )  # fmt: skip
        running.start_ready()
        yield running
        running.stop()


@pytest.mark.parametrize("host", ["forced.test", "secure.test"])
def test_a_request_that_had_tls_in_front_is_not_redirected(headgate: HeadgateProcess, host: str) -> None:
    assert headgate.get(host).status == 308
    assert headgate.get(host, headers={"X-Forwarded-Proto": "http"}).status == 308
    assert headgate.get(host, headers=FRONT).status == 200


def test_backends_get_what_the_proxy_in_front_says(headgate: HeadgateProcess) -> None:
    lines = headgate.get("plain.test", headers=FRONT).body.splitlines()
    assert {
        "host: front.test", "x-forwarded-host: front.test", "x-forwarded-port: 8443", "x-forwarded-proto: https",
        "x-forwarded-scheme: https", "x-scheme: https",
    } <= set(lines)  # fmt: skip


def test_without_a_proxy_in_front_backends_get_what_the_connection_is(headgate: HeadgateProcess) -> None:
    lines = headgate.get("plain.test").body.splitlines()
    assert {
        "host: plain.test", "x-forwarded-host: plain.test", f"x-forwarded-port: {headgate.http}",
        "x-forwarded-proto: http", "x-forwarded-scheme: http", "x-scheme: http",
    } <= set(lines)  # fmt: skip


def test_the_location_of_a_backend_is_replaced(headgate: HeadgateProcess) -> None:
    assert headgate.get("moved.test", "/moved").headers["Location"] == "https://shop.test/there"
    assert headgate.get("plain.test", "/moved").headers["Location"] == "http://backend.internal/there"


def test_global_auth_does_not_decide_about_challenges(headgate: HeadgateProcess) -> None:
    assert headgate.get("global.test").status == 302
    answer = headgate.get("global.test", CHALLENGE, headers={"X-User": "root"})
    assert answer.status == 200
    assert "x-user" not in answer.body


def test_clients_sign_in_below_a_path_of_the_same_host(headgate: HeadgateProcess) -> None:
    answer = headgate.get("in.test", "/a", headers={"X-Forwarded-Proto": "https"})
    assert answer.status == 302
    assert answer.headers["Location"].startswith("https://in.test/login?rd=https%3A%2F%2Fin.test")


def test_the_path_that_a_client_asked_for_is_one_argument(headgate: HeadgateProcess) -> None:
    lua = "set_by_lua_block" in headgate.file("conf.d/default-escaped.conf")
    asked = "%2Fa%3Fb%3D1%26c%3D2" if lua else "/a?b=1&c=2"
    assert headgate.get("escaped.test", "/a?b=1&c=2").headers["Location"] == f"https://escaped.test/start?rd={asked}"
    assert headgate.get("global.test", "/a?b=1&c=2").headers["Location"] == f"https://login.test/?to={asked}"
