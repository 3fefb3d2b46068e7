"""JSON Web Tokens in a folder: which requests they let in, and that nothing else does."""

from __future__ import annotations

import base64
import contextlib
import http.client
import io
import os
import random
import signal
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from headgate.cli import run
from tests.examples import FACTOR
from tests.k8s.certificates import Authority
from tests.live.headgate_process import LOOPBACK, ROOT, Answer, HeadgateProcess, StartHeadgate
from tests.live.json_objects import Json, ManifestFolder, config_map, ingress, path, secret
from tests.live.test_live_policies import guarded, policy
from tests.live.test_live_virtual_servers import HOST, UPSTREAM, answer, virtual_server
from tests.nginx_binaries import LUA
from tests.tokens import ALGORITHMS, SigningKey, key, key_set
from tests.waiting import DEADLINE_S, wait_until
from tests.wrong_tokens import good_tokens, mutated, wrong_tokens

pytestmark = pytest.mark.skipif(not LUA, reason="no nginx with Lua here (make lua-nginx)")
KEY = key("HS256", "one")
TEA: Json = {"pass": "tea"}
MUTANTS = 3000 if FACTOR <= 1 else 1_000_000


def keys(name: str, *known: SigningKey) -> Json:
    return secret(name, kind="nginx.org/jwk", jwk=key_set(*known))


def jwt(name: str = "token", /, **more: Any) -> Json:
    return policy(name, jwt={"realm": "cafe", "secret": "keys", **more})


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def get(headgate: HeadgateProcess, token: str = "", where: str = "/", host: str = HOST) -> Answer:
    return headgate.get(host, where, headers=bearer(token) if token else {})


@pytest.fixture
def serve(serve_manifests: StartHeadgate) -> StartHeadgate:
    def start(*flags: str) -> HeadgateProcess:
        return serve_manifests("-enable-snippets", *flags, nginx=LUA)

    return start


def test_tokens_of_each_algorithm(serve: StartHeadgate, manifests: ManifestFolder) -> None:
    signers = [key(name, "one") for name in ALGORITHMS]
    manifests.put(
        *(keys(f"keys-{signer.algorithm.lower()}", signer, key("EdDSA", "spare", 7)) for signer in signers),
        *(
            jwt(signer.algorithm.lower(), secret=f"keys-{signer.algorithm.lower()}", issuer="issuer",
                audience=["bar", "cafe"], token="$http_x_token")
            for signer in signers
        ),
        virtual_server(
            "cafe", *(guarded(f"/{name}", name.lower()) for name in ALGORITHMS),
            **{"server-snippets": "large_client_header_buffers 4 64k;"},
        ),
    )  # fmt: skip
    headgate = serve()
    for signer in signers:
        where = f"/{signer.algorithm}"
        for good in good_tokens(signer):
            assert headgate.get(HOST, where, headers={"X-Token": good}).status == 200, (where, good)
        refused = headgate.get(HOST, where)
        assert (refused.status, refused.headers["WWW-Authenticate"]) == (401, 'Bearer realm="cafe"')
        for what, token in wrong_tokens(signer):
            found = headgate.get(HOST, where, headers={"X-Token": token})
            assert found.status == 401, (where, what, found.status)
            assert "tea" not in found.body
            assert found.headers["WWW-Authenticate"] == 'Bearer realm="cafe", error="invalid_token"', (where, what)


def test_files_that_stay_keep_their_guard(serve: StartHeadgate, manifests: ManifestFolder) -> None:
    """Nginx rejects the version without the Policy; the last one is served, with all that it needs."""
    manifests.put(keys("keys", KEY), jwt(), virtual_server("cafe", guarded("/", "token")))
    headgate = serve()
    token = KEY.token(sub="a")
    assert (get(headgate, token).status, get(headgate).status) == (200, 401)
    manifests.put(virtual_server("cafe", {"path": "/", "action": TEA}, **{"server-snippets": "bogus on;"}))
    wait_until(lambda: "bogus" in headgate.log_text())
    manifests.put(ingress("other", {"other.test": [path("tea")]}))
    wait_until(lambda: headgate.get("other.test", "/").status != 404)
    assert (get(headgate, token).status, get(headgate).status) == (200, 401)
    manifests.put(virtual_server("cafe", {"path": "/", "action": TEA}))
    wait_until(lambda: get(headgate).status == 200)


