"""What the custom resources cost in the pipeline, beside as many Ingresses: ``python benchmarks/kinds.py --size 5000``.

Each host has TLS with its own certificate, two paths and one Service with an endpoint. Neither nginx nor a cluster is
used. Then what one of many VirtualServerRoutes of a VirtualServer costs, and what TransportServers do. Each row is
measured in a process of its own.
"""

from __future__ import annotations

import argparse
import multiprocessing
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from stage import shop
from stage.table import machine, median, table

from headgate.api import EndpointSlice, GlobalConfiguration, Ingress, Secret, Service, TopLevel
from headgate.api.nginx_org import Policy, TransportServer, VirtualServer, VirtualServerRoute
from headgate.controller.environment import environment
from headgate.controller.kinds import CLAIMANTS
from headgate.ir import Capabilities, Layout
from headgate.options import Options, parse
from headgate.pipeline import Pipeline
from headgate.render import Renderer

HEAD = (
    "objects", "number", "start, CPU s", "ratio to Ingresses", "memory, MiB", "ratio", "one change, CPU ms",
    "one endpoint, CPU ms", "files", "MiB",
)  # fmt: skip
CAPABLE = Capabilities(version=(1, 30, 6), http2=True, http2_directive=True, stream="", stream_hosts=True)

Make = Callable[[int, int], TopLevel]
"""Makes the object of a number in one of its versions."""
Besides = Callable[[int], Iterator[TopLevel]]
"""Makes what so many objects need besides."""


class Measured(NamedTuple):
    """Processor seconds and MiB of memory of a start, milliseconds of changes, and the files of the configuration."""

    start: float
    memory: float
    change: float
    endpoint: float
    files: int
    mebibytes: float


def surroundings(number: int) -> Iterator[TopLevel]:
    """Yield Service, EndpointSlice and Secret of a host."""
    yield Service.convert(shop.service(number))
    yield EndpointSlice.convert(shop.endpoints(number, [f"10.0.{number >> 8 & 255}.{number & 255}"]))
    yield Secret.convert(shop.secret(number))


def meta(number: int) -> dict[str, Any]:
    """Return the metadata of the objects of a host."""
    found: dict[str, Any] = shop.ingress(number)["metadata"]
    return found


def upstream(number: int) -> dict[str, Any]:
    """Return the upstream of a host."""
    return {"name": "shop", "service": meta(number)["name"], "port": 80}


def an_ingress(number: int, version: int) -> TopLevel:
    """Return an Ingress; the second path says which version it is."""
    found = shop.ingress(number)
    found["spec"]["rules"][0]["http"]["paths"][1]["path"] = f"/api{version}"
    return Ingress.convert(found)


def a_guarded_server(number: int, version: int) -> TopLevel:
    """Return a VirtualServer with two routes and a Policy of its own."""
    return a_virtual_server(number, version, policies=[{"name": meta(number)["name"]}])


def a_virtual_server(number: int, version: int, **more: Any) -> TopLevel:
    """Return a VirtualServer with two routes."""
    routes = [{"path": path, "action": {"pass": "shop"}} for path in ("/", f"/api{version}")]
    tls = {"secret": meta(number)["name"]}
    spec = {"host": shop.host(number), "tls": tls, "upstreams": [upstream(number)], "routes": routes, **more}
    return VirtualServer.convert({"metadata": meta(number), "spec": spec})


def a_route(number: int, version: int) -> TopLevel:
    """Return a VirtualServerRoute of the one VirtualServer."""
    subroute = {"path": f"/{meta(number)['name']}/{version}", "action": {"pass": "shop"}}
    spec = {"host": "all.example.com", "upstreams": [upstream(number)], "subroutes": [subroute]}
    return VirtualServerRoute.convert({"metadata": meta(number), "spec": spec})


def a_transport_server(number: int, version: int) -> TopLevel:
    """Return a TransportServer on a listener of its own."""
    listener = {"name": f"tcp-{number}", "protocol": "TCP"}
    spec = {"listener": listener, "upstreams": [{**upstream(number), "maxFails": version}], "action": {"pass": "shop"}}
    return TransportServer.convert({"metadata": meta(number), "spec": spec})


