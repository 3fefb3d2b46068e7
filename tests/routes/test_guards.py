"""Passwords and rules for addresses of routed hosts: nobody gets in who would not by a server block."""

from __future__ import annotations

import asyncio
import base64
import contextlib
from collections import Counter
from typing import Any

import pytest

from tests.background import in_background
from tests.live.json_objects import Json, config_map, ingress, path, secret
from tests.live.test_live_policies import policy
from tests.routes.routed_nginx import LOOPBACK, RoutedNginx
from tests.routes.served import Question, assert_alike, both, question, varied
from tests.routes.test_attached_objects import MASTER, MINION, custom, to, upstream
from tests.routes.test_changed_paths import leading, redirecting, rewriting, virtual_server  # noqa: F401
from tests.routes.test_chosen_paths import split

FLAGS = ("-nginx-configmaps=ours/config", "-enable-snippets")


def users(name: str, text: str) -> Json:
    return secret(name, kind="nginx.org/htpasswd", htpasswd=f"{text}\n".encode())


def basic(text: str) -> str:
    return "Authorization: Basic " + base64.b64encode(text.encode()).decode()


def named(*names: str) -> Json:
    return {"policies": [{"name": name} for name in names]}


PASSWORDS = {"basic_auth_secret": "users", "basic_auth_realm": "Tea"}
SECRETS = [users("users", "jane:{PLAIN}secret"), users("others", "joe:{PLAIN}other"), secret("opaque", htpasswd=b"x")]
POLICIES = [
    policy("users", basicAuth={"secret": "users", "realm": "Users"}),
    policy("others", basicAuth={"secret": "others"}),
    policy("inside", accessControl={"allow": ["10.0.0.0/8", "::1"]}),
    policy("outside", accessControl={"deny": ["10.0.0.0/8"]}),
]
OBJECTS = [
    config_map(real_ip_header="X-Real-IP", set_real_ip_from="127.0.0.1", add_header="X-All: a"),
    *SECRETS,
    *POLICIES,
    ingress("open", "open.test"),
    ingress("auth", {"auth.test": [path("tea"), path("coffee", "/slash/", "ImplementationSpecific")]},
            tls={"cert-a": ["auth.test"]}, ssl_redirect="false", hsts="true", server_tokens="false",
            client_max_body_size="10", websocket_services="tea", **PASSWORDS),
    ingress("lost", "lost.test", basic_auth_secret="absent"),
    ingress("wrong", "wrong.test", basic_auth_secret="opaque"),
    ingress("part", {"part.test": [path("tea", "/a")]}, rewrites="serviceName=tea rewrite=/new/", **PASSWORDS),
    ingress("rule", "rule.test", policies="inside"),
    ingress("shop", {"shop.test": []}, **MASTER),
    ingress("shop-a", {"shop.test": [path("tea", "/a")]}, **MINION, **PASSWORDS),
    ingress("shop-b", {"shop.test": [path("coffee", "/b")]}, basic_auth_secret="others", **MINION),
    ingress("shop-c", {"shop.test": [path("coffee", "/c")]}, **MINION),
    ingress("all", {"all.test": []}, **MASTER, **PASSWORDS),
    ingress("all-a", {"all.test": [path("tea", "/a")]}, **MINION),
    ingress("all-b", {"all.test": [path("tea", "/b")]}, basic_auth_secret="others", **MINION),
    virtual_server(
        "vs.test",
        to("/a", "tea", **named("users")), to("/b", "tea", **named("others")), to("/c", "coffee"),
        to("/lead", "leading"), to("/d", "tea", **named("inside")), to("/e", "tea", **named("outside")),
        to("/both", "tea", **named("inside", "users")), to("~ ^/x/(.*)", "coffee", **named("users")),
        {**rewriting("/y", "/new"), **named("users")},
        {**split("/s", (100, {"pass": "tea"}), (0, {"pass": "coffee"})), **named("users")},
        tls={"secret": "cert-b"},
    ),
    custom("VirtualServer", "closed", "closed.test", upstreams=[upstream("tea"), upstream("coffee")],
           routes=[to("/", "tea"), to("/b", "coffee", **named("others")), to("/d", "tea", **named("outside"))],
           **named("users", "outside")),
]  # fmt: skip
ROUTED = [f"{name}.test" for name in sorted("open auth lost wrong part rule shop all vs closed".split())]  # noqa: SIM905
PATHS = [
    "/", "/a", "/a/", "/A", "//a", "/a%2Fx", "/./a", "/x/../a", "/b", "/c", "/d", "/e/x", "/both", "/x/a%20b", "/y/z",
    "/s", "/slash", "/slash/x", "/nothing", "/%61", "/a;x", "/lead?to=/a", "/lead?to=/b", "/lead?to=/s", "/lead?to=/c",
    "/internal_location_splits_0_split_0",
]  # fmt: skip
CLIENTS = [
    (), (basic("jane:secret"),), (basic("jane:wrong"),), (basic("joe:other"),), (basic(":"),),
    ("Authorization: Basic x",), (basic("jane:secret"), "X-Real-IP: 10.1.2.3"), ("X-Real-IP: 10.1.2.3",),
    ("X-Real-IP: ::1",),
]  # fmt: skip


