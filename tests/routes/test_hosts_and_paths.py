"""Spellings of hosts and paths that could reach the wrong location: a routed host answers as its server block does."""

from __future__ import annotations

from tests.directories import short_directory
from tests.live.json_objects import Json, ingress, path
from tests.routes.served import Ports, exchange, generate, hosts, serving

HOSTS = [
    "Host: one.test\r\n",
    "Host: ONE.Test\r\n",
    "Host: one.test.\r\n",
    "Host: one.test..\r\n",
    "Host: one.test:80\r\n",
    "Host: one.test:\r\n",
    "Host: one.test.:99999\r\n",
    "Host: one.test:80:80\r\n",
    "Host: .one.test\r\n",
    "Host: \r\n",
    "Host:\r\n",
    "",
    "Host: one.test\r\nHost: two.test\r\n",
    "Host: a.w.test\r\n",
    "Host: A.W.TEST:1\r\n",
    "Host: x.w.test\r\n",
    "Host: .w.test\r\n",
    "Host: w.test\r\n",
    "Host: x.y.w.test\r\n",
    "Host: *.w.test\r\n",
    "Host: 127.0.0.1\r\n",
    "Host: [::1]\r\n",
    "Host: one.test/\r\n",
    "Host: one.test%00\r\n",
    "Host: one.test\\\r\n",
    "Host: r:one.test\r\n",
    "Host: _\r\n",
    "X-Forwarded-Host: one.test\r\n",
]
PATHS = [
    "/", "//", "/.", "/..", "/../", "/./", "/secret", "/secret/", "//secret", "/secret//", "/./secret", "/x/../secret",
    "/x/%2e%2e/secret", "/x/..%2fsecret", "/%73ecret", "/s%65cret/a", "/secret%2Fa", "/secret%2fa", "/secret%00",
    "/secret%", "/secret%zz", "/SECRET", "/secret;a", "/secret?x=/y", "/secret#f", "/secretive", "/secre",
    "/exact", "/exact/", "/exact?q", "/%65xact", "/exact%2F", "/exact/../exact", "/a%20b", "/a+b", "/a b", "/%c3%a4",
    "/%C3%A4/", "/\xc3\xa4", "/open/..;/secret", "/open/%2e%2e%2fsecret", "/open/..\\secret", "/open/%5c..%5csecret",
    "http://one.test/secret", "http://two.test/secret", "HTTP://ONE.TEST:1/secret", "http://one.test", "http://one.test?x",
    "*", "secret", "",
]  # fmt: skip


def paths(other: str) -> list[Json]:
    return [
        path("tea"),
        path(other, "/secret"),
        path(other, "/exact", "Exact"),
        path(other, "/open/", "ImplementationSpecific"),
    ]


OBJECTS = [
    ingress("one", {"one.test": paths("coffee")}),
    ingress("two", {"two.test": [path("coffee")]}, client_max_body_size="10"),
    ingress("wild", {"*.w.test": [path("coffee")]}),
    ingress("below", {"*.deep.w.test": [path("tea")]}),
]


def requests() -> list[bytes]:
    found = [f"GET / HTTP/{version}\r\n{host}" for host in HOSTS for version in ("1.1", "1.0")]
    found += [f"GET {each} HTTP/1.1\r\nHost: one.test\r\n" for each in PATHS]
    found += [
        f"{method} /secret HTTP/1.1\r\nHost: one.test\r\n" for method in ("OPTIONS", "TRACE", "CONNECT", "PUT", "x")
    ]
    found += [
        f"POST / HTTP/1.1\r\nHost: two.test\r\nContent-Length: {size}\r\n" for size in ("0", "10", "11", "-1", "x")
    ]
    ended = [f"{each}Connection: close\r\n\r\n" for each in found]
    chunked = "POST / HTTP/1.1\r\nHost: two.test\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    bodies = [f"{chunked}{size:x}\r\n{'y' * size}\r\n0\r\n\r\n" for size in (1, 10, 11, 4000)]
    old = ["GET /\r\n", "GET /secret\r\n\r\n"]
    # A body that is refused is sent whole: nginx waits five seconds for the rest.
    posts = [each + "y" * (10 * ("Length: 10" in each) + 11 * ("Length: 11" in each)) for each in ended]
    return [each.encode("latin-1") for each in (*posts, *bodies, *old)]


def test_strange_hosts_and_paths_are_answered_as_by_server_blocks(backends: list[Json]) -> None:
    found: list[list[bytes]] = []
    ports, asked = Ports.free(), requests()
    for routing in (False, True):
        with short_directory() as folder:
            report = generate(folder, [*OBJECTS, *backends], ports, routing=routing)
            assert sorted(hosts(report)) == (["*.deep.w.test", "*.w.test", "one.test", "two.test"] if routing else [])
            with serving(folder, report, ports.http, workers=2):
                found.append([exchange(ports.http, each) for each in asked])
    for each, block, route in zip(asked, *found, strict=True):
        assert route == block, f"{each!r}\nserver blocks: {block!r}\nroutes: {route!r}"
    served = b"".join(found[1])
    assert served.count(b"Server name: coffee") > 10
    assert served.count(b"Server name: tea") > 10
