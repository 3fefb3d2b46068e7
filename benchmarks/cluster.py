"""Headgate as a Pod of a real cluster: how fast it starts, how soon it follows a Pod, what it uses while idle.

``E2E_IMAGE=… python benchmarks/cluster.py --sizes 0 100 1000`` fills the cluster under KUBECONFIG with objects, in a
namespace of their own that is deleted at the end; see README.md for how to read the tables.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import shutil
from collections.abc import AsyncIterator, Iterator

import yaml
from stage import pods, shop
from stage.follow import Follower
from stage.sight import watching
from stage.table import machine, median, quantile, table

from headgate.k8s import Client, ConfigError, load
from tests.e2e.cluster import KINDS, Cluster
from tests.e2e.node.installation import Installation, node_address
from tests.e2e.objects import config_map
from tests.e2e.place import settled
from tests.e2e.test_rbac import ROLE

START_HEAD = (
    "Ingresses", "/etc/nginx", "kubelet", "Python", "opening", "lists", "rooms 3-6", "nginx", "probe",
    "container to ready", "container to Ready", "Pod to Ready", "CPU s",
)  # fmt: skip
FOLLOW_HEAD = (
    "Ingresses", "way", "p50 ms", "p99 ms", "to kube-proxy", "from Ready p50", "p99", "rooms 3-6 ms", "nginx -t ms",
    "reload ms",
)  # fmt: skip
IDLE_HEAD = ("Ingresses", "Python mCPU", "nginx mCPU", "of 100m", "Python MiB", "nginx MiB", "of 128Mi", "working set")
NOWHERE = "198.18.0.1"
"""The endpoint of every shop: an address of the network for benchmarks (RFC 2544), which nobody asks."""
AT_ONCE = 16
REQUESTS = {"mCPU": 100, "MiB": 128}
"""What operators of the incumbent request."""
Row = tuple[object, ...]


class Bench:
    """One namespace with Headgate and shops."""

    def __init__(self, installation: Installation, follower: Follower, seen: pods.Sight) -> None:
        """Use *installation*, whose objects are not there yet; *seen* is a watch of its Pods."""
        self._installation = installation
        self._follower = follower
        self._seen = seen
        self._shops = 0
        self._pod = ""

    async def prepare(self) -> None:
        """Make everything but Pods; access logs are off, since every request of a wait would be in them."""
        installation = self._installation
        await installation.account(yaml.safe_load(ROLE.read_text())["rules"])
        settings = config_map(installation.namespace, "nginx-config", {"access-log-off": "true"})
        await installation.cluster.apply(settings, installation.service())
        await self._follower.prepare()

    async def fill(self, size: int) -> None:
        """Add shops until there are *size*."""
        slots = asyncio.Semaphore(AT_ONCE)

        async def add(item: shop.Json) -> None:
            async with slots:
                await self._installation.cluster.client.create(KINDS[item["kind"]], self._installation.namespace, item)

        await asyncio.gather(*(add(item) for number in range(self._shops, size) for item in self._shop(number)))
        self._shops = max(self._shops, size)

    def _shop(self, number: int) -> Iterator[shop.Json]:
        for item in shop.shop(number, NOWHERE):
            item["metadata"]["namespace"] = self._installation.namespace
            if item["kind"] == "Ingress":
                item["spec"]["ingressClassName"] = self._installation.namespace
            if item["kind"] == "Service":
                del item["spec"]["selector"]  # else the cluster adds an EndpointSlice of its own
            yield item

    async def start(self, repeats: int) -> list[Row]:
        """Start one Pod after the other, of which the last stays; return the medians of both places for files."""
        rows: list[Row] = []
        for place in ("layer", "memory"):
            found = [await self._start(f"{place}-{number}", memory=place == "memory") for number in range(repeats)]
            rows.append((self._shops, place, *(median(values) for values in zip(*found, strict=True))))
        return rows

    async def _start(self, name: str, *, memory: bool) -> list[float]:
        installation = self._installation
        if self._pod:
            await pods.stop(installation.cluster, installation.namespace, self._pod)
        self._pod = f"headgate-{self._shops}-{name}"
        settings = f"-nginx-configmaps={installation.namespace}/nginx-config"
        found = await pods.start(installation, self._seen, self._pod, settings, memory=memory)
        usage = await pods.usage(installation, self._pod)
        return [*found.parts(), *found.spans(), usage.python_s]

    async def idle(self, seconds: float) -> Row:
        """Return the row of a Headgate that has nothing to do but to answer the kubelet's probe."""
        await pods.quiet(self._installation, self._pod)
        python, nginx, usage = await pods.idle(self._installation, self._pod, seconds)
        processor = f"{(python + nginx) / REQUESTS['mCPU']:.0%}"
        memory = f"{(usage.python + usage.nginx) / REQUESTS['MiB']:.0%}"
        return (self._shops, python, nginx, processor, usage.python, usage.nginx, memory, usage.container)

    async def follow(self, changes: int) -> list[Row]:
        """Replace the backend's Pod *changes* times; return the rows of both ways to it."""
        before = len(await pods.batches(self._installation, self._pod))
        found = await self._follower.run(changes)
        batches = (await pods.batches(self._installation, self._pod))[before:]
        proxied = [(item.proxied - item.named, item.proxied - item.ready) for item in found]
        served = [(item.served - item.named, item.served - item.ready) for item in found]
        ratio = f"{median([at[0] for at in served]) / median([at[0] for at in proxied]):.1f}"
        costs = [median([float(batch[key]) for batch in batches]) for key in ("pipeline_ms", "test_ms", "reload_ms")]
        return [
            (self._shops, "kube-proxy", *_way(proxied, "1"), "", "", ""),
            (self._shops, "Headgate", *_way(served, ratio), *costs),
        ]