def test_keys_change_without_a_reload(serve: StartHeadgate, manifests: ManifestFolder) -> None:
    first, second = key("ES256", "a"), key("ES256", "b", 1)
    manifests.put(keys("keys", first), jwt(), virtual_server("cafe", guarded("/", "token")))
    headgate = serve()
    old, new = first.token(), second.token()
    assert [get(headgate, token).status for token in (old, new)] == [200, 401]
    reloads = headgate.reloads()
    manifests.put(keys("keys", first, second))
    wait_until(lambda: [get(headgate, token).status for token in (old, new)] == [200, 200])
    manifests.put(keys("keys", second))
    wait_until(lambda: [get(headgate, token).status for token in (old, new)] == [401, 200])
    assert headgate.reloads() == reloads
    manifests.put(secret("keys", kind="nginx.org/jwk", jwk=b"{}"))
    wait_until(lambda: get(headgate, new).status == 500)
    manifests.put(secret("keys", kind="Opaque", jwk=key_set(second)))
    wait_until(lambda: any("unsupported type" in text for _, text in headgate.events("Policy default/token")))
    assert get(headgate, new).status == 500
    manifests.put(keys("keys", second))
    wait_until(lambda: get(headgate, new).status == 200)
    manifests.delete(keys("keys"))
    wait_until(lambda: get(headgate, new).status == 500)


def test_a_token_that_was_a_bearer_s_is_none_as_the_whole_header(
    serve: StartHeadgate, manifests: ManifestFolder
) -> None:
    manifests.put(keys("keys", KEY), jwt(), virtual_server("cafe", guarded("/", "token")))
    headgate = serve()
    bare = {"Authorization": KEY.token()}
    assert headgate.get(HOST, "/", headers=bare).status == 401
    assert {get(headgate, KEY.token()).status for _ in range(30)} == {200}  # of each worker
    assert {headgate.get(HOST, "/", headers=bare).status for _ in range(10)} == {401}


class KeyServer:
    """An HTTPS server of key sets: what it answers may change, and it counts requests."""

    def __init__(self, folder: Path, authority: Authority, name: str = "localhost") -> None:
        self.answer: tuple[int, bytes] = (200, b"")
        self.asked = 0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked += 1
                status, body = outer.answer
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.send_header("Location", "/other")
                self.end_headers()
                with contextlib.suppress(OSError):
                    self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer((LOOPBACK, 0), Handler)
        context = authority.server_context(folder, name)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        self.url = f"https://localhost:{self._server.server_address[1]}/keys"

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def authority() -> Authority:
    return Authority()


@pytest.fixture
def key_server(directory: Path, authority: Authority) -> Iterator[KeyServer]:
    server = KeyServer(directory, authority)
    yield server
    server.stop()


def test_a_key_set_is_fetched_and_kept(
    serve: StartHeadgate, manifests: ManifestFolder, key_server: KeyServer, authority: Authority
) -> None:
    first, second = key("RS256", "a"), key("RS256", "b", 1)
    url = {"jwksURI": key_server.url, "keyCache": "1s", "sslVerify": True, "trustedCertSecret": "ca"}
    key_server.answer = 200, key_set(first, key("HS256"))
    manifests.put(
        secret("ca", kind="nginx.org/ca", ca_crt=authority.pem),
        policy("token", jwt={"realm": "cafe", **url}),
        virtual_server("cafe", guarded("/", "token")),
    )
    headgate = serve()
    old, new = first.token(), second.token()
    wait_until(lambda: [get(headgate, token).status for token in (old, new)] == [200, 401])
    reloads = headgate.reloads()
    assert get(headgate, key("HS256").token()).status == 401  # a secret that everybody can fetch is none
    key_server.answer = 200, key_set(second)
    wait_until(lambda: [get(headgate, token).status for token in (old, new)] == [401, 200])

    def told(text: str) -> bool:
        return any(text in message for _, message in headgate.events("Policy default/token"))

    for bad, reason in (
        ((503, b""), "answered 503"),
        ((302, b""), "answered 302"),
        ((200, b"<html>"), "not JSON"),
        ((200, b'{"keys": []}'), "without a usable key"),
        ((200, b" " * 300_000), "more than 262144 bytes"),
    ):
        key_server.answer = bad
        wait_until(lambda reason=reason: told(reason))
        assert get(headgate, new).status == 200, reason
    key_server.answer = 200, key_set(first)
    wait_until(lambda: [get(headgate, token).status for token in (old, new)] == [200, 401])
    assert headgate.reloads() == reloads
    assert key_set(first).decode() not in headgate.log_text()


