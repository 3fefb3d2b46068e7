"""What nginx refuses: requests that are too many or too large. Limits are shown by counts, never by a clock."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import pytest_asyncio

from tests.live.json_objects import config_map
from tests.live.settings.backends import LOOPBACK
from tests.live.settings.hosts import host, master, minion
from tests.live.settings.serving_nginx import ServingNginx, served

pytestmark = pytest.mark.asyncio(loop_scope="module")

SLOW = "1r/m"
"""So slow that no second request comes at its turn while a test runs."""
KILOBYTE = b"x" * 1024
IN_A_FILE = "a client request body is buffered to a temporary file"


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def nginx() -> AsyncIterator[ServingNginx]:
    hosts = [
        host("free"),
        host("slow", limit_req_rate=SLOW),
        host("fast", limit_req_rate="1000r/s", limit_req_burst="20"),
        host("burst", limit_req_rate=SLOW, limit_req_burst="1"),
        host("delay", limit_req_rate=SLOW, limit_req_burst="3", limit_req_delay="2"),
        host("nodelay", limit_req_rate=SLOW, limit_req_burst="3", limit_req_no_delay="true"),
        host("keyed", limit_req_rate=SLOW, limit_req_key="${http_x_api_key}"),
        host("cramped", limit_req_rate=SLOW, limit_req_key="${http_x_api_key}", limit_req_zone_size="32k"),
        host("dry", limit_req_rate=SLOW, limit_req_dry_run="true"),
        host("code", limit_req_rate=SLOW, limit_req_reject_code="503"),
        host("usual", limit_req_rate=SLOW),
        host("warned", limit_req_rate=SLOW, limit_req_log_level="warn"),
        master("shop"),
        minion("shop", "/slow", limit_req_rate=SLOW),
        minion("shop", "/free"),
        host("small", client_max_body_size="1k"),
        host("any", client_max_body_size="0"),
        host("disk", client_body_buffer_size="1k"),
        host("memory", client_body_buffer_size="64k"),
    ]
    async with served(hosts) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def configured() -> AsyncIterator[ServingNginx]:
    settings = config_map(client_max_body_size="16k", client_body_buffer_size="1k")
    hosts = [host("common"), host("own", client_max_body_size="32k", client_body_buffer_size="64k")]
    async with served([settings, *hosts]) as running:
        yield running


async def statuses(nginx: ServingNginx, name: str, number: int, uri: str = "/") -> list[int]:
    """Ask one after the other."""
    return [(await nginx.get(f"{name}.test", uri)).status for _ in range(number)]


@asynccontextmanager
async def waiting(nginx: ServingNginx, name: str) -> AsyncIterator[None]:
    """Inside there is a request that nginx has delayed."""
    _, writer = await asyncio.open_connection(LOOPBACK, nginx.http)
    writer.write(f"GET / HTTP/1.1\r\nHost: {name}.test\r\n\r\n".encode())
    assert "delaying request" in await nginx.logged(f'zone "default/{name}_', errors=True)
    yield
    writer.transport.abort()


# --- rates ----------------------------------------------------------------------------------------------


async def test_requests_above_the_rate_are_refused(nginx: ServingNginx) -> None:
    assert await statuses(nginx, "free", 3) == [200, 200, 200]
    assert await statuses(nginx, "slow", 3) == [200, 429, 429]
    assert await statuses(nginx, "fast", 20) == [200] * 20


async def test_requests_of_a_burst_are_delayed(nginx: ServingNginx) -> None:
    assert await statuses(nginx, "burst", 1) == [200]
    async with waiting(nginx, "burst"):
        assert await statuses(nginx, "burst", 1) == [429]


async def test_part_of_a_burst_is_not_delayed(nginx: ServingNginx) -> None:
    assert await statuses(nginx, "delay", 3) == [200, 200, 200]
    async with waiting(nginx, "delay"):
        assert await statuses(nginx, "delay", 1) == [429]


async def test_the_whole_burst_can_pass_without_delay(nginx: ServingNginx) -> None:
    assert await statuses(nginx, "nodelay", 5) == [200, 200, 200, 200, 429]


async def ask_as(nginx: ServingNginx, name: str, key: str) -> int:
    return (await nginx.get(f"{name}.test", headers={"X-Api-Key": key})).status


async def test_each_value_of_the_key_is_counted_separately(nginx: ServingNginx) -> None:
    assert [await ask_as(nginx, "keyed", key) for key in ("a", "a", "b", "b")] == [200, 429, 200, 429]
    assert await statuses(nginx, "keyed", 2) == [200, 200], "an empty key is not counted"


@pytest.mark.parametrize(("name", "again"), [("keyed", 429), ("cramped", 200)])
async def test_a_small_zone_forgets_the_oldest(nginx: ServingNginx, name: str, again: int) -> None:
    first, *others = (f"{number}".zfill(4000) for number in range(10))
    assert [await ask_as(nginx, name, key) for key in (first, first)] == [200, 429]
    assert [await ask_as(nginx, name, key) for key in others] == [200] * 9
    assert await ask_as(nginx, name, first) == again


async def test_a_dry_run_rejects_nothing_and_logs_what_it_would(nginx: ServingNginx) -> None:
    assert await statuses(nginx, "dry", 2) == [200, 200]
    assert "limiting requests, dry run" in await nginx.logged('zone "default/dry_', errors=True)


async def test_the_status_of_a_refusal_is_chosen(nginx: ServingNginx) -> None:
    assert await statuses(nginx, "code", 2) == [200, 503]


async def test_the_level_of_the_log_line_is_chosen(nginx: ServingNginx) -> None:
    for name, level in (("usual", "[error]"), ("warned", "[warn]")):
        await statuses(nginx, name, 2)
        assert level in await nginx.logged(f'limiting requests, excess: 1.000 by zone "default/{name}_', errors=True)


async def test_the_limit_of_a_minion_is_for_its_paths(nginx: ServingNginx) -> None:
    assert await statuses(nginx, "shop", 2, "/slow") == [200, 429]
    assert await statuses(nginx, "shop", 2, "/free") == [200, 200]


# --- sizes ----------------------------------------------------------------------------------------------


async def post(nginx: ServingNginx, name: str, body: bytes) -> int:
    return (await nginx.get(f"{name}.test", method="POST", data=io.BytesIO(body))).status


async def announce(nginx: ServingNginx, name: str, size: int) -> int:
    """Post the head of a request whose body never comes."""
    reader, writer = await asyncio.open_connection(LOOPBACK, nginx.http)
    writer.write(f"POST / HTTP/1.1\r\nHost: {name}.test\r\nContent-Length: {size}\r\n\r\n".encode())
    _, status, *_ = (await reader.readline()).split()
    writer.transport.abort()
    return int(status)


async def test_a_body_above_the_size_is_refused(nginx: ServingNginx) -> None:
    assert await post(nginx, "small", KILOBYTE) == 200
    assert await post(nginx, "small", KILOBYTE + b"x") == 413
    assert [seen.body for seen in nginx.backend("small").requests] == [KILOBYTE]


async def test_size_0_allows_any_body(nginx: ServingNginx) -> None:
    body = bytes(2**20 + 1)
    assert await announce(nginx, "free", len(body)) == 413, "nginx's own limit is a megabyte"
    assert await post(nginx, "any", body) == 200
    assert nginx.backend("any").last.body == body


async def test_an_annotation_overrides_the_size_of_the_configmap(configured: ServingNginx) -> None:
    for size, expected in ((16, [200, 200]), (17, [413, 200]), (33, [413, 413])):
        assert [await post(configured, name, KILOBYTE * size) for name in ("common", "own")] == expected


async def test_a_body_larger_than_its_buffer_is_written_to_a_file(
    nginx: ServingNginx, configured: ServingNginx
) -> None:
    for where, small, large in ((nginx, "disk", "memory"), (configured, "common", "own")):
        for name in (large, small):
            assert await post(where, name, KILOBYTE * 16) == 200
        assert IN_A_FILE in await where.logged(f'host: "{small}.test"', errors=True)
        assert not [line for line in where.error_log() if IN_A_FILE in line and f'"{large}.test"' in line]
