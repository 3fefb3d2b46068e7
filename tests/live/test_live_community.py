"""Ingresses of ingress-nginx through a serving nginx of each build: one running controller, one folder."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import quote, unquote

import pytest

from tests.directories import short_directory
from tests.live.headgate_process import HeadgateProcess
from tests.live.json_objects import Json, cafe, endpoints, ingress, ingress_class, path, secret, service

PREFIX = "nginx.ingress.kubernetes.io/"
ANN = b"ann:{PLAIN}secret\n"


def community(  # noqa: PLR0913 - every part that a test may want to choose
    name: str,
    rules: dict[str, list[Json]],
    created: int = 1,
    *,
    tls: bool = False,
    default: str = "",
    namespace: str = "default",
    **said: str,
) -> Json:
    """Make an Ingress with annotations of ingress-nginx; *created* is its day."""
    found = ingress(name, rules, created=f"2026-01-{created:02}T00:00:00Z", default=default, namespace=namespace)
    found["metadata"]["annotations"] = {PREFIX + key.replace("_", "-"): text for key, text in said.items()}
    if tls:
        found["spec"]["tls"] = [{"hosts": list(rules)}]
    return found


class Deciding(BaseHTTPRequestHandler):
    """Lets in whoever says that it is *ann*, and says so."""

    def do_GET(self) -> None:
        known = self.headers.get("X-Token") == "ann"
        self.send_response(200 if known else 401)
        if known:
            self.send_header("X-User", "Ann")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Be quiet."""


@pytest.fixture(scope="module")
def deciding() -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Deciding) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


@pytest.fixture(scope="module")
def headgate(nginx_binary: str, tea: int, coffee: int, deciding: int) -> Iterator[HeadgateProcess]:
    tea_path, coffee_path = path("tea"), path("coffee")
    with short_directory() as directory:
        manifests = cafe(directory, tea)
        manifests.put(
            ingress_class(controller="k8s.io/ingress-nginx"),
            service("coffee"),
            endpoints("coffee", "127.0.0.1", port=coffee),
            secret("users", auth=ANN),
            community("younger", {"shared.test": [coffee_path, path("coffee", "/coffee")]}, 2),
            community("older", {"shared.test": [tea_path, path("tea", "/exact", "Exact")]}, 1),
            community("plain", {"regular.test": [path("coffee"), path("coffee", "/whole", "Exact")]}, 1),
            community(
                "rewritten",
                {"regular.test": [path("tea", "/tea(/|$)(.*)", "ImplementationSpecific")]},
                2,
                rewrite_target="/$2",
                x_forwarded_prefix="/tea",
            ),
            community("primary", {"canary.test": [tea_path]}, 1),
            community(
                "canary",
                {"canary.test": [coffee_path]},
                2,
                canary="true",
                canary_weight="30",
                canary_by_header="X-Canary",
                canary_by_cookie="canary",
            ),
            community("kept", {"kept.test": [path("tea", "/x")]}, default="coffee", denylist_source_range="127.0.0.1"),
            community("broad", {"closed.test": [tea_path]}, 1),
            community("closed", {"closed.test": [path("tea", "/admin")]}, 2, whitelist_source_range="10.0.0.0/33"),
            community(
                "refused",
                {"closed.test": [path("tea", "/refused"), path("tea", "/b;c")]},
                3,
                whitelist_source_range="10.0.0.0/8",
            ),
            community("literal", {"literal.test": [path("tea", "/a+b")]}, 1, denylist_source_range="127.0.0.1"),
            community("regular", {"literal.test": [coffee_path, path("tea", "/[0-9]+")]}, 2, use_regex="true"),
            community("mine", {"mine.test": [tea_path, path("tea", "/two")]}, 1),
            service("tea", "other"),
            endpoints("tea", "127.0.0.1", port=coffee, namespace="other"),
            community("theirs", {"mine.test": [tea_path]}, 2, namespace="other", canary="true", canary_weight="100"),
            community("ours", {"certified.test": [path("tea", "/a")]}, 1, auth_tls_secret="none"),
            community("open", {"certified.test": [path("tea", "/b")]}, 2),
            community("unknown", {"unknown.test": [tea_path]}, 1, upstream_hash_by="$nobody_defines_this"),
            community("office", {"office.test": [tea_path]}, whitelist_source_range="192.0.2.0/24"),
            community("here", {"here.test": [tea_path]}, whitelist_source_range="127.0.0.0/8"),
            community("not-here", {"here.test": [path("tea", "/no")]}, 2, denylist_source_range="127.0.0.1"),
            community("password", {"password.test": [tea_path]}, auth_type="basic", auth_secret="users"),
            community(
                "asks",
                {"asks.test": [tea_path]},
                auth_url=f"http://127.0.0.1:{deciding}/check",
                auth_signin="https://login.test/start",
                auth_response_headers="X-User",
            ),
            community("secure", {"secure.test": [tea_path]}, tls=True),
            community("insecure", {"secure.test": [path("tea", "/plain")]}, 2, ssl_redirect="false"),
            community("moved", {"moved.test": [tea_path]}, permanent_redirect="https://new.test/"),
            community("pages", {"pages.test": [tea_path]}, enable_cors="true", cors_allow_origin="https://a.test"),
        )
        running = HeadgateProcess(directory, nginx_binary, f"--manifests={manifests.path}")
        running.start_ready()
        yield running
        running.stop()


