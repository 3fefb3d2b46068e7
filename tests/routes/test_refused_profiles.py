"""What nginx refuses of routed hosts costs no other host, and what was served before it stays."""

from __future__ import annotations

from collections import Counter

import pytest

from headgate.ir.http import ROUTES
from headgate.pipeline import profiles
from tests.background import in_background
from tests.k8s.certificates import Authority
from tests.live.json_objects import Json, config_map, ingress, path, secret
from tests.live.test_live_policies import policy
from tests.routes.routed_nginx import RoutedNginx
from tests.routes.test_under_traffic import GUARDS

TEA, COFFEE = "200 Server name: tea", "200 Server name: coffee"


def bad_profile(name: str, host: str, **more: str) -> Json:
    """An Ingress that can be routed, but for its variable, which nginx does not have."""
    return ingress(name, {host: [path("coffee")]}, proxy_redirect_from="~a", proxy_redirect_to="/$no_such", **more)


async def body(nginx: RoutedNginx, host: str) -> str:
    """The first line of the answer."""
    return (await nginx.get(host)).partition("\n")[0]


async def test_a_bad_profile_of_the_first_batch_costs_only_the_hosts_with_it_their_routes(routed: RoutedNginx) -> None:
    good = [ingress(f"good{number}", f"good{number}.test", proxy_read_timeout=f"{number + 7}s") for number in range(4)]
    result = await routed.apply(bad_profile("bad", "bad.test", proxy_read_timeout="8s"), *good)
    assert ROUTES not in result.refused
    assert [ref.name for ref in result.refused] == ["bad"]
    assert sorted(routed.hosts) == [f"good{number}.test" for number in range(4)]
    for host in routed.hosts:
        assert await body(routed, host) == TEA
    assert await routed.get("bad.test") == "404"
    result = await routed.apply(ingress("bad", "bad.test"))
    assert result.refused == {}
    assert len(routed.hosts) == 5


@pytest.mark.parametrize("occasion", ["config map", "profiles"])
async def test_the_last_route_of_a_host_stays_when_profiles_are_dropped(
    routed: RoutedNginx, monkeypatch: pytest.MonkeyPatch, occasion: str
) -> None:
    await routed.apply(ingress("one", "one.test", proxy_read_timeout="7s"), ingress("two", "two.test"))
    result = await routed.apply(ingress("one", {"one.test": [path("coffee")]}, server_snippets="nonsense on;"))
    assert [ref.name for ref in result.kept] == ["one"]
    if occasion == "config map":
        await routed.apply(config_map(proxy_buffers="9 8k"))
    else:
        monkeypatch.setattr(profiles, "LIMIT", 2)
        await routed.apply(ingress("two", "two.test", proxy_read_timeout="8s"))
        await routed.apply(ingress("two", "two.test", proxy_read_timeout="9s"))
    for number in range(3):
        assert await body(routed, "one.test") == TEA
        assert await body(routed, "two.test") == TEA
        await routed.apply(ingress("three", f"three{number}.test"))


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("tls", [True, False])
async def test_a_wildcard_that_comes_later_does_not_answer_for_a_host_that_keeps_its_last_route(
    routed: RoutedNginx, *, together: bool, tls: bool
) -> None:
    seen: Counter[str] = Counter()

    async def ask() -> None:
        while True:
            seen[await body(routed, "one.test")] += 1

    secure = {"tls": {"cert-a": ["one.test"]}, "ssl_redirect": "false"} if tls else {}
    await routed.apply(ingress("one", "one.test", **secure), ingress("two", "two.example"))
    refused = ingress("one", {"one.test": [path("coffee")]}, server_snippets="nonsense on;", **secure)
    wildcard = ingress("all", {"*.test": [path("coffee")]}, server_snippets="# own", **secure)
    async with in_background(ask()):
        if not together:
            await routed.apply(refused)
        await routed.apply(refused, wildcard)
        assert await body(routed, "any.test") == COFFEE
        for number in range(3):  # other changes, with reloads and without
            await routed.apply(ingress("two", "two.example", proxy_read_timeout=f"{number // 2 + 7}s"))
            if tls:
                assert (await routed.get_secure("one.test"))[1].startswith(TEA)
    assert set(seen) == {TEA}
    await routed.apply(ingress("one", {"one.test": [path("coffee")]}, **secure))
    assert await body(routed, "one.test") == COFFEE
    assert await body(routed, "any.test") == COFFEE


async def test_a_host_that_is_closed_answers_so_over_tls_though_no_server_block_has_its_certificate(
    routed: RoutedNginx,
) -> None:
    tls = {"cert-a": ["one.test"]}
    authority = secret("ca", kind="nginx.org/ca", ca_crt=Authority().pem)
    await routed.apply(ingress("one", "one.test", tls=tls), policy("certified", **GUARDS["mtls"]), authority)
    before = await routed.get_secure("one.test")
    guarded = ingress("one", "one.test", tls=tls, server_snippets="nonsense on;")
    guarded["metadata"]["annotations"]["nginx.org/policies"] = "certified"
    assert [ref.name for ref in (await routed.apply(guarded)).refused] == ["one"]
    assert await routed.get_secure("one.test") == (before[0], "500")
