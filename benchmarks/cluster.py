"""Headgate as a Pod of a real cluster: its start, the time until it reaches a new Pod, and its usage when idle.

``E2E_IMAGE=… python benchmarks/cluster.py --sizes 0 100 1000`` creates objects in the cluster of KUBECONFIG, in a
namespace that is deleted at the end; README.md explains the tables.
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
from stage.table import machine, median, quantile, table
from stage.watch import WatchedStates, watching

from headgate.k8s import Client, ConfigError, load
from tests.e2e.cluster import KINDS, Cluster
from tests.e2e.environment import new_environment
from tests.e2e.node.installation import Installation, node_address
from tests.e2e.objects import config_map
from tests.e2e.service_account import ROLE

START_HEAD = (
    "Ingresses", "/etc/nginx", "kubelet", "Python", "opening", "lists", "pipeline", "nginx", "probe",
    "container to ready", "container to Ready", "Pod to Ready", "CPU s",
)  # fmt: skip
FOLLOW_HEAD = (
    "Ingresses", "way", "p50 ms", "p99 ms", "to kube-proxy", "from Ready p50", "p99", "pipeline ms", "nginx -t ms",
    "reload ms",
)  # fmt: skip
IDLE_HEAD = ("Ingresses", "Python mCPU", "nginx mCPU", "of 100m", "Python MiB", "nginx MiB", "of 128Mi", "working set")
NOWHERE = "198.18.0.1"
"""The endpoint of every shop: an address of the network for benchmarks (RFC 2544), to which no request is sent."""
AT_ONCE = 16
REQUESTS = {"mCPU": 100, "MiB": 128}
"""The usual resource requests of the incumbent."""
Row = tuple[object, ...]


class Bench:
    """One namespace with Headgate and shops."""

    def __init__(self, installation: Installation, follower: Follower, seen: WatchedStates) -> None:
        """Use *installation*, whose objects do not exist yet; *seen* is a watch of its Pods."""
        self._installation = installation
        self._follower = follower
        self._seen = seen
        self._shops = 0
        self._pod = ""

    async def prepare(self) -> None:
        """Create everything except Pods; access logs are off, because waiting sends many requests."""
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
                del item["spec"]["selector"]  # otherwise the cluster adds its own EndpointSlice
            yield item

    async def start(self, repeats: int) -> list[Row]:
        """Start one Pod after the other, of which the last stays; return the medians for both kinds of storage."""
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
        """Return the row of a Headgate that only answers the probe of the kubelet."""
        await pods.quiet(self._installation, self._pod)
        python, nginx, usage = await pods.idle(self._installation, self._pod, seconds)
        processor = f"{(python + nginx) / REQUESTS['mCPU']:.0%}"
        memory = f"{(usage.python + usage.nginx) / REQUESTS['MiB']:.0%}"
        return (self._shops, python, nginx, processor, usage.python, usage.nginx, memory, usage.container)

    async def follow(self, changes: int) -> list[Row]:
        """Replace the backend's Pod *changes* times; return the rows of kube-proxy and Headgate."""
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
    """Return the cells of one row, from seconds since the EndpointSlice had the Pod and since it was Ready."""
    named, ready = ([seconds * 1000 for seconds in column] for column in zip(*times, strict=True))
    return (median(named), quantile(named, 0.99), ratio, median(ready), quantile(ready, 0.99))


@contextlib.asynccontextmanager
async def benched(client: Client, image: str, node: str) -> AsyncIterator[Bench]:
    """Prepare a Bench; everything is deleted when the block ends."""
    async with new_environment(Cluster(client)) as place, contextlib.AsyncExitStack() as stack:
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


async def report(arguments: argparse.Namespace) -> str:
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


def missing(image: str) -> str:
    """Return what is missing to run the benchmark, empty if nothing is."""
    if not os.environ.get("KUBECONFIG"):
        return "KUBECONFIG is not set"
    if not image:
        return "neither --image nor E2E_IMAGE names an image of Headgate that the nodes have"
    return "" if shutil.which("kubectl") else "there is no kubectl, which is used to run commands in the container"


def main() -> None:
    """Measure and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--image", default=os.environ.get("E2E_IMAGE", ""), help="an image; default: $E2E_IMAGE")
    parser.add_argument("--sizes", type=int, nargs="+", default=[0, 100], help="numbers of Ingresses")
    parser.add_argument("--starts", type=int, default=3, help="starts of each size and storage")
    parser.add_argument("--changes", type=int, default=5, help="replaced Pods of each size")
    parser.add_argument("--idle", type=float, default=10, help="seconds without changes")
    arguments = parser.parse_args()
    reason = missing(arguments.image)
    print(f"skipped: {reason}" if reason else asyncio.run(report(arguments)))


if __name__ == "__main__":
    main()
