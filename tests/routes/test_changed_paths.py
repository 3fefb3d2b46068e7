"""Regular expressions as paths, paths that are changed for backends, redirects and answers."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from headgate.nginx.expressions import refused
from headgate.settings.regex import is_simple
from tests.live.json_objects import Json, config_map, endpoints, ingress, path, service
from tests.nginx_binaries import BINARIES
from tests.routes.routed_nginx import LOOPBACK, RoutedNginx
from tests.routes.served import Question, assert_alike, both, question, varied
from tests.routes.test_attached_objects import custom, first, to, upstream

FLAGS = ("-nginx-configmaps=ours/config", "-enable-snippets")
ANY = "ImplementationSpecific"
BYTES = "".join(map(chr, (*range(33, 127), *range(128, 256))))
"""Every byte that a path may have, as it is written and encoded."""


class Leading(BaseHTTPRequestHandler):
    """Answers with the header that has nginx serve another path, which the query names."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("X-Accel-Redirect", self.path.partition("?to=")[2])
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name in the base class
        pass


@pytest.fixture
def leading() -> Iterator[list[Json]]:
    """The Service ``leading``."""
    with ThreadingHTTPServer((LOOPBACK, 0), Leading) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield [service("leading"), endpoints("leading", LOOPBACK, port=server.server_port)]
        server.shutdown()
        thread.join()


def rewriting(where: str, target: str, up: str = "tea") -> Json:
    return {"path": where, "action": {"proxy": {"upstream": up, "rewritePath": target}}}


def redirecting(where: str, url: str, code: int = 301) -> Json:
    return {"path": where, "action": {"redirect": {"url": url, "code": code}}}


def returning(where: str, body: str, code: int = 200) -> Json:
    return {"path": where, "action": {"return": {"code": code, "body": body, "type": "text/html"}}}


def virtual_server(host: str, *routes: Json, **more: Any) -> Json:
    upstreams = [upstream("tea"), upstream("coffee"), upstream("leading")]
    upstreams.append(upstream("key", "coffee", **{"lb-method": "hash $uri consistent"}))
    return custom("VirtualServer", host.removesuffix(".test"), host, upstreams=upstreams, routes=list(routes), **more)


REGULAR = [
    path("tea", "/a[0-9]+", ANY), path("coffee", "/a", ANY), path("none", "/(x|y)/[^/]*$", ANY),
    path("tea", "/B", ANY), path("coffee", "/ä", ANY), path("tea", "/slash/", ANY), path("coffee", r"/.*\.php$", ANY),
]  # fmt: skip
OBJECTS = [
    config_map(),
    ingress("plain", "plain.test"),
    ingress("case", {"case.test": REGULAR}, path_regex="case_sensitive"),
    ingress("nocase", {"nocase.test": REGULAR}, path_regex="case_insensitive", client_max_body_size="10"),
    ingress("exact", {"exact.test": [path("tea", "/a"), path("coffee", "/slash/")]}, path_regex="exact"),
    ingress(
        "rewrites",
        {"rewrites.test": [path("tea", "/a"), path("coffee", "/slash/"), path("tea", "/x", "Exact"),
                           path("coffee", "/y", ANY), path("none", "/none")]},
        rewrites="serviceName=tea rewrite=/new;serviceName=coffee rewrite=/b/", proxy_redirect_from="default",
    ),
    ingress(
        "target", {"target.test": [path("tea", "/a(/|$)(.*)", ANY), path("coffee", "/y", ANY)]},
        rewrite_target="/new/$2", path_regex="case_insensitive",
    ),
    ingress("all", {"all.test": [path("tea", "/(.*)", ANY)]}, rewrite_target="/$1", path_regex="case_sensitive"),
    ingress("args", {"args.test": [path("tea", "/(.*)", ANY)]}, rewrite_target="/x?p=$1&h=1",
            path_regex="case_sensitive"),
    ingress("cut", {"cut.test": [path("tea", "/a")]}, rewrite_target="/x?"),
    virtual_server(
        "vs.test",
        rewriting("/a", "/new"), rewriting("/slash/", "/n/"), rewriting("=/x", "/n"), rewriting("/to/root", "/"),
        rewriting("~ ^/y/(.*)/z$", "/z/$1"), rewriting("~* ^/b(.*)", "/bb$1?q=$1"),
        rewriting("~ ^/v$", "/v", "key"),
        to("/lead", "leading"), to("^~ /no", "coffee"), to(r"~ \.php$", "tea"), to("/", "coffee"),
        rewriting("~ ^/h/(.*)$", "/h/$1", "key"),
    ),
    virtual_server(
        "answers.test",
        redirecting("/a", "https://${host}${request_uri}", 307), redirecting("/b", "http://b.test/x"),
        redirecting("= /c", "${scheme}://c.test/${request_uri}", 302), returning("/d", "d ${request_method}"),
        returning("/e", "gone", 410), to("/", "tea"),
        returning("~ ^/f", 'with \\"quotes\\" and ${request_uri}\nand lines', 200),
        returning("/g", "${request_uri}${request_method}", 404),
    ),
    ingress("root", "root.test", app_root="/a", tls={"cert-a": ["root.test"]}, ssl_redirect="false", hsts="true"),
]  # fmt: skip
ROUTED = ["case", "nocase", "exact", "rewrites", "target", "all", "args", "cut", "vs", "answers", "root", "plain"]
PATHS = (
    r"""
/ /a /a/ /a1 /a1x /A1 /x/ /x/q /x/q/r /x /y/a/z /y//z /y/z /b /B /bee /%C3%A4 /ä /slash /slash/ /slash/x/y /x.php
/no.php /no/x.php /x.phpx /a%20b /a/%2F/x /a/..%2fx /a//x/./y/../z /a/ä"<>^`{|}\ /a/%25%3F%23%22%3C /a/x?y=%2F&z /a?
/a+b /a/%2B+ /to/root /to/root/x /none/x /c /d /d/e /e /f /f?x=%22y /g?%0a /v /v?w /h/a%20b /h/x /h/y /A(b /SLASH/
/b%2Bc+d&e;f=g /a/#x /a% /y/%0A/z /a/%00 //a /y
/lead?to=/a/x%2Fyä?z=1 /lead?to=/slash/ /lead?to=/y/%20/z /lead?to=/bee /lead?to=/x /lead?to=/ /lead?to=/slash
""".encode()
    .decode("latin-1")
    .split()
)


