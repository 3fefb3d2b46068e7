"""What workers counted gets the labels of objects, and what no object has any more is deleted there."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from headgate.controller.counted import Counting, Means, Sums
from headgate.ir import Layout
from headgate.ir.latency import BUCKETS
from headgate.ir.layout import LIVE_SOCKET
from headgate.pipeline import Generation
from headgate.reporting.measured import UpstreamServer
from headgate.reporting.metrics import Origin, Requests
from headgate.reporting.traffic import Counts, HostCounts, Retries, ServerZone, StatusCounts
from tests.controller.test_traffic import TEA, cafe, cluster_of
from tests.directories import short_directory
from tests.simulated_cluster import SimulatedCluster


class Workers:
    """Answers at the socket of nginx with *text*, and keeps what it is asked to delete."""

    def __init__(self, layout: Layout) -> None:
        self.layout, self.text = layout, "end\n"
        self.deleted: list[str] = []
        self.moved: list[list[str]] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        size = int(head.lower().partition(b"content-length:")[2].split()[0])
        if body := await reader.readexactly(size):
            self.deleted += json.loads(body)["delete"]
            self.moved += json.loads(body)["move"]
        writer.write(f"HTTP/1.0 200 OK\r\n\r\n{self.text}".encode())
        writer.close()

    def count(self, *lines: str) -> None:
        self.text = "\n".join((*lines, "end\n"))


@pytest.fixture
async def workers() -> AsyncIterator[Workers]:
    with short_directory() as path:
        layout = Layout.under(str(path))
        Path(layout.socket(LIVE_SOCKET)).parent.mkdir(parents=True)
        found = Workers(layout)
        async with await asyncio.start_unix_server(found.serve, layout.socket(LIVE_SOCKET)):
            yield found


@pytest.fixture
def cluster() -> SimulatedCluster:
    cluster = cluster_of("tea")
    cluster.put(cafe("cafe.test", "tea:80"))
    return cluster


def zone(host: str, upstream: str, *responses: int, discarded: int = 0, retries: int = 0) -> str:
    numbers = (*responses, discarded, 100, 200, retries)
    return f"z\t{host}\t{upstream}\t{' '.join(map(str, numbers))}"


def tries(upstream: str, server: str, code: str, count: int, **more: int) -> str:
    """Tries of one millisecond each."""
    rest = (more.get("ms", count), more.get("header_ms", count), more.get("failed", 0), more.get("untimed", 0))
    numbers = (*rest, count, *[0] * len(BUCKETS))
    return f"s\t{upstream}\t{server}\t{code}\t{' '.join(map(str, numbers))}"


async def read(workers: Workers, counting: Counting, generation: Generation) -> Counts:
    found = await counting.read(workers.layout, generation)
    assert found is not None
    return found[0]


async def test_names_of_the_configuration_get_labels_and_all_others_are_one(
    workers: Workers, cluster: SimulatedCluster
) -> None:
    generation = cluster.process_batch()
    (tea,) = generation.upstreams
    (server,) = generation.upstreams[tea].servers
    workers.count(
        zone("cafe.test", tea, 0, 7, 0, 1, 2, discarded=4, retries=3),
        zone("cafe.test", "", 0, 0, 1, 0, 0),
        zone("_", "", 0, 0, 0, 5, 0),
        zone("of-a-snippet.test", "", 0, 6, 0, 0, 0),
        zone("*", "*", 0, 8, 0, 0, 0),
        tries(tea, server, "200", 7),
        tries(tea, server, "502", 2, failed=2),
        tries("*", "*", "*", 9),
        f"a\t{tea}\t{server}\t1",
        f"a\t{tea}\t{server}\t2",
    )
    found = await Counting(lambda: 0.0).read(workers.layout, generation)
    assert found is not None
    counts, requests = found
    assert counts.hosts == {
        ServerZone("cafe.test", "ingress", "cafe", "shop"): HostCounts([0, 7, 1, 1, 2], 4, 200, 400),
        ServerZone("_"): HostCounts([0, 14, 0, 5, 0], 0, 300, 600),
    }
    assert requests == {
        Requests("cafe.test", "2xx", TEA): 7,
        Requests("cafe.test", "4xx", TEA): 5,  # four of them got no response
        Requests("cafe.test", "5xx", TEA): 2,
        Requests("cafe.test", "3xx", Origin()): 1,
        Requests("_", "2xx", Origin()): 14,
        Requests("_", "4xx", Origin()): 5,
    }
    assert counts.retries[Retries("cafe.test", "tea", "ingress", "cafe", "shop")] == 3
    (labels,) = (labels for labels in counts.servers if labels.upstream == tea)
    assert labels == UpstreamServer(tea, server, "tea", "ingress", "cafe", "shop")
    of_tea = counts.servers[labels]
    assert {code: each.failed for code, each in of_tea.codes.items()} == {"200": 0, "502": 2}
    assert of_tea.active == 3
    assert counts.servers[UpstreamServer("_", "_")].codes == {"_": StatusCounts((9, *[0] * len(BUCKETS)), 9, 0, 9)}
    assert workers.deleted == []


async def test_what_the_configuration_does_not_have_any_more_is_deleted_but_not_at_once(
    workers: Workers, cluster: SimulatedCluster
) -> None:
    """Workers may know a server before the generation with it is that of the controller."""
    counting, first = Counting(lambda: 0.0), cluster.process_batch()
    (tea,) = first.upstreams
    (server,) = first.upstreams[tea].servers
    lines = [zone("cafe.test", tea, 0, 1, 0, 0, 0), tries(tea, server, "200", 1), tries(tea, "192.0.2.9:1", "200", 1)]
    workers.count(*lines)
    assert {each.server for each in (await read(workers, counting, first)).servers} == {server}
    assert workers.deleted == []
    await read(workers, counting, first)
    assert workers.deleted == [f"s\t{tea}\t192.0.2.9:1\t200"]
    cluster.put(cafe("new.test", "tea:80"))
    second = cluster.process_batch()
    assert await read(workers, counting, second) == Counts()
    workers.deleted.clear()
    await read(workers, counting, second)
    assert {key.split("\t")[0] for key in workers.deleted} == {"z", "s"}
    assert len(workers.deleted) == 3


async def test_counters_of_a_host_do_not_fall_when_one_of_its_upstreams_goes(workers: Workers) -> None:
    cluster = cluster_of("tea", "coffee")
    cluster.put(cafe("cafe.test", "tea:80", "tea:81", "coffee:80"))
    first, counting = cluster.process_batch(), Counting(lambda: 0.0)
    names = tea, other, coffee = [f"shop-cafe-cafe.test-{name}" for name in ("tea-80", "tea-81", "coffee-80")]
    lines = [zone("cafe.test", name, 0, 100 * at, 0, 0, 0, retries=at) for at, name in enumerate(names, 1)]
    workers.count(*lines)
    before = await counting.read(workers.layout, first)
    cluster.put(cafe("cafe.test", "tea:80"))
    second = cluster.process_batch()
    assert set(second.upstreams) == {tea}
    after = await counting.read(workers.layout, second)
    assert before is not None
    assert after is not None
    host = ServerZone("cafe.test", "ingress", "cafe", "shop")
    assert after[0].hosts[host] == before[0].hosts[host] == HostCounts([0, 600, 0, 0, 0], 0, 300, 600)
    # Those of another port of the Service have its labels, which are still there.
    assert after[0].retries == {Retries("cafe.test", "tea", "ingress", "cafe", "shop"): 3}
    assert after[1] == {Requests("cafe.test", "2xx", TEA): 300}
    assert workers.moved == []
    await counting.read(workers.layout, second)
    moves = [[f"z\tcafe.test\t{other}", f"z\tcafe.test\t{tea}"], [f"z\tcafe.test\t{coffee}", "z\tcafe.test\t*"]]
    assert sorted(workers.moved) == sorted(moves)
    workers.count(zone("cafe.test", tea, 0, 300, 0, 0, 0), zone("cafe.test", "*", 0, 300, 0, 0, 0, retries=3))
    last = await counting.read(workers.layout, second)
    assert last is not None
    assert last[0].hosts[host].responses == [0, 600, 0, 0, 0]
    assert last[1] == after[1]
    assert workers.deleted == []


@pytest.mark.parametrize("text", ["", "z\tcafe.test\t\t0 1 0", "z\tcafe.test\t\tone\nend\n", "x\ty\tz\nend\n"])
async def test_an_answer_that_is_cut_short_or_of_another_form_is_none(
    workers: Workers, cluster: SimulatedCluster, text: str
) -> None:
    workers.text = text
    assert await Counting(lambda: 0.0).read(workers.layout, cluster.process_batch()) is None


def test_mean_times_are_those_of_the_last_minutes() -> None:
    now = [0.0]
    means, key = Means(lambda: now[0]), ("tea", "10.0.0.1:80")
    assert means.take({key: Sums(10, 100, 200)}) == {key: (10, 20)}
    for second, sums in ((60, Sums(20, 200, 400)), (120, Sums(30, 300, 600)), (180, Sums(40, 1300, 2600))):
        now[0] = second
        found = means.take({key: sums})
    assert found == {key: (55, 110)}  # of the two thousand milliseconds in the last two minutes
    assert means.take({key: Sums(40, 1300, 2600)}) == found  # nothing since
    assert means.take({key: Sums(1, 5, 7)}) == {key: (5, 7)}  # nginx was restarted
    assert means.take({}) == {}


async def test_a_wildcard_host_is_one_series_with_a_server_block_and_without(workers: Workers) -> None:
    cluster = cluster_of("tea")
    cluster.put(cafe("*.cafe.test", "tea:80"))
    generation = cluster.process_batch()
    (tea,) = generation.upstreams
    workers.count(
        zone(r"~^[^.]+\.cafe\.test$", tea, 0, 7, 0, 1, 2, retries=3), zone("*.cafe.test", tea, 0, 1, 0, 0, 0, retries=1)
    )
    counting = Counting(lambda: 0.0)
    for _ in range(3):
        counts = await read(workers, counting, generation)
        assert counts.hosts == {
            ServerZone("*.cafe.test", "ingress", "cafe", "shop"): HostCounts([0, 8, 0, 1, 2], 0, 200, 400)
        }
        assert set(counts.retries.values()) == {4}
    assert workers.deleted == []
