"""What a service or a key decides is not changed by pages that the server shows for errors."""

from __future__ import annotations

import itertools
import ssl
from typing import Any

import pytest

from tests.live.headgate_process import StartHeadgate
from tests.live.json_objects import Json, ManifestFolder, ingress, secret, tls_secret
from tests.live.test_live_policies import TEA, decider, guarded, policy
from tests.live.test_live_virtual_servers import virtual_server

DECIDE = """if ($http_x_user = "") { return 401; } if ($http_x_user = bad) { return 403; }"""
PAGE = "error_page 401 403 500 502 =200 /login; location = /login { return 200 login; }"
SERVERS = {"plain": "", "page": PAGE, "intercepted": f"proxy_intercept_errors on; {PAGE}"}
PLACES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "server-ext": (("ext",), ()), "server-signin": (("signin",), ()), "server-key": (("key",), ()),
    "server-signin-key": (("signin", "key"), ()), "server-ext-key": (("ext", "key"), ()),
    "signin-over-key": (("signin",), ("key",)), "key-over-signin": (("key",), ("signin",)),
    "route-signin-key": ((), ("signin", "key")), "route-ext": ((), ("ext",)),
}  # fmt: skip
"""Policies of the VirtualServer, and those of its route."""
CREDENTIALS: tuple[dict[str, str], ...] = (
    {},
    {"X-User": "bad"},
    {"X-Key": "wrong"},
    {"X-User": "bad", "X-Key": "wrong"},
)


def objects() -> list[Json]:
    found = [
        policy("ext", externalAuth=external()), policy("signin", externalAuth=external("/oauth2/signin")),
        policy("key", apiKey={"suppliedIn": {"header": ["X-Key"]}, "clientSecret": "keys"}),
        secret("keys", kind="nginx.org/apikey", one=b"key-one"),
    ]  # fmt: skip
    for (server, snippet), (place, (around, within)) in itertools.product(SERVERS.items(), PLACES.items()):
        spec: dict[str, Any] = {"host": f"{place}.{server}.test", "server-snippets": snippet or "# none"}
        spec |= {"policies": [{"name": name} for name in around]} if around else {}
        found.append(virtual_server(f"{place}-{server}", guarded("/", *within, action=TEA), **spec))
    for codes, name in itertools.product(("500", "401 403 500", "502"), ("ext", "signin", "key")):
        host = f"i-{name}-{codes.replace(' ', '-')}"
        found.append(
            ingress(host, f"{host}.test", default="decider", policies=name, custom_http_errors=codes.replace(" ", ","))
        )
    return found


def external(signin: str = "") -> Json:
    spec = {"authURI": "/decide", "authServiceName": "decider", "authSnippets": DECIDE, "authServicePorts": [80]}
    return spec | ({"authSigninURI": signin} if signin else {})


@pytest.mark.parametrize("http", ["", f"proxy_intercept_errors on; {PAGE.partition(';')[0]};"])
def test_nobody_gets_past_a_decision_by_a_page_for_errors(
    serve_manifests: StartHeadgate, manifests: ManifestFolder, coffee: int, http: str
) -> None:
    found = objects()
    settings = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"namespace": "ours", "name": "settings"},
        "data": {"http-snippets": http},
    }
    manifests.put(*decider(coffee), *found, settings)
    headgate = serve_manifests("-enable-snippets", "-nginx-configmaps=ours/settings")
    sites = [item["spec"] for item in found if item["kind"] in {"VirtualServer", "Ingress"}]
    hosts = [spec.get("host") or spec["rules"][0]["host"] for spec in sites]
    let_in = [
        (host, sent)
        for host, sent in itertools.product(hosts, CREDENTIALS)
        if "Server name: tea" in headgate.get(host, headers=sent).body
    ]
    assert let_in == []
    whole = {"X-User": "jane", "X-Key": "key-one"}
    kept_out = [host for host in hosts if "Server name: tea" not in headgate.get(host, headers=whole).body]
    assert kept_out == []


GIVEN = {"key": {"X-Key": "key-one"}, "users": {"Authorization": "Basic eDp5"}}
RETURN = {"return": {"code": 201, "body": "in"}}