def test_a_key_set_of_a_server_that_is_not_known_closes(
    serve: StartHeadgate, manifests: ManifestFolder, directory: Path, key_server: KeyServer, authority: Authority
) -> None:
    signer = key("ES256", "a")
    key_server.answer = 200, key_set(signer)
    (directory / "other").mkdir()
    elsewhere = KeyServer(directory / "other", authority, "elsewhere.test")
    elsewhere.answer = key_server.answer
    common = {"realm": "cafe", "keyCache": "1h", "sslVerify": True, "trustedCertSecret": "ca"}
    manifests.put(
        secret("ca", kind="nginx.org/ca", ca_crt=authority.pem),
        secret("wrong", kind="nginx.org/ca", ca_crt=Authority().pem),
        policy("foreign", jwt={**common, "jwksURI": key_server.url, "trustedCertSecret": "wrong"}),
        policy("misnamed", jwt={**common, "jwksURI": elsewhere.url}),
        policy("named", jwt={**common, "jwksURI": elsewhere.url, "sniEnabled": True,
                             "sniName": "https://elsewhere.test"}),
        policy("deep", jwt={**common, "jwksURI": key_server.url, "sslVerifyDepth": 0}),
        policy("loose", jwt={"realm": "cafe", "keyCache": "1h", "jwksURI": elsewhere.url}),
        policy("nobody", jwt={"realm": "cafe", "keyCache": "1h", "jwksURI": "http://localhost:1/keys"}),
        virtual_server("cafe", *(guarded(f"/{name}", name) for name in
                                 ("foreign", "misnamed", "named", "deep", "loose", "nobody"))),
    )  # fmt: skip
    headgate = serve()
    token = signer.token()
    for name in ("named", "loose", "deep"):
        wait_until(lambda name=name: get(headgate, token, f"/{name}").status == 200)
    for name, reason in (("foreign", "certificate"), ("misnamed", "certificate"), ("nobody", "cannot connect")):
        wait_until(
            lambda name=name, reason=reason: any(
                reason in text for _, text in headgate.events(f"Policy default/{name}")
            )
        )
        assert get(headgate, token, f"/{name}").status == 500, name
    elsewhere.stop()


