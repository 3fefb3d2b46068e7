"""Processes that die and reloads under load, with each build."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from headgate.nginx import procfs
from tests.directories import short_directory
from tests.live.headgate_process import LOOPBACK, HeadgateProcess
from tests.live.json_objects import answering, endpoints, ingress_class, service
from tests.live.scripted_cluster import ScriptedCluster
from tests.waiting import wait_until

CONNECTIONS = 20
KEPT_S = 1.0
"""Seconds for which nginx keeps an idle connection whatever happens."""
REQUEST = b"GET / HTTP/1.1\r\nHost: busy.test\r\n\r\n"
Setup = tuple[HeadgateProcess, ScriptedCluster]


@pytest.fixture(scope="module")
def setup(nginx_binary: str) -> Iterator[Setup]:
    with ExitStack() as stack:
        directory = stack.enter_context(short_directory())
        cluster = stack.enter_context(ScriptedCluster(directory))
        cluster.put(ingress_class(), service("tea"), endpoints("tea", "192.0.2.1"))
        cluster.put(answering("busy", "busy.test", "served"))
        headgate = HeadgateProcess(directory, nginx_binary, f"--kubeconfig={cluster.kubeconfig}", "-enable-snippets")
        stack.callback(headgate.stop)
        headgate.start_ready()
        yield headgate, cluster


def test_a_killed_master_is_replaced_and_reported(setup: Setup) -> None:
    headgate, cluster = setup
    first = headgate.master
    os.kill(first, signal.SIGKILL)
    wait_until(lambda: headgate.get("busy.test").body == "served" and headgate.master != first)
    wait_until(lambda: cluster.reasons("headgate-0", "Pod"))
    assert "signal SIGKILL" in cluster.messages("headgate-0", "Pod")[0]
    assert headgate.is_alive
    cluster.put(answering("after", "after.test", "served too"))
    wait_until(lambda: headgate.get("after.test").body == "served too")
    assert headgate.readiness().status == 200


def test_killed_workers_are_replaced(setup: Setup) -> None:
    headgate, cluster = setup
    # All of one generation: those that a reload replaces are there for a moment longer.
    wait_until(lambda: len(procfs.workers(headgate.master)) == os.cpu_count())
    workers = procfs.workers(headgate.master)
    for pid in workers:
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: headgate.get("busy.test").body == "served")
    wait_until(lambda: len(procfs.workers(headgate.master) - workers) == len(workers))
    cluster.put(answering("after", "after.test", "changed"))
    wait_until(lambda: headgate.get("after.test").body == "changed")


class Load:
    """Clients that never close and never send a request twice.

    A connection that was idle for as long as nginx keeps it (``keepalive_min_timeout``) may be closed without a word;
    a client is idle for so long only where the machine does not let it run.
    """

    def __init__(self, port: int) -> None:
        self.answered = 0
        self.lost: list[str] = []
        self.announced = 0
        self._port = port
        self._end = False

    async def run(self, work: asyncio.Future[None]) -> None:
        """Keep all connections busy until *work* is done."""
        clients = [asyncio.create_task(self._client()) for _ in range(CONNECTIONS)]
        await work
        self._end = True
        await asyncio.gather(*clients)

    async def _client(self) -> None:
        while not self._end:
            try:
                reader, writer = await asyncio.open_connection(LOOPBACK, self._port)
            except OSError as error:
                self.lost.append(repr(error))
                continue
            try:
                await self._converse(reader, writer)
            finally:
                writer.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        sent = time.monotonic()
        while not self._end:
            before = sent
            writer.write(REQUEST)
            sent = time.monotonic()
            try:
                head = await reader.readuntil(b"\r\n\r\n")
                await reader.readexactly(len(b"served"))
            except (OSError, asyncio.IncompleteReadError) as error:
                if sent - before < KEPT_S:
                    self.lost.append(repr(error))
                return
            assert head.startswith(b"HTTP/1.1 200"), head
            self.answered += 1
            if b"Connection: close" in head:
                self.announced += 1
                return
            await asyncio.sleep(0.002)  # an idle moment, in which nginx may close


def test_a_reload_under_load_fails_no_request_where_the_build_can(setup: Setup) -> None:
    headgate, cluster = setup
    if "keepalive_min_timeout" not in headgate.file("nginx.conf"):
        pytest.skip("this nginx has no keepalive_min_timeout")
    load, before = Load(headgate.http), headgate.reloads()

    def change() -> None:
        for turn in range(4):
            cluster.put(answering("turn", "turn.test", f"turn {turn}"))
            wait_until(lambda turn=turn: headgate.get("turn.test").body == f"turn {turn}")
        wait_until(lambda: load.announced >= CONNECTIONS)

    async def both() -> None:
        await load.run(asyncio.get_running_loop().run_in_executor(None, change))

    asyncio.run(both())
    wait_until(lambda: headgate.reloads() >= before + 4)
    assert load.answered > 10 * CONNECTIONS
    assert load.lost == []