PIECES = [*r"/aä.()|^$*+?\[]{}-", r"\.", r"\d", r"\W", "[a-z]", "[^/]", "[]x]", "(?:", "(?!", "(?=", "{2}", "{1,3}"]
PIECES += ["{0,}", r"\-", r"[\d-z]", "(?i)", "+?", '"']


def asked() -> list[Question]:
    found: list[Question] = []
    for host in ROUTED:
        for target in PATHS:
            found += [(each, None) for each in varied(f"{host}.test", target, "X-Any: <&>")]
        for character in BYTES if host in {"rewrites", "target", "all", "args", "vs", "case"} else "":
            for start in ("/a/", "/b", "/h/", "/"):
                found += [
                    (question(f"{host}.test", f"{start}{bits}"), None)
                    for bits in (f"{character}z", f"%{ord(character):02x}{character}z")
                    if character not in "#?%" or bits[0] == "%"
                ]
    return [*found, (question("root.test", "/"), "root.test"), (question("root.test", "/a"), "root.test")]


def test_changed_paths_and_answers_are_those_of_server_blocks(backends: list[Json], leading: list[Json]) -> None:
    questions = asked()
    pairs = both([*OBJECTS, *backends, *leading], questions, *FLAGS, routed=[f"{name}.test" for name in ROUTED])
    assert_alike(questions, pairs)
    answers = b"".join(route for _, route in pairs)
    for text in (b"URI: /new/", b"URI: /z/a", b"URI: /x?p=", b"Location: https://answers.test/a", b"410 Gone", b"413 ",
                 b'with "quotes" and /f?x=%22y\nand lines', b"URI: /bb", b"Server name: coffee"):  # fmt: skip
        assert text in answers, text


def test_what_counts_as_a_simple_expression_is_taken_by_every_nginx() -> None:
    chance = random.Random(14)
    patterns = ["".join(chance.choices(PIECES, k=chance.randint(1, 9))) for _ in range(3000)]
    simple = [pattern for pattern in patterns if is_simple(pattern)]
    assert len(simple) > 300
    for binary in BINARIES.values():
        assert asyncio.run(refused(binary, simple)) == {}


async def test_expressions_rewrites_and_redirects_come_and_change_without_a_reload(routed: RoutedNginx) -> None:
    def server(*routes: Json) -> Json:
        return virtual_server("vs.test", *routes, to("/", "coffee"))

    routes = rewriting("/a", "/first"), redirecting("/r", "http://one.test/"), to("~ ^/x[0-9]$", "tea")
    assert (await routed.apply(ingress("one", "one.test"), server(*routes))).reloaded
    changed = rewriting("/b", "/second"), redirecting("/s", "http://two.test/"), to("~ ^/y[0-9]$", "tea")
    result = await routed.apply(server(*changed), ingress("two", "two.test"))
    assert not result.reloaded
    assert "\nURI: /second/x\n" in f"\n{await routed.get('vs.test', '/b/x')}\n"
    assert await routed.get("vs.test", "/s") == "301"
    assert await first(routed, "vs.test", "/y1") == "200 Server name: tea"
    assert await first(routed, "vs.test", "/x1") == "200 Server name: coffee"
    assert routed.dedicated() == {}