def server(headgate: HeadgateProcess, host: str, uri: str = "/", **headers: str) -> str:
    """Return which backend answers, or the status."""
    answer = headgate.get(host, uri, headers={key.replace("_", "-"): value for key, value in headers.items()})
    return answer.body.partition("Server name: ")[2].partition("\n")[0] if answer.status == 200 else str(answer.status)


@pytest.mark.parametrize(
    ("host", "uri", "expected"),
    [
        ("shared.test", "/", "tea"),
        ("shared.test", "/exact", "tea"),
        ("shared.test", "/coffee", "coffee"),
        ("shared.test", "/coffee/x", "coffee"),
        ("shared.test", "/coffees", "tea"),
        ("regular.test", "/", "coffee"),
        ("regular.test", "/tea", "tea"),
        ("regular.test", "/TEA/x", "tea"),
        ("regular.test", "/teapot", "coffee"),
        ("regular.test", "/wholesale", "coffee"),
        ("office.test", "/", "403"),
        ("kept.test", "/x", "403"),
        ("kept.test", "/anything", "403"),
        ("closed.test", "/", "tea"),
        ("closed.test", "/admin", "500"),
        ("closed.test", "/admin/x", "500"),
        ("closed.test", "/refused", "500"),
        ("literal.test", "/a+b", "403"),
        ("literal.test", "/7", "tea"),
        ("mine.test", "/", "tea"),
        ("mine.test", "/two", "tea"),
        ("certified.test", "/a", "500"),
        ("certified.test", "/b", "tea"),
        ("unknown.test", "/", "tea"),
        ("here.test", "/", "tea"),
        ("here.test", "/no", "403"),
        ("password.test", "/", "401"),
        ("secure.test", "/", "308"),
        ("secure.test", "/plain", "tea"),
        ("moved.test", "/x", "301"),
    ],
)
def test_paths_of_all_ingresses_are_served(headgate: HeadgateProcess, host: str, uri: str, expected: str) -> None:
    assert server(headgate, host, uri) == expected


@pytest.mark.parametrize(("uri", "asked"), [("/tea", "/"), ("/tea/", "/"), ("/tea/a/b?q=1", "/a/b?q=1")])
def test_a_path_is_rewritten_with_what_its_expression_captures(headgate: HeadgateProcess, uri: str, asked: str) -> None:
    answer = headgate.get("regular.test", uri)
    assert f"URI: {asked}\n" in answer.body
    assert "x-forwarded-prefix: /tea\n" in answer.body.lower()


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"X_Canary": "always"}, {"coffee"}),
        ({"X_Canary": "never"}, {"tea"}),
        ({"Cookie": "canary=always"}, {"coffee"}),
        ({"Cookie": "canary=never"}, {"tea"}),
        ({"X_Canary": "never", "Cookie": "canary=always"}, {"tea"}),
        ({"X_Canary": "Always"}, {"tea", "coffee"}),
        ({}, {"tea", "coffee"}),
    ],
)
def test_a_canary_is_chosen_by_header_then_cookie_then_weight(
    headgate: HeadgateProcess, headers: dict[str, str], expected: set[str]
) -> None:
    found = Counter(server(headgate, "canary.test", "/x?y", **headers) for _ in range(40 if len(expected) > 1 else 3))
    assert set(found) == expected
    if len(expected) > 1:
        assert found["tea"] > found["coffee"]  # 30 % of 40; the other way round once in 10,000


def test_a_service_decides_and_tells_the_backend(headgate: HeadgateProcess) -> None:
    refused = headgate.get("asks.test", "/x")
    assert refused.status == 302
    assert unquote(refused.headers["Location"]) == "https://login.test/start?rd=http://asks.test/x"
    escaped = "ngx.escape_uri" in headgate.file("conf.d/default-asks.conf")
    asked = headgate.get("asks.test", "/x?a=1&b=2").headers["Location"].partition("?rd=")[2]
    assert asked == (quote("http://asks.test/x?a=1&b=2", safe="") if escaped else "http://asks.test/x?a=1&b=2")
    answer = headgate.get("asks.test", "/x", headers={"X-Token": "ann", "X-User": "Root"})
    assert answer.status == 200
    assert "x-user: ann\n" in answer.body.lower()


def test_passwords_of_the_secret_are_asked_for(headgate: HeadgateProcess) -> None:
    assert server(headgate, "password.test", Authorization="Basic YW5uOnNlY3JldA==") == "tea"
    assert server(headgate, "password.test", Authorization="Basic YW5uOndyb25n") == "401"


def test_pages_of_other_origins_may_ask(headgate: HeadgateProcess) -> None:
    answer = headgate.get("pages.test", headers={"Origin": "https://a.test"})
    assert answer.headers["Access-Control-Allow-Origin"] == "https://a.test"
    for headers in ({}, {"Origin": "https://b.test"}):
        assert "Access-Control-Allow-Origin" not in headgate.get("pages.test", headers=headers).headers


def test_redirects_go_to_the_same_place(headgate: HeadgateProcess) -> None:
    assert headgate.get("secure.test", "/a?b=1").headers["Location"] == "https://secure.test/a?b=1"
    assert headgate.get("moved.test", "/x").headers["Location"] == "https://new.test/"


def test_what_a_client_says_of_itself_is_not_trusted(headgate: HeadgateProcess) -> None:
    answer = headgate.get("shared.test", headers={"X-Forwarded-For": "192.0.2.1", "X-Forwarded-Host": "evil.test"})
    said = answer.body.lower()
    assert "x-forwarded-for: 127.0.0.1\n" in said
    assert "x-original-forwarded-for: 192.0.2.1\n" in said
    assert "evil.test" not in said
