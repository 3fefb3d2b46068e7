"""Which backend is asked, how often, and when it is left out."""

import asyncio
import hashlib
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import pytest_asyncio
from aiohttp import web
from showcase.ports import free_port

from tests.live.json_objects import Json, config_map, endpoints, service
from tests.live.settings.backends import Backend
from tests.live.settings.hosts import CHOSEN_PORT, A, B, C, backed_host, joined
from tests.live.settings.serving_nginx import WHEEL, ServingNginx, served
from tests.nginx_binaries import LUA
from tests.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="module")

KEYS = [f"/{number}" for number in range(24)]
TWO_LEAST = {"usual": {}, "two": {"lb_method": "random two"}, "two-least": {"lb_method": "random two least_conn"}}
HASH = "hash $request_uri"
RING = f"{HASH} consistent"
GROUPS = ((A, B), (A, B, C))
BACKED_UP = {
    "backup": {"lb-method": "round_robin"},
    "backup-full": {"lb-method": "least_conn", "max-conns": 1},
    "backup-sticky": {"lb-method": "round_robin", "sessionCookie": {"enable": True, "name": "seat"}},
}
RETRY = {"lb_method": "round_robin", "proxy_next_upstream": "http_500"}


@pytest.fixture(scope="module", params=["files", "live"])
def plane(request: pytest.FixtureRequest) -> str:
    """Nginx's own balancers, or Headgate's."""
    if request.param == "live" and not LUA:
        pytest.skip("no nginx with Lua")
    return str(request.param)


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def nginx(plane: str) -> AsyncIterator[ServingNginx]:
    """One worker, so that every count has one place."""
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
        sticky_host("sticky", "expires=1h path=/ httponly", lb_method="round_robin"),
        sticky_host("sticky-max", "path=/tea secure samesite=Lax expires=max domain=.test"),
        sticky_host("sticky-hash", lb_method="hash $request_uri"),
        sticky_host("sticky-fails", max_fails="2", fail_timeout="1h", **RETRY),
        sticky_host("sticky-full", max_conns="1"),
        sticky_host("sticky-session"),
        *map(backed_up, BACKED_UP),
    )  # fmt: skip
    binary = LUA if plane == "live" else WHEEL
    async with served(objects, f"-data-plane={plane}", binary=binary or "", backends=[ring]) as nginx:
        yield nginx


def backed_up(name: str) -> list[Json]:
    """A VirtualServer of NAME.test whose backup is the Service NAME-spare."""
    usual = {"name": "usual", "service": name, "port": 80, "next-upstream": "http_500", "fail-timeout": "1h"}
    upstream = {**usual, **BACKED_UP[name], "backup": f"{name}-spare", "backupPort": 80}
    routes = [{"path": "/", "action": {"pass": "usual"}}]
    kind = {
        "apiVersion": "k8s.nginx.org/v1",
        "kind": "VirtualServer",
        "metadata": {"name": name, "namespace": "default"},
    }
    spec = {"host": f"{name}.test", "upstreams": [upstream], "routes": routes}
    services = [service(name), endpoints(name, A, B, port=CHOSEN_PORT)]
    spares = [service(f"{name}-spare"), endpoints(f"{name}-spare", C, port=CHOSEN_PORT)]
    return [{**kind, "spec": spec}, *services, *spares]


def sticky_host(name: str, attributes: str = "", **annotations: str) -> list[Json]:
    return backed_host(name, A, B, C, sticky_cookie_services=f"serviceName={name} seat {attributes}", **annotations)


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


def cookie(nginx: ServingNginx, name: str, address: str) -> str:
    """Return the cookie that leads to the server of *name* at *address*."""
    server = f"{address}:{nginx.backend(name).port}".encode()
    return f"seat={hashlib.md5(server, usedforsecurity=False).hexdigest()}"


async def test_a_sticky_cookie_keeps_a_client_with_its_backend(nginx: ServingNginx) -> None:
    assert len(set(await ask(nginx, "sticky", *KEYS[:3]))) == 3
    for address in (A, B, C):
        for _ in range(3):
            answer = await nginx.get("sticky.test", headers={"Cookie": f"other=1; {cookie(nginx, 'sticky', address)}"})
            assert nginx.backend("sticky").last.at == address
            given, *attributes = answer.headers["Set-Cookie"].split("; ")
            assert given == cookie(nginx, "sticky", address)
            assert re.fullmatch(r"expires=\w\w\w, \d\d-\w\w\w-\d\d \d\d:\d\d:\d\d GMT", attributes.pop(0))
            assert attributes == ["max-age=3600", "httponly", "path=/"]


