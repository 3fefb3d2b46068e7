"""What is pushed while clients ask: no request fails, and what is gone or guarded is not served any more."""

from __future__ import annotations

import asyncio
import re
from collections import Counter

import pytest

from headgate.ir import Layout, Outcome
from headgate.nginx import probe
from tests.background import in_background
from tests.directories import short_directory
from tests.live.json_objects import Json, ingress, path, secret, tls_secret
from tests.live.test_live_policies import policy
from tests.nginx.nginx_under_test import both_workers
from tests.nginx_binaries import LUA
from tests.routes.routed_nginx import RoutedNginx
from tests.waiting import eventually

TEA, COFFEE = "200 Server name: tea", "200 Server name: coffee"


async def first_line(nginx: RoutedNginx, host: str, where: str = "/") -> str:
    return (await nginx.get(host, where)).partition("\n")[0]


def secure(name: str, *paths: Json) -> Json:
    return ingress(name, {f"{name}.test": list(paths) or [path("tea")]}, tls={"cert-a": [f"{name}.test"]})


async def test_hosts_with_tls_come_and_go_while_others_are_asked_over_tls(routed: RoutedNginx) -> None:
    seen: Counter[str] = Counter()

    async def ask() -> None:
        while True:
            _, answer = await routed.get_secure("one.test")
            seen[answer.partition("\n")[0]] += 1

    await routed.apply(secure("one"))
    workers = await both_workers(routed.manager.master_pid)
    async with in_background(ask()), in_background(ask()):
        for number in range(20):
            name = f"h{number}"
            assert not (await routed.apply(secure(name, path("coffee")))).reloaded
            _, answer = await routed.get_secure(f"{name}.test")
            assert answer.startswith(COFFEE)
            routed.delete(secure(name))
            assert not (await routed.apply()).reloaded
            assert await routed.get(f"{name}.test") == "404"
    assert set(seen) == {TEA}
    assert await both_workers(routed.manager.master_pid) == workers


async def test_a_certificate_is_renewed_while_its_host_is_asked(routed: RoutedNginx) -> None:
    seen: dict[bytes, str] = {}

    async def ask() -> None:
        while True:
            certificate, answer = await routed.get_secure("one.test")
            seen[certificate] = answer.partition("\n")[0]

    await routed.apply(secure("one"), secure("two"))
    shown = []
    async with in_background(ask()), in_background(ask()):
        for _ in range(5):
            assert not (await routed.apply(tls_secret("cert-a", "one.test"))).reloaded
            certificates = {(await routed.get_secure(f"{name}.test"))[0] for name in ("one", "two") for _ in range(6)}
            assert len(certificates) == 1, "a handshake after the push had an older certificate"
            shown += certificates
    assert len(set(shown)) == 5
    assert set(seen.values()) == {TEA}


async def test_a_host_is_routed_and_has_a_server_block_by_turns_while_it_is_asked_over_tls(routed: RoutedNginx) -> None:
    seen: Counter[str] = Counter()

    async def ask() -> None:
        while True:
            _, answer = await routed.get_secure("one.test")
            seen[answer.partition("\n")[0]] += 1

    await routed.apply(secure("one"), secure("two"))
    async with in_background(ask()), in_background(ask()):
        for _ in range(3):
            block = {**secure("one")}
            block["metadata"] = {**block["metadata"], "annotations": {"nginx.org/server-snippets": "# own"}}
            assert (await routed.apply(block)).reloaded
            assert list(routed.hosts) == ["two.test"]
            assert (await routed.apply(secure("one"))).reloaded
            assert sorted(routed.hosts) == ["one.test", "two.test"]
    assert set(seen) == {TEA}


async def test_a_host_that_is_deleted_is_not_found_at_once_on_connections_that_are_kept_too(
    routed: RoutedNginx,
) -> None:
    one, two = ingress("one", "one.test"), ingress("two", "two.test")
    await routed.apply(one, two)
    kept = [await asyncio.open_connection("127.0.0.1", routed.http) for _ in range(8)]

    async def statuses() -> set[str]:
        """What connections that are kept answer, and new ones."""
        found = {(await routed.get("two.test"))[:3] for _ in range(8)}
        for reader, writer in kept:
            writer.write(b"HEAD / HTTP/1.1\r\nHost: two.test\r\n\r\n")
            found.add((await reader.readuntil(b"\r\n\r\n")).decode().split(" ")[1])
        return found

    try:
        for _ in range(3):
            assert await statuses() == {"200"}
            routed.delete(two)
            assert not (await routed.apply()).reloaded
            assert await statuses() == {"404"}
            assert not (await routed.apply(two)).reloaded
    finally:
        for _, writer in kept:
            writer.close()