@pytest.mark.parametrize(
    ("around", "within"),
    [
        (("key", "signin"), ()),
        (("users", "signin"), ()),
        (("signin",), ("key", "users")),
        ((), ("users", "signin", "key")),
        (("users", "key"), ("signin",)),
    ],
)
def test_signing_in_does_not_answer_for_a_missing_key_or_password(
    serve_manifests: StartHeadgate, manifests: ManifestFolder, coffee: int,
    around: tuple[str, ...], within: tuple[str, ...],
) -> None:  # fmt: skip
    users = policy("users", basicAuth={"secret": "users", "realm": "Tea"})
    password = secret("users", kind="nginx.org/htpasswd", htpasswd=b"x:{PLAIN}y")
    own = {"policies": [{"name": name} for name in around]} if around else {}
    routes = (guarded("/x", *within, action=TEA), guarded("/r", *within, action=RETURN))
    manifests.put(*decider(coffee), *objects()[:4], users, password,
                  virtual_server("cafe", *routes, host="cafe.test", **own))  # fmt: skip
    headgate = serve_manifests("-enable-snippets")
    for path, names in {"/x": {*around, *within}, "/r": {*around, *within}, "/none": {*around}}.items():
        asked = [name for name in GIVEN if name in names]
        for lacking in asked:
            sent = {key: value for name in asked if name != lacking for key, value in GIVEN[name].items()}
            response = headgate.get("cafe.test", path, headers=sent)
            challenge = response.headers.get("WWW-Authenticate")
            assert (response.status, "/oauth2" in response.body) == (401, False), (path, lacking)
            assert challenge == ('Basic realm="Tea"' if lacking == "users" else None), (path, lacking)
        whole = {key: value for name in asked for key, value in GIVEN[name].items()}
        signin = "URI: /oauth2/signin" in headgate.get("cafe.test", path, headers=whole).body
        assert signin is ("signin" in names), path


@pytest.mark.parametrize("more", [(), ("users",)])
def test_a_page_for_signing_in_is_only_for_the_policy_that_names_it(
    serve_manifests: StartHeadgate, manifests: ManifestFolder, coffee: int, more: tuple[str, ...]
) -> None:
    users = policy("users", basicAuth={"secret": "users", "realm": "Tea"})
    password = secret("users", kind="nginx.org/htpasswd", htpasswd=b"x:{PLAIN}y")
    own = {"policies": [{"name": "signin"}]}
    routes = (
        guarded("/x", "ext", *more, action=TEA),
        guarded("/r", "ext", *more, action=RETURN),
        guarded("/in", action=TEA),
    )
    manifests.put(*decider(coffee), *objects()[:4], users, password,
                  virtual_server("cafe", *routes, host="cafe.test", **own))  # fmt: skip
    headgate = serve_manifests("-enable-snippets")
    assert "URI: /oauth2/signin" in headgate.get("cafe.test", "/in").body
    for path, headers in itertools.product(("/x", "/r"), ({}, GIVEN["users"])):
        response = headgate.get("cafe.test", path, headers=headers)
        assert (response.status, "/oauth2" in response.body) == (401, False), (path, headers)


NESTED = "location /x { proxy_pass http://127.0.0.1:%d; }"
FALLBACK = "error_page 500 502 @fb; location @fb { proxy_pass http://127.0.0.1:%d; }"


def test_no_snippet_answers_in_place_of_a_refusal_because_a_policy_cannot_be_used(
    serve_manifests: StartHeadgate, manifests: ManifestFolder, tea: int
) -> None:
    nested, fallback = NESTED % tea, FALLBACK % tea
    gone = [{"name": "gone"}]
    whole = {"policies": "gone"}
    manifests.put(
        virtual_server("route", guarded("/", "gone", action=TEA, **{"location-snippets": nested}), host="route.test"),
        virtual_server(
            "below", guarded("/", "gone", action=TEA), host="below.test", **{"server-snippets": f"{fallback} {nested}"}
        ),
        virtual_server(
            "server", guarded("/", action=TEA), host="server.test", policies=gone, **{"server-snippets": fallback}
        ),
        ingress("nested", "nested.test", location_snippets=nested, **whole),
        ingress("page", "page.test", server_snippets=fallback, **whole),
        ingress("master", {"mergeable.test": []}, mergeable_ingress_type="master", server_snippets=fallback),
        ingress("minion", "mergeable.test", mergeable_ingress_type="minion", location_snippets=nested, **whole),
    )
    headgate = serve_manifests("-enable-snippets")
    hosts = ("route", "below", "server", "nested", "page", "mergeable")
    answers = {(name, path): headgate.get(f"{name}.test", path) for name in hosts for path in ("/", "/x/secret")}
    assert {place for place, answer in answers.items() if "Server name: tea" in answer.body} == {("below", "/x/secret")}
    assert {answer.status for place, answer in answers.items() if place != ("below", "/x/secret")} == {500}


def test_a_wildcard_with_tls_does_not_answer_for_a_guarded_host_without_tls_that_nginx_refuses(
    serve_manifests: StartHeadgate, manifests: ManifestFolder
) -> None:
    key = policy("key", apiKey={"suppliedIn": {"header": ["X-Key"]}, "clientSecret": "keys"})
    own = virtual_server(
        "own", guarded("/", "key", action=TEA), host="own.wild.test", **{"server-snippets": "bogus on;"}
    )
    manifests.put(
        key, secret("keys", kind="nginx.org/apikey", one=b"key-one"), tls_secret("wild", "*.wild.test"),
        virtual_server("wild", guarded("/", action=TEA), host="*.wild.test", tls={"secret": "wild"}), own,
    )  # fmt: skip
    headgate = serve_manifests("-enable-snippets")
    assert headgate.get_tls("other.wild.test").status == 200
    assert headgate.get("own.wild.test").status == 500
    with pytest.raises(ssl.SSLError):
        headgate.certificate("own.wild.test")
