"""VirtualServerRoutes: what clients get from subroutes, while these come, break, and are refused by nginx."""

from __future__ import annotations

from typing import Any

from tests.live.headgate_process import HeadgateProcess, StartHeadgate
from tests.live.json_objects import Json, ManifestFolder
from tests.live.test_live_policies import policy
from tests.live.test_live_virtual_servers import HOST, UPSTREAM, answer, virtual_server
from tests.waiting import wait_until

DEFAULT = {"path": "/", "action": answer("default")}


def delegated(path: str, route: str, **more: Any) -> Json:
    return {"path": path, "route": route, **more}


def route(name: str, *subroutes: Json, namespace: str = "default", **more: Any) -> Json:
    metadata = {"name": name, "namespace": namespace, **more.pop("metadata", {})}
    return {
        "apiVersion": "k8s.nginx.org/v1",
        "kind": "VirtualServerRoute",
        "metadata": metadata,
        "spec": {"host": HOST, "subroutes": list(subroutes), **more},
    }


def said(path: str, body: str, **more: Any) -> Json:
    return {"path": path, "action": answer(body), **more}


def last(headgate: HeadgateProcess, name: str) -> str:
    """Return reason and message of the newest event about the VirtualServerRoute *name*."""
    return " ".join((headgate.events(f"VirtualServerRoute {name}") or [("", "")])[-1])


def bodies(headgate: HeadgateProcess, *paths: str) -> list[str]:
    return [headgate.get(HOST, path).body for path in paths]


def test_requests_reach_subroutes_of_other_namespaces(
    serve_manifests: StartHeadgate, manifests: ManifestFolder
) -> None:
    split = [{"weight": 100, "action": answer("split")}, {"weight": 0, "action": answer("never")}]
    match = {"conditions": [{"header": "x-v", "value": "2"}], "action": answer("matched")}
    nowhere = {"name": "nowhere", "service": "nowhere", "port": 80}
    page = {"codes": [502], "return": {"code": 200, "body": "page of the route"}}
    manifests.put(
        virtual_server(
            "cafe",
            DEFAULT,
            {"path": "/own", "splits": split},
            delegated("/tea", "tea"),
            delegated("/coffee", "other/coffee", errorPages=[page]),
            delegated("=/exact", "other/exact"),
            delegated("~ ^/v1", "other/patterns"),
            delegated("~ ^/v[0-9]", "other/patterns"),
            {"path": "/milk", "routeSelector": {"matchLabels": {"app": "milk"}}},
        ),
        route("tea", {"path": "/tea", "action": {"pass": "tea"}}, upstreams=[UPSTREAM]),
        route(
            "coffee",
            {"path": "/coffee/split", "splits": split},
            {"path": "/coffee/match", "matches": [match], "action": answer("not matched")},
            {"path": "/coffee/nowhere", "action": {"pass": "nowhere"}},
            namespace="other",
            upstreams=[nowhere],
        ),
        route("exact", said("=/exact", "exact"), namespace="other"),
        route("patterns", said("~ ^/v[0-9]", "any version"), said("~ ^/v1", "version 1"), namespace="other"),
        route("milk", said("/milk", "milk"), namespace="dairy", metadata={"labels": {"app": "milk"}}),
        route("oat", said("/milk/oat", "oat"), namespace="dairy", metadata={"labels": {"app": "milk", "x": "y"}}),
    )
    headgate = serve_manifests()
    assert "URI: /tea/x" in headgate.get(HOST, "/tea/x").body
    assert bodies(headgate, "/own", "/coffee/split", "/coffee/match") == ["split", "split", "not matched"]
    assert headgate.get(HOST, "/coffee/match", headers={"x-v": "2"}).body == "matched"
    assert bodies(headgate, "/coffee/nowhere", "/coffee") == ["page of the route", "default"]
    assert bodies(headgate, "/exact", "/exact/x") == ["exact", "default"]
    assert bodies(headgate, "/v1", "/v2", "/vx") == ["any version", "any version", "default"]
    assert bodies(headgate, "/milk", "/milk/oat") == ["milk", "oat"]


