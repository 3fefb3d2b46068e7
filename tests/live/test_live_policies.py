"""Policies in a folder: who gets which answer, and that nothing is open that a Policy guards."""

from __future__ import annotations

import base64
import http.client
from typing import Any

from tests.live.headgate_process import LOOPBACK, HeadgateProcess, StartHeadgate
from tests.live.json_objects import Json, ManifestFolder, endpoints, ingress, path, secret, service
from tests.live.test_live_virtual_servers import HOST, answer, virtual_server
from tests.waiting import wait_until

EVERYBODY, NOBODY = {"allow": ["127.0.0.0/8"]}, {"deny": ["127.0.0.0/8"]}
TEA: Json = {"pass": "tea"}


def policy(name: str, **spec: Any) -> Json:
    return {
        "apiVersion": "k8s.nginx.org/v1",
        "kind": "Policy",
        "metadata": {"name": name, "namespace": "default"},
        "spec": spec,
    }


def guarded(where: str, *names: str, action: Json = TEA, **more: Any) -> Json:
    """Return a route with Policies."""
    return {"path": where, "policies": [{"name": name} for name in names], "action": action, **more}


def test_clients_are_kept_out_wherever_a_request_ends(
    serve_manifests: StartHeadgate, manifests: ManifestFolder, nginx_binary: str
) -> None:
    split = [{"weight": 50, "action": TEA}, {"weight": 50, "action": answer("half")}]
    matches = [{"conditions": [{"argument": "a", "value": "b"}], "action": answer("matched")}]
    pages = [{"codes": [403], "return": {"code": 200, "type": "text/plain", "body": "keep out"}}]
    manifests.put(
        policy("everybody", accessControl=EVERYBODY),
        policy("nobody", accessControl=NOBODY),
        virtual_server(
            "cafe",
            {"path": "/closed", "action": TEA},
            {"path": "/answer", "action": answer("open")},
            {"path": "/redirect", "action": {"redirect": {"url": "http://open.test"}}},
            {"path": "/split", "splits": split},
            {"path": "/match", "matches": matches, "action": answer("open")},
            {"path": "/page", "action": answer("open"), "errorPages": pages},
            {"path": "/snippet", "action": TEA, "location-snippets": "allow 127.0.0.1;"},
            guarded("/open", "everybody"),
            guarded("/open/answer", "everybody", action=answer("let in", code=201)),
            policies=[{"name": "nobody"}],
            **{"server-snippets": "location /own { proxy_pass http://vs_default_cafe_tea; }"},
        ),
    )
    headgate = serve_manifests("-enable-snippets", nginx=nginx_binary)
    for where in ("/closed", "/answer", "/redirect", "/match", "/match?a=b", "/snippet", "/own", "/nothing"):
        assert headgate.get(HOST, where).status == 403, where
    assert {headgate.get(HOST, "/split").status for _ in range(20)} == {403}
    assert headgate.get(HOST, "/page").body == "keep out"
    assert headgate.get(HOST, "/open/x").status == 200
    let_in = headgate.get(HOST, "/open/answer")
    assert (let_in.status, let_in.body) == (201, "let in")


def test_an_ipv4_address_in_the_form_of_ipv6_keeps_that_client_out(
    serve_manifests: StartHeadgate, manifests: ManifestFolder
) -> None:
    manifests.put(
        policy("one", accessControl={"deny": ["::ffff:127.0.0.1"]}),
        policy("block", accessControl={"deny": ["::ffff:127.0.0.0/104"]}),
        policy("other", accessControl={"deny": ["::ffff:192.0.2.1"]}),
        virtual_server(
            "cafe",
            guarded("/one", "one"),
            guarded("/block", "block"),
            guarded("/other", "other", action=answer("open")),
        ),
    )
    headgate = serve_manifests()
    wanted = {"/one": 403, "/block": 403, "/other": 200}
    assert {where: headgate.get(HOST, where).status for where in wanted} == wanted


