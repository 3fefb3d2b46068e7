"""Hosts come, change and go without a reload, and nothing is lost when one gets a server block or gives it back."""

from __future__ import annotations

import asyncio
import os
import signal
from collections import Counter

import pytest

from headgate.ir import Outcome
from headgate.ir.http import ROUTES
from headgate.nginx import procfs
from tests.background import in_background
from tests.live.json_objects import Json, ingress, path
from tests.nginx.nginx_under_test import both_workers
from tests.routes.routed_nginx import RoutedNginx
from tests.waiting import eventually


def snippet(name: str, host: str, text: str) -> Json:
    return ingress(name, host, server_snippets=text)


async def body(nginx: RoutedNginx, host: str, where: str = "/") -> str:
    """The first line of the answer."""
    return (await nginx.get(host, where)).partition("\n")[0]


async def test_a_host_with_a_known_profile_comes_changes_and_goes_without_a_reload(routed: RoutedNginx) -> None:
    assert (await routed.apply(ingress("one", "one.test"))).reloaded
    workers = await both_workers(routed.manager.master_pid)
    for number in range(20):
        result = await routed.apply(ingress("two", {"two.test": [path("tea"), path("coffee", f"/c{number}")]}))
        assert (result.outcome, result.reloaded) == (Outcome.APPLIED, False)
        assert await body(routed, "two.test", f"/c{number}") == "200 Server name: coffee"
        assert await body(routed, "two.test") == "200 Server name: tea"
    routed.delete(ingress("two", "two.test"))
    assert not (await routed.apply()).reloaded
    assert await routed.get("two.test") == "404"
    assert await body(routed, "one.test") == "200 Server name: tea"
    assert await both_workers(routed.manager.master_pid) == workers
    assert routed.manager.stats.other == 1
    assert routed.dedicated() == {}


async def test_a_profile_that_is_new_takes_one_reload_and_may_be_used_again_without_any(routed: RoutedNginx) -> None:
    await routed.apply(ingress("one", "one.test"))
    assert (await routed.apply(ingress("two", "two.test", proxy_read_timeout="7s"))).reloaded
    routed.delete(ingress("two", "two.test"))
    assert not (await routed.apply()).reloaded
    assert not (await routed.apply(ingress("three", "three.test", proxy_read_timeout="7s"))).reloaded
    assert await body(routed, "three.test") == "200 Server name: tea"
    assert routed.manager.stats.other == 2


async def test_no_request_is_lost_while_hosts_change_profiles_and_get_server_blocks(routed: RoutedNginx) -> None:
    seen: Counter[str] = Counter()

    async def ask() -> None:
        while True:
            seen[await body(routed, "one.test")] += 1

    await routed.apply(ingress("one", "one.test"))
    async with in_background(ask()), in_background(ask()):
        for number in range(3):
            assert (await routed.apply(ingress("one", "one.test", proxy_read_timeout=f"{number + 7}s"))).reloaded
            assert list(routed.hosts) == ["one.test"]
            assert (await routed.apply(snippet("one", "one.test", "# own"))).reloaded
            assert list(routed.hosts) == []
            assert (await routed.apply(ingress("one", "one.test"))).reloaded
            assert list(routed.hosts) == ["one.test"]
    assert set(seen) == {"200 Server name: tea"}
    assert seen.total() > 20


