"""What annotations of ingress-nginx do to requests and responses, with backends that say or withhold what is asked."""

from __future__ import annotations

import http.client
import ssl
import time
from base64 import b64encode
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import ClassVar

import pytest

from tests.directories import short_directory
from tests.k8s.certificates import Authority
from tests.live.headgate_process import HeadgateProcess, ask, trusting
from tests.live.json_objects import (
    Json,
    ManifestFolder,
    cafe,
    endpoints,
    ingress_class,
    path,
    secret,
    service,
    tls_secret,
)
from tests.live.test_live_community import community, server
from tests.live.test_live_policies_tls import demanding
from tests.waiting import DEADLINE_S, wait_until

LOGIN = "Basic " + b64encode(b"ann:secret").decode()
ELSEWHERE, HERE = "192.0.2.0/24", "127.0.0.0/8"
LONG = 60_000


def with_certificate(item: Json) -> Json:
    """Have the hosts of an Ingress speak TLS with the certificate ``certs``."""
    item["spec"]["tls"] = [{"hosts": [rule["host"] for rule in item["spec"]["rules"]], "secretName": "certs"}]
    return item


class Backend(BaseHTTPRequestHandler):
    """Answers by the path that it is asked for: ``/wait`` once it may, ``/status/404`` with that status."""

    waiting, let_go = Event(), Event()
    copies: ClassVar[list[tuple[str, str | None, str | None]]] = []

    def do_GET(self) -> None:
        if self.path.startswith("/copy"):
            self.copies.append((self.path, self.headers.get("Host"), self.headers.get("X-Token")))
        if self.path == "/wait":
            self.waiting.set()
            assert self.let_go.wait(DEADLINE_S)
        status = int(self.path.rpartition("/")[2]) if self.path.startswith("/status/") else 200
        body = b"x" * LONG if self.path == "/long" else f"{self.request_version}\n{self.headers}".encode()
        self.send_response(status)
        self.send_header("Set-Cookie", "a=b; Domain=backend.internal; Path=/app/x")
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


