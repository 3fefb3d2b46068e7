"""VirtualServers in a folder: what clients get from routes, splits, matches, answers and error pages."""

from __future__ import annotations

import json
from typing import Any

from tests.live.headgate_process import StartHeadgate
from tests.live.json_objects import Json, ManifestFolder, ingress
from tests.waiting import wait_until

HOST = "cafe.test"
UPSTREAM = {"name": "tea", "service": "tea", "port": 80}


def virtual_server(name: str, *routes: Json, upstreams: tuple[Json, ...] = (UPSTREAM,), **spec: Any) -> Json:
    return {
        "apiVersion": "k8s.nginx.org/v1",
        "kind": "VirtualServer",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"host": HOST, "upstreams": list(upstreams), "routes": list(routes), **spec},
    }


def answer(body: str, **more: Any) -> Json:
    return {"return": {"body": body, **more}}


def proxied(**more: Any) -> Json:
    return {"proxy": {"upstream": "tea", **more}}


def test_paths_are_those_of_nginx(serve_manifests: StartHeadgate, manifests: ManifestFolder) -> None:
    own = {"name": "x-a", "value": "b"}
    manifests.put(
        virtual_server(
            "cafe",
            {"path": "/tea", "action": {"pass": "tea"}},
            {"path": "=/tea/exact", "action": answer("exact ${request_uri}", code=201, headers=[own])},
            {"path": "^~/first", "action": answer("longest prefix")},
            {"path": "~ ^/(first|second)", "action": answer("expression")},
            {"path": "/old", "action": {"redirect": {"url": "http://new.test${request_uri}", "code": 308}}},
            {"path": "/new", "action": proxied(rewritePath="/other/")},
            {"path": "~ ^/r/(.*)$", "action": proxied(rewritePath="/x/$1")},
        )
    )  # fmt: skip
    headgate = serve_manifests()
    assert "URI: /teapot?a=1" in headgate.get(HOST, "/teapot?a=1").body
    exact = headgate.get(HOST, "/tea/exact?b")
    assert (exact.status, exact.body, exact.headers["x-a"]) == (201, "exact /tea/exact?b", "b")
    assert headgate.get(HOST, "/first/x").body == "longest prefix"
    assert headgate.get(HOST, "/second").body == "expression"
    old = headgate.get(HOST, "/old/x?y")
    assert (old.status, old.headers["Location"]) == (308, "http://new.test/old/x?y")
    assert "URI: /other/x" in headgate.get(HOST, "/newx").body
    assert "URI: /x/a/b" in headgate.get(HOST, "/r/a/b").body
    assert headgate.get(HOST, "/nothing").status == 404


def test_requests_are_divided_and_matched(serve_manifests: StartHeadgate, manifests: ManifestFolder) -> None:
    split = [{"weight": 50, "action": {"pass": "tea"}}, {"weight": 50, "action": answer("half")}]
    matches = [
        {"conditions": [{"header": "x-version", "value": "!v1"}, {"argument": "blend", "value": "green"}],
         "action": answer("green, not v1")},
        {"conditions": [{"cookie": "user", "value": "john"}], "action": proxied(rewritePath="/john")},
        {"conditions": [{"variable": "$request_uri", "value": "~special"}], "splits": split},
    ]  # fmt: skip
    manifests.put(
        virtual_server(
            "cafe",
            {"path": "/split", "splits": split},
            {"path": "/match", "matches": matches, "action": {"pass": "tea"}},
        )
    )
    headgate = serve_manifests()
    bodies = {headgate.get(HOST, "/split/x").body for _ in range(40)}
    assert any("URI: /split/x" in body for body in bodies)
    assert "half" in bodies
    assert headgate.get(HOST, "/match?blend=GREEN", headers={"x-version": "v2"}).body == "green, not v1"
    assert "URI: /match?blend=green" in headgate.get(HOST, "/match?blend=green", headers={"x-version": "v1"}).body
    assert "URI: /john/a?b=1" in headgate.get(HOST, "/match/a?b=1", headers={"Cookie": "user=john"}).body
    assert {len(headgate.get(HOST, "/match/special").body) > len("half") for _ in range(40)} == {True, False}
    assert headgate.get(HOST, "/internal_location_matches_0_match_0").status == 404