def test_nothing_opens_what_a_token_guards(serve: StartHeadgate, manifests: ManifestFolder) -> None:
    half = [{"weight": 50, "action": TEA}, {"weight": 50, "action": answer("half")}]
    matches = [{"conditions": [{"argument": "a", "value": "b"}], "action": answer("matched")}]
    pages = [{"codes": [401], "return": {"code": 200, "type": "text/plain", "body": "keep out"}}]
    manifests.put(
        keys("keys", KEY),
        jwt(),
        jwt("other", secret="other"),
        policy("everybody", accessControl={"allow": ["127.0.0.0/8"]}),
        policy("nobody", accessControl={"deny": ["127.0.0.0/8"]}),
        secret("passwords", kind="nginx.org/htpasswd", htpasswd=b"me:{PLAIN}secret"),
        policy("password", basicAuth={"secret": "passwords"}),
        jwt("cookie", token="$cookie_t"),
        jwt("argument", token="$arg_t"),
        virtual_server(
            "cafe",
            {"path": "/closed", "action": TEA},
            {"path": "/answer", "action": answer("open")},
            {"path": "/redirect", "action": {"redirect": {"url": "http://open.test"}}},
            {"path": "/split", "splits": half},
            {"path": "/match", "matches": matches, "action": answer("open")},
            {"path": "/page", "action": answer("open"), "errorPages": pages},
            {"path": "/any", "action": TEA, "location-snippets": "satisfy any; allow all;"},
            {"path": "/nested", "action": TEA, "location-snippets": "location /nested/in { return 204; }"},
            {"path": "/lua", "action": TEA, "location-snippets": "access_by_lua_block { }"},
            {"path": "/both", "action": TEA,
             "location-snippets": "access_by_lua_block { } rewrite_by_lua_block { }"},
            guarded("/nobody", "token", "nobody"),
            guarded("/everybody", "token", "everybody"),
            guarded("/missing", "other"),
            guarded("/password", "cookie", "password"),
            guarded("/argument", "argument"),
            policies=[{"name": "token"}],
            **{"server-snippets": "location /own { proxy_pass http://vs_default_cafe_tea; }"},
        ),
    )  # fmt: skip
    headgate = serve()
    token = KEY.token()
    wait_until(lambda: get(headgate, token, "/closed").status == 200)
    places = ("/closed", "/answer", "/redirect", "/split", "/match", "/match?a=b", "/any", "/own", "/everybody")
    for where in places:
        for bad in ("", "a.b.c", KEY.token(exp=1)):
            assert get(headgate, bad, where).status == 401, (where, bad)
        assert get(headgate, token, where).status in {200, 301, 302}, where
    assert [get(headgate, each, "/page").body for each in ("", token)] == ["keep out", "open"]
    assert get(headgate, "", "/nested/in").status != 204 or get(headgate, token, "/nested/in").status == 204
    assert [get(headgate, each, "/nobody").status for each in ("", token)] == [403, 403]
    assert [get(headgate, each, "/missing").status for each in ("", token)] == [500, 500]
    login = {"Authorization": "Basic bWU6c2VjcmV0"}
    assert [
        headgate.get(HOST, "/password", headers=headers).status
        for headers in ({}, login, {"Cookie": f"t={token}"}, {**login, "Cookie": f"a=b; t={token}"})
    ] == [401, 401, 401, 200]
    assert headgate.get(HOST, "/password", headers={**login, "Cookie": f"t={token}; T={token}"}).status == 401
    arguments = {f"t={token}": 200, f"a=b&t={token}": 200, f"t={token}&t=x": 401, f"T=x&t={token}": 401, "t=": 401}
    found = {text: headgate.get(HOST, f"/argument?{text}").status for text in arguments}
    assert found == arguments


def test_ingresses_ask_for_tokens(serve: StartHeadgate, manifests: ManifestFolder) -> None:
    def part(name: str, kind: str, *paths: Json, **annotations: str) -> Json:
        made = ingress(name, {HOST: list(paths)}, mergeable_ingress_type=kind)
        made["metadata"]["annotations"] |= {f"nginx.com/jwt-{key}": text for key, text in annotations.items()}
        if kind == "master":
            made["spec"]["rules"] = [{"host": HOST}]
        return made

    second = key("EdDSA", "two")
    login = ingress("login", "login.test")
    login["metadata"]["annotations"] = {
        "nginx.com/jwt-key": "keys", "nginx.com/jwt-realm": r'a \"b', "nginx.com/jwt-token": "$http_x_t",
        "nginx.com/jwt-login-url": "https://login.test/?a=b&c",
    }  # fmt: skip
    unkeyed, twice = ingress("unkeyed", "unkeyed.test"), ingress("twice", "twice.test", policies="token")
    unkeyed["metadata"]["annotations"] = {"nginx.com/jwt-key": "gone"}
    twice["metadata"]["annotations"] |= {"nginx.com/jwt-key": "second"}
    manifests.put(
        keys("keys", KEY),
        keys("second", second),
        jwt(),
        part("master", "master", key="keys"),
        part("inherits", "minion", path("tea", "/inherits")),
        part("own", "minion", path("tea", "/own"), key="second"),
        login,
        unkeyed,
        twice,
    )
    headgate = serve()
    one, two = KEY.token(), second.token()
    wait_until(lambda: get(headgate, one, "/inherits").status == 200)
    asked = [(where, token) for where in ("/inherits", "/own") for token in ("", one, two)]
    assert [get(headgate, token, where).status for where, token in asked] == [401, 200, 401, 401, 401, 200]
    refused = headgate.get("login.test", "/")
    assert (refused.status, refused.headers["Location"]) == (302, "https://login.test/?a=b&c")
    assert headgate.get("login.test", "/", headers={"X-T": one}).status == 200
    assert get(headgate, one, host="unkeyed.test").status == 500
    assert [get(headgate, token, host="twice.test").status for token in (one, two)] == [200, 401]


