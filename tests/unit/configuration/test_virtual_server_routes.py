"""What one change of a VirtualServer or a VirtualServerRoute means for the others."""

from __future__ import annotations

from typing import Any

from headgate.api import Ingress, TopLevel, VirtualServer, VirtualServerRoute
from headgate.configuration import Configuration
from headgate.controller.kinds import CLAIMANTS
from headgate.problems import ObjectRef
from headgate.validation.rules import Rules
from tests.unit.configuration.ingresses import changes, ingress, problems

ANSWER = {"return": {"body": "x"}}


def server(*routes: dict[str, Any], host: str = "a.test", name: str = "server") -> VirtualServer:
    metadata = {"name": name, "namespace": "default", "creationTimestamp": "2024-01-05T00:00:00Z"}
    return VirtualServer.convert({"metadata": metadata, "spec": {"host": host, "routes": list(routes)}})


def named(path: str = "/tea", route: str = "other/tea") -> dict[str, Any]:
    return {"path": path, "route": route}


def selected(path: str = "/tea", **labels: str) -> dict[str, Any]:
    return {"path": path, "routeSelector": {"matchLabels": labels}}


def route(*paths: str, name: str = "tea", host: str = "a.test", **more: Any) -> VirtualServerRoute:
    subroutes = [{"path": path, "action": ANSWER} for path in paths or ("/tea",)]
    metadata = {"name": name, "namespace": "other", **more}
    return VirtualServerRoute.convert({"metadata": metadata, "spec": {"host": host, "subroutes": subroutes}})


def configuration(*objects: TopLevel) -> Configuration:
    found = Configuration(CLAIMANTS, Rules())
    found.update(objects, [])
    return found


def attached(found: Configuration, name: str = "server") -> list[str]:
    resource = found.resources.get(VirtualServer.KIND.ref("default", name))
    return [each.candidate.ref.name for each in resource.attached] if resource else []


def declined(found: Configuration) -> dict[str, str]:
    (resource,) = found.resources.values()
    return {ref.key: why for ref, why in resource.declined.items()}


def ref(name: str = "tea") -> ObjectRef:
    return VirtualServerRoute.KIND.ref("other", name)


def test_a_change_of_one_concerns_its_virtual_server_and_no_other() -> None:
    names = [f"r{number}" for number in range(9)]
    routes = [named(f"/{name}", f"other/{name}") for name in names]
    found = configuration(server(*routes), *(route(f"/{name}", name=name) for name in names))
    update = found.update([route("/r3", "/r3/more", name="r3")], [])
    assert changes(update) == [("ADD_OR_UPDATE", "server")]
    assert problems(update) == {"r3": [], "server": []}


def test_labels_decide_which_virtual_server_takes_it() -> None:
    found = configuration(server(selected(app="tea")), route(labels={"app": "coffee"}))
    assert attached(found) == []
    update = found.update([route(labels={"app": "tea", "more": "x"})], [])
    assert (attached(found), changes(update)) == (["tea"], [("ADD_OR_UPDATE", "server")])
    found.update([route(labels={"app": "milk"})], [])
    assert attached(found) == []


def test_the_reason_for_which_a_named_one_is_missing_follows_it() -> None:
    found = configuration(server(named()))
    assert declined(found) == {"other/tea": ""}
    for item, reason in (
        (route(host="b.test"), "its spec.host is b.test, and that of the VirtualServer is a.test"),
        (route("tea"), "it is invalid, and the reason is reported on it"),
        (
            route("/milk"),
            "spec.subroutes[0].path: '/milk' does not begin with the path of spec.routes[0] (/tea), which",
        ),
    ):
        update = found.update([item], [])
        assert "server" in problems(update)
        assert declined(found)["other/tea"].startswith(reason)
    found.update([route()], [])
    assert (attached(found), declined(found)) == (["tea"], {})
    found.update([], [ref()])
    assert (attached(found), declined(found)) == ([], {"other/tea": ""})


def test_one_with_another_host_names_the_virtual_server_that_names_it() -> None:
    found = configuration(route(host="b.test"))
    update = found.update([server(named())], [])
    (said,) = problems(update)["tea"]
    assert said.endswith(
        "; VirtualServer default/server, which names this VirtualServerRoute, has a.test (it is not served)"
    )
    update = found.update([], [VirtualServer.KIND.ref("default", "server")])
    assert problems(update)["tea"] == [
        "VirtualServer is invalid or doesn't exist: none has the host b.test (it is not served)"
    ]


def test_it_is_served_by_whatever_virtual_server_has_the_host() -> None:
    found = configuration(server(named()), route())
    older = VirtualServer.convert(
        {"metadata": {"name": "older", "namespace": "default", "creationTimestamp": "2024-01-01T00:00:00Z"},
         "spec": {"host": "a.test", "routes": [named("/milk", "other/milk")]}}
    )  # fmt: skip
    update = found.update([older], [])
    assert attached(found, "older") == []
    assert problems(update)["tea"][0].startswith(
        "VirtualServer default/older ignores VirtualServerRoute: no route of it"
    )
    found.update([], [older.ref])
    assert attached(found) == ["tea"]


def test_an_ingress_that_takes_the_host_leaves_it_without_a_virtual_server() -> None:
    found = configuration(server(named()), route())
    update = found.update([ingress("web", created=1)], [])
    (said,) = problems(update)["tea"]
    assert said.startswith(
        "VirtualServer is invalid or doesn't exist: Ingress default/web, created 2024-01-01T00:00:00Z has"
    )
    found.update([], [Ingress.KIND.ref("default", "web")])
    assert attached(found) == ["tea"]