def _way(times: list[tuple[float, float]], ratio: str) -> Row:
    """Return the cells of one way to the Pod, from seconds since its endpoint was named and since it was Ready."""
    named, ready = ([seconds * 1000 for seconds in column] for column in zip(*times, strict=True))
    return (median(named), quantile(named, 0.99), ratio, median(ready), quantile(ready, 0.99))


@contextlib.asynccontextmanager
async def benched(client: Client, image: str, node: str) -> AsyncIterator[Bench]:
    """Prepare a Bench; everything is deleted when the block ends."""
    async with settled(Cluster(client)) as place, contextlib.AsyncExitStack() as stack:
        seen = {
            kind: await stack.enter_async_context(watching(client, KINDS[kind], place.name))
            for kind in ("Pod", "EndpointSlice")
        }
        installation = Installation(place, image, node)
        bench = Bench(installation, Follower(installation, seen), seen["Pod"])
        await bench.prepare()
        yield bench


async def run(client: Client, node: str, arguments: argparse.Namespace) -> str:
    """Measure every size; return the tables."""
    starts: list[Row] = []
    follows: list[Row] = []
    idles: list[Row] = []
    async with benched(client, arguments.image, node) as bench:
        for size in sorted(arguments.sizes):
            await bench.fill(size)
            starts += await bench.start(arguments.starts)
            idles.append(await bench.idle(arguments.idle))
            follows += await bench.follow(arguments.changes)
    return "\n\n".join((table(START_HEAD, starts), table(FOLLOW_HEAD, follows), table(IDLE_HEAD, idles)))


async def tell(arguments: argparse.Namespace) -> str:
    """Return the machine and the tables, or why there are none."""
    try:
        config = load()
    except ConfigError as error:
        return f"skipped: {error}"
    async with Client(config) as client:
        if not (node := await node_address(Cluster(client))):
            return "skipped: the cluster under KUBECONFIG has no node that is ready"
        before = os.getloadavg()[0]
        tables = await run(client, node, arguments)
    return f"{machine()}; load average {before:.1f} before, {os.getloadavg()[0]:.1f} after\n\n{tables}"


def lacks(image: str) -> str:
    """Return what is missing to begin, empty if nothing is."""
    if not os.environ.get("KUBECONFIG"):
        return "KUBECONFIG is not set"
    if not image:
        return "neither --image nor E2E_IMAGE names an image of Headgate that the nodes have"
    return "" if shutil.which("kubectl") else "there is no kubectl, which looks into the container"


def main() -> None:
    """Measure and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--image", default=os.environ.get("E2E_IMAGE", ""), help="an image; default: $E2E_IMAGE")
    parser.add_argument("--sizes", type=int, nargs="+", default=[0, 100], help="numbers of Ingresses")
    parser.add_argument("--starts", type=int, default=3, help="starts of each size and place")
    parser.add_argument("--changes", type=int, default=5, help="replaced Pods of each size")
    parser.add_argument("--idle", type=float, default=10, help="seconds of idleness")
    arguments = parser.parse_args()
    reason = lacks(arguments.image)
    print(f"skipped: {reason}" if reason else asyncio.run(tell(arguments)))


if __name__ == "__main__":
    main()