class Deciding(BaseHTTPRequestHandler):
    """Lets in whoever has a token, counts who asks, and says how it was asked."""

    asked: ClassVar[Counter[str]] = Counter()

    def do_POST(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        token = self.headers.get("X-Token", "")
        self.asked[token] += 1
        self.send_response(200 if token else 401)
        self.send_header("X-Said", f"{self.command} {self.headers.get('X-Auth-Request-Redirect')}")
        if not token.startswith("kept"):  # nginx remembers no response that sets a cookie
            self.send_header("Set-Cookie", "session=1")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Be quiet."""


@pytest.fixture(scope="module")
def deciding() -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Deciding) as found:
        Thread(target=found.serve_forever, daemon=True).start()
        yield found.server_port
        found.shutdown()


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with short_directory() as directory:
        yield directory


@pytest.fixture(scope="module")
def manifests(nginx_binary: str, folder: Path, tea: int) -> ManifestFolder:
    place = folder / str(len(list(folder.iterdir())))
    place.mkdir()
    assert nginx_binary  # a folder for each
    return cafe(place, tea)


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture(scope="module")
def demanding_backend(folder: Path, authority: Authority) -> Iterator[int]:
    with demanding(folder, authority, "web.internal") as port:
        yield port


def client(folder: Path, authority: Authority, name: str) -> ssl.SSLContext:
    """Return the TLS side of a client with a certificate for *name*."""
    context, file = trusting(), folder / f"{name}.pem"
    file.write_bytes(b"".join(authority.issue(name)))
    context.load_cert_chain(file)
    return context


@pytest.fixture(scope="module")
def headgate(  # noqa: PLR0913 - all that is asked
    nginx_binary: str,
    manifests: ManifestFolder,
    backend: int,
    authority: Authority,
    demanding_backend: int,
    deciding: int,
) -> Iterator[HeadgateProcess]:
    certificate, key = authority.issue("headgate")
    certified = {"auth_tls_secret": "default/authority", "auth_tls_pass_certificate_to_upstream": "true"}
    to_tls = {"backend_protocol": "HTTPS", "proxy_ssl_secret": "default/both", "proxy_ssl_verify": "on"}
    decided = {"auth_url": f"http://127.0.0.1:{deciding}/decide", "auth_response_headers": "X-Said"}
    asks = {"auth_type": "basic", "auth_secret": "users"}
    with short_directory() as directory:
        manifests.put(
            ingress_class(controller="k8s.io/ingress-nginx"),
            service("own"),
            endpoints("own", "127.0.0.1", port=backend),
            secret("users", auth=b"ann:{PLAIN}secret\n"),
            community("any", {"any.test": [path("tea")]}, satisfy="any", whitelist_source_range=ELSEWHERE, **asks),
            community("here", {"here.test": [path("tea")]}, satisfy="any", whitelist_source_range=HERE, **asks),
            community("denied", {"denied.test": [path("tea")]}, satisfy="any", denylist_source_range=ELSEWHERE, **asks),
            community("one", {"one.test": [path("own")]}, limit_connections="1"),
            community(
                "not-counted",
                {"not-counted.test": [path("own")]},
                limit_connections="1",
                limit_rpm="1",
                limit_burst_multiplier="1",
                limit_allowlist=HERE,
            ),
            community("counted", {"counted.test": [path("tea")]}, limit_rpm="1", limit_burst_multiplier="1",
                      limit_allowlist=ELSEWHERE),
            community("slow", {"slow.test": [path("own")]}, limit_rate="20", limit_rate_after="10",
                      proxy_buffering="on"),
            community(
                "cookies",
                {"cookies.test": [path("own")]},
                proxy_cookie_domain="backend.internal shop.test",
                proxy_cookie_path="/app /",
                proxy_http_version="1.0",
                connection_proxy_header="close",
            ),
            community("secure", {"secure.test": [path("tea")]}, tls=True),
            community("kept", {"secure.test": [path("tea", "/kept")]}, 2, preserve_trailing_slash="true"),
            service("empty"),
            community("pages", {"errors.test": [path("own")]}, custom_http_errors="404,503", default_backend="own"),
            community("passed", {"errors.test": [path("own", "/status/500")]}, 2, default_backend="own"),
            community("replaced", {"errors.test": [path("empty", "/empty")]}, 2, default_backend="own"),
            community("nobody", {"errors.test": [path("empty", "/nobody")]}, 2),
            community("gone", {"gone.test": [path("empty")]}, default_backend="empty"),
            tls_secret("certs", "certified.test", "named.test"),
            secret("authority", ca_crt=authority.pem),
            secret("both", ca_crt=authority.pem, tls_crt=certificate, tls_key=key),
            with_certificate(community("certified", {"certified.test": [path("own")]}, **certified)),
            community("younger", {"certified.test": [path("own", "/plain")]}, 2, ssl_redirect="false"),
            with_certificate(
                community("named", {"named.test": [path("own")]}, auth_tls_match_cn="CN=(ann|bob)$",
                          ssl_redirect="false", **certified)
            ),
            service("demanding"),
            endpoints("demanding", "127.0.0.1", port=demanding_backend),
            community("web", {"web.test": [path("demanding")]}, proxy_ssl_name="web.internal", **to_tls),
            community("other", {"other.test": [path("demanding")]}, proxy_ssl_name="other.internal", **to_tls),
            community("bare", {"bare.test": [path("demanding")]}, backend_protocol="HTTPS"),
            community("some", {"decided.test": [path("own")]}, auth_method="POST", auth_request_redirect="/there",
                      **decided),
            community("always", {"decided.test": [path("own", "/status/500")]}, 2, auth_always_set_cookie="true",
                      **decided),
            community("cached", {"cached.test": [path("own"), path("own", "/other")]}, auth_cache_key="$http_x_token",
                      auth_keepalive="8", **decided),
            community("named-more", {"more.test": [path("tea")]}, server_alias="alias.test",
                      from_to_www_redirect="true"),
            community("more-guarded", {"more.test": [path("tea", "/no")]}, 2, denylist_source_range=HERE),
            community("copied", {"copied.test": [path("tea")]}, mirror_host="copy.test",
                      mirror_target=f"http://127.0.0.1:{backend}/copy$request_uri"),
            community("copied-in", {"copied.test": [path("tea", "/in")]}, 2, denylist_source_range=HERE,
                      mirror_target=f"http://127.0.0.1:{backend}/copy$request_uri"),
            community("solver", {"secure.test": [path("tea", "/.well-known/acme-challenge/x")]}, 2),
        )  # fmt: skip
        running = HeadgateProcess(directory, nginx_binary, f"--manifests={manifests.path}")
        running.start_ready()
        yield running
        running.stop()


def test_one_check_is_enough_where_any_satisfies(headgate: HeadgateProcess) -> None:
    assert [server(headgate, "any.test"), server(headgate, "any.test", Authorization=LOGIN)] == ["401", "tea"]
    assert server(headgate, "here.test") == "tea"


def test_who_is_not_denied_still_needs_a_password_where_any_satisfies(headgate: HeadgateProcess) -> None:
    assert [server(headgate, "denied.test"), server(headgate, "denied.test", Authorization=LOGIN)] == ["401", "tea"]


@pytest.mark.parametrize(("host", "second"), [("one.test", 503), ("not-counted.test", 200)])
def test_connections_of_one_client_are_limited(headgate: HeadgateProcess, host: str, second: int) -> None:
    Backend.waiting.clear()
    Backend.let_go.clear()
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(headgate.get, host, "/wait")
        assert Backend.waiting.wait(DEADLINE_S)
        try:
            assert headgate.get(host).status == second
        finally:
            Backend.let_go.set()
        assert first.result().status == 200


def test_who_is_exempt_is_not_counted(headgate: HeadgateProcess) -> None:
    assert {headgate.get("not-counted.test").status for _ in range(5)} == {200}
    assert [headgate.get("counted.test").status for _ in range(4)][-1] == 503


def test_a_response_is_slowed_down_after_its_beginning(headgate: HeadgateProcess) -> None:
    begun = time.monotonic()
    assert len(headgate.get("slow.test", "/long").body) == LONG
    assert time.monotonic() - begun > 1  # 50 kB at 20 kB a second; nginx begins anew each second


def test_cookies_of_backends_get_another_domain_and_path(headgate: HeadgateProcess) -> None:
    answer = headgate.get("cookies.test")
    assert answer.headers["Set-Cookie"].lower() == "a=b; domain=shop.test; path=//x"
    assert answer.body.startswith("HTTP/1.0\n")
    assert "connection: close\n" in answer.body.lower()


@pytest.mark.parametrize(
    ("asked", "location"),
    [("/", ""), ("/a/", "/a"), ("/a/?b=/", "/a/?b="), ("/a?b=1", "/a?b=1"), ("/kept/", "/kept/")],
)
def test_a_redirect_to_https_has_no_slash_at_its_end(headgate: HeadgateProcess, asked: str, location: str) -> None:
    assert headgate.get("secure.test", asked).headers["Location"] == f"https://secure.test{location}"


def test_challenges_are_not_redirected_to_https(headgate: HeadgateProcess) -> None:
    assert server(headgate, "secure.test", "/.well-known/acme-challenge/x") == "tea"


@pytest.mark.parametrize(
    ("uri", "code", "service", "ingress"),
    [
        ("/status/404", 404, "own", "pages"),
        ("/status/503", 503, "own", "pages"),
        ("/empty", 503, "empty", "replaced"),
        ("/empty?x=1", 503, "empty", "replaced"),
    ],
)
def test_a_service_answers_in_place_of_errors(
    headgate: HeadgateProcess, uri: str, code: int, service: str, ingress: str
) -> None:
    answer = headgate.get("errors.test", uri, headers={"Accept": "text/html", "X-Code": "200"})
    said = answer.body.lower()
    assert answer.status == 200
    told = {"x-code": code, "x-format": "text/html", "x-original-uri": uri, "x-namespace": "default",
            "x-ingress-name": ingress, "x-service-name": service, "x-service-port": 80}  # fmt: skip
    assert [f"{name}: {value}\n" in said for name, value in told.items()] == [True] * len(told), said
    assert "x-request-id: " in said


def test_other_errors_are_passed_on(headgate: HeadgateProcess) -> None:
    assert headgate.get("errors.test", "/status/502").status == 502
    assert headgate.get("errors.test", "/status/500").status == 500


def test_a_service_without_endpoints_is_503_until_there_are_some(
    headgate: HeadgateProcess, manifests: ManifestFolder, tea: int
) -> None:
    assert headgate.get("errors.test", "/nobody").status == 503
    assert headgate.get("gone.test").status == 503
    live, reloads = "balancer_by_lua" in headgate.file("conf.d/default-nobody.conf"), headgate.reloads()
    manifests.put(endpoints("empty", "127.0.0.1", port=tea))
    wait_until(lambda: server(headgate, "errors.test", "/nobody"), lambda found: found == "tea")
    wait_until(lambda: server(headgate, "errors.test", "/empty"), lambda found: found == "tea")
    assert headgate.reloads() == reloads or not live
    manifests.put(endpoints("empty"))
    wait_until(lambda: headgate.get("errors.test", "/nobody").status, lambda found: found == 503)


def test_clients_of_a_host_show_a_certificate(headgate: HeadgateProcess, folder: Path, authority: Authority) -> None:
    known = ask(headgate.https, "certified.test", "/plain", tls=client(folder, authority, "ann"))
    said = known.body.lower()
    assert known.status == 200
    assert "ssl-client-verify: success\n" in said
    assert "ssl-client-subject-dn: cn=ann\n" in said
    assert "ssl-client-cert" not in said  # the path of another Ingress, which does not pass it
    assert "ssl-client-cert: -----begin%20certificate" in ask(
        headgate.https, "certified.test", "/", tls=client(folder, authority, "ann")
    ).body.lower()  # fmt: skip
    assert ask(headgate.https, "certified.test", "/plain", tls=trusting()).status == 400
    assert ask(headgate.https, "certified.test", "/", tls=client(folder, Authority(), "ann")).status == 400


def test_plain_http_is_no_way_around_certificates(headgate: HeadgateProcess) -> None:
    redirected = headgate.get("certified.test", "/plain", headers={"ssl-client-verify": "SUCCESS"})
    assert (redirected.status, redirected.headers["Location"]) == (308, "https://certified.test/plain")
    assert headgate.get("named.test").status == 403


@pytest.mark.parametrize(("name", "status"), [("ann", 200), ("bob", 200), ("ann2", 403), ("x-ann", 403)])
def test_the_common_name_is_matched(
    headgate: HeadgateProcess, folder: Path, authority: Authority, name: str, status: int
) -> None:
    assert ask(headgate.https, "named.test", "/", tls=client(folder, authority, name)).status == status


@pytest.mark.parametrize(("host", "status"), [("web.test", 200), ("other.test", 502), ("bare.test", 502)])
def test_backends_are_shown_a_certificate_and_held_against_their_authority(
    headgate: HeadgateProcess, host: str, status: int
) -> None:
    assert headgate.get(host).status == status


def test_a_service_is_asked_as_it_wants(headgate: HeadgateProcess) -> None:
    answer = headgate.get("decided.test", headers={"X-Token": "a"})
    assert "x-said: post /there\n" in answer.body.lower()
    assert headgate.get("decided.test").status == 401


def test_clients_get_cookies_of_a_service_that_decides(headgate: HeadgateProcess) -> None:
    def cookies(uri: str) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", headgate.http)
        connection.request("GET", uri, headers={"Host": "decided.test", "X-Token": "a"})
        found = connection.getresponse().headers.get_all("Set-Cookie") or []
        connection.close()
        return found.count("session=1")

    assert [cookies("/"), cookies("/status/404"), cookies("/status/500")] == [1, 0, 1]


def test_decisions_are_remembered_for_their_key_and_location(headgate: HeadgateProcess) -> None:
    token = f"kept-{headgate.pid}"
    assert {headgate.get("cached.test", uri, headers={"X-Token": token}).status for uri in ("/a", "/b", "/a")} == {200}
    assert Deciding.asked[token] == 1
    assert headgate.get("cached.test", "/other", headers={"X-Token": token}).status == 200
    assert Deciding.asked[token] == 2
    assert headgate.get("cached.test", "/a").status == 401


def test_a_host_has_further_names_until_another_object_has_them(
    headgate: HeadgateProcess, manifests: ManifestFolder
) -> None:
    assert [server(headgate, "alias.test", uri) for uri in ("/", "/no")] == ["tea", "403"]
    redirected = headgate.get("www.more.test", "/a?b=1")
    assert (redirected.status, redirected.headers["Location"]) == (308, "http://more.test/a?b=1")
    others = [
        community("owner", {"alias.test": [path("tea", "/own")]}, 5),
        community("www-owner", {"www.more.test": [path("tea", "/own")]}, 5),
    ]
    manifests.put(*others)
    for host in ("alias.test", "www.more.test"):
        wait_until(lambda host=host: server(headgate, host, "/"), lambda found: found == "404")
        assert server(headgate, host, "/own") == "tea"
    manifests.delete(*others)
    wait_until(lambda: server(headgate, "alias.test", "/"), lambda found: found == "tea")


def test_a_copy_of_each_request_that_is_let_in_goes_elsewhere(headgate: HeadgateProcess) -> None:
    token = str(headgate.pid)
    assert server(headgate, "copied.test", "/in", X_Token=token) == "403"
    assert server(headgate, "copied.test", "/a?b=1", X_Token=token) == "tea"
    found = wait_until(lambda: [copy for copy in Backend.copies if copy[2] == token])
    assert found == [("/copy/a?b=1", "copy.test", token)]
