"""What guards answer: the status that ``explain`` names for a request is the one that a real nginx gives it."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from typing import Any

import pytest

from headgate.explain import Question, explain
from headgate.explain.addresses import address_of, is_allowed, verdicts
from headgate.settings import Words
from tests.explain.test_like_nginx import LOOPBACK, MarkedNginx, ingress, marked_nginx, surroundings
from tests.explain.test_virtual_server_paths import custom
from tests.processor_time import limited_processor_time
from tests.properties.cluster_objects import self_signed_pair

TEA = {"pass": "tea"}
LOGIN, KEY = "Authorization: Basic " + b64encode(b"x:y").decode(), "X-Key: one"
PAGE = [{"codes": [401, 403, 500], "return": {"code": 418, "body": "no"}}]
DECIDES = 'if ($http_x_user = "") { return 401; } if ($http_x_user = bad) { return 403; }'
GUARDS: dict[str, Any] = {
    "nobody": {"accessControl": {"deny": ["0.0.0.0/0", "::/0"]}},
    "here": {"accessControl": {"allow": ["127.0.0.0/8"]}},
    "there": {"accessControl": {"allow": ["192.0.2.0/24"]}},
    "users": {"basicAuth": {"secret": "users"}},
    "keys": {"apiKey": {"suppliedIn": {"header": ["X-Key"], "query": ["key"]}, "clientSecret": "keys"}},
    "decided": {"externalAuth": {"authURI": "/decide", "authServiceName": "tea", "authSnippets": DECIDES}},
    "silent": {"externalAuth": {"authURI": "/decide", "authServiceName": "none"}},
    "signs": {
        "externalAuth": {
            "authURI": "/decide",
            "authServiceName": "tea",
            "authSnippets": DECIDES,
            "authSigninURI": "/oauth2/start",
        }
    },
    "certified": {"ingressMTLS": {"clientCertSecret": "authority"}},
    "perhaps": {"ingressMTLS": {"clientCertSecret": "authority", "verifyClient": "optional"}},
    "pages": {"cors": {"allowOrigin": ["https://a.test"]}},
}

WHOLE = {
    **{name: (name,) for name, spec in GUARDS.items() if "ingressMTLS" not in spec},
    "keys-signs": ("keys", "signs"),
    "users-signs": ("users", "signs"),
    "keys-decided": ("keys", "decided"),
}
"""The Policies of whole hosts, by name."""
UNKEYED = ("keys", "keys-signs", "keys-decided")


def guarded(path: str, *names: str, action: dict[str, Any] = TEA, **more: Any) -> dict[str, Any]:
    return {"path": path, "action": action, "policies": [{"name": name} for name in names], **more}


def objects(ports: dict[str, int]) -> Iterator[dict[str, Any]]:
    answer = {"return": {"code": 201, "body": "in"}}
    half = [{"weight": 50, "action": TEA}, {"weight": 50, "action": TEA}]
    routes = [
        {"path": "/", "action": TEA},
        *(guarded(f"/{name}", name) for name in GUARDS if "ingressMTLS" not in GUARDS[name]),
        *(guarded(f"/answer/{name}", name, action=answer) for name in ("nobody", "here", "users", "decided", "silent")),
        guarded("/page", "nobody", errorPages=PAGE),
        guarded("/page/gone", "gone", errorPages=PAGE),
        guarded("/both", "here", "users"),
        guarded("/split", "nobody", action={}, splits=half) | {"action": None},
        guarded("/slash/", "nobody"),
        guarded("/moved", "nobody", action={"redirect": {"url": "http://x.test/", "code": 307}}),
    ]
    routes = [{key: value for key, value in route.items() if value is not None} for route in routes]
    yield custom("VirtualServer", "cafe", "tea", host="cafe.test", routes=routes)
    slash = [{"path": "/slash/", "action": TEA}]
    yield custom("VirtualServer", "gone", "tea", host="gone.test", routes=slash, policies=[{"name": "gone"}])
    for name in ("certified", "perhaps"):
        secure = {"secret": "cert-a"}
        yield custom("VirtualServer", name, "tea", host=f"{name}.test", tls=secure, policies=[{"name": name}],
                     routes=[{"path": "/", "action": TEA}, {"path": "/slash/", "action": TEA}])  # fmt: skip
    moved = {"secret": "cert-a", "redirect": {"enable": True}}
    yield custom("VirtualServer", "moved", "tea", host="moved.test", tls=moved, policies=[{"name": "certified"}],
                 routes=[{"path": "/", "action": TEA}])  # fmt: skip
    paths = [{"path": "/a", "pathType": "Prefix", "backend": {"service": {"name": "tea", "port": {"number": 80}}}}]
    rules = {"rules": [{"host": "ingress.test", "http": {"paths": paths}}]}
    yield ingress("guarded", rules, {"nginx.org/policies": "nobody"})
    for name, policies in WHOLE.items():
        yield custom("VirtualServer", f"whole-{name}", "tea", host=f"{name}.whole.test",
                     policies=[{"name": each} for each in policies],
                     routes=[{"path": "/x", "action": TEA}, {"path": "/answer", "action": answer}])  # fmt: skip
    master = {"nginx.org/mergeable-ingress-type": "master", "nginx.org/policies": "nobody"}
    yield ingress("master", {"rules": [{"host": "mergeable.test"}]}, master)
    paths = {"rules": [{"host": "mergeable.test", "http": {"paths": [{**paths[0], "path": "/m"}]}}]}
    yield ingress("minion", paths, {"nginx.org/mergeable-ingress-type": "minion"})
    for name, spec in GUARDS.items():
        yield {"apiVersion": "k8s.nginx.org/v1", "kind": "Policy", "metadata": {"name": name, "namespace": "shop"},
               "spec": spec}  # fmt: skip
    held = {"keys": ("nginx.org/apikey", {"one": b64encode(b"one").decode()}),
            "authority": ("nginx.org/ca", {"ca.crt": self_signed_pair()["tls.crt"]})}  # fmt: skip
    for name, (kind, data) in held.items():
        yield {"apiVersion": "v1", "kind": "Secret", "type": kind, "metadata": {"name": name, "namespace": "shop"},
               "data": data}  # fmt: skip
    yield from surroundings(ports)


CERTAIN = (
    ("http://cafe.test/", (), 200),
    ("http://cafe.test/nobody", (), 403),
    ("http://cafe.test/answer/nobody", (), 403),
    ("http://cafe.test/here", (), 200),
    ("http://cafe.test/answer/here", (), 201),
    ("http://cafe.test/there", (), 403),
    ("http://cafe.test/users", (), 401),
    ("http://cafe.test/answer/users", (), 401),
    ("http://cafe.test/users", ("Authorization: Bearer abc",), 401),
    ("http://cafe.test/users", (LOGIN,), 200),
    ("http://cafe.test/both", (), 401),
    ("http://cafe.test/both", (LOGIN,), 200),
    ("http://cafe.test/keys", (), 401),
    ("http://cafe.test/keys?nokey=one", (), 401),
    ("http://cafe.test/keys?key=", (), 401),
    ("http://cafe.test/keys", ("X-Key:",), 401),
    ("http://cafe.test/keys", (KEY,), 200),
    ("http://cafe.test/keys?key=one", (), 200),
    ("http://cafe.test/decided", ("X-User: jane",), 200),
    ("http://cafe.test/answer/decided", ("X-User: jane",), 201),
    ("http://cafe.test/silent", (), 500),
    ("http://cafe.test/answer/silent", (), 500),
    ("http://cafe.test/split", (), 403),
    ("http://cafe.test/slash", (), 301),
    ("http://cafe.test/slash/", (), 403),
    ("http://cafe.test/moved", (), 403),
    ("http://gone.test/slash", (), 500),
    ("http://gone.test/nothing", (), 500),
    ("http://ingress.test/a", (), 403),
    ("http://ingress.test/nothing", (), 403),
    ("http://certified.test/", (), 403),
    ("http://certified.test/slash", (), 403),
    ("https://certified.test/", (), 400),
    ("https://certified.test/slash", (), 400),
    ("http://moved.test/", (), 301),
    ("https://moved.test/", (), 400),
    ("http://mergeable.test/nothing", (), 403),
    *((f"http://{name}.whole.test{path}", (), 401)
      for name in (*UNKEYED, "users", "users-signs") for path in ("/x", "/nothing", "/answer")),
    *((f"http://{name}.whole.test/nothing", (KEY, "X-User: jane"), 404) for name in UNKEYED),
    *((f"http://{name}.whole.test/nothing", ("X-User: jane",), 404) for name in ("here", "decided", "signs", "pages")),
    *((f"http://{name}.whole.test/nothing", (), 403) for name in ("nobody", "there")),
    ("http://users-signs.whole.test/nothing", (LOGIN, "X-User: jane"), 404),
    ("http://silent.whole.test/nothing", (), 500),
    ("http://perhaps.test/", (), 200),
    ("https://perhaps.test/", (), 200),
)  # fmt: skip
"""Requests from ``LOOPBACK``, and the status that they get."""


@pytest.fixture(scope="module")
def nginx() -> Iterator[MarkedNginx]:
    yield from marked_nginx(objects, "-enable-snippets")


@pytest.mark.parametrize(("url", "headers", "status"), CERTAIN)
def test_explain_names_the_status_that_a_guarded_request_gets(
    nginx: MarkedNginx, url: str, headers: tuple[str, ...], status: int
) -> None:
    answer = explain(nginx.view, Question.of(url, headers, address=LOOPBACK))
    assert (answer.status or 200, answered(nginx, url, headers)) == (status, status), answer.summary
    first = f"nginx redirects ({status})" if status == 301 else f"nginx answers {status}"
    assert answer.summary.startswith("Service" if status == 200 else first), answer.summary


def answered(nginx: MarkedNginx, url: str, headers: tuple[str, ...]) -> int:
    """Return what nginx answers."""
    scheme, _, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    sent = {"Host": host, **dict(header.split(":", 1) for header in headers)}
    response = nginx.ask(nginx.ports[scheme], slash + path, sent, host if scheme == "https" else None)
    assert response is not None
    return response.status


@pytest.mark.parametrize(
    ("path", "headers", "words"),
    [
        ("/there", (), "answers (1 endpoint), if the client's address is in 192.0.2.0/24 (otherwise 403)."),
        ("/answer/here", (), "nginx answers 201 (Created), if the client's address is in 127.0.0.0/8 (otherwise 403)."),
        ("/nobody", (), "nginx answers 403 (access: 403 for every client)."),
        ("/split", (), "nginx answers 403 (access: 403 for every client)."),
        (
            "/both",
            (),
            "(password: 401 without one), if the client's address is in 127.0.0.0/8 (otherwise 403).",
        ),
        (
            "/both",
            (LOGIN,),
            "if the client's address is in 127.0.0.0/8 (otherwise 403) and the password is the right one",
        ),
        ("/keys", (KEY,), "answers (1 endpoint), if the API key is known (otherwise 403)."),
        ("/decided", (), "answers (1 endpoint), if Service shop/tea allows the request (otherwise 401 or 403)."),
        ("/silent", (), "nginx answers 500 (because Service shop/none, which authorizes requests, has no endpoints)."),
        ("/page", (), "An error page replaces 403 with 418, body 'no' (text/html)."),
    ],
)
def test_the_first_sentence_names_what_is_not_known(
    nginx: MarkedNginx, path: str, headers: tuple[str, ...], words: str
) -> None:
    assert words in explain(nginx.view, Question.of(f"http://cafe.test{path}", headers)).summary


@pytest.mark.parametrize("path", ["/x", "/nothing", "/answer"])
@pytest.mark.parametrize(
    ("name", "headers", "otherwise"),
    [
        ("decided", (), "401 or 403"),
        ("signs", (), "the response of /oauth2/start for 401, or 403"),
        ("keys-decided", (KEY,), "401 or 403"),
        ("keys-signs", (KEY,), "the response of /oauth2/start for 401, or 403"),
        ("users-signs", (LOGIN,), "the response of /oauth2/start for 401, or 403"),
    ],
)
def test_the_first_sentence_names_what_clients_get_that_a_service_does_not_allow(
    nginx: MarkedNginx, name: str, path: str, headers: tuple[str, ...], otherwise: str
) -> None:
    url = f"http://{name}.whole.test{path}"
    answer = explain(nginx.view, Question.of(url, headers))
    assert f"if {' and '.join(_conditions(name))} (otherwise {otherwise})." in answer.summary, answer.summary
    signin = 200 if "signs" in name else 401
    assert [answered(nginx, url, (*headers, *sent)) for sent in ((), ("X-User: bad",))] == [signin, 403]


def _conditions(name: str) -> tuple[str, ...]:
    known = {
        "keys": ("the API key is known (otherwise 403)",),
        "users": ("the password is the right one (otherwise 401)",),
    }
    return (*known.get(name.partition("-")[0], ()), "Service shop/tea allows the request")


def test_no_page_is_named_for_the_refusal_of_a_policy_that_cannot_be_used(nginx: MarkedNginx) -> None:
    answer = explain(nginx.view, Question.of("http://cafe.test/page/gone"))
    assert (answer.status, answer.error_pages) == (500, ())
    assert answered(nginx, "http://cafe.test/page/gone", ()) == 500


@pytest.mark.parametrize(
    ("rules", "outcomes"),
    [
        ("", {True}),
        ("deny all", {False}),
        ("allow 10.0.0.0/8;deny all", {True, False}),
        ("deny 0.0.0.0/1;deny 128.0.0.0/1;deny ::/0;allow all", {False}),
        ("deny 0.0.0.0/0;allow all", {True, False}),
        ("allow 0.0.0.0/0;allow ::/0;deny all", {True}),
        ("deny unix:;allow all", {True}),
        ("deny 10.0.0.0/8;allow 10.0.0.1;deny all", {False}),
    ],
)
def test_rules_let_in_some_clients_all_of_them_or_none(rules: str, outcomes: set[bool]) -> None:
    assert verdicts(_rules(rules), ipv6=True) == outcomes


def test_many_rules_are_judged_at_once() -> None:
    denied = ";".join(f"deny 10.{number >> 8}.{number & 255}.1" for number in range(5000))
    with limited_processor_time():
        assert verdicts(_rules(f"{denied};allow 10.0.0.0/8;deny all"), ipv6=True) == {True, False}
        assert verdicts(_rules(f"{denied};deny 10.0.0.0/8;allow 10.0.0.0/7;deny all"), ipv6=True) == {True, False}
        assert verdicts(_rules(f"{denied};deny all"), ipv6=True) == {False}


def test_without_ipv6_only_addresses_of_ipv4_count() -> None:
    assert verdicts(_rules("deny 0.0.0.0/0;allow all"), ipv6=False) == {False}


@pytest.mark.parametrize(
    ("address", "allowed"), [("10.0.0.1", False), ("::ffff:10.0.0.1", False), ("10.0.0.2", True), ("::1", True)]
)
def test_the_first_rule_that_covers_an_address_counts(address: str, allowed: bool) -> None:
    found = address_of(address)
    assert found
    assert is_allowed(_rules("deny 10.0.0.1;allow 10.0.0.0/8;deny 0.0.0.0/0"), found) is allowed


def _rules(text: str) -> tuple[tuple[str, Words], ...]:
    lines = (line.split() for line in text.split(";") if line)
    return tuple((kind, Words(words)) for kind, *words in lines)