def test_claims_are_those_of_verified_tokens(serve: StartHeadgate, manifests: ManifestFolder) -> None:
    told = [{"name": "X-Sub", "value": "${jwt_claim_sub}"}, {"name": "X-Alg", "value": "<${jwt_header_alg}>"}]
    proxy = {"proxy": {"upstream": "tea", "requestHeaders": {"set": told}}}

    def limited(claim: str, match: str) -> Json:
        condition = {"jwt": {"claim": claim, "match": match}}
        return {"rate": "1r/m", "key": "${jwt_claim_sub}", "zoneSize": "64k", "rejectCode": 429, "condition": condition}

    manifests.put(
        config_map(log_format="claim=<$jwt_claim_sub> $request_uri", access_log="/dev/stdout main"),
        keys("keys", KEY),
        jwt(),
        policy("bronze", rateLimit=limited("plan.level", "bronze")),
        policy("bySub", rateLimit={"rate": "1r/m", "key": "${jwt_claim_sub}", "zoneSize": "64k", "rejectCode": 429}),
        virtual_server(
            "cafe",
            guarded("/", "token", action=proxy),
            {"path": "/open", "action": proxy},
            guarded("/tiers", "token", "bronze", action=TEA),
            guarded(
                "/match",
                "token",
                action=answer("nobody"),
                matches=[
                    {"conditions": [{"variable": "$jwt_claim_sub", "value": "joe"}], "action": answer("it is joe")}
                ],
            ),
        ),
    )
    headgate = serve("-nginx-configmaps=ours/config")
    token = KEY.token(sub="joe")
    wait_until(lambda: get(headgate, token).status == 200)
    body = get(headgate, token).body
    assert "X-Sub: joe" in body
    assert "X-Alg: <HS256>" in body
    for bad in ("", KEY.token(sub="joe", exp=1), f"{token}x"):
        body = get(headgate, bad, "/open").body
        assert "X-Sub" not in body
        assert "X-Alg: <>" in body
    assert "X-Sub" not in get(headgate, token, "/open").body  # nothing verifies tokens there
    for sub, shown in (("a\r\nX-Evil: 1", None), (7, "7"), (["a", "b"], "a,b"), (True, "true"), ({"a": 1}, None)):
        body = get(headgate, KEY.token(sub=sub)).body
        assert "X-Evil" not in body
        assert (f"X-Sub: {shown}" in body) if shown else ("X-Sub" not in body), sub
    assert [get(headgate, KEY.token(sub=sub), "/match").body for sub in ("joe", "ann")] == ["it is joe", "nobody"]
    assert [get(headgate, bad, "/match").status for bad in ("", f"{token}x")] == [401, 401]
    bronze, gold = (KEY.token(sub=level, plan={"level": level}) for level in ("bronze", "gold"))
    assert {get(headgate, gold, "/tiers").status for _ in range(4)} == {200}
    assert {get(headgate, bronze, "/tiers").status for _ in range(4)} == {200, 429}
    assert {get(headgate, f"{bronze}x", "/tiers").status for _ in range(4)} == {401}
    wait_until(lambda: "claim=<joe> /" in headgate.log_text())


