"""The log lines about a batch: what it did, what nginx was reloaded for, and that all is ready. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from headgate.controller.reporter import Census
from headgate.ir import ApplyResult
from headgate.pipeline import Generation
from headgate.problems import ObjectRef, some

RETRIED = "a retry"
"""What a batch is for that no object caused."""


class Line(msgspec.Struct, frozen=True):
    """A log record: its message, its fields, and the sentence that a person reads."""

    message: str
    fields: Mapping[str, Any]
    sentence: str = ""

    @property
    def extra(self) -> Mapping[str, Any]:
        """The argument of the same name of a logger's methods."""
        return {"fields": self.fields, **({"sentence": self.sentence} if self.sentence else {})}


class Times(msgspec.Struct, frozen=True):
    """Seconds that a batch took: in the pipeline, and as a whole."""

    advanced: float
    took: float


def batch(keys: Iterable[ObjectRef], generation: Generation, result: ApplyResult, times: Times, problems: int) -> Line:
    """Return the line about all that a batch did; *problems* were reported."""
    fields = {
        "keys": len(list(keys)),
        "changes": len(generation.update.changes),
        "generated": len(generation.generated),
        "problems": problems,
        "written": result.written,
        "deleted": result.deleted,
        "pushed": result.pushed,
        **({"pushed_hosts": result.pushed_hosts} if result.pushed_hosts else {}),
        **({"pushed_guards": result.pushed_guards} if result.pushed_guards else {}),
        "outcome": result.outcome.value,
        "refused": len(result.refused),
        "version": result.version,
        **{f"{stage}_ms": _ms(seconds) for stage, seconds in generation.spent.items()},
        "pipeline_ms": _ms(times.advanced),
        "test_ms": round(result.test_ms, 1),
        "reload_ms": round(result.reload_ms, 1),
        "took_ms": _ms(times.took),
    }
    return Line("batch", fields)


def applied(keys: Iterable[ObjectRef], generation: Generation, result: ApplyResult, times: Times) -> Line | None:
    """Return the line about a reload, or about files that were replaced without one; ``None`` if nothing changed."""
    if not result.ok or not (
        result.reloaded
        or result.written
        or result.deleted
        or result.pushed
        or result.pushed_hosts
        or result.pushed_guards
    ):
        return None
    causes = _causes(keys, generation)
    fields = {
        "reason": "endpoints" if generation.endpoints_only else "other",
        "for": causes or [RETRIED],
        "version": result.version,
        "written": result.written,
        "deleted": result.deleted,
        "took_ms": _ms(times.took),
    }
    what = "nginx reloaded" if result.reloaded else "nginx updated without a reload"
    return Line(what, fields, f"{what} in {times.took * 1000:,.0f} ms for {some(causes) if causes else RETRIED}")


def ready(generation: Generation, census: Census, seconds: float) -> Line:
    """Return the line of the first readiness, *seconds* after the start."""
    env = generation.env
    every = generation.resources.values()
    hosts = len({host.name for found in every for host in found.wanted.table.hosts if found.is_open(host.name)})
    nginx = ".".join(map(str, env.capabilities.version))
    fields = {
        "http": env.http_port,
        "https": env.https_port,
        "hosts": hosts,
        "served": census.served,
        "refused": census.refused,
        "nginx": nginx,
        "data_plane": env.plane,
        "seconds": round(seconds, 2),
    }
    parts = [f"http {env.http_port}", f"https {env.https_port}", _count(hosts, "host")]
    if census.refused:
        parts.append(f"{_count(census.refused, 'object')} refused")
    plane = " (live data plane)" if env.live else ""
    return Line("ready", fields, f"ready: {', '.join(parts)}; nginx {nginx}{plane}, {seconds:.2f} s after the start")


def _causes(keys: Iterable[ObjectRef], generation: Generation) -> list[str]:
    """Return the objects that a batch is for, those that hold hosts first; not the keys by which it is tried again."""
    update = generation.update
    own = {key for key in keys if key.kind != "NGINX"}
    first = sorted(own & (update.standings.keys() | update.gone))
    return [str(ref) for ref in (*first, *sorted(own.difference(first)))]


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 1)