def asked() -> list[Question]:
    found: list[Question] = []
    for host in ROUTED:
        for target in PATHS:
            found += [(question(host, target, *client), None) for client in CLIENTS]
            found += [(question(host, target, *client), host) for client in CLIENTS[:2]]
    for host in ("auth.test", "vs.test", "closed.test"):
        for client in CLIENTS:
            found += [(each, None) for target in ("/", "/a") for each in varied(host, target, *client)]
    return found


def test_clients_are_kept_out_and_let_in_as_by_server_blocks(
    backends: list[Json],
    leading: list[Json],  # noqa: F811 - a fixture
) -> None:
    questions = asked()
    pairs = both([*OBJECTS, *backends, *leading], questions, *FLAGS, routed=ROUTED)
    assert_alike(questions, pairs)
    statuses = Counter(route[9:12] for _, route in pairs)
    assert {b"200", b"401", b"403", b"404", b"413"} <= statuses.keys()
    assert min(statuses[status] for status in (b"200", b"401", b"403")) > 30, statuses


@pytest.mark.parametrize("host", ["auth.test", "vs.test", "closed.test"])
def test_a_host_that_keeps_clients_out_answers_nobody_by_another_profile(host: str, backends: list[Json]) -> None:
    """Whatever is asked without credentials, no backend is."""
    objects = [each for each in OBJECTS if each["metadata"]["name"] != "vs"]
    objects.append(custom("VirtualServer", "vs", "vs.test", upstreams=[upstream("tea")],
                          routes=[to("/", "tea"), to("~ b", "tea")], **named("users")))  # fmt: skip
    questions = [
        (each, None) for target in PATHS for each in (*varied(host, target), *varied(host, target, basic("jane:x")))
    ]
    routed = [each for each in ROUTED if each != "lead.test"]
    pairs = both([*objects, *backends], questions, *FLAGS, routed=routed)
    assert_alike(questions, pairs)
    assert b"Server name" not in b"".join(route for _, route in pairs)


# --- while they change --------------------------------------------------------------------------------


class Asking:
    """Asks for a path without credentials, over and over, on connections of its own and on ones that are kept."""

    def __init__(self, nginx: RoutedNginx, host: str = "one.test") -> None:
        self.nginx, self.host = nginx, host
        self.phase = 0
        self.seen: list[tuple[int, str]] = []
        """The phase in which each request began, and the status of its answer."""

    def statuses(self, phase: int | None = None) -> set[str]:
        return {status for began, status in self.seen if phase in {None, began}}

    async def fresh(self) -> None:
        while True:
            phase = self.phase
            self.seen.append((phase, (await self.nginx.get(self.host))[:3]))

    async def kept(self) -> None:
        while True:
            reader, writer = await asyncio.open_connection(LOOPBACK, self.nginx.http)
            try:
                while True:
                    phase = self.phase
                    writer.write(f"HEAD / HTTP/1.1\r\nHost: {self.host}\r\n\r\n".encode())
                    head = (await reader.readuntil(b"\r\n\r\n")).decode()
                    self.seen.append((phase, head[9:12]))
                    if "connection: close" in head.lower():
                        break
            except (asyncio.IncompleteReadError, ConnectionError):
                pass  # a worker that ends closes connections that wait
            finally:
                writer.close()


def guarded(name: str = "one", **more: Any) -> Json:
    return ingress(name, f"{name}.test", basic_auth_secret="users", **more)