VERIFY = """
location = /verify/all {
    client_max_body_size 64m;
    client_body_buffer_size 64m;
    content_by_lua_block {
        local state, jwt = require "headgate.state", require "headgate.jwt"
        state.sync()
        local guard = state.get("j", "Policy/default/token")
        ngx.req.read_body()
        for token in ngx.req.get_body_data():gmatch("[^\\n]+") do
            if jwt.verdict(guard, token) then ngx.say(token) end
        end
        ngx.say("done")
    }
}
"""


def verified(headgate: HeadgateProcess, tokens: list[str]) -> list[str]:
    """Return those of *tokens* that are let in."""
    connection = http.client.HTTPConnection(LOOPBACK, headgate.http, timeout=DEADLINE_S)
    connection.request("POST", "/verify/all", "\n".join(tokens).encode("latin-1"), {"Host": HOST})
    lines = connection.getresponse().read().decode("latin-1").splitlines()
    connection.close()
    assert lines.pop() == "done"
    return lines


def test_no_mutated_token_is_let_in(serve: StartHeadgate, manifests: ManifestFolder) -> None:
    signers = [key(name, name) for name in ("RS256", "PS256", "ES256", "ES512", "EdDSA", "HS256")]
    manifests.put(
        keys("keys", *signers),
        jwt(),
        virtual_server("cafe", {"path": "/verify", "action": TEA, "location-snippets": VERIFY}),
        virtual_server("guarded", guarded("/", "token"), host="guarded.test"),
    )
    headgate = serve()
    chance = random.Random(16)
    good = [signer.token(sub="me", admin=False) for signer in signers for _ in range(2)]
    assert verified(headgate, good) == good
    left = MUTANTS
    while left > 0:
        count = min(left, 20_000)
        wrong = [token for token in (mutated(chance, good) for _ in range(count)) if token not in good]
        assert verified(headgate, wrong) == []
        left -= count
    assert verified(headgate, good) == good


