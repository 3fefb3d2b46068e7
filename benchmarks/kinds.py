"""What the custom resources cost in the pipeline, beside as many Ingresses: ``python benchmarks/kinds.py --size 5000``.

Each host has TLS with its own certificate, two paths and one Service with an endpoint. Neither nginx nor a cluster is
used. Then what one of many VirtualServerRoutes of a VirtualServer costs, and what TransportServers do.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

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

HEAD = ("objects", "number", "start, CPU s", "ratio to Ingresses", "one change, CPU ms", "files", "MiB")
CAPABLE = Capabilities(version=(1, 30, 6), http2=True, http2_directive=True, stream="", stream_hosts=True)

Make = Callable[[int, int], TopLevel]
"""Makes the object of a number in one of its versions."""


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


def a_virtual_server(number: int, version: int, *, guarded: bool = False) -> TopLevel:
    """Return a VirtualServer with two routes, perhaps with a Policy."""
    routes = [{"path": path, "action": {"pass": "shop"}} for path in ("/", f"/api{version}")]
    policies = {"policies": [{"name": "guard", "namespace": "team-0"}]} if guarded else {}
    tls = {"secret": meta(number)["name"]}
    spec = {"host": shop.host(number), "tls": tls, "upstreams": [upstream(number)], "routes": routes, **policies}
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


def delegating(size: int) -> TopLevel:
    """Return the VirtualServer of *size* VirtualServerRoutes."""
    found = [meta(number) for number in range(size)]
    routes = [{"path": f"/{one['name']}", "route": f"{one['namespace']}/{one['name']}"} for one in found]
    metadata = {"name": "all", "namespace": "team-0"}
    return VirtualServer.convert({"metadata": metadata, "spec": {"host": "all.example.com", "routes": routes}})


def listeners(size: int) -> TopLevel:
    """Return a GlobalConfiguration with *size* listeners."""
    found = [{"name": f"tcp-{number}", "port": 10000 + number, "protocol": "TCP"} for number in range(size)]
    return GlobalConfiguration.convert(
        {"metadata": {"name": "listeners", "namespace": "team-0"}, "spec": {"listeners": found}}
    )


GUARD = Policy.convert(
    {"metadata": {"name": "guard", "namespace": "team-0"}, "spec": {"accessControl": {"allow": ["10.0.0.0/8"]}}}
)


def run(make: Make, size: int, more: Iterable[TopLevel], changes: int) -> tuple[float, float, int, float]:
    """Return processor seconds of a start, milliseconds of one change, and files and MiB of the configuration."""
    options = parse(["-global-configuration=team-0/listeners"], {"POD_NAMESPACE": "team-0"})
    assert isinstance(options, Options)
    env = environment(options, CAPABLE, Layout.container(), user=None, ipv6=False, stdout=True)
    pipeline = Pipeline(CLAIMANTS, options, env, Renderer(), time.perf_counter)
    objects = [item for number in range(size) for item in (make(number, 1), *surroundings(number))]
    began = time.process_time()
    generation = pipeline.advance({item.ref: item for item in (*objects, *more)}, datetime.now(UTC))
    start = time.process_time() - began
    spent = []
    for number in range(changes):
        changed = make(number * size // changes, 2)
        began = time.process_time()
        pipeline.advance({changed.ref: changed}, datetime.now(UTC))
        spent.append(1000 * (time.process_time() - began))
    data = [file.data for file in generation.files.values()]
    return start, median(spent), len(data), sum(map(len, data)) / 2**20


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=500, help="number of hosts")
    parser.add_argument("--routes", type=int, default=500, help="number of VirtualServerRoutes")
    parser.add_argument("--streams", type=int, default=200, help="number of TransportServers")
    parser.add_argument("--changes", type=int, default=10, help="changes of each")
    asked = parser.parse_args()

    def guarded(number: int, version: int) -> TopLevel:
        return a_virtual_server(number, version, guarded=True)

    plans: tuple[tuple[str, Make, int, tuple[TopLevel, ...]], ...] = (
        ("Ingresses", an_ingress, asked.size, ()),
        ("VirtualServers", a_virtual_server, asked.size, ()),
        ("VirtualServers with a Policy", guarded, asked.size, (GUARD,)),
        ("VirtualServerRoutes of one VirtualServer", a_route, asked.routes, (delegating(asked.routes),)),
        ("TransportServers", a_transport_server, asked.streams, (listeners(asked.streams),)),
    )
    rows, each = [], 0.0
    for name, make, size, more in plans:
        start, change, files, mebibytes = run(make, size, more, asked.changes)
        each = each or start / size
        rows.append((name, size, start, start / size / each, change, files, mebibytes))
    print(f"{machine()}\n\n{table(HEAD, rows)}")


if __name__ == "__main__":
    main()
