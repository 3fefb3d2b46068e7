"""Ingresses of ingress-nginx beside those of nginx.org: ``python benchmarks/dialects.py --size 5000``.

The first table is about a start of the pipeline, the second one about the time until another weight of a canary has an
effect on requests; README.md explains them.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import time
from collections.abc import Iterator

from kinds import Plan, an_ingress, no_more, starts
from live import IMAGE, with_lua
from stage import cluster, requests, shop
from stage.controller import Controller, own_address, place, running
from stage.table import machine, median, quantile, table

from headgate.nginx.capabilities import Binary

START_HEAD = ("dialect", "Ingresses", "start, CPU s", "ratio", "files")
CHANGE_HEAD = ("Ingresses", "effect p50 ms", "p99 ms", "pipeline p50 ms", "reloads")
COMMUNITY = "--ingress-dialect=ingress-nginx"
PREFIX = "nginx.ingress.kubernetes.io/"
HOST, MAIN, CANARY = "canary.example.com", "main", "canary"
PATIENCE_S = 120.0
START_S = 0.1
"""Seconds for each Ingress that a start may take besides, on a busy machine."""


def start(size: int, repeats: int) -> Iterator[tuple[object, ...]]:
    """Yield a row for each dialect."""
    names = {"nginx.org": (), "ingress-nginx": (COMMUNITY,)}
    plans = [Plan(name, an_ingress, no_more, size, flags) for name, flags in names.items()]
    rows, found = starts(plans, repeats)
    for row in rows:
        row.end()
    for plan, own in zip(plans, found, strict=True):
        yield plan.name, size, own.start, own.start / found[0].start, own.files


def objects(name: str, address: str, port: int, weight: int | None = None) -> list[shop.Json]:
    """Return the Ingress *name* for ``HOST`` with its Service and endpoint; a canary if it has a *weight*."""
    service, slice_, ingress = shop.service(0), shop.endpoints(0, [address], port), shop.ingress(0)
    for item in (service, slice_, ingress):
        item["metadata"] = {"name": name, "namespace": "canaries", "creationTimestamp": "2026-01-01T00:00:00Z"}
    slice_["metadata"]["labels"] = {"kubernetes.io/service-name": name}
    said = {"ssl-redirect": "false"} if weight is None else {"canary": "true", "canary-weight": str(weight)}
    ingress["metadata"]["annotations"] = {f"{PREFIX}{key}": text for key, text in said.items()}
    backend = {"service": {"name": name, "port": {"number": 80}}}
    path = {"path": "/", "pathType": "Prefix", "backend": backend}
    ingress["spec"] = {"ingressClassName": "nginx", "rules": [{"host": HOST, "http": {"paths": [path]}}]}
    return [service, slice_, ingress]


def change(size: int, changes: int, binary: Binary) -> tuple[object, ...]:
    """Return a row about *changes* of a weight among *size* Ingresses."""
    address, others = own_address(), requests.processors().others
    with contextlib.ExitStack() as stack:
        ports = {name: stack.enter_context(requests.backend(binary, others, name)) for name in (MAIN, CANARY)}
        server = stack.enter_context(cluster.running(size, address, ports[MAIN]))
        for item in (*objects(MAIN, address, ports[MAIN]), *objects(CANARY, address, ports[CANARY], 0)):
            server.create(item)
        named = shop.secret(0)["metadata"]  # without a certificate handshakes are refused, which needs server blocks
        flags = (
            f"--kubeconfig={server.kubeconfig(place() / 'kubeconfig')}", COMMUNITY, "--live-routes",
            f"-default-server-tls-secret={named['namespace']}/{named['name']}",
        )  # fmt: skip
        controller = stack.enter_context(running(binary.path, *flags))
        controller.wait_ready(PATIENCE_S + size * START_S)
        until(controller, MAIN)
        before = len(controller.batches())
        found: list[float] = []
        for number in range(changes):
            weight, wanted = ((100, CANARY), (0, MAIN))[number % 2]
            began = time.perf_counter()
            server.replace(objects(CANARY, address, ports[CANARY], weight)[-1])
            until(controller, wanted)
            found.append((time.perf_counter() - began) * 1000)
            time.sleep(0.05)  # a batch of its own for each change
        batches = controller.batches()[before:]
    reloads = sum(1 for batch in batches if batch["reload_ms"])
    pipeline = [float(batch["pipeline_ms"]) for batch in batches]
    return size, median(found), quantile(found, 0.99), median(pipeline), reloads


def until(controller: Controller, wanted: str) -> None:
    """Send one request after the other until *wanted* answers."""
    deadline = time.monotonic() + PATIENCE_S
    while answer(controller) != wanted:
        if time.monotonic() > deadline:
            raise RuntimeError(f"{wanted} does not answer")
        time.sleep(0.001)


def answer(controller: Controller) -> str:
    """Return what a request gets, on a connection of its own."""
    connection = http.client.HTTPConnection("127.0.0.1", controller.http, timeout=5)
    with contextlib.suppress(OSError, http.client.HTTPException), contextlib.closing(connection):
        connection.request("GET", "/", headers={"Host": HOST, "Connection": "close"})
        return connection.getresponse().read().decode()
    return ""


def main() -> None:
    """Measure and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=int, default=500, help="number of Ingresses at the start of the pipeline")
    parser.add_argument("--starts", type=int, default=3, help="starts of each, of which the cheapest counts")
    parser.add_argument("--ingresses", type=int, default=100, help="number of Ingresses beside the canary")
    parser.add_argument("--changes", type=int, default=20, help="changes of its weight")
    parser.add_argument(
        "--nginx", nargs="*", default=[str(IMAGE)], help="the binary with Lua; else that of tools/lua_nginx.sh"
    )
    asked = parser.parse_args()
    print(f"{machine()}\n\n{table(START_HEAD, start(asked.size, asked.starts))}")
    if binary := with_lua(asked.nginx):
        print(f"\n{table(CHANGE_HEAD, [change(asked.ingresses, asked.changes, binary)])}")


if __name__ == "__main__":
    main()
