"""What is kept of VirtualServerRoutes from one batch to the next makes no difference: not to files, not to reports."""

from __future__ import annotations

import re
from base64 import b64encode
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule
from msgspec import structs

from headgate.api import ConfigMap, EndpointSlice, Secret, Service, TopLevel
from headgate.api.nginx_org import Policy, VirtualServer, VirtualServerRoute
from headgate.translate import hosts
from tests.examples import examples
from tests.properties.cluster_objects import TIMES, object_in
from tests.properties.test_pipeline import assert_same
from tests.simulated_cluster import SimulatedCluster

FLAGS = ("--manifests=.", "-nginx-configmaps=nginx-ingress/nginx-config", "-enable-snippets")
NAMES = ["u", "v", "w", "x.y", "x-y"]
"""The last two have variables called alike."""
POLICIES: dict[str, list[dict[str, Any]]] = {
    "limit": [{"rateLimit": {"rate": rate, "zoneSize": "1M", "key": key}}
              for rate, key in (("1r/s", "${binary_remote_addr}"), ("2r/s", "${apikey_client_name}"))],
    "clients": [{"accessControl": {"allow": ["10.0.0.1"]}}, {"accessControl": {"deny": ["10.0.0.2"]}}, {}],
    "users": [{"basicAuth": {"secret": "users", "realm": realm}} for realm in ("one", "two")],
    "keys": [{"apiKey": {"suppliedIn": {"header": ["X-Key"]}, "clientSecret": "keys"}}],
    "origins": [{"cors": {"allowOrigin": origins}} for origins in (["*"], ["https://a.test", "https://*.b.test"])],
    "outside": [{"externalAuth": {"authURI": "/decide", "authServiceName": "a/tea", "authServicePorts": [80], **more}}
                for more in ({}, {"authSigninURI": "/in/sign", "authSigninRedirectBasePath": "/in"})],
    "cache": [{"cache": {"cacheZoneName": "zone", "cacheZoneSize": size}} for size in ("10m", "20m")],
}  # fmt: skip
SERVICES = ["tea", "milk"]
USERS = [("nginx.org/htpasswd", {"htpasswd": "eDp5"}), ("nginx.org/htpasswd", {"htpasswd": "eDp6"}), ("Opaque", {})]
KEYS = [("nginx.org/apikey", {client: b64encode(b"secret").decode()}) for client in ("one", "two")]
SETTINGS = [{}, {"http2": "true"}, {"log-format": "$host $resource_name"}, {"proxy-read-timeout": "7s"}]
SNIPPETS = [{}, {"server-snippets": "add_header X-A b;"}]
SHARED = {"path": "/u/b", "route": "a/v"}
"""Two VirtualServerRoutes may have this path then."""
HEADER = {"name": "X", "value": "${apikey_client_name}"}
ACTIONS: list[dict[str, Any]] = [
    {"action": {"pass": "tea"}},
    {"action": {"pass": "tea"}, "location-snippets": "set $a $resource_name;"},
    {"action": {"return": {"body": "body"}}},
    {"action": {"pass": "tea"}, "errorPages": [{"codes": [404], "return": {"body": "page"}}]},
    {"splits": [{"weight": 50, "action": {"pass": "tea"}}, {"weight": 50, "action": {"return": {"body": "two"}}}]},
    {"action": {"proxy": {"upstream": "tea", "requestHeaders": {"set": [HEADER]}}}},
    {"action": {"proxy": {"upstream": "tea", "responseHeaders": {"add": [{"name": "X-B", "value": "c"}]}}}},
]  # fmt: skip
FIELDS: list[dict[str, Any]] = [{}, {}, {"type": "grpc"}, {"max-fails": 3}, {"service": "milk"}]


@st.composite
def references(draw: st.DrawFn) -> dict[str, Any]:
    """Return ``policies``, mostly none."""
    names = draw(st.one_of(st.just([]), st.lists(st.sampled_from(sorted(POLICIES)), max_size=2, unique=True)))
    return {"policies": [{"name": name, "namespace": "a"} for name in names]} if names else {}