async def test_an_exact_host_and_a_wildcard_are_told_apart_as_they_come_and_go(routed: RoutedNginx) -> None:
    await routed.apply(ingress("other", "other.test"))
    wildcard = ingress("all", {"*.w.test": [path("coffee")]})
    await routed.apply(wildcard)
    assert list(routed.hosts) == ["other.test", "*.w.test"]
    assert await first_line(routed, "a.w.test") == COFFEE
    assert await routed.get("w.test") == "404"
    assert await routed.get("a.b.w.test") == "404"
    exact = ingress("exact", "a.w.test")
    await routed.apply(exact)
    assert await first_line(routed, "a.w.test") == TEA
    assert await first_line(routed, "b.w.test") == COFFEE
    routed.delete(wildcard)
    await routed.apply()
    assert await first_line(routed, "a.w.test") == TEA
    assert await routed.get("b.w.test") == "404"


# --- memory that is full ----------------------------------------------------------------------------------


async def test_hosts_that_do_not_fit_into_the_memory_are_reported_and_nothing_is_lost(backends: list[Json]) -> None:
    with short_directory() as folder:
        routed = RoutedNginx(Layout.under(str(folder)), await probe(LUA or ""), memory="64k")
        routed.put(*backends)
        try:
            await routed.apply(ingress("one", "one.test"), ingress("two", {"two.test": [path("coffee")]}))
            many = [
                ingress(f"i{number}", {f"i{number}.test": [path("tea", f"/p{each}") for each in range(40)]})
                for number in range(99)
            ]
            result = await routed.apply(*many, ingress("one", {"one.test": [path("coffee")]}))
            assert result.outcome is Outcome.FAILED
            full = r"the memory of the live state is full \(\d+ of 65536 bytes are used\); set -live-memory to more"
            assert re.search(full, result.error)
            assert {await first_line(routed, "two.test") for _ in range(8)} == {COFFEE}
            assert await first_line(routed, "one.test") in {TEA, COFFEE}
            routed.delete(*many)
            assert (await routed.apply()).ok
            assert {await first_line(routed, "one.test") for _ in range(8)} == {COFFEE}
            assert await routed.get("i7.test", "/p1") == "404"
            assert (await routed.apply(many[7])).ok
            assert await first_line(routed, "i7.test", "/p1") == TEA
        finally:
            await routed.manager.quit(0.2)


# --- what keeps clients out -------------------------------------------------------------------------------

GUARDS = {
    "access": {"accessControl": {"allow": ["192.0.2.1"]}},
    "users": {"basicAuth": {"secret": "users", "realm": "Staff"}},
    "keys": {"apiKey": {"suppliedIn": {"header": ["X-API-Key"]}, "clientSecret": "keys"}},
    "decided": {"externalAuth": {"authURI": "/decide", "authServiceName": "none"}},
    "mtls": {"ingressMTLS": {"clientCertSecret": "ca"}},
    "limit": {"rateLimit": {"rate": "1r/m", "key": "${binary_remote_addr}", "zoneSize": "64k"}},
}
SECRETS = [
    secret("users", kind="nginx.org/htpasswd", htpasswd=b"a:$apr1$x$y"),
    secret("keys", kind="nginx.org/apikey", client=b"word"),
]


@pytest.mark.parametrize("guard", GUARDS)
async def test_a_guard_that_is_added_to_a_routed_host_holds_for_every_request_from_then_on(
    routed: RoutedNginx, guard: str
) -> None:
    other = ingress("other", "other.test")
    await routed.apply(other, secure("one"), *SECRETS, policy("guard", **GUARDS[guard]))
    assert await first_line(routed, "other.test") == TEA
    guarded = secure("one")
    guarded["metadata"] = {**guarded["metadata"], "annotations": {"nginx.org/policies": "guard"}}
    await routed.apply(guarded)
    assert ("one.test" in routed.hosts) is (guard == "access")
    answers = Counter([(await routed.get_secure("one.test"))[1][:3] for _ in range(12)])
    assert answers.keys().isdisjoint({"404"})
    assert answers["200"] <= (2 if guard == "limit" else 0)
    if guard != "mtls":
        assert {(await routed.get("other.test"))[:3] for _ in range(4)} == {"200"}
    await routed.apply(secure("one"))
    await eventually(lambda: first_line(routed, "other.test"), lambda answer: answer == TEA)
    assert "one.test" in routed.hosts
    assert (await routed.get_secure("one.test"))[1].startswith(TEA)
