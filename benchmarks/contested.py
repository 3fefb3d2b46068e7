"""What a change costs where many objects claim one host: ``python benchmarks/contested.py``.

One more claimant and one less leave the holder as it was, so that no other object has to be looked at, and their cost
does not depend on the number of claimants. When the holder is deleted, every claimant is reported again with the new
holder. No nginx and no cluster are involved.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping
from datetime import UTC, datetime

from stage.table import machine, median, table

from headgate.api import Ingress, TopLevel
from headgate.controller.environment import environment
from headgate.controller.kinds import CLAIMANTS
from headgate.ir import Capabilities, Layout
from headgate.options import Options, parse
from headgate.pipeline import Pipeline
from headgate.problems import ObjectRef
from headgate.render import Renderer

HEAD = ("claimants", "one more, p50 ms", "most ms", "one less, p50 ms", "most ms", "holder deleted, ms")


def claimant(number: int) -> Ingress:
    """Return an Ingress that asks for the host that all ask for."""
    backend = {"service": {"name": "tea", "port": {"number": 80}}}
    path = {"path": "/", "pathType": "Prefix", "backend": backend}
    created = f"2024-01-01T{number // 3600:02}:{number // 60 % 60:02}:{number % 60:02}Z"
    return Ingress.convert({
        "metadata": {"namespace": "default", "name": f"claimant-{number}", "creationTimestamp": created},
        "spec": {"ingressClassName": "nginx", "rules": [{"host": "cafe.example.com", "http": {"paths": [path]}}]},
    })  # fmt: skip


def run(size: int, changes: int) -> tuple[object, ...]:
    """Measure *changes* newcomers after *size* claimants, their deletion, and then the deletion of the holder."""
    options = parse([], {})
    assert isinstance(options, Options)
    env = environment(options, Capabilities(), Layout.container(), user=None, ipv6=True, stdout=True)
    pipeline = Pipeline(CLAIMANTS, options, env, Renderer(), time.perf_counter)
    pipeline.advance({item.ref: item for item in map(claimant, range(size))}, datetime.now(UTC))
    newcomers = [claimant(number) for number in range(size, size + changes)]
    more = [measure(pipeline, {item.ref: item}) for item in newcomers]
    less = [measure(pipeline, {item.ref: None}) for item in newcomers]
    holder = measure(pipeline, {claimant(0).ref: None})
    return size, median(more), max(more), median(less), max(less), holder


def measure(pipeline: Pipeline, changes: Mapping[ObjectRef, TopLevel | None]) -> float:
    """Return the milliseconds that one batch takes."""
    began = time.perf_counter()
    pipeline.advance(changes, datetime.now(UTC))
    return 1000 * (time.perf_counter() - began)


def main() -> None:
    """Measure every size and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[500, 1000, 2000], help="numbers of claimants")
    parser.add_argument("--changes", type=int, default=20, help="newcomers after each")
    arguments = parser.parse_args()
    print(f"{machine()}\n\n{table(HEAD, [run(size, arguments.changes) for size in arguments.sizes])}")


if __name__ == "__main__":
    main()
