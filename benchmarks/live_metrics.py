"""What metrics by host and server cost nginx: lines over a socket (files), or counted in Lua (live).

    python benchmarks/live_metrics.py [--sizes 10 100 1000] [--rounds 7] [--seconds 2]

Four controllers serve the same objects at the same time: both data planes, each with and without
``-enable-latency-metrics``. The workers of all share one processor, their clients and the backend the other, so that
whatever else the machine does concerns all of them. It needs wrk, and an nginx with Lua (``tools/lua_nginx.sh``).
"""

from __future__ import annotations

import argparse
import contextlib
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor

from live import IMAGE, ONE_WORKER, with_lua
from showcase.ports import free_ports
from stage import requests, shop
from stage.controller import place, running
from stage.engine import version
from stage.table import machine, median, table

from headgate.nginx.capabilities import Binary

FLAGS = {
    "files": ("--data-plane=files",),
    "files, lines": ("--data-plane=files", "-enable-latency-metrics"),
    "live": ("--data-plane=live",),
    "live, Lua": ("--data-plane=live", "-enable-latency-metrics"),
}
PAIRS = (("files", "files, lines"), ("live", "live, Lua"), ("files, lines", "live, Lua"))
HEAD = ("Ingresses", "rounds", *(f"{way} us" for way in FLAGS), *(f"{one} / {other}" for one, other in PAIRS))


def costs(size: int, rounds: int, seconds: int, binary: Binary) -> tuple[object, ...]:
    """Measure *size* Ingresses; the medians, and of each pair the median of the ratios with the lowest and highest."""
    where = requests.processors()
    with contextlib.ExitStack() as stack:
        folder = place() / "manifests"
        port = stack.enter_context(requests.backend(binary, where.others))
        requests.write(folder, size, port, ONE_WORKER)
        common = (f"--manifests={folder}", f"-nginx-configmaps={shop.CONFIG_MAP}", "-enable-prometheus-metrics")
        controllers = {
            way: stack.enter_context(running(binary.path, *common, f"-prometheus-metrics-listen-port={scraped}", *more))
            for (way, more), scraped in zip(FLAGS.items(), free_ports(len(FLAGS)), strict=True)
        }
        for controller in controllers.values():
            controller.wait_ready()
        workers = {way: requests.pinned_worker(each, where.worker) for way, each in controllers.items()}
        client = requests.Requests(size, where.others)
        found: dict[str, list[float]] = {way: [] for way in FLAGS}
        for number in range(rounds + 1):
            with ThreadPoolExecutor() as together:
                each = together.map(lambda way: client.cost(controllers[way], workers[way], seconds), FLAGS)
            for way, spent in zip(FLAGS, each, strict=True):
                if number:  # the first round opens connections and compiles
                    found[way].append(spent)
    ratios = [[a / b for a, b in zip(found[one], found[other], strict=True)] for one, other in PAIRS]
    spread = (f"{median(each):.2f} ({min(each):.2f} to {max(each):.2f})" for each in ratios)
    return (size, rounds, *(median(each) for each in found.values()), *spread)


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[10, 100, 1000], help="numbers of Ingresses")
    parser.add_argument("--rounds", type=int, default=7, help="rounds of requests")
    parser.add_argument("--seconds", type=int, default=2, help="seconds of one round")
    parser.add_argument("--nginx", nargs="+", help="an nginx with the Lua module; default: tools/lua_nginx.sh")
    arguments = parser.parse_args()
    binary = with_lua(arguments.nginx or [str(IMAGE)])
    if binary is None or not shutil.which("wrk"):
        print("skipped: it needs wrk, and an nginx with the Lua module (tools/lua_nginx.sh)", file=sys.stderr)
        return
    print(f"{machine()}; nginx {version(binary)}\n")
    rows = [costs(size, arguments.rounds, arguments.seconds, binary) for size in arguments.sizes]
    print(table(HEAD, rows))


if __name__ == "__main__":
    main()