@st.composite
def virtual_servers(draw: st.DrawFn) -> TopLevel:
    pages = [{}, {"errorPages": [{"codes": [502], "return": {"body": "outer"}}]}]
    routes = [
        {"path": f"/{name}", "route": f"a/{name}", **draw(references()), **draw(st.sampled_from(pages))}
        for name in NAMES
    ]
    more = draw(st.sampled_from([[], [{"path": "/in", "action": {"return": {"body": "own"}}}], [SHARED], [SHARED]]))
    tls = draw(st.sampled_from([{}, {"tls": {"secret": "cert"}}]))
    spec = {"host": "a.test", "routes": [*routes, *more], **tls, **draw(references())}
    return object_in(VirtualServer, "a", "server", spec={**spec, **draw(st.sampled_from(SNIPPETS))})


@st.composite
def routes(draw: st.DrawFn) -> TopLevel:
    name = draw(st.sampled_from(NAMES))
    choices = [[f"/{name}"], [f"/{name}", f"/{name}/b"], *([["/v", "/u/b"]] if name == "v" else [])]
    paths = draw(st.sampled_from(choices))
    found = [{"path": path, **draw(st.sampled_from(ACTIONS)), **draw(references())} for path in paths]
    upstream = {"name": "tea", "service": "tea", "port": 80, **draw(st.sampled_from(FIELDS))}
    spec = {"host": draw(st.sampled_from(["a.test"] * 5 + ["b.test"])), "upstreams": [upstream], "subroutes": found}
    return object_in(VirtualServerRoute, "a", name, spec=spec, metadata={"creationTimestamp": draw(TIMES)})


def policies(name: str) -> st.SearchStrategy[TopLevel]:
    return st.sampled_from([object_in(Policy, "a", name, spec=spec) for spec in POLICIES[name]])


def services(name: str) -> st.SearchStrategy[TopLevel]:
    ports = [[{"port": port}] for port in (80, 80, 81)]
    return st.sampled_from([object_in(Service, "a", name, spec={"ports": found}) for found in ports])


def slices(name: str) -> st.SearchStrategy[TopLevel]:
    metadata = {"labels": {"kubernetes.io/service-name": name}}
    fields: dict[str, Any] = {"addressType": "IPv4", "ports": [{"port": 80}], "metadata": metadata}
    found = [[], [{"addresses": ["10.0.0.1"]}], [{"addresses": ["10.0.0.1", "10.0.0.2"]}]]
    return st.sampled_from([object_in(EndpointSlice, "a", name, endpoints=endpoints, **fields) for endpoints in found])


def secrets(name: str, contents: list[tuple[str, dict[str, str]]]) -> st.SearchStrategy[TopLevel]:
    return st.sampled_from([object_in(Secret, "a", name, type=form, data=data) for form, data in contents])


OTHERS = [
    *map(policies, POLICIES), *map(services, SERVICES), *map(slices, SERVICES), secrets("users", USERS),
    secrets("keys", KEYS),
    st.sampled_from([object_in(ConfigMap, "nginx-ingress", "nginx-config", data=data) for data in SETTINGS]),
]  # fmt: skip


def processed_at_once(objects: list[TopLevel]) -> SimulatedCluster:
    """Return a cluster whose *objects* were processed in one batch."""
    cluster = SimulatedCluster(FLAGS)
    cluster.put(*objects)
    cluster.process_batch()
    return cluster


