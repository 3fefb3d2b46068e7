"""Which backend is asked, how often, and when it is left out."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import pytest_asyncio
from aiohttp import web
from showcase.ports import free_port

from tests.live.json_objects import config_map
from tests.live.knobs.backends import Backend
from tests.live.knobs.hosts import A, B, C, site, together
from tests.live.knobs.serving_nginx import Stage, served
from tests.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

KEYS = [f"/{number}" for number in range(24)]
TWO_LEAST = {"usual": {}, "two": {"lb_method": "random two"}, "two-least": {"lb_method": "random two least_conn"}}
HASH = "hash $request_uri"
RETRY = {"lb_method": "round_robin", "proxy_next_upstream": "http_500"}


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def stage() -> AsyncIterator[Stage]:
    """One worker, so that every count has one place."""
    ring = Backend("ring", free_port(), A, B, C)
    objects = together(
        [config_map(worker_processes="1")],
        site("round-robin", A, B, C, lb_method="round_robin"),
        site("least-conn", A, B, C, lb_method="least_conn"),
        site("ip-hash", A, B, C, lb_method="ip_hash"),
        site("random", A, B, C, lb_method="random"),
        *(site(name, A, B, **annotations) for name, annotations in TWO_LEAST.items()),
        *(site(f"hash-{len(at)}", *at, port=ring.port, lb_method=HASH) for at in ((A, B), (A, B, C))),
        *(site(f"ring-{len(at)}", *at, port=ring.port, lb_method=f"{HASH} consistent") for at in ((A, B), (A, B, C))),
        site("max-conns", max_conns="1"),
        site("no-max-conns"),
        *(site(f"max-fails-{most}", A, B, max_fails=str(most), fail_timeout="1h", **RETRY) for most in (0, 1, 3)),
        site("fail-timeout", A, B, fail_timeout="1s", **RETRY),
        site("sticky", A, B, C, lb_method="round_robin",
             sticky_cookie_services="serviceName=sticky seat expires=1h path=/ httponly"),
    )  # fmt: skip
    async with served(objects, backends=[ring]) as stage:
        yield stage


async def ask(stage: Stage, name: str, *paths: str, client: str = A) -> list[str]:
    """Ask *name* for each path in turn; return the addresses that answered."""
    backend = stage.backend("ring" if name.startswith(("hash", "ring")) else name)
    before = len(backend.seen)
    for path in paths:
        assert (await stage.get(f"{name}.test", path, client=client)).status == 200
    return [seen.at for seen in backend.seen[before:]]


@asynccontextmanager
async def held(stage: Stage, name: str, requests: int = 1) -> AsyncIterator[set[str]]:
    """Hold so many requests in the backend until the end, while it answers all others; the addresses that hold one."""
    backend, release = stage.backend(name), asyncio.Event()

    async def handle(request: web.Request) -> web.Response:
        if request.path == "/held":
            await release.wait()
        return web.Response()

    def busy() -> list[str]:
        return [seen.at for seen in backend.seen if seen.path == "/held"]

    backend.handler = handle
    asked = []
    for number in range(1, requests + 1):
        asked.append(asyncio.create_task(stage.get(f"{name}.test", "/held")))
        await eventually(lambda number=number: len(busy()) == number)
    try:
        yield set(busy())
    finally:
        release.set()
        assert [answer.status for answer in await asyncio.gather(*asked)] == [200] * requests


async def test_round_robin(stage: Stage) -> None:
    asked = await ask(stage, "round-robin", *KEYS[:9])
    assert sorted(asked[:3]) == [A, B, C]
    assert asked[3:6] == asked[6:] == asked[:3]


async def test_least_conn_spares_the_busy(stage: Stage) -> None:
    async with held(stage, "least-conn", requests=2) as busy:
        asked = await ask(stage, "least-conn", *KEYS)
    assert len(busy) == 2
    assert set(asked) == {A, B, C} - busy


@pytest.mark.parametrize("name", TWO_LEAST)
async def test_the_better_of_two(stage: Stage, name: str) -> None:
    async with held(stage, name) as busy:
        asked = await ask(stage, name, *KEYS)
    assert set(asked) == {A, B} - busy


async def test_random(stage: Stage) -> None:
    asked = await ask(stage, "random", *KEYS, *KEYS)
    assert set(asked) == {A, B, C}
    assert asked[3:] != asked[:-3], "it takes no turns"


async def test_ip_hash_keeps_a_network_together(stage: Stage) -> None:
    networks = [
        {at for host in (1, 2) for at in await ask(stage, "ip-hash", "/", client=f"127.{number}.0.{host}")}
        for number in range(1, 13)
    ]
    assert all(len(asked) == 1 for asked in networks)
    assert len(set.union(*networks)) > 1


async def test_hash_keeps_a_key_in_its_place(stage: Stage) -> None:
    first = await ask(stage, "hash-3", *KEYS)
    assert await ask(stage, "hash-3", *reversed(KEYS)) == first[::-1]
    assert set(first) == {A, B, C}


async def test_a_consistent_hash_moves_only_the_keys_of_a_backend_that_left(stage: Stage) -> None:
    for method, moving in (("ring", False), ("hash", True)):
        three, two = await ask(stage, f"{method}-3", *KEYS), await ask(stage, f"{method}-2", *KEYS)
        stayed = [after == before for before, after in zip(three, two, strict=True) if before != C]
        assert 0 < len(stayed) < len(KEYS)
        assert all(stayed) is not moving


async def test_max_conns(stage: Stage) -> None:
    for name, status in (("max-conns", 502), ("no-max-conns", 200)):
        async with held(stage, name):
            assert (await stage.get(f"{name}.test")).status == status
        assert (await stage.get(f"{name}.test")).status == 200


@pytest.mark.parametrize(("most", "failures"), [(0, 6), (1, 1), (3, 3)])
async def test_max_fails_takes_a_backend_out(stage: Stage, most: int, failures: int) -> None:
    name = f"max-fails-{most}"
    stage.backend(name).reply_at({A: 500})
    assert (await ask(stage, name, *KEYS[:12])).count(A) == failures


async def test_fail_timeout_brings_it_back(stage: Stage) -> None:
    backend = stage.backend("fail-timeout")
    backend.reply_at({A: 500})
    while backend.shares()[A] == 0:
        await ask(stage, "fail-timeout", "/")
    await eventually(lambda: ask(stage, "fail-timeout", "/"), lambda _: backend.shares()[A] > 1)


async def test_a_sticky_cookie_keeps_a_client_with_its_backend(stage: Stage) -> None:
    assert len(set(await ask(stage, "sticky", *KEYS[:3]))) == 3
    given = (await stage.get("sticky.test")).headers["Set-Cookie"]
    kept, *parts = given.split("; ")
    assert kept.startswith("seat=")
    assert {"path=/", "httponly", "max-age=3600"} <= {part.lower() for part in parts}
    before = stage.backend("sticky").last.at
    for _ in range(6):
        await stage.get("sticky.test", headers={"Cookie": kept})
        assert stage.backend("sticky").last.at == before
