"""What the custom resources cost in the pipeline, beside as many Ingresses: ``python benchmarks/kinds.py --size 5000``.

Each host has TLS with its own certificate, two paths and one Service with an endpoint. Neither nginx nor a cluster is
used. Then what one of many VirtualServerRoutes of a VirtualServer costs, and what TransportServers do. Each row is
measured in a process of its own; the rows take turns, so that other load of the machine concerns all of them.
"""

from __future__ import annotations

import argparse
import gc
import multiprocessing
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, NamedTuple

from stage import shop
from stage.table import machine, median, table

from headgate.api import EndpointSlice, GlobalConfiguration, Ingress, Secret, Service, TopLevel
from headgate.api.nginx_org import Policy, TransportServer, VirtualServer, VirtualServerRoute
from headgate.controller.environment import environment
from headgate.controller.kinds import CLAIMANTS
from headgate.ir import Capabilities, FileSet, Layout
from headgate.options import Options, parse
from headgate.pipeline import Generation, Pipeline
from headgate.render import Renderer

HEAD = (
    "objects", "number", "start, CPU s", "ratio to Ingresses", "memory, MiB", "ratio", "one change, CPU ms", "ratio",
    "one endpoint, CPU ms", "ratio", "files", "MiB",
)  # fmt: skip
WARM = 5
"""Changes that are not counted: the first ones do what is only done once."""
CAPABLE = Capabilities(version=(1, 30, 6), http2=True, http2_directive=True, stream="", stream_hosts=True)

Make = Callable[[int, int], TopLevel]
"""Makes the object of a number in one of its versions."""
Besides = Callable[[int], Iterator[TopLevel]]
"""Makes what so many objects need besides."""


class Started(NamedTuple):
    """Processor seconds and MiB of memory of a start, and the files of the configuration."""

    start: float
    memory: float
    files: int
    mebibytes: float


class Plan(NamedTuple):
    """What one row measures: *size* objects and what they need besides, with *flags*."""

    name: str
    make: Make
    besides: Besides
    size: int
    flags: tuple[str, ...] = ()


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


class Subject:
    """A pipeline with the objects of a plan."""

    def __init__(self, plan: Plan) -> None:
        """Begin without objects."""
        options = parse(["-global-configuration=team-0/listeners", *plan.flags], {"POD_NAMESPACE": "team-0"})
        assert isinstance(options, Options)
        env = environment(options, CAPABLE, Layout.container(), user=None, ipv6=False, stdout=True)
        self._pipeline = Pipeline(CLAIMANTS, options, env, Renderer(), time.perf_counter)
        self._plan = plan
        self._generation = Generation(files=FileSet(), env=env)

    def start(self) -> Started:
        """Measure the first batch."""
        plan, before = self._plan, resident()
        objects = [item for number in range(plan.size) for item in (plan.make(number, 1), *surroundings(number))]
        everything = (*objects, *plan.besides(plan.size))
        gc.collect()
        spent = self._spent(*everything)
        gc.collect()
        data = [file.data for file in self._generation.files.values()]
        return Started(spent / 1000, resident() - before, len(data), sum(map(len, data)) / 2**20)

    def change(self, number: int, version: int) -> float:
        """Return the milliseconds that another version of an object takes."""
        return self._spent(self._plan.make(number, version))

    def endpoint(self, number: int, version: int) -> float:
        """Return the milliseconds that another endpoint takes."""
        return self._spent(
            EndpointSlice.convert(shop.endpoints(number, [f"10.9.{version >> 8 & 255}.{version & 255}"]))
        )

    def _spent(self, *items: TopLevel) -> float:
        """Return the milliseconds of processor time that a batch takes."""
        batch, now = {item.ref: item for item in items}, datetime.now(UTC)
        began = time.process_time()
        self._generation = self._pipeline.advance(batch, now)
        return 1000 * (time.process_time() - began)


def serve(asked: Connection, plan: Plan) -> None:
    """Measure in this process what is *asked* for: the name of a method and its arguments."""
    subject = Subject(plan)
    while request := asked.recv():
        name, *arguments = request
        asked.send(getattr(subject, name)(*arguments))


class Row:
    """A plan, measured in a process of its own."""

    def __init__(self, plan: Plan) -> None:
        """Start the process."""
        context = multiprocessing.get_context("spawn")
        self._pipe, other = context.Pipe()
        self._process = context.Process(target=serve, args=(other, plan), daemon=True)
        self._process.start()

    def ask(self, *request: object) -> Any:
        """Return what the process measures."""
        self._pipe.send(request)
        return self._pipe.recv()

    def end(self) -> None:
        """End the process."""
        self._pipe.send(None)
        self._process.join()


def starts(plans: list[Plan], repeats: int) -> tuple[list[Row], list[Started]]:
    """Start each plan *repeats* times, in turn; return those of the last time, and the cheapest start of each."""
    found: list[list[Started]] = [[] for _ in plans]
    for number in range(repeats):
        rows: list[Row] = []
        for plan, own in zip(plans, found, strict=True):
            rows.append(Row(plan))
            own.append(rows[-1].ask("start"))
            if number < repeats - 1:
                rows[-1].end()
    return rows, [min(own) for own in found]


def rounds(plans: list[Plan], rows: list[Row], method: str, number: int) -> list[list[float]]:
    """Ask each row in turn for one change, and that *number* times; return the milliseconds of each row."""
    found: list[list[float]] = [[] for _ in rows]
    for version in range(number + WARM):
        for plan, row, own in zip(plans, rows, found, strict=True):
            own.append(row.ask(method, version * plan.size // (number + WARM), version + 2))
    return [own[WARM:] for own in found]


def ratios(found: list[list[float]]) -> list[float]:
    """Return how many times the first row each row took: the median of all rounds."""
    return [median([own / base for own, base in zip(row, found[0], strict=True)]) for row in found]


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=500, help="number of hosts")
    parser.add_argument("--routes", type=int, default=500, help="number of VirtualServerRoutes")
    parser.add_argument("--streams", type=int, default=200, help="number of TransportServers")
    parser.add_argument("--starts", type=int, default=3, help="starts of each, of which the cheapest counts")
    parser.add_argument("--changes", type=int, default=50, help="changes of each, of which the median counts")
    asked = parser.parse_args()

    plans = [
        Plan("Ingresses", an_ingress, no_more, asked.size),
        Plan("VirtualServers", a_virtual_server, no_more, asked.size),
        Plan("VirtualServers with a Policy each", a_guarded_server, guards, asked.size),
        Plan("VirtualServerRoutes of one VirtualServer", a_route, delegating, asked.routes),
        Plan("Ingresses, as many as these", an_ingress, no_more, asked.routes),
        Plan("TransportServers", a_transport_server, listeners, asked.streams),
    ]
    rows, started = starts(plans, asked.starts)
    changes, endpoints = (rounds(plans, rows, method, asked.changes) for method in ("change", "endpoint"))
    for row in rows:
        row.end()
    each = [(own.start / plan.size, own.memory / plan.size) for plan, own in zip(plans, started, strict=True)]
    cells = zip(plans, started, each, changes, ratios(changes), endpoints, ratios(endpoints), strict=True)
    lines = [
        (plan.name, plan.size, own.start, start / each[0][0], own.memory, memory / each[0][1], median(change), times,
         median(endpoint), more, own.files, own.mebibytes)
        for plan, own, (start, memory), change, times, endpoint, more in cells
    ]  # fmt: skip
    print(f"{machine()}\n\n{table(HEAD, lines)}")


if __name__ == "__main__":
    main()
