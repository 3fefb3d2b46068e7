"""Settings of nginx as a whole: its processes, what they share, and what users add to each block."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web
from showcase.ports import free_port

from headgate.nginx import procfs
from tests.live.json_objects import config_map
from tests.live.settings.backends import LOOPBACK, never_answer
from tests.live.settings.hosts import A, B, backed_host, host, joined
from tests.live.settings.serving_nginx import Answer, ServingNginx, served
from tests.waiting import eventually

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(not procfs.readable(), reason="no /proc"),
]

STREAM_PORT = free_port()
WORKERS = 3


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def nginx() -> AsyncIterator[ServingNginx]:
    """Three workers, and text of users' own in every block."""
    settings = config_map(
        worker_processes=str(WORKERS),
        worker_cpu_affinity="auto",
        worker_rlimit_nofile="777",
        main_snippets="worker_priority 3;",
        http_snippets='map $http_x_beta $beta { default off; "1" on; }',
        stream_snippets=f'server {{ listen {LOOPBACK}:{STREAM_PORT}; return "streamed"; }}',
        server_snippets="set $from_config_map yes;",
        location_snippets="add_header X-Beta $beta;",
    )
    objects = joined(
        [settings],
        backed_host("shared", A, B, lb_method="round_robin"),
        backed_host("apart", A, B, lb_method="round_robin", upstream_zone_size="0"),
        backed_host("limited", max_conns="1"),
        backed_host("limited-apart", max_conns="1", upstream_zone_size="0"),
        [host("plain")],
        [host("server", server_snippets="if ($arg_away) { return 302 /gone-$from_config_map; }")],
        [host("location", location_snippets="add_header X-Own 1;")],
    )
    told = ["is enforced by each worker separately while nginx.org/upstream-zone-size is 0"]
    async with served(objects, "-enable-snippets", problems=told) as running:
        await eventually(lambda: len(running.workers()) == WORKERS)
        yield running


async def by_each_worker(nginx: ServingNginx, name: str) -> list[str]:
    """Ask once through each worker; return who was asked."""
    asked = []
    for worker in nginx.workers():
        async with only(nginx, worker):
            await nginx.get(f"{name}.test")
        asked.append(nginx.backend(name).last.at)
    return asked


@asynccontextmanager
async def only(nginx: ServingNginx, worker: int) -> AsyncIterator[None]:
    """Let the other workers stand still until the end."""
    others = [pid for pid in nginx.workers() if pid != worker]
    for pid in others:
        os.kill(pid, signal.SIGSTOP)
    try:
        await eventually(lambda: all(map(stopped, others)))
        yield
    finally:
        for pid in others:
            os.kill(pid, signal.SIGCONT)


def stopped(pid: int) -> bool:
    """Whether the state of a process (proc_pid_stat(5)) is that of SIGSTOP."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].startswith("T")


async def test_there_are_as_many_workers_as_configured(nginx: ServingNginx) -> None:
    assert len(nginx.workers()) == WORKERS, "worker-processes"


async def test_workers_share_the_state_of_an_upstream_in_its_zone(nginx: ServingNginx) -> None:
    assert await by_each_worker(nginx, "shared") in ([A, B, A], [B, A, B]), "upstream-zone-size"
    assert len(set(await by_each_worker(nginx, "apart"))) == 1, "each worker begins its own round"


@pytest.mark.parametrize(("name", "passed"), [("limited", 1), ("limited-apart", WORKERS)])
async def test_workers_count_connections_together_unless_somebody_wants_no_zone(
    nginx: ServingNginx, name: str, passed: int
) -> None:
    backend, release = nginx.backend(name), asyncio.Event()

    async def hold(_: web.Request) -> web.Response:
        await release.wait()
        return web.Response()

    backend.handler = hold
    asked: list[asyncio.Task[Answer]] = []
    for worker in nginx.workers():
        async with only(nginx, worker):
            request = asyncio.create_task(nginx.get(f"{name}.test"))
            before = len(backend.requests)
            await eventually(lambda request=request, before=before: request.done() or len(backend.requests) > before)
        asked.append(request)
    release.set()
    statuses = [answer.status for answer in await asyncio.gather(*asked)]
    assert sorted(statuses) == [200] * passed + [502] * (WORKERS - passed)


async def test_workers_are_bound_to_cpus(nginx: ServingNginx) -> None:
    bound = [os.sched_getaffinity(pid) for pid in nginx.workers()]
    assert all(len(cpus) == 1 for cpus in bound), "worker-cpu-affinity"


async def test_workers_may_open_as_many_files_as_configured(nginx: ServingNginx) -> None:
    assert {resource.prlimit(pid, resource.RLIMIT_NOFILE) for pid in nginx.workers()} == {(777, 777)}, (
        "worker-rlimit-nofile"
    )


async def test_main_snippets_are_used(nginx: ServingNginx) -> None:
    assert {os.getpriority(os.PRIO_PROCESS, pid) for pid in nginx.workers()} == {3}, "main-snippets"


async def test_http_server_and_location_snippets_are_used(nginx: ServingNginx) -> None:
    beta = await nginx.get("plain.test", headers={"X-Beta": "1"})
    assert beta.headers["X-Beta"] == "on", "http-snippets and location-snippets of the ConfigMap"
    away = await nginx.get("server.test", "/?away=1")
    assert (away.status, away.headers["Location"].rpartition("/")[2]) == (302, "gone-"), "server-snippets"
    own = await nginx.get("location.test")
    assert (own.headers["X-Own"], "X-Beta" in own.headers) == ("1", False), "an annotation takes the ConfigMap's place"


async def test_stream_snippets_are_used(nginx: ServingNginx) -> None:
    reader, writer = await asyncio.open_connection(LOOPBACK, STREAM_PORT)
    assert await reader.read() == b"streamed", "stream-snippets"
    writer.close()


async def test_old_workers_close_after_the_shutdown_timeout() -> None:
    settings = config_map(worker_processes="1", worker_shutdown_timeout="100ms")
    async with served([settings, host("slow")]) as nginx:
        nginx.backend("slow").handler = never_answer
        asked = asyncio.create_task(nginx.get("slow.test", method="POST"))  # which aiohttp does not ask again
        await eventually(lambda: nginx.backend("slow").requests)
        os.kill(nginx.pid, signal.SIGHUP)
        with pytest.raises(aiohttp.ServerDisconnectedError):
            await asked


async def test_a_worker_has_as_many_connections_as_configured() -> None:
    settings = config_map(worker_processes="1", worker_connections="32")
    async with served([settings, host("tea")]) as nginx:
        writers = [(await asyncio.open_connection(LOOPBACK, nginx.http))[1] for _ in range(40)]
        assert "32 worker_connections" in await nginx.logged("are not enough", errors=True), "worker-connections"
        for writer in writers:
            writer.close()
