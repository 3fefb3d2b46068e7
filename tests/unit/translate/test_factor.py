"""Which hosts need a server block of their own, and that those without one share their locations."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from msgspec import structs

from headgate.api import ALL
from headgate.controller.environment import environment
from headgate.controller.kinds import CLAIMANTS
from headgate.ir import Layout
from headgate.ir.http import Backend, Location, Server
from headgate.ir.live import LuaModules
from headgate.options import Options
from headgate.pipeline import Generation, Pipeline, profiles
from headgate.render import Renderer
from headgate.settings import NOTHING, Header, Quoted, Words
from headgate.translate import unsupported_flags
from headgate.translate.dedicated import REGULAR, REWRITTEN
from headgate.translate.profiles import flatten
from tests.k8s.certificates import Authority
from tests.live.json_objects import Json, config_map, endpoints, ingress, path, secret, service, tls_secret
from tests.live.test_live_policies import policy
from tests.simulated_cluster import CURRENT, flags

MODELS = {(model.KIND.api_version, model.KIND.name): model for model in ALL}
FLAGS = (
    "--manifests=.",
    "-live-routes",
    "-enable-snippets",
    "-allow-empty-ingress-host",
    "-nginx-configmaps=ours/config",
)
OPTIONS = flags(FLAGS)
AUTHORITY = Authority()
MINE, YOURS = Header("X-A", Quoted("mine")), Header("X-A", Quoted("yours"))


def pipeline(options: Options = OPTIONS, **lack: Any) -> Pipeline:
    able = structs.replace(CURRENT, **({"lua": LuaModules((), "", "")} | lack))
    env = environment(options, able, Layout.container(), user=None, ipv6=False, stdout=True)
    return Pipeline(CLAIMANTS, options, env, Renderer(), lambda: 0.0)


def advance(running: Pipeline, *objects: Json) -> Generation:
    found = [msgspec.convert(item, MODELS[item["apiVersion"], item["kind"]]) for item in objects]
    generation = running.advance({item.ref: item for item in found}, datetime.now(UTC))
    assert not generation.bugs
    return generation


def generation(*objects: Json, **lack: Any) -> Generation:
    return advance(pipeline(**lack), service("tea"), endpoints("tea", "10.0.0.1"), *objects)


def dedicated(found: Generation) -> dict[str, str]:
    """Why each object that is not routed has a server block."""
    served = ((ref.name, each.served) for ref, each in found.resources.items())
    return {name: each.dedicated for name, each in served if each and not each.routed}


@pytest.mark.parametrize(
    ("annotations", "reason"),
    [
        ({"server_snippets": "# own"}, "a snippet of the server"),
        ({"location_snippets": "# own"}, "a snippet of a route"),
        ({"limit_req_rate": "1r/s"}, "a rate limit"),
        ({"listen_ports": "8443"}, "it has listeners of its own"),
        ({"lb_method": "hash $server_name"}, "upstream default-one-one.test-tea-80: its method reads $server_name"),
    ],
)
def test_what_a_shared_location_cannot_say_keeps_a_server_block(annotations: dict[str, Any], reason: str) -> None:
    found = generation(ingress("one", "one.test", **annotations), ingress("two", "two.test"))
    assert dedicated(found) == {"one": reason}
    assert "conf.d/default-one.conf" in found.files
    assert "conf.d/default-two.conf" not in found.files
    assert found.live
    assert list(found.live.hosts) == ["two.test"]


@pytest.mark.parametrize(
    ("pattern", "annotations", "reason"),
    [
        ("/(?<name>a)", {}, REGULAR),
        ("/a\\b", {}, REGULAR),
        ("/(a)", {"rewrite_target": "/b/$1"}, ""),
        (f"/{'a' * 200}", {"rewrite_target": "/b", "path_regex": "exact"}, REWRITTEN),
    ],
)
def test_an_expression_that_perhaps_not_every_nginx_takes_keeps_a_server_block(
    pattern: str, annotations: dict[str, Any], reason: str
) -> None:
    paths = {"one.test": [path("tea", pattern, "ImplementationSpecific")]}
    found = generation(ingress("one", paths, **({"path_regex": "case_sensitive"} | annotations)))
    assert dedicated(found) == ({"one": reason} if reason else {})


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ({"http_snippets": "server { listen 81; }"}, "the http-snippets of the ConfigMap have server"),
        ({"http_snippets": "log_format x $server_name;"}, "the ConfigMap uses $server_name"),
        ({"log_format": "$proxy_host"}, "the ConfigMap uses $proxy_host"),
        ({"log_format": "${Proxy_Host}"}, "the ConfigMap uses ${Proxy_Host"),
        ({"default_server_access_log_off": "true"}, "the ConfigMap has default-server-access-log-off"),
        ({"ingress_template": "{% extends 'builtin/http.conf.j2' %}"}, "the ConfigMap has ingress-template"),
    ],
)
def test_a_config_map_that_is_about_server_blocks_keeps_all(data: dict[str, str], reason: str) -> None:
    found = generation(ingress("one", "one.test"), config_map(**data))
    assert not found.config_map
    assert dedicated(found) == {"one": reason}
    assert "headgate.route" not in b"".join(file.data for file in found.files.values()).decode()


@pytest.mark.parametrize(
    ("lack", "reason"),
    [
        ({"lua": None}, "the live data plane is off"),
        ({"keepalive_by_default": False}, "nginx is older than 1.29.7"),
        ({"lua": LuaModules((), "", "", pools=False)}, "its Lua module does not have balancer_keepalive"),
    ],
)
def test_what_nginx_lacks_is_logged_and_every_host_has_a_server_block(lack: dict[str, Any], reason: str) -> None:
    found = generation(ingress("one", "one.test"), **lack)
    assert found.env
    assert not found.live or not found.live.hosts
    assert "conf.d/default-one.conf" in found.files
    (line,) = (line for line in unsupported_flags(found.env) if "-live-routes" in line)
    assert line.startswith("-live-routes is on, but ")
    assert reason in line


@pytest.mark.parametrize(
    ("text", "routed"),
    [
        ("if ($arg_x) { proxy_pass http://default-one-one.test-tea-80; }", ["two.test"]),
        ("grpc_pass grpc://default-one-one.test-tea-80;", ["two.test"]),
        ("proxy_pass http://$up;", []),
        ("proxy_pass http://10.0.0.9;", ["one.test", "two.test"]),
    ],
)
def test_an_upstream_that_a_snippet_names_keeps_its_block_as_long_as_it_is_named(text: str, routed: list[str]) -> None:
    running = pipeline()
    plain = [ingress("one", "one.test"), ingress("two", "two.test")]
    advance(running, service("tea"), endpoints("tea", "10.0.0.1"), *plain)
    found = advance(running, ingress("user", "user.test", location_snippets=text))
    assert found.live
    assert sorted(found.live.hosts) == routed
    found = advance(running, ingress("user", "user.test"))
    assert found.live
    assert sorted(found.live.hosts) == ["one.test", "two.test", "user.test"]


def test_hosts_with_tls_have_server_blocks_while_a_host_demands_certificates_of_its_clients() -> None:
    running = pipeline()
    tls = {"tls": {"cert": ["safe.test"]}}
    secrets = [tls_secret("cert", "safe.test"), secret("ours", kind="nginx.org/ca", ca_crt=AUTHORITY.pem)]
    plain = [ingress("safe", "safe.test", **tls), ingress("plain", "plain.test")]
    demanding = ingress("demanding", "demanding.test", tls={"cert": ["demanding.test"]}, policies="mtls")
    rule = policy("mtls", ingressMTLS={"clientCertSecret": "ours"})
    found = advance(running, service("tea"), endpoints("tea", "10.0.0.1"), *secrets, rule, *plain)
    assert found.live
    assert list(found.live.hosts) == ["plain.test", "safe.test"]
    assert "safe.test" in found.live.certificates
    found = advance(running, demanding)
    assert found.live
    assert list(found.live.hosts) == ["plain.test"]
    assert found.live.certificates == {}
    assert "safe.test default-cert" in found.files["conf.d/_certificates.conf"].data.decode()
    found = advance(running, ingress("demanding", "demanding.test"))
    assert found.live
    assert sorted(found.live.hosts) == ["demanding.test", "plain.test", "safe.test"]


def test_without_the_flag_an_ingress_without_a_host_comes_and_goes_without_work_for_others() -> None:
    running = pipeline(flags([*FLAGS, "-live-routes=false"]))
    before = advance(running, service("tea"), endpoints("tea", "10.0.0.1"), ingress("one", "one.test"))
    (ref,) = before.resources
    rest = advance(running, ingress("rest", ""))
    assert len(rest.resources) == 2
    gone = advance(running, ingress("rest", "rest.test"))
    assert before.resources[ref] is rest.resources[ref] is gone.resources[ref]


def test_hosts_share_profiles_whatever_their_names_paths_and_services() -> None:
    settings = {"proxy_read_timeout": "7s", "add_header": "X-A: b", "hsts_behind_proxy": "true", "hsts": "true"}
    found = generation(
        service("coffee"),
        endpoints("coffee", "10.0.0.2"),
        ingress("one", {"one.test": [path("tea"), path("coffee", "/c")]}, **settings),
        ingress("two", {"two.test": [path("coffee", "/x", "Exact")]}, **settings, namespace="default"),
    )
    assert found.live
    one, two = found.live.hosts["one.test"], found.live.hosts["two.test"]
    assert {one.paths[0].profile} == {each.profile for each in one.paths}
    assert one.paths[0].profile in {each.profile for each in two.paths}
    text = found.files["attached/_routes.locations"].data.decode()
    assert "tea" not in text
    assert "test" not in text


def test_beyond_the_limit_of_profiles_hosts_have_server_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(profiles, "LIMIT", 3)
    running = pipeline()
    many = [ingress(f"i{number}", f"i{number}.test", proxy_read_timeout=f"{number + 5}s") for number in range(5)]
    found = advance(running, service("tea"), endpoints("tea", "10.0.0.1"), *many)
    assert list(dedicated(found)) == ["i3", "i4"]
    found = advance(running, ingress("i0", "i0.test", server_snippets="# own"), ingress("i3", "i3.test"))
    assert dedicated(found) == {"i0": "a snippet of the server", "i4": dedicated(found)["i4"]}
    assert found.files["attached/_routes.locations"].data.count(b"location @p_") == 3


def test_a_profile_that_is_not_used_any_more_stays_so_that_it_can_be_used_again() -> None:
    running = pipeline()
    one = advance(running, service("tea"), endpoints("tea", "10.0.0.1"), ingress("a", "a.test", server_tokens="false"))
    two = advance(running, ingress("a", "a.test"))
    three = advance(running, ingress("b", "b.test", server_tokens="false"))
    before, after, later = (each.files["attached/_routes.locations"].data for each in (one, two, three))
    assert before != after == later


def test_a_location_inherits_a_list_of_its_server_whole_or_not_at_all() -> None:
    server = Server(
        name="a", origin=None, listens=(), locations=(), own=NOTHING,
        request_headers=(MINE,), response_headers=(MINE,), hide_headers=("X-B",), proxy_redirect=Words(("off",)),
    )  # fmt: skip
    bare = Location(path="/", backend=Backend("http", "up"), own=NOTHING)
    whole = flatten(server, bare)
    assert (whole.request_headers, whole.response_headers, whole.proxy_redirect) == ((MINE,), (MINE,), Words(("off",)))
    assert whole.lines == (("proxy_hide_header", Words(("X-B",))),)
    own = structs.replace(
        bare, request_headers=(YOURS,), response_headers=(), proxy_redirect=Words(("default",)),
        lines=(("proxy_hide_header", Words(("X-C",))),),
    )  # fmt: skip
    assert flatten(server, own) == own
    added = structs.replace(bare, added=(YOURS,))
    assert flatten(server, added).response_headers is None