async def test_connections_that_are_kept_are_answered_as_before_by_workers_without_the_new_profile(
    routed: RoutedNginx,
) -> None:
    await routed.apply(ingress("one", "one.test"))
    reader, writer = await asyncio.open_connection("127.0.0.1", routed.http)

    async def ask() -> str:
        writer.write(b"HEAD / HTTP/1.1\r\nHost: one.test\r\n\r\n")
        return (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")[0]

    assert await ask() == "HTTP/1.1 200 OK"
    assert (await routed.apply(ingress("one", "one.test", proxy_read_timeout="7s"))).reloaded
    assert await ask() == "HTTP/1.1 200 OK"
    writer.close()


async def test_a_routed_host_stays_as_it_was_while_nginx_refuses_its_server_block(routed: RoutedNginx) -> None:
    await routed.apply(ingress("one", {"one.test": [path("coffee")]}))
    result = await routed.apply(snippet("one", "one.test", "nonsense on;"))
    assert [ref.name for ref in result.refused] == ["one"]
    assert [ref.name for ref in result.kept] == ["one"]
    assert await body(routed, "one.test") == "200 Server name: coffee"
    for number in range(3):  # other changes, with reloads and without
        await routed.apply(ingress("two", "two.test", proxy_read_timeout=f"{number + 7}s"))
        await routed.apply(ingress("three", f"three{number}.test"))
        assert await body(routed, "one.test") == "200 Server name: coffee"
    await routed.apply(ingress("one", "one.test"))
    assert await body(routed, "one.test") == "200 Server name: tea"


async def test_a_routed_host_keeps_its_certificate_while_nginx_refuses_its_server_block(routed: RoutedNginx) -> None:
    tls = {"cert-a": ["one.test"]}
    await routed.apply(ingress("one", "one.test", tls=tls), ingress("two", "two.test"))
    before = await routed.get_secure("one.test")
    own = ingress("one", {"one.test": [path("coffee")]}, tls=tls, ssl_ciphers="HIGH", server_snippets="nonsense on;")
    assert [ref.name for ref in (await routed.apply(own)).kept] == ["one"]
    certificate, answer = await routed.get_secure("one.test")
    assert certificate == before[0]
    assert answer.startswith("200 Server name: tea")


async def test_a_routed_host_that_is_to_ask_for_passwords_is_not_served_without_while_nginx_refuses_it(
    routed: RoutedNginx,
) -> None:
    await routed.apply(ingress("one", "one.test"))
    guarded = ingress("one", "one.test", server_snippets="nonsense on;", basic_auth_secret="absent")
    result = await routed.apply(guarded)
    assert [ref.name for ref in result.refused] == ["one"]
    assert await routed.get("one.test") == "500"
    assert result.kept == frozenset()


async def test_a_host_that_another_object_has_now_is_not_kept(routed: RoutedNginx) -> None:
    await routed.apply(ingress("one", "one.test", created="2024-01-01T00:00:00Z"))
    await routed.apply(snippet("one", "two.test", "nonsense on;"))
    assert await body(routed, "one.test") == "200 Server name: tea"  # it had that host
    await routed.apply(ingress("other", {"one.test": [path("coffee")]}))
    assert await body(routed, "one.test") == "200 Server name: coffee"


@pytest.mark.parametrize("earlier", ["b.test", "*.test"])
@pytest.mark.parametrize("together", [True, False])
async def test_a_host_that_a_routed_object_has_now_is_not_served_by_last_good_files_of_another(
    routed: RoutedNginx, earlier: str, *, together: bool
) -> None:
    old = "2024-01-01T00:00:00Z"
    both = {"a.example": [path("tea")], earlier: [path("tea")]}
    await routed.apply(ingress("known", "known.example"), ingress("one", both, server_snippets="# own", created=old))
    assert await body(routed, "b.test") == "200 Server name: tea"
    broken = ingress("one", "a.example", server_snippets="nonsense on;", created=old)
    if not together:
        await routed.apply(broken)
    await routed.apply(broken, ingress("two", {"b.test": [path("coffee")]}))
    for number in range(3):  # other changes, with reloads and without
        assert "b.test" in routed.hosts
        assert await body(routed, "b.test") == "200 Server name: coffee"
        await routed.apply(ingress("three", "three.example", proxy_read_timeout=f"{number // 2 + 7}s"))


async def test_a_server_block_stays_while_nginx_refuses_the_profile_that_its_host_is_to_have(
    routed: RoutedNginx,
) -> None:
    seen: Counter[str] = Counter()

    async def ask() -> None:
        while True:
            seen[await body(routed, "one.test")] += 1

    await routed.apply(ingress("other", "other.test"), snippet("one", "one.test", "# own"))
    broken = ingress("one", {"one.test": [path("coffee")]}, proxy_redirect_from="~a", proxy_redirect_to="/$no_such")
    async with in_background(ask()):
        result = await routed.apply(broken)
        await routed.apply(ingress("two", "two.test", proxy_read_timeout="7s"))
    assert [ref.name for ref in result.refused] == [ref.name for ref in result.kept] == ["one"]
    assert set(seen) == {"200 Server name: tea"}
    await routed.apply(ingress("one", {"one.test": [path("coffee")]}))
    assert await body(routed, "one.test") == "200 Server name: coffee"


async def test_a_profile_that_nginx_refuses_costs_only_the_hosts_with_it_their_routes(routed: RoutedNginx) -> None:
    await routed.apply(ingress("one", "one.test"))
    broken = ingress("two", {"two.test": [path("coffee")]}, proxy_redirect_from="~a", proxy_redirect_to="/$no_such")
    result = await routed.apply(broken, ingress("three", "three.test"))
    assert ROUTES not in result.refused
    assert [ref.name for ref in result.refused] == ["two"]
    assert list(routed.hosts) == ["one.test", "three.test"]
    assert await body(routed, "three.test") == "200 Server name: tea"
    assert await routed.get("two.test") == "404"


async def test_the_only_routed_host_stays_as_it_was_while_nginx_refuses_its_new_profile(routed: RoutedNginx) -> None:
    await routed.apply(ingress("one", "one.test"))
    broken = ingress("one", {"one.test": [path("coffee")]}, proxy_redirect_from="~a", proxy_redirect_to="/$no_such")
    result = await routed.apply(broken)
    assert [ref.name for ref in result.refused] == ["one"]
    assert [ref.name for ref in result.kept] == ["one"]
    assert await body(routed, "one.test") == "200 Server name: tea"
    await routed.apply(ingress("one", {"one.test": [path("coffee")]}))
    assert list(routed.hosts) == ["one.test"]
    assert await body(routed, "one.test") == "200 Server name: coffee"


@pytest.mark.parametrize("whole", [False, True])
async def test_workers_and_masters_that_are_killed_are_replaced_by_others_with_the_same_hosts(
    routed: RoutedNginx, *, whole: bool
) -> None:
    await routed.apply(ingress("one", "one.test"))
    await routed.apply(ingress("two", {"two.test": [path("coffee")]}))
    before = await both_workers(routed.manager.master_pid)
    master = routed.manager.master_pid
    assert master
    async with in_background(routed.manager.run()):
        for pid in [master] if whole else before:
            os.kill(pid, signal.SIGKILL)
        await eventually(lambda: len(procfs.workers(routed.manager.master_pid or 0) - before) == 2)
        await eventually(lambda: body(routed, "two.test"), lambda answer: answer == "200 Server name: coffee")
        assert await body(routed, "one.test") == "200 Server name: tea"
        assert not (await routed.apply(ingress("three", "three.test"))).reloaded
        assert await body(routed, "three.test") == "200 Server name: tea"


async def test_an_ingress_without_a_host_takes_the_default_server_and_gives_it_back(routed: RoutedNginx) -> None:
    await routed.apply(ingress("one", "one.test"))
    hostless = ingress("rest", {"": [path("coffee")]})
    await routed.apply(hostless)
    assert list(routed.hosts) == []
    assert await body(routed, "one.test") == "200 Server name: tea"
    assert await body(routed, "nobody.test") == "200 Server name: coffee"
    routed.delete(hostless)
    await routed.apply()
    assert list(routed.hosts) == ["one.test"]
    assert await body(routed, "one.test") == "200 Server name: tea"
    assert await routed.get("nobody.test") == "404"


async def test_hosts_that_a_wildcard_covers_have_server_blocks_as_long_as_it_is_there(routed: RoutedNginx) -> None:
    await routed.apply(ingress("one", "one.test"))
    wildcard = ingress("all", {"*.test": [path("coffee")]}, server_snippets="# own")
    await routed.apply(wildcard)
    assert routed.dedicated()["one"] == "the wildcard host that covers one.test"
    assert await body(routed, "one.test") == "200 Server name: tea"
    assert await body(routed, "any.test") == "200 Server name: coffee"
    routed.delete(wildcard)
    await routed.apply()
    assert list(routed.hosts) == ["one.test"]


async def test_versions_that_only_older_workers_need_take_no_memory_once_these_have_ended(routed: RoutedNginx) -> None:
    def large(seconds: int) -> Json:
        paths = [path("tea", f"/path/number/{number}") for number in range(200)]
        return ingress("one", {"one.test": paths}, proxy_read_timeout=f"{seconds}s")

    await routed.apply(large(7), ingress("two", "two.test"))
    before = routed.manager.live.used
    assert (await routed.apply(large(9))).reloaded
    doubled = routed.manager.live.used - before
    assert doubled > 0
    await eventually(lambda: not routed.manager.generations().leaving)
    assert not (await routed.apply()).reloaded
    assert abs(routed.manager.live.used - before) < doubled // 2, "names of profiles differ in length"
