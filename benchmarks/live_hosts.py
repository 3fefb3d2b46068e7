"""New hosts, new profiles and renewed certificates on the live data plane; what TLS and many profiles cost a request.

``python benchmarks/live_hosts.py --sizes 100 1000 5000 --changes 30 --rounds 15``; README.md explains the tables.
"""

from __future__ import annotations

import argparse
import contextlib
import shutil
import ssl
import sys
import time
from collections.abc import Callable, Iterator, Mapping

from change import PATIENCE_S, TlsClient, backend
from live import COSTS, IMAGE, ONE_WORKER, START_S, with_lua
from stage import cluster, requests, shop
from stage.controller import Controller, own_address, place, running
from stage.engine import version
from stage.table import machine, median, quantile, table

from headgate.nginx.capabilities import Binary

CHANGE_HEAD = ("Ingresses", "plane", "change", "p50 ms", "p99 ms", "pipeline ms", "nginx -t ms", "reload ms", "reloads")
COST_HEAD = ("what", "rounds", "one us", "other us", "one / other", "lowest", "highest")
PROFILES = 150
TIMEOUT = "nginx.org/proxy-read-timeout"
"""An annotation that a profile has: with a value of its own an Ingress needs a profile of its own."""
STAGES = ("pipeline_ms", "test_ms", "reload_ms")
Row = tuple[object, ...]


class Changes:
    """One Headgate with many TLS hosts, and changes that a client waits for."""

    def __init__(self, server: cluster.Cluster, controller: Controller, address: str, port: int) -> None:
        """Change objects at *server*; the backend at *port* of *address* answers ``one``."""
        self._server = server
        self._controller = controller
        self._client = TlsClient(controller.https)
        self._address = address
        self._port = port

    def host(self, number: int) -> float:
        """Add a shop whose profile exists; return the milliseconds until it answers."""
        return self._added(number, {})

    def profile(self, number: int) -> float:
        """Add a shop with a profile that no other has; return the milliseconds until it answers."""
        return self._added(number, {TIMEOUT: f"{number + 1}s"})

    def certificate(self, number: int) -> float:
        """Renew the certificate of a shop; return the milliseconds until handshakes show it."""
        wanted = ssl.PEM_cert_to_DER_cert(shop.certificate(shop.host(number), 2)[0].decode())
        began = time.perf_counter()
        self._server.replace(shop.secret(number, 2))
        return self._until(began, lambda: self._client.certificate(shop.host(number)) == wanted)

    def measure(self, name: str, change: Callable[[int], float], numbers: range) -> Row:
        """Make one change after the other; return the cells of a row."""
        for number in numbers:  # keys take time to make
            shop.secret(number)
            shop.secret(number, 2)
        before = self.settle()
        times = []
        for number in numbers:
            times.append(change(number))
            self.settle()
        batches = self._controller.batches()[before:]
        stages = (sum(float(each[key]) for each in batches) / len(numbers) for key in STAGES)
        reloads = sum(1 for batch in batches if batch["reload_ms"])
        return (name, median(times), quantile(times, 0.99), *stages, reloads)

    def settle(self) -> int:
        """Wait until there is no new batch for a moment; return the number of batches."""
        seen = -1
        while seen != (seen := len(self._controller.batches())):
            time.sleep(0.4)
        return seen

    def _added(self, number: int, annotations: Mapping[str, str]) -> float:
        *others, ingress = shop.shop(number, self._address, self._port)
        ingress["metadata"]["annotations"] = dict(annotations)
        for item in others:
            self._server.create(item)
        self.settle()
        began = time.perf_counter()
        self._server.create(ingress)
        return self._until(began, lambda: self._client.body(shop.host(number)) == "one")

    @staticmethod
    def _until(began: float, done: Callable[[], bool]) -> float:
        while not done():
            if time.perf_counter() - began > PATIENCE_S:
                raise RuntimeError(f"a change is not served after {PATIENCE_S:.0f} s")
            time.sleep(0.001)
        return (time.perf_counter() - began) * 1000


def changes(size: int, plane: str, count: int, binary: Binary) -> list[Row]:
    """Measure *count* changes of each kind among *size* TLS hosts."""
    address = own_address()
    with contextlib.ExitStack() as stack:
        port = stack.enter_context(backend(address, "one"))
        server = stack.enter_context(cluster.running(size, address, port))
        kubeconfig = server.kubeconfig(place() / "kubeconfig")
        controller = stack.enter_context(running(binary.path, f"--kubeconfig={kubeconfig}", *COSTS[plane]))
        controller.wait_ready(PATIENCE_S + size * START_S)
        run = Changes(server, controller, address, port)
        fresh = range(size, size + count)
        rows = [
            run.measure("host added", run.host, fresh),
            run.measure("host with a new profile added", run.profile, range(size + count, size + 2 * count)),
            run.measure("certificate rotated", run.certificate, fresh),
        ]
    return [(size, plane, *row) for row in rows]