def test_a_route_has_no_location_until_its_virtual_server_route_is_there_and_valid(
    serve_manifests: StartHeadgate, manifests: ManifestFolder
) -> None:
    manifests.put(virtual_server("cafe", DEFAULT, delegated("/tea", "other/tea")))
    headgate = serve_manifests()
    assert bodies(headgate, "/tea") == ["default"]
    tea = route("tea", said("/tea", "tea"), namespace="other")
    manifests.put(tea)
    wait_until(lambda: bodies(headgate, "/tea") == ["tea"])
    manifests.put(route("tea", said("/tea", "tea"), said("/milk", "milk"), namespace="other"))
    wait_until(lambda: bodies(headgate, "/tea") == ["default"])
    wait_until(lambda: last(headgate, "other/tea").startswith("Ignored VirtualServer default/cafe ignores Virtual"))
    manifests.put(route("tea", {"path": "/tea"}, namespace="other"))
    wait_until(lambda: last(headgate, "other/tea").startswith("Rejected VirtualServerRoute other/tea was rejected"))
    assert bodies(headgate, "/tea") == ["default"]
    manifests.put(tea)
    wait_until(lambda: bodies(headgate, "/tea") == ["tea"])
    manifests.delete(virtual_server("cafe"))
    wait_until(lambda: last(headgate, "other/tea").startswith("NoVirtualServerFound"))
    assert headgate.get(HOST, "/tea").status == 404


def test_a_virtual_server_route_that_nginx_refuses_keeps_its_paths_and_stops_no_other(
    serve_manifests: StartHeadgate, manifests: ManifestFolder
) -> None:
    manifests.put(
        virtual_server("cafe", DEFAULT, delegated("/tea", "tea"), delegated("/coffee", "coffee")),
        route("tea", said("/tea", "tea")),
        route("coffee", said("/coffee", "coffee")),
    )
    headgate = serve_manifests("-enable-snippets")
    assert bodies(headgate, "/tea", "/coffee") == ["tea", "coffee"]
    manifests.put(route("tea", said("/tea", "new tea", **{"location-snippets": "nonsense on;"})))
    wait_until(lambda: 'unknown directive "nonsense"' in last(headgate, "default/tea"))
    assert "the previous configuration is kept" in last(headgate, "default/tea")
    manifests.put(route("coffee", said("/coffee", "new coffee")))
    wait_until(lambda: bodies(headgate, "/tea", "/coffee") == ["tea", "new coffee"])
    assert headgate.events("VirtualServer default/cafe")[-1][0] == "AddedOrUpdated"
    manifests.put(route("tea", said("/tea", "new tea")))
    wait_until(lambda: bodies(headgate, "/tea", "/coffee") == ["new tea", "new coffee"])


def test_a_route_with_access_control_stays_closed_while_its_virtual_server_route_is_missing(
    serve_manifests: StartHeadgate, manifests: ManifestFolder
) -> None:
    page = {"codes": [500], "return": {"code": 200, "body": "page"}}
    guard = {"policies": [{"name": "guard"}], "errorPages": [page]}
    manifests.put(
        virtual_server("cafe", DEFAULT, delegated("/tea", "tea", **guard), delegated("/coffee", "coffee")),
        policy("guard", accessControl={"allow": ["127.0.0.1"]}),
    )
    headgate = serve_manifests()
    assert [headgate.get(HOST, path).status for path in ("/tea", "/tea/x", "/coffee")] == [500, 500, 200]
    _, message = headgate.events("VirtualServer default/cafe")[-1]
    assert "(requests to path /tea are answered 500, as the Policies of this route keep clients out)" in message
    assert "(this route has no location: its requests go to spec.routes[0] (/), or another that matches)" in message
    manifests.put(route("tea", said("/tea", "tea")))
    wait_until(lambda: bodies(headgate, "/tea") == ["tea"])
    manifests.put(route("tea", {"path": "/tea"}))
    wait_until(lambda: headgate.get(HOST, "/tea").status == 500)
