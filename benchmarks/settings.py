"""What settings cost: the pipeline with thousands of Ingresses of 15 annotations each, whole and for one change.

``python benchmarks/settings.py --size 5000``; neither nginx nor a cluster is used. Ingresses without annotations are
measured too; the digest of their configuration shows whether it has changed.
"""

from __future__ import annotations

import argparse
import hashlib
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime

import msgspec
from stage.table import machine, median, table

from headgate.api import EndpointSlice, Ingress, Service, TopLevel
from headgate.controller.environment import environment
from headgate.controller.kinds import CLAIMANTS
from headgate.ir import Capabilities, Layout
from headgate.options import Options, parse
from headgate.pipeline import Generation, Pipeline
from headgate.problems import ObjectRef
from headgate.render import Renderer

HEAD = ("Ingresses", "annotations each", "what", "time", "CPU time", "configuration", "resolve", "translate", "render")
STAGES = HEAD[5:]
PREFIX = "nginx.org/"
SETTINGS = {
    "proxy-connect-timeout": "10s", "proxy-read-timeout": "90s", "proxy-send-timeout": "90s",
    "client-max-body-size": "20m", "proxy-buffering": "false", "proxy-buffers": "16 8k", "lb-method": "least_conn",
    "keepalive": "32", "max-fails": "3", "fail-timeout": "30s", "hsts": "true", "add-header": "X-Frame-Options:DENY",
    "proxy-set-headers": "X-Tenant:blue", "limit-req-rate": "100r/s", "proxy-next-upstream": "error timeout http_503",
}  # fmt: skip
"""Fifteen annotations, as an Ingress may have them."""

Objects = Mapping[ObjectRef, TopLevel]


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


def furnished(size: int, annotations: Mapping[str, str]) -> tuple[Pipeline, Objects]:
    """Return a Pipeline that has seen nothing yet, and *size* shops for it to see."""
    options = parse([], {})
    assert isinstance(options, Options)
    env = environment(options, Capabilities(), Layout.container(), user=None, ipv6=True, stdout=True)
    objects = {item.ref: item for number in range(size) for item in shop(number, annotations)}
    return Pipeline(CLAIMANTS, options, env, Renderer(), time.perf_counter), objects


Cost = tuple[float, float]
"""Seconds of the clock, and of the processor: the steadier figure where the machine is busy."""


def advanced(pipeline: Pipeline, changes: Mapping[ObjectRef, TopLevel | None]) -> tuple[Cost, Generation]:
    """Take *changes* through the pipeline as one batch."""
    began, used = time.perf_counter(), time.process_time()
    generation = pipeline.advance(changes, datetime.now(UTC))
    return (time.perf_counter() - began, time.process_time() - used), generation


def one_ingress(objects: Objects, number: int) -> TopLevel:
    """Return an Ingress with another annotation than before; *number* chooses it."""
    old = objects[Ingress.KIND.ref(f"team-{number % 50:02}", f"shop-{number:05}")]
    annotations = {**old.annotations, f"{PREFIX}proxy-read-timeout": f"{number + 1}s"}
    return msgspec.structs.replace(old, metadata=msgspec.structs.replace(old.metadata, annotations=annotations))


def one_slice(objects: Objects, number: int) -> TopLevel:
    """Return an EndpointSlice with another address than before; *number* chooses it."""
    old = objects[EndpointSlice.KIND.ref(f"team-{number % 50:02}", f"shop-{number:05}")]
    assert isinstance(old, EndpointSlice)
    endpoint = msgspec.structs.replace((old.endpoints or ())[0], addresses=(f"10.250.{number % 250}.9",))
    return msgspec.structs.replace(old, endpoints=(endpoint,))


def one_change(
    pipeline: Pipeline, objects: Objects, count: int, change: Callable[[Objects, int], TopLevel]
) -> tuple[Cost, dict[str, float]]:
    """Make a *change* *count* times; return the medians of all stages and of each."""
    size = sum(isinstance(item, Ingress) for item in objects.values())
    costs, spent = [], []
    for number in range(count):
        item = change(objects, number * size // count)
        cost, generation = advanced(pipeline, {item.ref: item})
        costs.append(cost)
        spent.append(generation.spent)
    clock, processor = (median([cost[kind] for cost in costs]) for kind in (0, 1))
    return (clock, processor), {stage: median([one.get(stage, 0.0) for one in spent]) for stage in STAGES}


def measured(size: int, annotations: Mapping[str, str], changes: int) -> tuple[list[tuple[object, ...]], str]:
    """Return the rows of the table, and the digest of all files of Ingresses."""
    pipeline, objects = furnished(size, annotations)
    cost, generation = advanced(pipeline, objects)
    digest = hashlib.sha256()
    for name, file in sorted(generation.files.items()):
        if name.startswith("conf.d/"):
            digest.update(name.encode() + b"\0" + file.data)
    what = (size, len(annotations))
    rows: list[tuple[object, ...]] = [
        (*what, "everything (s)", *cost, *(generation.spent.get(stage, 0.0) for stage in STAGES))
    ]
    for name, change in (("one Ingress (ms)", one_ingress), ("one EndpointSlice (ms)", one_slice)):
        found, spent = one_change(pipeline, objects, changes, change)
        rows.append((*what, name, *(1000 * one for one in (*found, *(spent[stage] for stage in STAGES)))))
    return rows, digest.hexdigest()


def main() -> None:
    """Measure and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=1000, help="number of Ingresses")
    parser.add_argument("--changes", type=int, default=50, help="number of changes")
    arguments = parser.parse_args()
    plain, digest = measured(arguments.size, {}, arguments.changes)
    full, _ = measured(arguments.size, {PREFIX + key: text for key, text in SETTINGS.items()}, arguments.changes)
    print(f"{machine()}\n\n{table(HEAD, [*plain, *full])}\n")
    print(f"configuration of {arguments.size} Ingresses without annotations: sha256 {digest}")


if __name__ == "__main__":
    main()
