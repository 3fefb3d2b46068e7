"""What knobs cost: rooms 3 to 6 with thousands of Ingresses of 15 annotations each, whole and for one change.

``python benchmarks/knobs.py --size 5000``; no nginx and no cluster are involved. Ingresses without annotations are
measured beside them; the digest of their configuration is the same as long as knobs cost those nothing who use none.
"""

from __future__ import annotations

import argparse
import hashlib
import time
from collections.abc import Iterable, Iterator, Mapping

import msgspec
from stage.table import machine, median, table

from headgate.api import EndpointSlice, Ingress, Service, TopLevel
from headgate.controller.environment import environment
from headgate.controller.kinds import WATCHED
from headgate.controller.rooms import Rooms, Walk
from headgate.ir import Capabilities, Layout
from headgate.options import Options, parse
from headgate.problems import ObjectRef
from headgate.render import Renderer

HEAD = ("Ingresses", "annotations each", "what", "time", "CPU time", "configuration", "resolve", "translate", "render")
ROOMS = HEAD[5:]
PREFIX = "nginx.org/"
KNOBS = {
    "proxy-connect-timeout": "10s", "proxy-read-timeout": "90s", "proxy-send-timeout": "90s",
    "client-max-body-size": "20m", "proxy-buffering": "false", "proxy-buffers": "16 8k", "lb-method": "least_conn",
    "keepalive": "32", "max-fails": "3", "fail-timeout": "30s", "hsts": "true", "add-header": "X-Frame-Options:DENY",
    "proxy-set-headers": "X-Tenant:blue", "limit-req-rate": "100r/s", "proxy-next-upstream": "error timeout http_503",
}  # fmt: skip
"""Fifteen that people use together."""

Collections = Mapping[type[TopLevel], dict[ObjectRef, TopLevel]]


def shop(number: int, annotations: Mapping[str, str]) -> Iterator[TopLevel]:
    """Yield one Ingress with two paths, its Service and two endpoints."""
    name, place = f"shop-{number:05}", {"namespace": f"team-{number % 50:02}"}
    backend = {"service": {"name": name, "port": {"number": 80}}}
    paths = [{"path": path, "pathType": "Prefix", "backend": backend} for path in ("/", "/cart")]
    rule = {"host": f"{name}.example.com", "http": {"paths": paths}}
    tls = [{"hosts": [rule["host"]], "secretName": name}]
    metadata = {**place, "name": name, "annotations": dict(annotations)}
    spec = {"ingressClassName": "nginx", "tls": tls, "rules": [rule]}
    yield Ingress.convert({"metadata": metadata, "spec": spec})
    yield Service.convert({"metadata": {**place, "name": name}, "spec": {"ports": [{"port": 80}]}})
    addresses = [f"10.{number >> 8 & 255}.{number & 255}.{last}" for last in (1, 2)]
    labels = {"kubernetes.io/service-name": name}
    yield EndpointSlice.convert({
        "metadata": {**place, "name": name, "labels": labels}, "addressType": "IPv4", "ports": [{"port": 80}],
        "endpoints": [{"addresses": [address]} for address in addresses],
    })  # fmt: skip


def furnished(size: int, annotations: Mapping[str, str]) -> tuple[Rooms, Collections]:
    """Return Rooms that have seen nothing yet, and *size* shops for them to see."""
    options = parse([], {})
    assert isinstance(options, Options)
    env = environment(options, Capabilities(), Layout.container(), user=None, ipv6=True, stdout=True)
    collections: Collections = {row.model: {} for row in WATCHED}
    for number in range(size):
        for item in shop(number, annotations):
            collections[type(item)][item.ref] = item
    return Rooms(options, env, collections, Renderer()), collections


Cost = tuple[float, float]
"""Seconds of the clock, and of the processor: the steadier figure where the machine is busy."""


def walked(rooms: Rooms, keys: Iterable[ObjectRef]) -> tuple[Cost, Walk]:
    """Walk *keys* through the rooms."""
    began, used = time.perf_counter(), time.process_time()
    walk = rooms.walk(frozenset(keys), rooms.now())
    return (time.perf_counter() - began, time.process_time() - used), walk


def whole(rooms: Rooms, collections: Collections) -> tuple[Cost, Walk]:
    """Walk everything at once, as at the start."""
    return walked(rooms, [*rooms.always, *(ref for objects in collections.values() for ref in objects)])


def one_change(rooms: Rooms, collections: Collections, count: int) -> tuple[Cost, dict[str, float]]:
    """Change an annotation of one Ingress *count* times; return the medians of all rooms and of each."""
    refs, costs, spent = sorted(collections[Ingress]), [], []
    for number in range(count):
        ref = refs[number * len(refs) // count]
        old = collections[Ingress][ref]
        annotations = {**old.annotations, f"{PREFIX}proxy-read-timeout": f"{number + 1}s"}
        metadata = msgspec.structs.replace(old.metadata, annotations=annotations)
        collections[Ingress][ref] = msgspec.structs.replace(old, metadata=metadata)
        cost, walk = walked(rooms, [ref])
        costs.append(cost)
        spent.append(walk.spent)
    clock, processor = (median([cost[kind] for cost in costs]) for kind in (0, 1))
    return (clock, processor), {room: median([one[room] for one in spent]) for room in ROOMS}


def measured(size: int, annotations: Mapping[str, str], changes: int) -> tuple[list[tuple[object, ...]], str]:
    """Return the rows of the table, and the digest of all files of Ingresses."""
    rooms, collections = furnished(size, annotations)
    cost, walk = whole(rooms, collections)
    digest = hashlib.sha256()
    for name, file in sorted(walk.files.items()):
        if name.startswith("conf.d/"):
            digest.update(name.encode() + b"\0" + file.data)
    change, spent = one_change(rooms, collections, changes)
    rows = [
        (size, len(annotations), "everything (s)", *cost, *(walk.spent[room] for room in ROOMS)),
        (
            size,
            len(annotations),
            "one change (ms)",
            *(1000 * one for one in (*change, *(spent[room] for room in ROOMS))),
        ),
    ]
    return rows, digest.hexdigest()


def main() -> None:
    """Measure and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=1000, help="number of Ingresses")
    parser.add_argument("--changes", type=int, default=50, help="number of changes")
    arguments = parser.parse_args()
    plain, digest = measured(arguments.size, {}, arguments.changes)
    full, _ = measured(arguments.size, {PREFIX + key: text for key, text in KNOBS.items()}, arguments.changes)
    print(f"{machine()}\n\n{table(HEAD, [*plain, *full])}\n")
    print(f"configuration of {arguments.size} Ingresses without annotations: sha256 {digest}")


if __name__ == "__main__":
    main()