def test_nothing_opens_as_a_policy_comes_breaks_and_goes(
    serve_manifests: StartHeadgate, manifests: ManifestFolder
) -> None:
    manifests.put(virtual_server("cafe", guarded("/", "guard"), guarded("/answer", "guard", action=answer("open"))))
    headgate = serve_manifests()

    def statuses() -> set[int]:
        return {headgate.get(HOST, where).status for where in ("/", "/answer")}

    assert statuses() == {500}
    manifests.put(policy("guard", accessControl=EVERYBODY))
    wait_until(lambda: statuses() == {200})
    manifests.put(policy("guard", accessControl=NOBODY))
    wait_until(lambda: statuses() == {403})
    manifests.put(policy("guard", accessControl={"allow": ["nonsense"]}))
    wait_until(lambda: statuses() == {500})
    manifests.put(policy("guard", accessControl=EVERYBODY))
    wait_until(lambda: statuses() == {200})
    manifests.put(policy("guard", ingressClassName="other", accessControl=EVERYBODY))
    wait_until(lambda: statuses() == {500})
    manifests.put(policy("guard", accessControl=EVERYBODY))
    wait_until(lambda: statuses() == {200})
    manifests.delete(policy("guard"))
    wait_until(lambda: statuses() == {500})
    rejected = [message for reason, message in headgate.events("Policy default/guard") if reason == "Rejected"]
    assert any("Policy default/guard is invalid and was rejected" in message for message in rejected)


def test_ingresses_refer_to_policies(serve_manifests: StartHeadgate, manifests: ManifestFolder) -> None:
    def part(name: str, kind: str, where: str, **more: str) -> Json:
        paths = {} if kind == "master" else {HOST: [path("tea", where)]}
        made = ingress(name, paths or {HOST: []}, mergeable_ingress_type=kind, **more)
        if kind == "master":
            made["spec"]["rules"] = [{"host": HOST}]
        return made

    manifests.put(
        policy("everybody", accessControl=EVERYBODY),
        policy("nobody", accessControl=NOBODY),
        policy("pages", cors={"allowOrigin": ["https://a.test"]}),
        policy("often", rateLimit={"rate": "1r/s", "key": "${uri}", "zoneSize": "64k"}),
        policy("certified", ingressMTLS={"clientCertSecret": "none"}),
        ingress("alone", "alone.test", policies="nobody"),
        ingress("pages", "pages.test", policies="pages"),
        ingress("gone", "gone.test", policies="pages,default/gone"),
        ingress("often", "often.test", policies="often"),
        ingress("wrong", "wrong.test", policies="a b"),
        part("master", "master", "", policies="nobody"),
        part("inherits", "minion", "/inherits", add_header="X-Own:1"),
        part("own", "minion", "/own", policies="everybody"),
        part("missing", "minion", "/missing", policies="gone"),
        part("mtls", "minion", "/mtls", policies="certified"),
    )
    headgate = serve_manifests()
    assert headgate.get("alone.test").status == 403
    assert headgate.get("pages.test").headers["Access-Control-Allow-Origin"] == "https://a.test"
    assert headgate.get("gone.test").status == 500
    assert headgate.get("often.test").status == 500
    assert headgate.get("wrong.test").status == 404
    wanted = {"/inherits": 403, "/own": 200, "/missing": 500, "/mtls": 500, "/nothing": 403}
    assert {where: headgate.get(HOST, where).status for where in wanted} == wanted
    manifests.put(policy("nobody", accessControl=EVERYBODY))
    wait_until(lambda: headgate.get(HOST, "/inherits").status == 200)
    wait_until(lambda: headgate.get("alone.test").status == 200)


def test_a_policy_that_cannot_be_used_leads_to_no_default_backend(
    serve_manifests: StartHeadgate, manifests: ManifestFolder
) -> None:
    def part(name: str, where: str, **more: str) -> Json:
        return ingress(name, {HOST: [path("tea", where)]}, mergeable_ingress_type="minion", **more)

    master = ingress("master", {HOST: []}, default="tea", mergeable_ingress_type="master", custom_http_errors="500")
    master["spec"]["rules"] = [{"host": HOST}]
    alone = {"alone.test": [path("tea", "/a")]}
    manifests.put(
        ingress("alone", alone, default="tea", policies="gone", custom_http_errors="500"),
        master,
        part("inherits", "/inherits", policies="gone"),
        part("own", "/own", policies="gone", custom_http_errors="500,502"),
    )
    headgate = serve_manifests()
    places = (("alone.test", "/"), ("alone.test", "/a"), (HOST, "/inherits"), (HOST, "/own/x"))
    answers = [headgate.get(host, where) for host, where in places]
    assert [found.status for found in answers] == [500] * 4
    assert not any("Server name: tea" in found.body for found in answers)
    assert "Server name: tea" in headgate.get(HOST, "/rest").body