async def test_a_sticky_cookie_has_the_attributes_of_nginx(nginx: ServingNginx) -> None:
    given, attributes = (await nginx.get("sticky-max.test")).headers["Set-Cookie"].split("; ", 1)
    assert given == cookie(nginx, "sticky-max", nginx.backend("sticky-max").last.at)
    forever = "expires=Thu, 31-Dec-37 23:55:55 GMT; max-age=315360000"
    assert attributes == f"{forever}; domain=.test; secure; samesite=Lax; path=/tea"
    given = (await nginx.get("sticky-hash.test")).headers["Set-Cookie"]
    assert given == cookie(nginx, "sticky-hash", nginx.backend("sticky-hash").last.at)


@pytest.mark.parametrize("name", ["sticky", "sticky-hash", "sticky-max"])
async def test_a_client_with_an_unknown_cookie_gets_a_new_one_beside_those_of_the_backend(
    nginx: ServingNginx, name: str
) -> None:
    nginx.backend(name).reply(headers={"Set-Cookie": "own=1"})
    for wrong in ("seat=", "seat=../etc", f"seat={'0' * 32}", cookie(nginx, name, A).upper()):
        answer = await nginx.get(f"{name}.test", headers={"Cookie": wrong})
        given = [each.partition(";")[0] for each in answer.headers.getall("Set-Cookie")]
        assert sorted(given) == sorted(["own=1", cookie(nginx, name, nginx.backend(name).last.at)])


async def test_a_sticky_client_of_a_failed_backend_gets_another_and_its_cookie(nginx: ServingNginx) -> None:
    backend, kept = nginx.backend("sticky-fails"), {"Cookie": cookie(nginx, "sticky-fails", A)}
    backend.reply_at({A: 500})
    for tries in ([A, B, C],) * 2 + ([B, C],) * 4:
        before = len(backend.requests)
        answer = await nginx.get("sticky-fails.test", headers=kept)
        asked = [seen.at for seen in backend.requests[before:]]
        assert answer.status == 200
        assert asked[:-1] == [A] * (A in tries), "it is asked until it is left out"
        assert asked[-1] in {B, C}
        assert answer.headers.getall("Set-Cookie") == [cookie(nginx, "sticky-fails", asked[-1])]


async def test_a_sticky_client_of_a_full_backend_is_sent_to_another(nginx: ServingNginx) -> None:
    async with held(nginx, "sticky-full") as busy:
        (full,) = busy
        answer = await nginx.get("sticky-full.test", headers={"Cookie": cookie(nginx, "sticky-full", full)})
        other = nginx.backend("sticky-full").last.at
        assert other != full
        assert answer.headers["Set-Cookie"] == cookie(nginx, "sticky-full", other)


async def test_the_live_data_plane_sets_a_cookie_without_a_lifetime_only_when_it_changes(
    nginx: ServingNginx, plane: str
) -> None:
    for _ in range(3):
        answer = await nginx.get("sticky-session.test", headers={"Cookie": cookie(nginx, "sticky-session", B)})
        assert nginx.backend("sticky-session").last.at == B
        assert ("Set-Cookie" in answer.headers) is (plane == "files")


async def test_a_backup_is_asked_while_no_other_backend_is_left(nginx: ServingNginx) -> None:
    usual, spare = nginx.backend("backup"), nginx.backend("backup-spare")
    for _ in range(4):
        await nginx.get("backup.test")
    assert spare.requests == []
    usual.reply_at({A: 500, B: 500})
    for _ in range(6):
        assert (await nginx.get("backup.test")).status == 200
    assert usual.requests_by_address() == {A: 3, B: 3}, "each failed once"
    assert len(spare.requests) == 6


async def test_a_backup_is_asked_while_all_others_are_full(nginx: ServingNginx) -> None:
    async with held(nginx, "backup-full", requests=2) as busy:
        assert busy == {A, B}
        assert (await nginx.get("backup-full.test")).status == 200
        assert len(nginx.backend("backup-full-spare").requests) == 1
    assert (await nginx.get("backup-full.test")).status == 200
    assert len(nginx.backend("backup-full-spare").requests) == 1


async def test_a_client_with_a_sticky_cookie_is_sent_to_the_backup_only_meanwhile(nginx: ServingNginx) -> None:
    usual, kept = nginx.backend("backup-sticky"), {"Cookie": cookie(nginx, "backup-sticky", A)}
    await nginx.get("backup-sticky.test", headers=kept)
    assert usual.last.at == A
    usual.reply_at({A: 500, B: 500})
    answer = await nginx.get("backup-sticky.test", headers=kept)
    assert answer.status == 200
    assert len(nginx.backend("backup-sticky-spare").requests) == 1
    assert usual.requests_by_address()[A] == 2