def translated_as_a_whole(objects: list[TopLevel]) -> SimulatedCluster:
    """Return a cluster whose *objects* were processed in one batch, and hosts with all that attach to them together."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hosts, "groups_of", lambda _: None)
        return processed_at_once(objects)


class Changes(RuleBasedStateMachine):
    """A VirtualServer with VirtualServerRoutes, of which a few change at a time, or something that they refer to."""

    def __init__(self) -> None:
        super().__init__()
        self.cluster = SimulatedCluster(FLAGS)

    @initialize(server=virtual_servers(), found=st.lists(routes(), min_size=3), data=st.data())
    def begin(self, server: TopLevel, found: list[TopLevel], data: st.DataObject) -> None:
        self.cluster.put(server, *found, *(data.draw(other) for other in OTHERS))
        self.process_and_compare()

    @rule(objects=st.lists(st.one_of(routes(), *OTHERS), min_size=1, max_size=2))
    def change(self, objects: list[TopLevel]) -> None:
        self.cluster.put(*objects)
        self.process_and_compare()

    @rule(server=virtual_servers())
    def change_the_server(self, server: TopLevel) -> None:
        self.cluster.put(server)
        self.process_and_compare()

    @rule(snippet=st.sampled_from([None, "add_header X-A b;", "limit_req_status 429;"]))
    def change_a_snippet(self, snippet: str | None) -> None:
        for item in self.cluster.objects():
            if isinstance(item, VirtualServer) and item.spec:
                self.cluster.put(structs.replace(item, spec=structs.replace(item.spec, server_snippets=snippet)))
        self.process_and_compare()

    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        self.cluster.delete(data.draw(st.sampled_from(sorted(item.ref for item in self.cluster.objects()))))
        self.process_and_compare()

    @rule(touched=st.sampled_from(NAMES))
    def touch(self, touched: str) -> None:
        """Send an object again that did not change."""
        ref = VirtualServerRoute.KIND.ref("a", touched)
        self.cluster.put(*(item for item in self.cluster.objects() if item.ref == ref))
        self.process_and_compare()

    def process_and_compare(self) -> None:
        self.cluster.process_batch()
        assert_same(self.cluster, processed_at_once(self.cluster.objects()))
        assert_same(self.cluster, translated_as_a_whole(self.cluster.objects()))


Changes.TestCase.settings = settings(max_examples=examples(12), stateful_step_count=8)
TestChanges = Changes.TestCase


def delegating(*routes: dict[str, Any], **more: Any) -> TopLevel:
    return object_in(VirtualServer, "a", "server", spec={"host": "a.test", "routes": list(routes), **more})


def delegated(name: str, *paths: str, age: int = 1, action: dict[str, Any] = ACTIONS[0]) -> TopLevel:
    subroutes = [{"path": path, **action} for path in paths]
    spec = {"host": "a.test", "upstreams": [{"name": "tea", "service": "tea", "port": 80}], "subroutes": subroutes}
    metadata = {"creationTimestamp": f"2024-01-0{age}T00:00:00Z"}
    return object_in(VirtualServerRoute, "a", name, spec=spec, metadata=metadata)


def changed_later(objects: list[TopLevel], *changes: TopLevel) -> SimulatedCluster:
    """Return a cluster with *objects*, in which *changes* are a second batch; it is as if all had come at once."""
    cluster = processed_at_once(objects)
    cluster.put(*changes)
    cluster.process_batch()
    assert_same(cluster, processed_at_once(cluster.objects()))
    return cluster


def test_a_path_that_an_older_object_gives_up_is_served_by_the_younger_one() -> None:
    server = delegating({"path": "/u", "route": "a/u"}, {"path": "/u/b", "route": "a/v"})
    older, younger = delegated("u", "/u", "/u/b"), delegated("v", "/u/b", age=2)
    file = "attached/a.test/vsr_a_v.locations"
    assert file not in processed_at_once([server, older, younger]).texts()
    assert b"location /u/b" in changed_later([server, older, younger], delegated("u", "/u")).texts()[file]


def test_what_the_host_hands_down_reaches_locations_that_did_not_change() -> None:
    routes = [{"path": "/u", "route": "a/u"}, {"path": "/v", "route": "a/v"}]
    answering = {"action": {"pass": "tea"}, "policies": [{"name": "origins"}]}
    policy = object_in(Policy, "a", "origins", spec=POLICIES["origins"][0])
    objects = [delegating(*routes), delegated("u", "/u", action=answering), delegated("v", "/v"), policy]
    snippets = {"server-snippets": "add_header X-A b;"}
    texts = changed_later(objects, delegating(*routes, **snippets)).texts()
    assert b"X-A" in texts["attached/a.test/vsr_a_u.locations"]
    assert b"X-A" not in texts["attached/a.test/vsr_a_v.locations"]


def test_a_variable_that_one_object_reads_is_set_for_all_and_no_longer_when_it_is_gone() -> None:
    server = delegating({"path": "/u", "route": "a/u"}, {"path": "/v", "route": "a/v"})
    reading, plain = delegated("u", "/u", action=ACTIONS[1]), delegated("v", "/v")
    file = "attached/a.test/vsr_a_v.locations"
    assert b"$resource_name" in changed_later([server, plain], reading).texts()[file]
    assert b"$resource_name" not in changed_later([server, plain, reading], delegated("u", "/u")).texts()[file]


def test_what_did_not_change_is_the_same_object_as_before() -> None:
    names = ["u", "v", "w"]
    server = delegating(*({"path": f"/{name}", "route": f"a/{name}"} for name in names))
    cluster = processed_at_once([server, *(delegated(name, f"/{name}") for name in names)])
    before = cluster.files
    cluster.put(delegated("v", "/v", "/v/b"))
    cluster.process_batch()
    again = {name for name, file in cluster.files.items() if file is not before.get(name)}
    assert again == {"attached/a.test/vsr_a_v.locations"}
    (found,) = cluster.generation.resources.values() if cluster.generation else ()
    routes = {route.match.path: route for route in found.wanted.table.hosts[0].routes}
    cluster.put(object_in(Service, "a", "milk", spec={"ports": [{"port": 80}]}), delegated("v", "/v"))
    cluster.process_batch()
    (found,) = cluster.generation.resources.values() if cluster.generation else ()
    for route in found.wanted.table.hosts[0].routes:
        assert (route is routes[route.match.path]) == (route.match.path != "/v")


def test_the_last_object_of_a_host_that_goes_is_reported_as_missing() -> None:
    server = delegating({"path": "/u", "route": "a/u"})
    cluster = processed_at_once([server, delegated("u", "/u")])
    cluster.delete(delegated("u", "/u").ref)
    cluster.process_batch()
    assert_same(cluster, processed_at_once([server]))
    assert "VirtualServerRoute a/u doesn't exist" in cluster.statuses.current[server.ref].message


def test_what_is_wrong_with_inherited_policies_is_reported_in_the_order_of_routes() -> None:
    names = ["u", "v", "w"]
    routes = [{"path": f"/{name}", "route": f"a/{name}", "policies": [{"name": f"no-{name}"}]} for name in names]
    found = [delegated(name, f"/{name}") for name in names]
    changed_later([delegating(*routes), *found], delegated("u", "/u", "/u/b"))


def test_a_younger_object_goes_behind_the_others_of_its_route() -> None:
    server = delegating({"path": "/u", "routeSelector": {"matchLabels": {"app": "u"}}})

    def selected(name: str, age: int) -> TopLevel:
        found = delegated(name, f"/u/{name}", age=age)
        return structs.replace(found, metadata=structs.replace(found.metadata, labels={"app": "u"}))

    cluster = changed_later([server, *map(selected, "abc", [1, 2, 3])], selected("a", 4))
    assert re.findall(rb"vsr_a_(\w)", cluster.texts()["attached/a.test/_includes"]) == [b"b", b"c", b"a"]


def test_a_conflict_that_comes_and_goes_gives_and_takes_paths() -> None:
    server = delegating({"path": "/", "route": "a/u"}, {"path": "/u", "route": "a/v"})
    older, younger = delegated("u", "/u"), delegated("v", "/u/b", "/u", age=2)
    cluster = changed_later([server, older, delegated("v", "/u/b", age=2)], younger)
    assert b"location /u {" not in cluster.texts()["attached/a.test/vsr_a_v.locations"]
    cluster.put(delegated("u", "/w"))
    cluster.process_batch()
    assert_same(cluster, processed_at_once(cluster.objects()))
    assert b"location /u {" in cluster.texts()["attached/a.test/vsr_a_v.locations"]