def test_files_that_nginx_refuses_leave_nobody_in_whom_a_new_policy_keeps_out(
    serve_manifests: StartHeadgate, manifests: ManifestFolder
) -> None:
    cafe = virtual_server("cafe", {"path": "/", "action": TEA})
    other = virtual_server("other", guarded("/", "everybody"))
    other["spec"]["host"] = "other.test"
    manifests.put(policy("nobody", accessControl=NOBODY), policy("everybody", accessControl=EVERYBODY), cafe, other)
    manifests.put(ingress("wildcard", "*.test"))
    headgate = serve_manifests("-enable-snippets")
    assert (headgate.get(HOST).status, headgate.get("other.test").status) == (200, 200)
    broken = {"server-snippets": "no_such_directive;"}
    cafe["spec"] |= {"policies": [{"name": "nobody"}], **broken}
    other["spec"] |= broken
    manifests.put(cafe, other)
    wait_until(lambda: any("not served unguarded" in text for _, text in headgate.events("VirtualServer default/cafe")))
    assert headgate.get(HOST).status == 500
    wait_until(lambda: any("is kept" in message for _, message in headgate.events("VirtualServer default/other")))
    assert headgate.get("other.test").status == 200
    del cafe["spec"]["server-snippets"]
    manifests.put(cafe)
    wait_until(lambda: headgate.get(HOST).status == 403)


def test_whom_a_snippet_keeps_out_no_policy_lets_in(serve_manifests: StartHeadgate, manifests: ManifestFolder) -> None:
    deny, only = "deny 127.0.0.0/8;", "allow 192.0.2.1; deny all;"
    far = policy("far", accessControl={"deny": ["192.0.2.7"]})
    manifests.put(policy("everybody", accessControl=EVERYBODY), policy("nobody", accessControl=NOBODY), far)
    cases: dict[str, tuple[str, Json, str]] = {
        "server-allow": ("everybody", {"server-snippets": deny}, ""),
        "server-deny": ("far", {"server-snippets": only}, ""),
        "location-allow": ("everybody", {}, deny),
        "location-deny": ("far", {}, only),
        "policy": ("nobody", {"server-snippets": "allow 127.0.0.1;"}, "allow 127.0.0.1;"),
    }
    for name, (guard, spec, snippet) in cases.items():
        server = virtual_server(name, guarded("/", guard, **{"location-snippets": snippet}), **spec)
        server["spec"]["host"] = f"{name}.test"
        manifests.put(server)
    often = policy("often", rateLimit={"rate": "999r/s", "key": "${uri}", "zoneSize": "64k"})
    zone = {"http-snippets": "limit_req_zone $host zone=own:64k rate=1r/m;", "server-snippets": "limit_req zone=own;"}
    manifests.put(often, virtual_server("seldom", guarded("/", "often"), **zone))
    headgate = serve_manifests("-enable-snippets")
    assert {name: headgate.get(f"{name}.test").status for name in cases} == dict.fromkeys(cases, 403)
    assert [headgate.get(HOST, where).status for where in ("/a", "/b")] == [200, 503]


# --- how often, and with what password ---------------------------------------------------------------


def test_requests_are_limited_by_key_and_by_tier(serve_manifests: StartHeadgate, manifests: ManifestFolder) -> None:
    def limit(name: str, rate: str, **more: Any) -> Json:
        return policy(name, rateLimit={"rate": rate, "key": "${http_x_who}", "zoneSize": "64k", **more})

    manifests.put(
        limit("plain", "1r/m"),
        limit("coded", "1r/m", rejectCode=429, logLevel="warn"),
        limit("dry", "1r/m", dryRun=True),
        limit("gold", "100000r/s", condition={"variables": [{"name": "$http_x_tier", "match": "gold"}]}, burst=99,
              noDelay=True),
        limit("rest", "1r/m", condition={"variables": [{"name": "http_x_tier", "match": "~^silver$"}],
              "default": True}),
        virtual_server(
            "cafe",
            guarded("/plain", "plain"),
            guarded("/answer", "plain", action=answer("limited")),
            guarded("/coded", "coded"),
            guarded("/dry", "dry"),
            guarded("/tiers", "gold", "rest"),
        ),
    )  # fmt: skip
    headgate = serve_manifests()

    def statuses(where: str, **headers: str) -> list[int]:
        named = {key.replace("_", "-"): value for key, value in headers.items()}
        return [headgate.get(HOST, where, headers=named).status for _ in range(3)]

    assert statuses("/plain", x_who="a") == [200, 503, 503]
    assert statuses("/answer", x_who="b") == [200, 503, 503]
    assert statuses("/answer", x_who="a") == [503, 503, 503]
    assert statuses("/coded", x_who="a") == [200, 429, 429]
    assert statuses("/dry", x_who="a") == [200, 200, 200]
    assert statuses("/tiers", x_who="g", x_tier="gold") == [200, 200, 200]
    assert statuses("/tiers", x_who="s", x_tier="silver") == [200, 503, 503]
    assert statuses("/tiers", x_who="n") == [200, 503, 503]