@contextlib.contextmanager
def one_worker(binary: Binary, objects: list[shop.Json], *flags: str) -> Iterator[tuple[Controller, int]]:
    """Run Headgate with *objects* and one worker; yield it and the pid of the worker."""
    folder = place() / "manifests"
    shop.write(folder, objects)
    with running(binary.path, f"--manifests={folder}", f"-nginx-configmaps={shop.CONFIG_MAP}", *flags) as controller:
        controller.wait_ready()
        yield controller, requests.pinned_worker(controller, requests.processors().worker)


def compared(
    what: str, client: Callable[[Controller, int], float], sides: Mapping[str, tuple[list[shop.Json], tuple[str, ...]]],
    rounds: int, binary: Binary,
) -> list[Row]:  # fmt: skip
    """Measure *client* on all *sides* in turn; each further side is compared with the first one."""
    found: dict[str, list[float]] = {side: [] for side in sides}
    with contextlib.ExitStack() as stack:
        all_ = {
            side: stack.enter_context(one_worker(binary, objects, *flags)) for side, (objects, flags) in sides.items()
        }
        for number in range(rounds + 1):
            for side, running_ in all_.items():  # in turn: together they would share the caches of the processor
                cost = client(*running_)
                if number:  # the first round opens connections and compiles
                    found[side].append(cost)
    first, *others = found
    rows: list[Row] = []
    for other in others:
        ratios = [one / two for one, two in zip(found[first], found[other], strict=True)]
        figures = (median(found[first]), median(found[other]), median(ratios), min(ratios), max(ratios))
        rows.append((f"{what}: {first} / {other}", rounds, *figures))
    return rows


def handshakes(size: int, rounds: int, seconds: int, binary: Binary) -> list[Row]:
    """Compare full TLS handshakes of the planes."""
    where = requests.processors()
    with requests.backend(binary, where.others) as port:
        settings = {**ONE_WORKER, "ssl-redirect": "false"}
        objects = [shop.config_map(settings), *shop.shops(size, own_address(), port)]
        client = requests.Handshakes(shop.host(0), where.others)
        sides = {plane: (objects, flags) for plane, flags in COSTS.items()}
        return compared(
            f"handshake, {size} hosts", lambda run, worker: client.cost(run, worker, seconds), sides, rounds, binary
        )


def profiles(size: int, rounds: int, seconds: int, binary: Binary) -> list[Row]:
    """Compare routed hosts that all have one profile with as many that have ``PROFILES``."""
    where = requests.processors()
    with requests.backend(binary, where.others) as port:
        sides = {
            name: (_with_profiles(size, port, number), COSTS["routed"])
            for name, number in (("1 profile", 1), (f"{PROFILES} profiles", PROFILES))
        }
        client = requests.Requests(size, where.others)
        return compared(
            f"request, {size} hosts", lambda run, worker: client.cost(run, worker, seconds), sides, rounds, binary
        )


def _with_profiles(size: int, port: int, number: int) -> list[shop.Json]:
    found = [shop.config_map(ONE_WORKER), *shop.shops(0, "")]
    for each in range(size):
        *others, ingress = requests.objects(each, port)
        ingress["metadata"]["annotations"] = {TIMEOUT: f"{60 + each % number}s"}
        found += [*others, ingress]
    return found


def main() -> None:
    """Measure and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="*", default=[100], help="numbers of Ingresses for changes")
    parser.add_argument("--planes", nargs="+", choices=tuple(COSTS), default=("routed",), help="for changes")
    parser.add_argument("--changes", type=int, default=5, help="changes of each kind")
    parser.add_argument("--tls-sizes", type=int, nargs="*", default=[10], help="numbers of hosts for handshakes")
    parser.add_argument(
        "--profile-sizes", type=int, nargs="*", default=[PROFILES], help="numbers of hosts for profiles"
    )
    parser.add_argument("--rounds", type=int, default=3, help="rounds of requests")
    parser.add_argument("--seconds", type=int, default=1, help="seconds of one round")
    parser.add_argument("--nginx", nargs="+", help="an nginx with the Lua module; default: tools/lua_nginx.sh")
    arguments = parser.parse_args()
    binary = with_lua(arguments.nginx or [str(IMAGE)])
    if binary is None:
        print("skipped: no nginx with the Lua module (tools/lua_nginx.sh unpacks that of the image)", file=sys.stderr)
        return
    print(f"{machine()}; nginx {version(binary)}\n")
    ways = [(size, plane) for size in arguments.sizes for plane in arguments.planes]
    print(table(CHANGE_HEAD, [row for way in ways for row in changes(*way, arguments.changes, binary)]), flush=True)
    if not shutil.which("wrk"):
        print("\nThe cost of handshakes and profiles is not measured: wrk is missing (apt-get install wrk).")
        return
    how = (arguments.rounds, arguments.seconds, binary)
    rows = [row for size in arguments.tls_sizes for row in handshakes(size, *how)]
    rows += [row for size in arguments.profile_sizes for row in profiles(size, *how)]
    print("", table(COST_HEAD, rows), sep="\n")


if __name__ == "__main__":
    main()
