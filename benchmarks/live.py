"""Endpoints that nginx's workers learn over a socket (``live``), compared with endpoints in files.

The tables are about the time of a change, the processor time of a request, and the memory of nginx:
``python benchmarks/live.py --sizes 100 1000 5000 --changes 30 --rounds 15``; README.md explains them.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import http.client
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import msgspec
from stage import cluster, requests, shop
from stage.cluster import ROOT
from stage.controller import Controller, own_address, place, running
from stage.engine import binaries, version
from stage.processes import children, is_leaving, memory, spent_s
from stage.table import machine, median, quantile, table

from headgate.nginx.capabilities import Binary

ONE_WORKER = {"worker-processes": "1", "worker-connections": "16384", "worker-rlimit-nofile": "20000"}
"""Connections for all that are kept to the endpoints of 1000 hosts, or both planes would open new ones all the time."""
PLANES = ("files", "live")
COSTS = {
    "files": ("--data-plane=files",),
    "live": ("--data-plane=live", "--live-routes=false"),
    "routed": ("--data-plane=live", "--live-routes"),
}
"""What the cost of a request is measured for; ``routed`` hosts have no server block."""
METHODS = ("random two least_conn", "round_robin")
IMAGE = ROOT / "build" / "nginx-lua" / "usr" / "sbin" / "nginx"
CHANGE_HEAD = (
    "Ingresses", "plane", "new endpoint p50 ms", "p99 ms", "ratio", "old one until p50 ms", "p99 ms", "reloads",
    "controller CPU ms", "nginx CPU ms",
)  # fmt: skip
COST_HEAD = (
    "Ingresses", "lb-method", "rounds", "files us", "live us", "files / live", "lowest", "highest", "routed us",
    "files / routed", "live / routed",
)  # fmt: skip
HOST_HEAD = ("Ingresses", "hosts", "new host p50 ms", "p99 ms", "ratio", "reloads", "nginx MiB at start")
MEMORY_HEAD = ("Ingresses", "plane", "start MiB", "all hosts used", "after pushes", "after reloads", "and pushes again")
QUIET = 40
"""Answers of the new endpoint in a row, on connections of their own, after which no worker knows the old one."""
BODIES = ("one", "two")
PATIENCE_S = 120.0
START_S = 0.1
"""Seconds for each Ingress that a start may take besides, on a busy machine."""
Row = tuple[object, ...]
T = TypeVar("T")


class Seen(msgspec.Struct, frozen=True):
    """Milliseconds from a change to the first answer of the new endpoint, and to the last request to the old one."""

    new: float
    old: float


class Bench:
    """One Headgate with many Ingresses whose endpoints change."""

    def __init__(
        self, server: cluster.Cluster, controller: Controller, address: str, ports: Sequence[int], size: int
    ) -> None:
        """Change objects at *server*; the backends at *ports* of *address* answer ``BODIES``."""
        self._server = server
        self._controller = controller
        self._address = address
        self._ports = ports
        self._patience_s = PATIENCE_S + size * START_S
        self._at: dict[int, int] = {}

    def watched(self, number: int) -> Seen:
        """Move a shop to its other endpoint while a client sends one request after the other."""
        wanted = BODIES[1 - self._at.get(number, 0)]
        began = time.perf_counter()
        sender = threading.Thread(target=self.move, args=(number,))
        sender.start()
        new, old, quiet = 0.0, 0.0, 0
        while quiet < QUIET:
            asked = time.perf_counter()
            if asked - began > self._patience_s:
                raise RuntimeError(f"{shop.host(number)} is not served by its new endpoint")
            if self._body(number) == wanted:
                new, quiet = new or time.perf_counter() - began, quiet + 1
            else:
                old, quiet = asked - began, 0
                time.sleep(0.001)
        sender.join()
        return Seen(new * 1000, old * 1000)

    def move(self, number: int) -> None:
        """Move a shop to its other endpoint."""
        self._at[number] = 1 - self._at.get(number, 0)
        self._server.replace(shop.endpoints(number, [self._address], self._ports[self._at[number]]))

    def served(self, number: int) -> float:
        """Add a shop; return the milliseconds until it answers."""
        began = time.perf_counter()
        service, _, ingress = requests.objects(number, self._ports[0])
        for item in (service, shop.endpoints(number, [self._address], self._ports[0]), ingress):
            self._server.create(item)
        while not self._body(number):
            if time.perf_counter() - began > self._patience_s:
                raise RuntimeError(f"{shop.host(number)} is not served")
            time.sleep(0.001)
        return (time.perf_counter() - began) * 1000

    def add(self, number: int) -> None:
        """Add a shop."""
        for item in requests.objects(number, self._ports[0]):
            self._server.create(item)

    def settle(self) -> int:
        """Wait until there is no new batch for a moment; return the number of reloads so far."""
        seen = -1
        while seen != (seen := len(self._controller.batches())):
            time.sleep(0.4)
        return sum(1 for batch in self._controller.batches() if batch["reload_ms"])

    def spent(self) -> tuple[float, float]:
        """Return the seconds of processor time of the controller, and of all nginx processes there ever were."""
        own, tests = spent_s(self._controller.pid)
        return own, tests + sum(sum(spent_s(pid)) for pid in (*self._masters(), *self._workers()))

    def memory(self) -> float:
        """Return the MiB of all nginx processes."""
        return memory([*self._masters(), *self._workers()])

    def idle_memory(self) -> float:
        """Return the MiB of all nginx processes once the workers of earlier configurations have ended."""
        self.settle()
        while any(is_leaving(pid) for pid in self._workers()):
            time.sleep(0.1)
        return self.memory()

    def after_moves(self, count: int) -> float:
        """Move *count* shops to their other endpoints, one after the other; return the MiB of nginx then."""
        for number in range(count):
            self.move(number)
        return self.idle_memory()

    def ask_all(self, size: int) -> None:
        """Send requests to every host until each worker had one."""
        for _ in range(8):
            for number in range(size):
                self._body(number)

    def _masters(self) -> list[int]:
        return children(self._controller.pid, "nginx: master")

    def _workers(self) -> list[int]:
        return [pid for master in self._masters() for pid in children(master, "nginx: worker")]

    def _body(self, number: int) -> str:
        connection = http.client.HTTPConnection("127.0.0.1", self._controller.http, timeout=5)
        with contextlib.suppress(OSError, http.client.HTTPException), contextlib.closing(connection):
            connection.request("GET", "/", headers={"Host": shop.host(number), "Connection": "close"})
            answer = connection.getresponse()
            return answer.read().decode() if answer.status == http.client.OK else ""
        return ""


@contextlib.contextmanager
def bench(size: int, plane: str, binary: Binary) -> Iterator[Bench]:
    """Run Headgate with *size* shops from an API server, all at one endpoint; they answer without TLS, too.

    *plane* is one of COSTS.
    """
    address = own_address()
    with contextlib.ExitStack() as stack:
        others = requests.processors().others
        ports = tuple(stack.enter_context(requests.backend(binary, others, body)) for body in BODIES)
        server = stack.enter_context(cluster.running(size, address, ports[0]))
        server.create(shop.config_map({"ssl-redirect": "false"}))
        kubeconfig = server.kubeconfig(place() / "kubeconfig")
        flags = (f"--kubeconfig={kubeconfig}", *COSTS[plane], f"-nginx-configmaps={shop.CONFIG_MAP}")
        controller = stack.enter_context(running(binary.path, *flags))
        controller.wait_ready(PATIENCE_S + size * START_S)
        yield Bench(server, controller, address, ports, size)


def change(size: int, changes: int, planes: Sequence[str], binary: Binary) -> list[Row]:
    """Measure *changes* of endpoints in *planes*, once with a client and once without."""
    rows: list[Row] = []
    slowest = 0.0
    for plane in planes:
        with bench(size, plane, binary) as run:
            reloads = run.settle()
            seen = [_settled(run, run.watched, number) for number in range(changes)]
            reloads = run.settle() - reloads
            before = run.spent()
            for number in range(changes):
                _settled(run, run.move, number)
            own, nginx = ((after - first) / changes * 1000 for first, after in zip(before, run.spent(), strict=True))
        new, old = [each.new for each in seen], [each.old for each in seen]
        slowest = slowest or median(new)
        ratio = f"1/{slowest / median(new):.1f}"
        times = (median(new), quantile(new, 0.99), ratio, median(old), quantile(old, 0.99))
        rows.append((size, plane, *times, reloads, own, nginx))
    return rows


def new_hosts(size: int, changes: int, binary: Binary) -> list[Row]:
    """Measure how long *changes* new hosts take until they are served, one after the other."""
    rows: list[Row] = []
    slowest = 0.0
    for plane in COSTS:
        with bench(size, plane, binary) as run:
            reloads = run.settle()
            used = run.idle_memory()
            times = [_settled(run, run.served, size + number) for number in range(changes)]
            reloads = run.settle() - reloads
        slowest = slowest or median(times)
        rows.append(
            (size, plane, median(times), quantile(times, 0.99), f"1/{slowest / median(times):.1f}", reloads, used)
        )
    return rows


def _settled(run: Bench, step: Callable[[int], T], number: int) -> T:
    """Do *step* to the shop *number*, and wait until its batch is done."""
    found = step(number)
    run.settle()
    return found


def cost(size: int, method: str, rounds: int, seconds: int, binary: Binary) -> Row:
    """Measure the processor time of a request in all of COSTS in turn, on one processor."""
    where = requests.processors()
    with contextlib.ExitStack() as stack:
        folder = place() / "manifests"
        port = stack.enter_context(requests.backend(binary, where.others))
        requests.write(folder, size, port, {**ONE_WORKER, "lb-method": method})
        flags = (f"--manifests={folder}", f"-nginx-configmaps={shop.CONFIG_MAP}")
        controllers = {name: stack.enter_context(running(binary.path, *flags, *more)) for name, more in COSTS.items()}
        for controller in controllers.values():
            controller.wait_ready()
        workers = {plane: requests.pinned_worker(each, where.worker) for plane, each in controllers.items()}
        client = requests.Requests(size, where.others)
        found: dict[str, list[float]] = {plane: [] for plane in COSTS}
        for number in range(rounds + 1):
            for (
                plane
            ) in COSTS:  # one after the other: workers beside each other would share the caches of the processor
                each = client.cost(controllers[plane], workers[plane], seconds)
                if number:  # the first round opens connections and compiles
                    found[plane].append(each)
    ratios = _ratios(found["files"], found["live"])
    figures = (median(found["files"]), median(found["live"]), median(ratios), min(ratios), max(ratios))
    routed = found["routed"]
    others = (median(_ratios(found[plane], routed)) for plane in PLANES)
    return (size, method, rounds, *figures, median(routed), *others)


def _ratios(ones: list[float], others: list[float]) -> list[float]:
    return [one / other for one, other in zip(ones, others, strict=True)]


def memories(size: int, pushes: int, reloads: int, binary: Binary) -> list[Row]:
    """Measure the memory of nginx in both planes; only ``live`` has pushes without reloads."""
    rows: list[Row] = []
    for plane in PLANES:
        with bench(size, plane, binary) as run:
            figures: list[object] = [run.memory()]
            run.ask_all(size)
            figures.append(run.memory())
            figures.append(run.after_moves(pushes) if plane == "live" else "")
            for number in range(reloads):
                _settled(run, run.add, size + number)
            figures.append(run.idle_memory())
            figures.append(run.after_moves(pushes) if plane == "live" else "")
        rows.append((size, plane, *figures))
    return rows


def main() -> None:
    """Measure and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="*", default=[100], help="numbers of Ingresses for changes")
    parser.add_argument("--planes", nargs="+", choices=tuple(COSTS), default=PLANES, help="for changes of endpoints")
    parser.add_argument("--changes", type=int, default=10, help="changes of endpoints with a client, and without")
    parser.add_argument("--host-sizes", type=int, nargs="*", default=[100], help="numbers of Ingresses for new hosts")
    parser.add_argument("--cost-sizes", type=int, nargs="*", default=[10, 100, 1000], help="for the cost of requests")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of requests")
    parser.add_argument("--seconds", type=int, default=1, help="seconds of one round in one plane")
    parser.add_argument("--memory-sizes", type=int, nargs="*", default=[100], help="for the memory of nginx")
    parser.add_argument("--pushes", type=int, default=50, help="changes of endpoints before memory is measured")
    parser.add_argument("--reloads", type=int, default=3, help="Ingresses added before memory is measured")
    parser.add_argument("--nginx", nargs="+", help="an nginx with the Lua module; default: tools/lua_nginx.sh")
    arguments = parser.parse_args()
    sys.setswitchinterval(0.0002)  # the thread that sends a change must not hold up the client
    binary = with_lua(arguments.nginx or [str(IMAGE)])
    if binary is None:
        print("skipped: no nginx with the Lua module (tools/lua_nginx.sh unpacks that of the image)", file=sys.stderr)
        return
    print(f"{machine()}; nginx {version(binary)}\n")
    rows = [row for size in arguments.sizes for row in change(size, arguments.changes, arguments.planes, binary)]
    print(table(CHANGE_HEAD, rows), flush=True)
    rows = [row for size in arguments.host_sizes for row in new_hosts(size, arguments.changes, binary)]
    print("", table(HOST_HEAD, rows), sep="\n", flush=True)
    if shutil.which("wrk"):
        ways = [(size, method) for size in arguments.cost_sizes for method in METHODS]
        rows = [cost(*way, arguments.rounds, arguments.seconds, binary) for way in ways]
        print("", table(COST_HEAD, rows), sep="\n", flush=True)
    else:
        print("\nThe cost of requests is not measured: wrk is missing (apt-get install wrk).")
    sizes = arguments.memory_sizes
    rows = [row for size in sizes for row in memories(size, arguments.pushes, arguments.reloads, binary)]
    print("", table(MEMORY_HEAD, rows), sep="\n")


def with_lua(paths: list[str]) -> Binary | None:
    """Return the first of *paths* that can serve the live plane."""
    there = [path for path in paths if Path(path).exists()]
    found = asyncio.run(binaries(there)) if there else []
    return next((binary for binary in found if binary.capabilities.lua), None)


if __name__ == "__main__":
    main()