def basic(user: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def test_passwords_are_asked_for_and_a_lost_secret_opens_nothing(
    serve_manifests: StartHeadgate, manifests: ManifestFolder
) -> None:
    passwords = secret("users", kind="nginx.org/htpasswd", htpasswd=b"jane:{PLAIN}secret\n")
    manifests.put(
        passwords,
        policy("users", basicAuth={"secret": "users", "realm": "Staff"}),
        virtual_server("cafe", {"path": "/", "action": TEA}, {"path": "/answer", "action": answer("in")},
                       policies=[{"name": "users"}]),
    )  # fmt: skip
    headgate = serve_manifests()
    for where in ("/", "/answer", "/nothing"):
        asked = headgate.get(HOST, where)
        assert (asked.status, asked.headers["WWW-Authenticate"]) == (401, 'Basic realm="Staff"')
        assert headgate.get(HOST, where, headers=basic("jane", "wrong")).status == 401
        assert headgate.get(HOST, where, headers=basic("jane", "secret")).status == 200
    manifests.put(secret("users", kind="Opaque", htpasswd=b"x"))
    wait_until(lambda: headgate.get(HOST, headers=basic("jane", "secret")).status == 500)
    manifests.delete(passwords)
    assert headgate.get(HOST, headers=basic("jane", "secret")).status == 500
    manifests.put(passwords)
    wait_until(lambda: headgate.get(HOST, headers=basic("jane", "secret")).status == 200)
    wait_until(lambda: headgate.get(HOST).status == 401)
    told = [message for _, message in headgate.events("Policy default/users")]
    assert any("spec.basicAuth.secret: 'users' is of the unsupported type 'Opaque'" in message for message in told)


def test_keys_are_compared_letter_by_letter(serve_manifests: StartHeadgate, manifests: ManifestFolder) -> None:
    keys = secret("keys", kind="nginx.org/apikey", **{"client-one": b"S3cret.+$x", "client-two": b"other"})
    manifests.put(
        keys,
        policy("keys", apiKey={"suppliedIn": {"header": ["X-API-Key"], "query": ["apikey"]}, "clientSecret": "keys"}),
        policy("per-client", rateLimit={"rate": "1r/m", "key": "${apikey_client_name}", "zoneSize": "64k"}),
        virtual_server(
            "cafe",
            {"path": "/", "action": proxied_with_client()},
            {"path": "/answer", "action": answer("in")},
            {"path": "/limited", "policies": [{"name": "per-client"}], "action": TEA},
            policies=[{"name": "keys"}],
        ),
    )
    headgate = serve_manifests()

    def status(where: str, key: str = "") -> int:
        return headgate.get(HOST, where, headers={"X-API-Key": key} if key else {}).status

    for where in ("/", "/answer"):
        assert status(where) == 401
        assert status(where, "S3cret.+$x") == 200
        for wrong in ("s3cret.+$x", "S3cretZ+$x", "S3cret.+$xx", "xS3cret.+$x", ".*", "~", "default", "client-one"):
            assert status(where, wrong) == 403, wrong
        assert status(f"{where}?apikey=other") == 200
        assert status(f"{where}?apikey=OTHER") == 403
    assert "X-Client: client-two" in headgate.get(HOST, "/?apikey=other").body
    assert [status("/limited", "other") for _ in range(2)] == [200, 503]
    assert status("/limited", "S3cret.+$x") == 200
    assert status("/_validate_apikey_default_keys") == 404
    file = next((headgate.prefix / "etc" / "secrets").glob("*apikey"))
    assert file.stat().st_mode & 0o007 == 0
    manifests.put(secret("keys", kind="nginx.org/apikey", a=b"same", b=b"same"))
    wait_until(lambda: status("/", "S3cret.+$x") == 500)


def test_ingresses_ask_for_keys(serve_manifests: StartHeadgate, manifests: ManifestFolder) -> None:
    keys = secret("keys", kind="nginx.org/apikey", **{"client-one": b"S3cret.+$x", "client-two": b"other"})
    client = "proxy_set_header X-Client $apikey_client_name;"
    master = ingress("master", {HOST: []}, mergeable_ingress_type="master", policies="keys")
    master["spec"]["rules"] = [{"host": HOST}]
    manifests.put(
        keys,
        secret("staff", kind="nginx.org/apikey", jane=b"jane-key"),
        policy("keys", apiKey={"suppliedIn": {"header": ["X-API-Key"], "query": ["apikey"]}, "clientSecret": "keys"}),
        policy("staff", apiKey={"suppliedIn": {"header": ["X-API-Key"]}, "clientSecret": "staff"}),
        ingress("alone", "alone.test", policies="keys", location_snippets=client),
        ingress("errors", "errors.test", policies="keys", custom_http_errors="401,403", default="tea"),
        ingress("limited", "limited.test", policies="keys", limit_req_rate="1r/m",
                limit_req_key="${apikey_client_name}"),
        ingress("several", "several.test", policies="keys,staff"),
        ingress("hostless", {"": [path("tea")]}, policies="keys"),
        master,
        ingress("inherits", {HOST: [path("tea", "/inherits")]}, mergeable_ingress_type="minion"),
        ingress("own", {HOST: [path("tea", "/own")]}, mergeable_ingress_type="minion", policies="staff",
                location_snippets=client),
    )  # fmt: skip
    headgate = serve_manifests("-enable-snippets", "-allow-empty-ingress-host")

    def status(host: str, where: str = "/", key: str = "") -> int:
        return headgate.get(host, where, headers={"X-API-Key": key} if key else {}).status

    for host, where in (
        ("alone.test", "/"),
        ("errors.test", "/"),
        ("any.example", "/"),
        (HOST, "/inherits"),
        (HOST, "/inherits/x"),
    ):
        assert [status(host, where, key) for key in ("", "wrong", "client-one")] == [401, 403, 403], (host, where)
        assert [status(host, where, key) for key in ("S3cret.+$x", "other")] == [200, 200], (host, where)
        assert [status(host, f"{where}?apikey={key}") for key in ("other", "OTHER")] == [200, 403], (host, where)
    assert [status(HOST, "/own", key) for key in ("", "other", "jane-key")] == [401, 403, 200]
    assert [status(HOST, "/nothing", key) for key in ("", "wrong", "other")] == [401, 403, 404]
    assert [status("several.test", key=key) for key in ("", "other", "jane-key")] == [500] * 3
    assert "X-Client: client-two" in headgate.get("alone.test", "/?apikey=other").body
    forged = {"X-API-Key": "jane-key", "X-Client": "client-one"}
    assert "X-Client: jane" in headgate.get(HOST, "/own", headers=forged).body
    assert [status("limited.test", key=key) for key in ("other", "other", "S3cret.+$x")] == [200, 429, 200]
    manifests.delete(keys)
    wait_until(lambda: status("alone.test", key="other") == 500)
    places = ("/inherits", "/own", "/nothing")
    wait_until(lambda: [status(HOST, where, "jane-key") for where in places] == [500] * 3)


def proxied_with_client() -> Json:
    headers = {"set": [{"name": "X-Client", "value": "${apikey_client_name}"}]}
    return {"proxy": {"upstream": "tea", "requestHeaders": headers}}


# --- pages of other origins, and caches --------------------------------------------------------------


def request(headgate: HeadgateProcess, method: str, where: str, **headers: str) -> tuple[int, dict[str, str]]:
    connection = http.client.HTTPConnection(LOOPBACK, headgate.http, timeout=10)
    named = {key.replace("_", "-"): value for key, value in headers.items()}
    connection.request(method, where, headers={"Host": HOST, **named})
    response = connection.getresponse()
    response.read()
    connection.close()
    return response.status, dict(response.getheaders())


def test_pages_of_other_origins_may_ask(serve_manifests: StartHeadgate, manifests: ManifestFolder) -> None:
    wild = {"allowOrigin": ["https://*.shop.test", "https://one.test"], "allowMethods": ["GET", "PUT"],
            "allowHeaders": ["X-A"], "exposeHeaders": ["X-B"], "allowCredentials": True, "maxAge": 5}  # fmt: skip
    page = {"codes": [502], "return": {"code": 200, "body": "sorry", "headers": [{"name": "X-Page", "value": "1"}]}}
    nowhere = {"name": "nowhere", "service": "nowhere", "port": 80}
    own = {"set": [], "pass": True}
    manifests.put(
        policy("wild", cors=wild),
        policy("all", cors={"allowOrigin": ["*"]}),
        policy("closed", accessControl=NOBODY),
        virtual_server(
            "cafe",
            {"path": "/", "action": TEA},
            {"path": "/answer", "action": answer("in", headers=[{"name": "X-Own", "value": "1"}])},
            {"path": "/added", "action": {"proxy": {"upstream": "tea", "requestHeaders": own, "responseHeaders": {
                "add": [{"name": "X-Added", "value": "1"}]}}}},
            {"path": "/error", "action": {"pass": "nowhere"}, "errorPages": [page]},
            guarded("/all", "all"),
            guarded("/closed", "closed"),
            upstreams=({"name": "tea", "service": "tea", "port": 80}, nowhere),
            policies=[{"name": "wild"}],
        ),
    )  # fmt: skip
    headgate = serve_manifests()
    for where in ("/", "/answer", "/added", "/error", "/closed", "/missing"):
        _, headers = request(headgate, "GET", where, Origin="https://a.shop.test")
        assert headers["Access-Control-Allow-Origin"] == "https://a.shop.test", where
        assert headers["Access-Control-Expose-Headers"] == "X-B"
    for origin in ("https://shop.test", "https://a.b.shop.test", "https://evil.test", "https://a.shop.test.evil.test",
                   "http://a.shop.test", "https://axshop.test"):  # fmt: skip
        status, headers = request(headgate, "GET", "/", Origin=origin)
        assert (status, headers.get("Access-Control-Allow-Origin")) == (200, None), origin
    status, headers = request(headgate, "OPTIONS", "/", Origin="https://one.test", Access_Control_Request_Method="PUT")
    assert (status, headers["Access-Control-Allow-Origin"]) == (204, "https://one.test")
    assert headers["Access-Control-Allow-Methods"] == "GET, PUT"
    assert headers["Access-Control-Allow-Credentials"] == "true"
    assert headers["Access-Control-Max-Age"] == "5"
    assert request(headgate, "GET", "/added")[1]["X-Added"] == "1"
    assert request(headgate, "GET", "/error")[1]["X-Page"] == "1"
    assert request(headgate, "GET", "/closed")[0] == 403
    _, headers = request(headgate, "GET", "/all", Origin="https://evil.test")
    assert headers["Access-Control-Allow-Origin"] == "*"
    assert "Access-Control-Expose-Headers" not in headers


def test_clients_get_headers_of_policies_once(serve_manifests: StartHeadgate, manifests: ManifestFolder) -> None:
    own = [{"name": "Access-Control-Allow-Origin", "value": "*"},
           {"name": "Strict-Transport-Security", "value": "max-age=1"}]  # fmt: skip
    page = {"codes": [502], "return": {"code": 200, "body": "sorry", "headers": own}}
    manifests.put(
        policy("secure", hsts={"maxAge": 60, "behindProxy": True}),
        policy("pages", cors={"allowOrigin": ["https://pages.test"]}),
        virtual_server(
            "cafe",
            {"path": "/added", "action": {"proxy": {"upstream": "tea", "responseHeaders": {"add": own}}}},
            {"path": "/answer", "action": answer("in", headers=own)},
            {"path": "/error", "action": {"pass": "nowhere"}, "errorPages": [page]},
            upstreams=({"name": "tea", "service": "tea", "port": 80}, NOWHERE),
            policies=[{"name": "secure"}, {"name": "pages"}],
        ),
    )
    headgate = serve_manifests()
    for where in ("/added", "/answer", "/error"):
        connection = http.client.HTTPConnection(LOOPBACK, headgate.http, timeout=10)
        connection.request("GET", where, headers={"Host": HOST, "X-Forwarded-Proto": "https"})
        response = connection.getresponse()
        response.read()
        connection.close()
        assert response.headers.get_all("Access-Control-Allow-Origin") == ["https://pages.test"], where
        assert response.headers.get_all("Strict-Transport-Security") == ["max-age=60"], where


NOWHERE = {"name": "nowhere", "service": "nowhere", "port": 80}


def test_responses_are_stored(serve_manifests: StartHeadgate, manifests: ManifestFolder) -> None:
    cache = {"cacheZoneName": "tea", "cacheZoneSize": "1m", "time": "1h", "allowedCodes": [200],
             "overrideUpstreamCache": True, "levels": "1:2", "maxSize": "8m", "inactive": "1h", "cacheMinUses": 1,
             "cacheUseStale": ["error", "updating"], "cacheBackgroundUpdate": True, "cacheRevalidate": True,
             "manager": {"files": 9, "sleep": "50ms", "threshold": "200ms"},
             "lock": {"enable": True, "timeout": "1s", "age": "1s"}, "allowedMethods": ["GET", "POST"],
             "conditions": {"bypass": ["$arg_fresh"], "noCache": ["$http_x_private"]},
             "cacheKey": "${scheme}$host$uri"}  # fmt: skip
    manifests.put(
        policy("stored", cache=cache),
        virtual_server("cafe", {"path": "/", "action": TEA, "location-snippets": SHOWN}, policies=[{"name": "stored"}]),
    )  # fmt: skip
    headgate = serve_manifests("-enable-snippets")

    def state_of(where: str) -> str:
        return headgate.get(HOST, where).headers["X-Cache"]

    assert [state_of("/a"), state_of("/a"), state_of("/a?fresh=1"), state_of("/b")] == ["MISS", "HIT", "BYPASS", "MISS"]
    # nginx refuses another layout of a zone that it has, so that the name of the zone must change with it.
    manifests.put(policy("stored", cache={**cache, "levels": "1:1"}))
    wait_until(lambda: "levels=1:1" in headgate.file("conf.d/vs_default_cafe.conf"))
    wait_until(lambda: state_of("/a") == "MISS")


SHOWN = "add_header X-Cache $upstream_cache_status always;"


# --- a service that decides --------------------------------------------------------------------------


def test_a_service_decides_about_each_request(
    serve_manifests: StartHeadgate, manifests: ManifestFolder, coffee: int
) -> None:
    decide = """if ($http_x_user = "") { return 401; } if ($http_x_user = bad) { return 403; }"""
    manifests.put(
        *decider(coffee),
        policy("decided", externalAuth={"authURI": "/decide", "authServiceName": "decider", "authSnippets": decide,
                                        "authServicePorts": [80]}),
        policy("signed-in", externalAuth={"authURI": "/decide", "authServiceName": "decider", "authSnippets": decide,
                                          "authSigninURI": "/oauth2/signin"}),
        policy("keys", apiKey={"suppliedIn": {"header": ["X-Key"]}, "clientSecret": "keys"}),
        policy("unreachable", externalAuth={"authURI": "/", "authServiceName": "nobody"}),
        secret("keys", kind="nginx.org/apikey", one=b"key-one"),
        virtual_server(
            "cafe",
            {"path": "/", "action": TEA},
            {"path": "/answer", "action": answer("in")},
            guarded("/signin", "signed-in"),
            guarded("/both", "keys"),
            guarded("/unreachable", "unreachable"),
            policies=[{"name": "decided"}],
        ),
    )  # fmt: skip
    headgate = serve_manifests("-enable-snippets")

    def status(where: str, **headers: str) -> int:
        return headgate.get(
            HOST, where, headers={key.replace("_", "-"): value for key, value in headers.items()}
        ).status

    for where in ("/", "/answer", "/nothing/x"):
        assert status(where) == 401
        assert status(where, X_User="bad") == 403
        assert status(where, X_User="jane") == 200
    assert status("/both", X_User="jane") == 401
    assert status("/both", X_User="jane", X_Key="wrong") == 403
    assert status("/both", X_Key="key-one") == 401
    assert status("/both", X_User="jane", X_Key="key-one") == 200
    assert status("/unreachable", X_User="jane") == 500
    assert "Server name: coffee" in headgate.get(HOST, "/signin").body
    assert "URI: /oauth2/signin" in headgate.get(HOST, "/signin").body
    assert "Server name: tea" in headgate.get(HOST, "/signin", headers={"X-User": "jane"}).body
    assert "Server name: coffee" in headgate.get(HOST, "/oauth2/callback").body


def decider(port: int) -> tuple[Json, ...]:
    return service("decider"), endpoints("decider", "127.0.0.1", port=port)
