"""What becomes of hosts while there is no memory for changes of the live state."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from headgate.ir import Layout, Outcome
from headgate.ir.live import LiveHost, LiveObjects, LivePath, LiveUpstream, Peer
from headgate.nginx import probe
from headgate.nginx.holding import fitting
from headgate.nginx.live import snapshot
from headgate.problems import ObjectRef
from tests.directories import short_directory
from tests.live.json_objects import Json, endpoints, ingress, path, secret, service
from tests.nginx_binaries import LUA
from tests.routes.routed_nginx import RoutedNginx

TEA, COFFEE = "200 Server name: tea", "200 Server name: coffee"
MANY = [
    ingress(f"many{number}", {f"many{number}.test": [path("tea", f"/p{each}") for each in range(40)]})
    for number in range(40)
]
USERS = secret("users", kind="nginx.org/htpasswd", htpasswd=b"a:$apr1$x$y")


@pytest.fixture
async def full(backends: list[Json]) -> AsyncIterator[RoutedNginx]:
    """An nginx with ``one`` and ``two``, and no memory for more hosts."""
    with short_directory() as folder:
        routed = RoutedNginx(Layout.under(str(folder)), await probe(LUA or ""), memory="64k")
        routed.put(*backends, USERS)
        try:
            await routed.apply(ingress("one", "one.test"), ingress("two", {"two.test": [path("coffee")]}))
            assert (await routed.apply(*MANY)).outcome is Outcome.FAILED
            yield routed
        finally:
            await routed.manager.quit(0.2)


async def body(nginx: RoutedNginx, host: str) -> str:
    """The first line of the answer."""
    return (await nginx.get(host)).partition("\n")[0]


async def test_a_host_that_is_to_ask_for_passwords_does_so(full: RoutedNginx) -> None:
    assert await body(full, "one.test") == TEA
    result = await full.apply(ingress("one", "one.test", basic_auth_secret="users"))
    assert (result.outcome, "the memory of the live state is full" in result.error) == (Outcome.FAILED, True)
    assert {await full.get("one.test") for _ in range(8)} == {"401"}
    assert await body(full, "two.test") == COFFEE
    version = full.manager.version
    assert not (await full.apply()).ok
    assert full.manager.version == version, "nothing is reloaded as long as nothing is different"
    full.delete(*MANY)
    assert (await full.apply()).ok or (await full.apply()).ok
    assert await full.get("one.test") == "401"


async def test_a_host_that_is_to_ask_for_passwords_and_has_a_service_that_does_not_fit_is_closed(
    full: RoutedNginx,
) -> None:
    many = endpoints("milk", *[f"10.0.{number // 200}.{number % 200}" for number in range(4000)])
    guarded = ingress("one", {"one.test": [path("milk")]}, basic_auth_secret="users")
    assert (await full.apply(service("milk"), many, guarded)).outcome is Outcome.FAILED
    assert {await full.get("one.test") for _ in range(8)} <= {"404", "500", "503"}
    assert await body(full, "two.test") == COFFEE


async def test_a_host_that_goes_is_gone(full: RoutedNginx) -> None:
    full.delete(ingress("one", "one.test"))
    await full.apply()
    assert await full.get("one.test") == "404"
    assert await body(full, "two.test") == COFFEE


async def test_a_server_block_stays_while_the_servers_of_its_new_one_do_not_fit(full: RoutedNginx) -> None:
    await full.apply(ingress("one", "one.test", server_snippets="# own"))
    assert await body(full, "one.test") == TEA
    many = endpoints("milk", *[f"10.0.{number // 200}.{number % 200}" for number in range(4000)])
    other = ingress("one", {"one.test": [path("milk")]}, server_snippets="# another")
    assert (await full.apply(service("milk"), many, other)).outcome is Outcome.FAILED
    assert await body(full, "one.test") == TEA


def host(upstream: str) -> LiveHost:
    return LiveHost(paths=(LivePath("", "/", "@p_1", upstream),))


ORIGIN = ObjectRef("Ingress", "default", "one")
GUARD = frozenset({"one.test: auth"})
UPSTREAM = LiveUpstream(peers=(Peer("10.0.0.1", 80),))


def objects(upstream: str, *guards: str) -> LiveObjects:
    return LiveObjects(
        upstreams={upstream: UPSTREAM},
        hosts={"one.test": host(upstream)},
        origins={"one.test": ORIGIN},
        guards={"one.test": frozenset(guards)} if guards else {},
    )


def test_a_routed_host_that_does_not_fit_stays_as_it_was_with_its_servers() -> None:
    last, wanted = objects("old"), objects("new")
    found = fitting(wanted, last, {"r:one.test"})
    assert found.hosts == last.hosts
    assert found.upstreams.keys() == {"old", "new"}
    assert fitting(wanted, last, {"u:new", "r:one.test"}).upstreams.keys() == {"old"}


def test_a_routed_host_that_does_not_fit_is_gone_if_it_would_keep_clients_out() -> None:
    closed = fitting(objects("new", "auth"), objects("old"), {"r:one.test"})
    assert closed.hosts == {}
    assert b"one.test" not in snapshot(closed)
    assert fitting(objects("new", "auth"), objects("old", "auth"), {"r:one.test"}).hosts
    assert fitting(objects("new"), objects("old", "auth"), {"r:one.test"}).hosts
    other = ObjectRef("Ingress", "default", "other")
    elsewhere = LiveObjects(hosts={"one.test": host("old")}, origins={"one.test": other})
    assert fitting(objects("new"), elsewhere, {"r:one.test"}).hosts == {}


async def test_a_host_with_passwords_stays_closed_and_others_are_pushed_while_its_new_version_does_not_fit(
    full: RoutedNginx,
) -> None:
    full.delete(*MANY)
    await full.apply()
    await full.apply(ingress("one", "one.test", basic_auth_secret="users"))
    many = endpoints("milk", *[f"10.0.{number // 200}.{number % 200}" for number in range(4000)])
    paths = {"one.test": [path("milk"), path("tea", "/tea")]}
    guarded = ingress("one", paths, basic_auth_secret="users", proxy_read_timeout="7s")
    assert (await full.apply(service("milk"), many, guarded)).outcome is Outcome.FAILED
    assert {await full.get("one.test", where) for where in ("/", "/tea") for _ in range(4)} <= {"401", "404", "503"}
    await full.apply(ingress("three", "three.test"))
    assert await body(full, "three.test") == TEA
    assert await body(full, "two.test") == COFFEE
