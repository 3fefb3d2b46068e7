"""Matches, splits, pages and redirects of a VirtualServer: ``explain`` names what a real nginx answers."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from headgate.explain import Question, explain
from tests.explain.test_like_nginx import LOOPBACK, MarkedNginx, marked_nginx, surroundings
from tests.explain.test_virtual_server_paths import custom

TEA, COFFEE, NONE = {"pass": "tea"}, {"pass": "coffee"}, {"pass": "none"}


def answer(code: int) -> dict[str, Any]:
    return {"return": {"code": code, "body": "x"}}


def shares(all_to: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"weight": 0, "action": COFFEE}, {"weight": 100, "action": all_to}]


def page(path: str, action: dict[str, Any] = NONE, **more: Any) -> dict[str, Any]:
    return {"path": path, "action": action, "errorPages": [{"codes": [404, 502], **more}]}


CONDITIONS = (
    {"header": "X-Ver", "value": "v2"},
    {"cookie": "user", "value": "john"},
    {"cookie": "quoted", "value": "a b"},
    {"argument": "a", "value": "1"},
    {"argument": "r", "value": "~^ab+$"},
    {"argument": "n", "value": "!"},
    {"argument": "u", "value": "a b"},
    {"variable": "$args", "value": "q=1"},
    {"variable": "$request_uri", "value": "/m?ru=1"},
    {"variable": "$remote_addr", "value": LOOPBACK},
)
"""The first match whose condition is met answers 211 and its place."""


def objects(ports: dict[str, int]) -> Iterator[dict[str, Any]]:
    matches = [{"conditions": [each], "action": answer(211 + place)} for place, each in enumerate(CONDITIONS)]
    routes = [
        {"path": "/m", "matches": matches, "action": TEA},
        {"path": "/far", "matches": [{"conditions": [{"variable": "$remote_addr", "value": "192.0.2.1"}],
                                      "action": answer(299)}], "action": TEA},
        {"path": "/split", "splits": shares(TEA)},
        {"path": "/split/answer", "splits": shares(answer(202))},
        {"path": "/split/none", "splits": shares(NONE)},
        {"path": "/half", "splits": [{"weight": 50, "action": NONE}, {"weight": 50, "action": NONE}]},
        {"path": "/match/split", "matches": [{"conditions": [CONDITIONS[0]], "splits": shares(answer(203))}],
         "splits": shares(answer(206))},
        page("/page/redirect", redirect={"url": "http://sorry.test/${scheme}", "code": 307}),
        page("/page/answer", **{"return": {"code": 207, "body": "sorry"}}),
        page("/page/same", **{"return": {"body": "sorry"}}),
        page("/page/own", answer(404), **{"return": {"code": 207, "body": "sorry"}}),
        {"path": "/closed", "action": answer(444)},
    ]  # fmt: skip
    made = custom("VirtualServer", "cafe", "tea", host="cafe.test", routes=routes)
    made["spec"]["upstreams"] = [{"name": name, "service": name, "port": 80} for name in ("tea", "coffee", "none")]
    yield made
    for name, tls in {"invalid": {"secret": "users"}, "wild": {"redirect": {"enable": True}}, "moved": {
        "secret": "gone", "redirect": {"enable": True, "code": 302},
    }}.items():  # fmt: skip
        yield custom("VirtualServer", name, "tea", host=f"{name}.test", tls=tls, routes=[{"path": "/", "action": TEA}])
    yield from surroundings(ports)


ASKED = (
    ("/m", ("X-Ver: V2",), 211),
    ("/m", ("Cookie: a=1; user=john",), 212),
    ("/m", ("Cookie: a=1;USER=John",), 212),
    ("/m", ("Cookie: b[x]=1; user=john",), 212),
    ("/m", ("Cookie: superuser=john",), 220),
    ("/m", ("Cookie: quoted=a b",), 213),
    ("/m", ('Cookie: quoted="a b"',), 220),
    ("/m?a=1", (), 214),
    ("/m?A=1", (), 214),
    ("/m?ba=1", (), 220),
    ("/m?a=1&a=2", (), 214),
    ("/m?a=2&a=1", (), 220),
    ("/m?r=abbb", (), 215),
    ("/m?n=", (), 220),
    ("/m?n=1", (), 216),
    ("/m?u=a%20b", (), 220),
    ("/m?u=a+b", (), 220),
    ("/m?q=1", (), 218),
    ("/m?ru=1", (), 219),
    ("/far", (), 200),
    ("/split", (), 200),
    ("/split/answer", (), 202),
    ("/split/none", (), 502),
    ("/match/split", ("X-Ver: v2",), 203),
    ("/match/split", (), 206),
    ("/page/redirect?a", (), 307),
    ("/page/answer", (), 207),
    ("/page/same", (), 502),
    ("/page/own", (), 404),
    ("/closed", (), 444),
)
HOSTS = (
    ("http://invalid.test/", 200),
    ("https://invalid.test/", None),
    ("http://wild.test/", 200),
    ("https://wild.test/", None),
    ("http://moved.test/a?b", 302),
    ("https://moved.test/a?b", None),
)


@pytest.fixture(scope="module")
def nginx() -> Iterator[MarkedNginx]:
    yield from marked_nginx(objects)


@pytest.mark.parametrize(("path", "headers", "status"), ASKED)
def test_explain_follows_a_route_as_nginx_does(
    nginx: MarkedNginx, path: str, headers: tuple[str, ...], status: int
) -> None:
    found = explain(nginx.view, Question.of(f"http://cafe.test{path}", headers, address=LOOPBACK))
    sent = {"Host": "cafe.test", **dict(header.split(": ", 1) for header in headers)}
    response = nginx.ask(nginx.ports["http"], path, sent, None)
    assert response
    assert (found.status or 200, response.status) == (status, status), found.summary
    if found.upstream and found.status is None:
        assert response.body == f"{found.upstream.service.removeprefix('shop/')} {found.upstream.path}"
    assert response.headers.get("Location") == found.target
    if status == 444:
        assert found.summary.startswith("nginx answers 444")


@pytest.mark.parametrize(("url", "status"), HOSTS)
def test_a_host_without_a_certificate_refuses_handshakes_and_redirects_to_them(
    nginx: MarkedNginx, url: str, status: int | None
) -> None:
    found = explain(nginx.view, Question.of(url))
    scheme, _, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    name = host if scheme == "https" else None
    response = nginx.ask(nginx.ports[scheme], slash + path, {"Host": host}, name)
    assert (response.status if response else None) == status
    assert (found.status or 200) == status if status else found.outcome.value == "refused"
    assert found.target == (response.headers.get("Location") if response else None)


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/m", f"answers (1 endpoint), if $remote_addr is not '{LOOPBACK}'."),
        ("/m?a=1", "nginx answers 214."),
        ("/far", "answers (1 endpoint), if $remote_addr is not '192.0.2.1'."),
        ("/half", "50 % Service shop/none (no endpoints: 502), 50 % Service shop/none (no endpoints: 502)."),
    ],
)
def test_what_decides_and_is_not_known_is_named(nginx: MarkedNginx, path: str, words: str) -> None:
    assert words in explain(nginx.view, Question.of(f"http://cafe.test{path}")).summary