def test_endpoints_are_selected_by_the_labels_of_their_pods(
    serve_manifests: StartHeadgate, manifests: ManifestFolder
) -> None:
    def pod(version: str) -> Json:
        metadata = {"name": "tea-a", "namespace": "default", "labels": {"version": version}}
        return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata}

    (slice_file,) = manifests.path.glob("endpointslice-*")
    slice_ = json.loads(slice_file.read_text())
    slice_["endpoints"][0]["targetRef"] = {"kind": "Pod", "name": "tea-a"}
    upstream = {**UPSTREAM, "subselector": {"version": "v2"}}
    manifests.put(virtual_server("cafe", {"path": "/", "action": {"pass": "tea"}}, upstreams=(upstream,)), pod("v1"))
    manifests.put(slice_)
    headgate = serve_manifests()
    assert headgate.get(HOST).status == 502
    manifests.put(pod("v2"))
    wait_until(lambda: headgate.get(HOST).status == 200)


def test_errors_are_replaced(serve_manifests: StartHeadgate, manifests: ManifestFolder) -> None:
    pages = [
        {"codes": [502], "return": {"code": 200, "type": "text/plain", "body": "sorry ${upstream_status}"}},
        {"codes": [404], "redirect": {"url": "http://help.test", "code": 302}},
    ]
    nowhere = {"name": "nowhere", "service": "nowhere", "port": 80}
    route = {"path": "/", "action": {"pass": "nowhere"}, "errorPages": pages}
    manifests.put(virtual_server("cafe", route, upstreams=(nowhere,)))
    headgate = serve_manifests()
    found = headgate.get(HOST)
    assert (found.status, found.body, found.headers["Content-Type"]) == (200, "sorry 502", "text/plain")


def test_headers_are_changed_on_the_way(serve_manifests: StartHeadgate, manifests: ManifestFolder) -> None:
    requests = {"set": [{"name": "X-Host", "value": "${host}"}, {"name": "X-Gone", "value": ""}]}
    responses = {"hide": ["Server-Name"], "add": [{"name": "X-Method", "value": "${request_method}", "always": True}]}
    action = proxied(requestHeaders=requests, responseHeaders=responses)
    manifests.put(virtual_server("cafe", {"path": "/", "action": action}))
    headgate = serve_manifests()
    found = headgate.get(HOST, headers={"X-Gone": "here"})
    assert found.headers["X-Method"] == "GET"
    assert "X-Host: cafe.test" in found.body
    assert "X-Gone" not in found.body


def test_the_older_object_has_the_host_whatever_its_kind(
    serve_manifests: StartHeadgate, manifests: ManifestFolder
) -> None:
    younger = virtual_server("cafe", {"path": "/", "action": answer("VirtualServer")})
    younger["metadata"]["creationTimestamp"] = "2026-02-01T00:00:00Z"
    manifests.put(ingress("older", HOST, created="2026-01-01T00:00:00Z"), younger)
    headgate = serve_manifests()
    assert "Server name: tea" in headgate.get(HOST).body
    manifests.delete(ingress("older", HOST))
    wait_until(lambda: headgate.get(HOST).body == "VirtualServer")


def test_a_timeout_of_nothing_is_reported_for_no_request_is_answered(
    serve_manifests: StartHeadgate, manifests: ManifestFolder
) -> None:
    slow = {"name": "tea", "service": "tea", "port": 80, "connect-timeout": "0s"}
    manifests.put(
        virtual_server("cafe", {"path": "/", "action": {"pass": "tea"}}, upstreams=[slow]),
        ingress("read", "read.test", proxy_read_timeout="0s"),
    )
    headgate = serve_manifests()
    assert (headgate.get(HOST).status, headgate.get("read.test").status) == (504, 504)
    for name in ("VirtualServer default/cafe", "Ingress default/read"):
        assert any("0 does not mean without a limit" in message for _, message in headgate.events(name))