async def test_nobody_is_let_in_any_more_once_a_routed_host_asks_for_passwords(routed: RoutedNginx) -> None:
    await routed.apply(SECRETS[0], ingress("one", "one.test"))
    asking = Asking(routed)
    async with in_background(asking.fresh()), in_background(asking.kept()):
        for number in range(3):
            assert (await routed.apply(guarded(proxy_read_timeout=f"{number + 7}s"))).reloaded
            assert "one.test" in routed.hosts
            asking.phase += 1
            for _ in range(20):
                assert await routed.get("one.test") == "401"
            # Something else changes the configuration while workers of the one before may end.
            await routed.apply(ingress("two", "two.test", proxy_read_timeout=f"{number + 70}s"))
            assert asking.statuses(asking.phase) <= {"401", "503"}
            asking.phase += 1
            await routed.apply(ingress("one", "one.test"))
    assert asking.statuses() <= {"200", "401", "503"}
    assert {"200", "401"} <= asking.statuses()


async def test_a_host_with_passwords_stays_closed_through_all_that_changes(routed: RoutedNginx) -> None:
    await routed.apply(*SECRETS, ingress("two", "two.test"), guarded())
    asking = Asking(routed)
    async with in_background(asking.fresh()), in_background(asking.kept()):
        for number in range(2):
            for each in (
                guarded(proxy_read_timeout=f"{number + 7}s"),  # another profile
                guarded(server_snippets="# own"),  # a server block
                guarded(),
                ingress("one", "one.test", basic_auth_secret="others"),
                guarded(add_header="X-A: b", proxy_redirect_from="~a", proxy_redirect_to="/$no_such"),  # refused
                guarded(server_snippets="nonsense on;"),  # refused
                ingress("one", {"one.test": [path("tea"), path("coffee", "/c")]}, basic_auth_secret="users"),
                guarded(),
            ):
                await routed.apply(each)
            routed.delete(SECRETS[0])
            await routed.apply()
            await routed.apply(SECRETS[0])
    assert asking.statuses() <= {"401", "403", "404", "500", "503"}
    assert "401" in asking.statuses()
    assert sorted(routed.hosts) == ["one.test", "two.test"]


async def test_a_routed_host_is_not_open_while_nginx_refuses_the_profile_with_its_passwords(
    routed: RoutedNginx,
) -> None:
    await routed.apply(SECRETS[0], ingress("two", "two.test"), ingress("one", "one.test"))
    broken = guarded(proxy_redirect_from="~a", proxy_redirect_to="/$no_such")
    result = await routed.apply(broken)
    assert "one" in {ref.name for ref in result.refused}
    assert not (await routed.get("one.test")).startswith("200")
    await routed.apply(guarded())
    assert await routed.get("one.test") == "401"
    assert (await routed.get("one.test", Authorization=basic("jane:secret").partition(": ")[2])).startswith("200")


async def test_passwords_change_without_a_reload_and_at_once(routed: RoutedNginx) -> None:
    jane, late = (basic(f"jane:{word}").partition(": ")[2] for word in ("secret", "late"))
    await routed.apply(SECRETS[0], guarded())
    assert (await routed.get("one.test", Authorization=jane)).startswith("200")
    assert not (await routed.apply(users("users", "jane:{PLAIN}late"))).reloaded
    assert await routed.get("one.test", Authorization=jane) == "401"
    assert (await routed.get("one.test", Authorization=late)).startswith("200")
    # Another host with the same users has the same profile.
    assert not (await routed.apply(guarded("two"))).reloaded
    assert await routed.get("two.test") == "401"
    assert (await routed.get("two.test", Authorization=late)).startswith("200")


async def test_a_host_with_a_path_that_is_closed_now_does_not_have_it_open_in_workers_that_end(
    routed: RoutedNginx,
) -> None:
    """Its guards are those that it had, and yet its last version is weaker: it has the path without them."""

    def host(*paths: str, timeout: str = "5s") -> list[Json]:
        opened = ingress("o", {"one.test": [path("coffee", each) for each in paths]}, **MINION)
        closed = ingress("c", {"one.test": [path("tea", "/")]}, proxy_read_timeout=timeout, **MINION, **PASSWORDS)
        return [ingress("m", {"one.test": []}, **MASTER), opened, closed]

    await routed.apply(SECRETS[0], *host("/open", "/other"))
    assert (await routed.get("one.test", "/open")).startswith("200")
    reader, writer = await asyncio.open_connection(LOOPBACK, routed.http)
    try:

        async def kept() -> str:
            writer.write(b"HEAD /open HTTP/1.1\r\nHost: one.test\r\n\r\n")
            return (await reader.readuntil(b"\r\n\r\n")).decode()[9:12]

        assert await kept() == "200"
        assert (await routed.apply(*host("/other", timeout="7s"))).reloaded
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):  # the worker may have ended
            assert await kept() in {"401", "503"}
    finally:
        writer.close()
    assert await routed.get("one.test", "/open") == "401"
