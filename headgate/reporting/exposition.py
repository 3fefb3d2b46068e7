"""The Prometheus text format, in the form that Go programs give it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from prometheus_client import CollectorRegistry


def exposition(registry: CollectorRegistry, written: Mapping[str, Iterable[str]] | None = None) -> bytes:
    """Write *registry* in the Prometheus text format 0.0.4, with lines that are *written* already, by metric.

    Names and numbers have the form of Go programs (``1``, not ``1.0``; no ``_created`` series; counters keep a name
    without ``_total``), because scripts match them.
    """
    lines: list[str] = []
    for metric in registry.collect():
        samples = [sample for sample in metric.samples if not sample.name.endswith("_created")]
        # The library removes the suffix of counters that it counts itself.
        total = f"{metric.name}_total"
        name = total if any(sample.name == total for sample in samples) else metric.name
        lines += [f"# HELP {name} {_escaped(metric.documentation)}", f"# TYPE {name} {metric.type}"]
        lines += [f"{sample.name}{_labels(sample.labels)} {number(sample.value)}" for sample in samples]
        lines += (written or {}).get(name, ())
    return "\n".join([*lines, ""]).encode()


def _labels(labels: Mapping[str, str]) -> str:
    if not labels:
        return ""
    return "{" + labelled({name: _bound(text) if name == "le" else text for name, text in labels.items()}) + "}"


def labelled(labels: Mapping[str, str]) -> str:
    """Return *labels* as they stand between braces."""
    return ",".join(f'{name}="{_quoted(text)}"' for name, text in sorted(labels.items()))


def _bound(text: str) -> str:
    return text.removesuffix(".0")


def number(value: float) -> str:
    """Return *value* as Go prints it; integers that a float represents exactly have no point."""
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    if math.isnan(value):
        return "NaN"
    return str(int(value)) if float(value).is_integer() and abs(value) < 2**53 else repr(value)


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n")


def _quoted(text: str) -> str:
    return _escaped(text).replace('"', r"\"")
