"""Which backend is asked, how often, and when it is left out."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import pytest_asyncio
from aiohttp import web
from showcase.ports import free_port

from tests.live.json_objects import config_map
from tests.live.settings.backends import Backend
from tests.live.settings.hosts import A, B, C, backed_host, joined
from tests.live.settings.serving_nginx import WHEEL, ServingNginx, served
from tests.nginx_binaries import LUA
from tests.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

KEYS = [f"/{number}" for number in range(24)]
TWO_LEAST = {"usual": {}, "two": {"lb_method": "random two"}, "two-least": {"lb_method": "random two least_conn"}}
HASH = "hash $request_uri"
RING = f"{HASH} consistent"
GROUPS = ((A, B), (A, B, C))
RETRY = {"lb_method": "round_robin", "proxy_next_upstream": "http_500"}


@pytest_asyncio.fixture(loop_scope="module", scope="module", params=["files", "live"])
async def nginx(request: pytest.FixtureRequest) -> AsyncIterator[ServingNginx]:
    """One worker, so that every count has one place; nginx's own balancers, and Headgate's."""
    if request.param == "live" and not LUA:
        pytest.skip("no nginx with Lua")
    ring = Backend("ring", free_port(), A, B, C)
    objects = joined(
        [config_map(worker_processes="1")],
        backed_host("round-robin", A, B, C, lb_method="round_robin"),
        backed_host("least-conn", A, B, C, lb_method="least_conn"),
        backed_host("ip-hash", A, B, C, lb_method="ip_hash"),
        backed_host("random", A, B, C, lb_method="random"),
        *(backed_host(name, A, B, **annotations) for name, annotations in TWO_LEAST.items()),
        *(backed_host(f"hash-{len(at)}", *at, port=ring.port, lb_method=HASH) for at in GROUPS),
        *(backed_host(f"ring-{len(at)}", *at, port=ring.port, lb_method=RING) for at in GROUPS),
        backed_host("keyless", A, B, C, lb_method="hash $cookie_seat"),
        backed_host("keyless-ring", A, B, C, lb_method="hash $cookie_seat consistent"),
        backed_host("max-conns", max_conns="1"),
        backed_host("no-max-conns"),
        *(backed_host(f"max-fails-{n}", A, B, max_fails=str(n), fail_timeout="1h", **RETRY) for n in (0, 1, 3)),
        backed_host("now-and-then", A, B, max_fails="3", fail_timeout="1h", **RETRY),
        backed_host("fail-timeout", A, B, fail_timeout="1s", **RETRY),
        backed_host("sticky", A, B, C, lb_method="round_robin",
             sticky_cookie_services="serviceName=sticky seat expires=1h path=/ httponly"),
    )  # fmt: skip
    binary = LUA if request.param == "live" else WHEEL
    async with served(objects, f"-data-plane={request.param}", binary=binary or "", backends=[ring]) as nginx:
        yield nginx


async def ask(nginx: ServingNginx, name: str, *paths: str, client: str = A) -> list[str]:
    """Ask *name* for each path in turn; return the addresses that answered."""
    backend = nginx.backend("ring" if name.startswith(("hash", "ring")) else name)
    before = len(backend.requests)
    for path in paths:
        assert (await nginx.get(f"{name}.test", path, client=client)).status == 200
    return [seen.at for seen in backend.requests[before:]]


@asynccontextmanager
async def held(nginx: ServingNginx, name: str, requests: int = 1) -> AsyncIterator[set[str]]:
    """Hold so many requests in the backend until the end, while it answers all others; the addresses that hold one."""
    backend, release = nginx.backend(name), asyncio.Event()

    async def handle(request: web.Request) -> web.Response:
        if request.path == "/held":
            await release.wait()
        return web.Response()

    def busy() -> list[str]:
        return [seen.at for seen in backend.requests if seen.path == "/held"]

    backend.handler = handle
    asked = []
    for number in range(1, requests + 1):
        asked.append(asyncio.create_task(nginx.get(f"{name}.test", "/held")))
        await eventually(lambda number=number: len(busy()) == number)
    try:
        yield set(busy())
    finally:
        release.set()
        assert [answer.status for answer in await asyncio.gather(*asked)] == [200] * requests


async def test_round_robin_takes_turns(nginx: ServingNginx) -> None:
    asked = await ask(nginx, "round-robin", *KEYS[:9])
    assert sorted(asked[:3]) == [A, B, C]
    assert asked[3:6] == asked[6:] == asked[:3]


async def test_least_conn_avoids_busy_backends(nginx: ServingNginx) -> None:
    async with held(nginx, "least-conn", requests=2) as busy:
        asked = await ask(nginx, "least-conn", *KEYS)
    assert len(busy) == 2
    assert set(asked) == {A, B, C} - busy


@pytest.mark.parametrize("name", TWO_LEAST)
async def test_the_less_busy_of_two_random_backends_is_asked(nginx: ServingNginx, name: str) -> None:
    async with held(nginx, name) as busy:
        asked = await ask(nginx, name, *KEYS)
    assert set(asked) == {A, B} - busy


async def test_random_takes_no_turns(nginx: ServingNginx) -> None:
    asked = await ask(nginx, "random", *KEYS, *KEYS)
    assert set(asked) == {A, B, C}
    assert asked[3:] != asked[:-3], "it takes no turns"


async def test_ip_hash_keeps_a_network_together(nginx: ServingNginx) -> None:
    networks = [
        {at for host in (1, 2) for at in await ask(nginx, "ip-hash", "/", client=f"127.{number}.0.{host}")}
        for number in range(1, 13)
    ]
    assert all(len(asked) == 1 for asked in networks)
    assert len(set.union(*networks)) > 1


async def test_hash_keeps_a_key_with_its_backend(nginx: ServingNginx) -> None:
    first = await ask(nginx, "hash-3", *KEYS)
    assert await ask(nginx, "hash-3", *reversed(KEYS)) == first[::-1]
    assert set(first) == {A, B, C}


async def test_a_consistent_hash_moves_only_keys_of_a_removed_backend(nginx: ServingNginx) -> None:
    for method, moving in (("ring", False), ("hash", True)):
        three, two = await ask(nginx, f"{method}-3", *KEYS), await ask(nginx, f"{method}-2", *KEYS)
        stayed = [after == before for before, after in zip(three, two, strict=True) if before != C]
        assert 0 < len(stayed) < len(KEYS)
        assert all(stayed) is not moving


@pytest.mark.parametrize("name", ["keyless", "keyless-ring"])
async def test_requests_whose_key_is_empty_are_shared(nginx: ServingNginx, name: str) -> None:
    assert set(await ask(nginx, name, *KEYS[:9])) == {A, B, C}


async def test_max_conns_limits_the_connections_to_a_backend(nginx: ServingNginx) -> None:
    for name, status in (("max-conns", 502), ("no-max-conns", 200)):
        async with held(nginx, name):
            assert (await nginx.get(f"{name}.test")).status == status
        assert (await nginx.get(f"{name}.test")).status == 200


@pytest.mark.parametrize(("most", "failures"), [(0, 6), (1, 1), (3, 3)])
async def test_max_fails_takes_a_backend_out(nginx: ServingNginx, most: int, failures: int) -> None:
    name = f"max-fails-{most}"
    nginx.backend(name).reply_at({A: 500})
    assert (await ask(nginx, name, *KEYS[:12])).count(A) == failures


async def test_failures_add_up_though_requests_between_them_succeed(nginx: ServingNginx) -> None:
    backend = nginx.backend("now-and-then")

    async def fail_at_times(_: web.Request) -> web.Response:
        number = backend.requests_by_address()[A]
        return web.Response(status=500 if backend.last.at == A and number % 2 else 200)

    backend.handler = fail_at_times
    asked = await ask(nginx, "now-and-then", *KEYS)
    assert asked.count(A) == 5, "the third failure is the fifth request"


async def test_a_failed_backend_is_asked_again_after_fail_timeout(nginx: ServingNginx) -> None:
    backend = nginx.backend("fail-timeout")
    backend.reply_at({A: 500})
    while backend.requests_by_address()[A] == 0:
        await ask(nginx, "fail-timeout", "/")
    await eventually(lambda: ask(nginx, "fail-timeout", "/"), lambda _: backend.requests_by_address()[A] > 1)


async def test_a_sticky_cookie_keeps_a_client_with_its_backend(nginx: ServingNginx) -> None:
    assert len(set(await ask(nginx, "sticky", *KEYS[:3]))) == 3
    given = (await nginx.get("sticky.test")).headers["Set-Cookie"]
    kept, *parts = given.split("; ")
    assert kept.startswith("seat=")
    assert {"path=/", "httponly", "max-age=3600"} <= {part.lower() for part in parts}
    before = nginx.backend("sticky").last.at
    for _ in range(6):
        await nginx.get("sticky.test", headers={"Cookie": kept})
        assert nginx.backend("sticky").last.at == before