def command(*words: str) -> tuple[int, str]:
    """Run a command of Headgate; return its status, and what it prints."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        status = run(words, {})
    return status, said.getvalue()


def test_commands_show_what_a_token_gets_and_no_secret(manifests: ManifestFolder, directory: Path) -> None:
    told = [{"name": "X-Sub", "value": "${jwt_claim_sub}"}]
    manifests.put(
        keys("keys", KEY),
        secret("wrong", jwk=key_set(KEY)),
        secret("empty", kind="nginx.org/jwk", jwk=b'{"keys": [{"kty": "EC", "crv": "secp256k1"}, {"kty": "oct"}]}'),
        secret("weak", kind="nginx.org/jwk", jwk=b'{"kty": "oct", "k": "c2hvcnQ"}'),
        jwt(issuer="issuer"),
        *(jwt(f"bad-{name}", secret=name) for name in ("wrong", "empty", "weak", "gone")),
        virtual_server(
            "cafe",
            guarded("/", "token", action={"proxy": {"upstream": "tea", "requestHeaders": {"set": told}}}),
            *(guarded(f"/{name}", f"bad-{name}") for name in ("wrong", "empty", "weak", "gone")),
        ),
    )
    folder, flags = str(manifests.path), ("-data-plane=live", f"--nginx={LUA}")
    hidden = KEY.jwk["k"]
    file = directory / "token"
    for claims, said in (
        ({"iss": "issuer", "sub": "joe"}, "the given one is valid"),
        ({"iss": "other", "sub": "joe"}, "the given one is refused: iss is another one"),
        ({"iss": "issuer", "exp": 1}, "the given one is refused: it is expired"),
    ):
        token = KEY.token(claims)
        file.write_text(f"{token}\n")
        for more in (("--token", str(file)), ("-H", f"Authorization: Bearer {token}")):
            status, text = command("explain", f"http://{HOST}/tea", "-m", folder, *flags, *more)
            assert status == 0, text
            assert said in text
            assert "Policy default/token: spec.jwt" in text
            assert token not in text
            assert hidden not in text
        _, text = command("explain", f"http://{HOST}/tea", "-m", folder, *flags, "--token", str(file), "-o", "json")
        assert token not in text
    assert "401 without a valid one" in command("explain", f"http://{HOST}/tea", "-m", folder, *flags)[1]
    status, text = command("explain", f"http://{HOST}/tea", "-m", folder, *flags, "--token", str(directory / "none"))
    assert status == 2
    assert "none: No such file" in text
    for plane in (flags, flags[1:]):
        _, text = command("check", folder, *plane)
        for said in (
            "'wrong' is of the unsupported type 'Opaque'; here it must be nginx.org/jwk",
            "'empty' has a key set without a usable key: has the key number 1 that is on the curve 'secp256k1'",
            "'weak' has the key number 1 that is shorter than the 32 bytes that HS256 needs",
            "'gone' does not exist",
        ):
            assert said in text, said
        out = directory / "out"
        _, text = command("render", folder, *plane, "-o", str(out))
        files = [path.read_bytes() for path in out.rglob("*") if path.is_file()]
        assert files
        secrets = (hidden.encode(), base64.b64encode(base64.urlsafe_b64decode(f"{hidden}==")))
        assert not any(each in data for data in files for each in secrets)
        _, text = command("render", folder, *plane)
        assert not any(each.decode() in text for each in secrets)


@pytest.mark.parametrize("snippet", ["", "location /own { proxy_pass http://vs_default_cafe_tea; }"])
def test_attached_routes_have_their_own_or_inherit(
    serve: StartHeadgate, manifests: ManifestFolder, snippet: str
) -> None:
    second = key("EdDSA", "two")
    subroutes = [guarded("/vsr/own", "second"), {"path": "/vsr/inherits", "action": TEA}]
    route = {
        "apiVersion": "k8s.nginx.org/v1",
        "kind": "VirtualServerRoute",
        "metadata": {"name": "attached", "namespace": "default"},
        "spec": {"host": HOST, "upstreams": [UPSTREAM], "subroutes": subroutes},
    }
    more = {"server-snippets": snippet} if snippet else {}
    manifests.put(
        keys("keys", KEY),
        keys("second", second),
        jwt(),
        jwt("second", secret="second"),
        route,
        virtual_server(
            "cafe",
            {"path": "/vsr", "route": "attached"},
            guarded("/own-route", "second"),
            {"path": "/any", "action": TEA, "location-snippets": "satisfy any; allow all;"},
            policies=[{"name": "token"}],
            **more,
        ),
    )
    headgate = serve()
    one, two = KEY.token(), second.token()
    wait_until(lambda: get(headgate, one, "/vsr/inherits").status == 200)
    wanted = {"/vsr/inherits": [401, 200, 401], "/vsr/own": [401, 401, 200], "/own-route": [401, 401, 200],
              "/any": [401, 200, 401]} | ({"/own": [401, 200, 401]} if snippet else {})  # fmt: skip
    found = {where: [get(headgate, token, where).status for token in ("", one, two)] for where in wanted}
    assert found == wanted


def test_what_nginx_refuses_does_not_stay_open(serve: StartHeadgate, manifests: ManifestFolder) -> None:
    manifests.put(keys("keys", KEY), jwt(), virtual_server("cafe", {"path": "/", "action": TEA}))
    headgate = serve()
    assert get(headgate).status == 200
    manifests.put(virtual_server("cafe", guarded("/", "token", **{"location-snippets": "nonsense;"})))
    wait_until(lambda: get(headgate).status == 500)
    assert get(headgate, KEY.token()).status == 500
    manifests.put(virtual_server("cafe", guarded("/", "token")))
    wait_until(lambda: [get(headgate, token).status for token in ("", KEY.token())] == [401, 200])
    # The last good files have the guard, and keys change for them, too.
    other = key("HS256", "one", 2)
    manifests.put(virtual_server("cafe", guarded("/", "token", **{"location-snippets": "nonsense;"})))
    wait_until(lambda: any("nonsense" in text for _, text in headgate.events("VirtualServer default/cafe")[-1:]))
    manifests.put(keys("keys", other))
    wait_until(lambda: [get(headgate, each.token()).status for each in (KEY, other)] == [401, 200])
    manifests.delete(jwt())
    wait_until(lambda: get(headgate, other.token()).status == 500)


def test_tokens_work_after_nginx_starts_again(serve: StartHeadgate, manifests: ManifestFolder) -> None:
    manifests.put(keys("keys", KEY), jwt(), virtual_server("cafe", guarded("/", "token")))
    headgate = serve()
    assert get(headgate, KEY.token()).status == 200
    state = headgate.prefix / "run" / "live" / "state.json"
    assert state.stat().st_mode & 0o077 == 0
    killed = headgate.master
    os.kill(killed, signal.SIGKILL)  # its workers answer until they are stopped
    wait_until(lambda: [get(headgate, token).status for token in ("", KEY.token())] == [401, 200]
               and headgate.master != killed)  # fmt: skip


def test_without_lua_requests_are_closed_until_it_is_back(serve: StartHeadgate, manifests: ManifestFolder) -> None:
    manifests.put(
        keys("keys", KEY),
        jwt(),
        virtual_server("cafe", guarded("/", "token"), {"path": "/open", "action": TEA}),
        config_map(http_snippets=""),
    )
    headgate = serve("-nginx-configmaps=ours/config")
    token = KEY.token()
    assert get(headgate, token).status == 200
    manifests.put(config_map(http_snippets="lua_shared_dict mine 1m;"))
    wait_until(lambda: get(headgate, token).status == 500)
    assert get(headgate, token, "/open").status == 200
    wait_until(
        lambda: any("needs the live data plane" in text for _, text in headgate.events("VirtualServer default/cafe"))
    )
    manifests.put(config_map())
    wait_until(lambda: get(headgate, token).status == 200)
    assert get(headgate).status == 401


def test_a_template_that_does_not_check_tokens_is_not_used(serve: StartHeadgate, manifests: ManifestFolder) -> None:
    lines = (ROOT / "headgate/render/templates/http.conf.j2").read_text()
    older = lines.replace("{% if location.jwt and not server.jwt %}", "{% if false %}")
    assert older != lines
    manifests.put(keys("keys", KEY), jwt(), virtual_server("cafe", guarded("/", "token")))
    headgate = serve("-nginx-configmaps=ours/config")
    manifests.put(config_map(virtualserver_template=older))
    wait_until(
        lambda: any("does not check JSON Web Tokens" in text for _, text in headgate.events("ConfigMap ours/config"))
    )
    assert [get(headgate, token).status for token in ("", KEY.token())] == [401, 200]
    manifests.put(config_map(virtualserver_template=lines))
    wait_until(lambda: [get(headgate, token).status for token in ("", KEY.token())] == [401, 200])


def test_hosts_with_tokens_have_server_blocks_and_say_why(serve: StartHeadgate, manifests: ManifestFolder) -> None:
    manifests.put(keys("keys", KEY), jwt(), virtual_server("cafe", guarded("/", "token")), ingress("tea", "tea.test"))
    headgate = serve()
    assert [get(headgate, token).status for token in ("", KEY.token())] == [401, 200]
    status, text = command("status", f"--prefix={headgate.prefix}", "-o", "wide")
    assert status == 0
    assert f"{HOST}: a JSON Web Token" in text
    manifests.put(jwt(issuer="issuer"))
    wait_until(lambda: get(headgate, KEY.token()).status == 401)
    assert get(headgate, KEY.token(iss="issuer")).status == 200


def test_of_two_policies_the_first_one_applies(serve: StartHeadgate, manifests: ManifestFolder) -> None:
    second = key("EdDSA", "two")
    manifests.put(
        keys("keys", KEY),
        keys("second", second),
        jwt(),
        jwt("other", secret="second"),
        virtual_server("cafe", guarded("/", "token", "other")),
    )
    headgate = serve()
    assert [get(headgate, token).status for token in ("", KEY.token(), second.token())] == [401, 200, 401]
    wait_until(
        lambda: any("second Policy of its type" in text for _, text in headgate.events("VirtualServer default/cafe"))
    )