def no_more(size: int) -> Iterator[TopLevel]:
    """Yield nothing."""
    del size
    yield from ()


def guards(size: int) -> Iterator[TopLevel]:
    """Yield the Policies of *size* VirtualServers."""
    spec = {"accessControl": {"allow": ["10.0.0.0/8"]}}
    yield from (Policy.convert({"metadata": meta(number), "spec": spec}) for number in range(size))


def delegating(size: int) -> Iterator[TopLevel]:
    """Yield the VirtualServer of *size* VirtualServerRoutes."""
    found = [meta(number) for number in range(size)]
    routes = [{"path": f"/{one['name']}", "route": f"{one['namespace']}/{one['name']}"} for one in found]
    metadata = {"name": "all", "namespace": "team-0"}
    yield VirtualServer.convert({"metadata": metadata, "spec": {"host": "all.example.com", "routes": routes}})


def listeners(size: int) -> Iterator[TopLevel]:
    """Yield a GlobalConfiguration with *size* listeners."""
    found = [{"name": f"tcp-{number}", "port": 10000 + number, "protocol": "TCP"} for number in range(size)]
    metadata = {"name": "listeners", "namespace": "team-0"}
    yield GlobalConfiguration.convert({"metadata": metadata, "spec": {"listeners": found}})


def resident() -> float:
    """Return the resident memory of this process in MiB."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * 4096 / 2**20


def run(make: Make, besides: Besides, size: int, changes: int) -> Measured:
    """Measure *size* objects, and *changes* of one each."""
    options = parse(["-global-configuration=team-0/listeners"], {"POD_NAMESPACE": "team-0"})
    assert isinstance(options, Options)
    env = environment(options, CAPABLE, Layout.container(), user=None, ipv6=False, stdout=True)
    pipeline = Pipeline(CLAIMANTS, options, env, Renderer(), time.perf_counter)
    before = resident()
    objects = [item for number in range(size) for item in (make(number, 1), *surroundings(number))]
    batch = {item.ref: item for item in (*objects, *besides(size))}
    began = time.process_time()
    generation = pipeline.advance(batch, datetime.now(UTC))
    start, memory = time.process_time() - began, resident() - before

    def spent(changed: TopLevel) -> float:
        began = time.process_time()
        pipeline.advance({changed.ref: changed}, datetime.now(UTC))
        return 1000 * (time.process_time() - began)

    numbers = [number * size // changes for number in range(changes)]
    change = median([spent(make(number, 2)) for number in numbers])
    endpoint = median([spent(EndpointSlice.convert(shop.endpoints(number, ["10.9.9.9"]))) for number in numbers])
    data = [file.data for file in generation.files.values()]
    return Measured(start, memory, change, endpoint, len(data), sum(map(len, data)) / 2**20)


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=500, help="number of hosts")
    parser.add_argument("--routes", type=int, default=500, help="number of VirtualServerRoutes")
    parser.add_argument("--streams", type=int, default=200, help="number of TransportServers")
    parser.add_argument("--changes", type=int, default=10, help="changes of each")
    asked = parser.parse_args()

    plans: tuple[tuple[str, Make, Besides, int], ...] = (
        ("Ingresses", an_ingress, no_more, asked.size),
        ("VirtualServers", a_virtual_server, no_more, asked.size),
        ("VirtualServers with a Policy each", a_guarded_server, guards, asked.size),
        ("VirtualServerRoutes of one VirtualServer", a_route, delegating, asked.routes),
        ("TransportServers", a_transport_server, listeners, asked.streams),
    )
    rows, base = [], None
    for name, make, besides, size in plans:
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as alone:
            found = alone.submit(run, make, besides, size, asked.changes).result()
        start, memory = found.start / size, found.memory / size
        base = base or (start, memory)
        ratios = start / base[0], memory / base[1]
        rows.append((name, size, found.start, ratios[0], found.memory, ratios[1], *found[2:]))
    print(f"{machine()}\n\n{table(HEAD, rows)}")


if __name__ == "__main__":
    main()
