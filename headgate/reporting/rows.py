"""What a metric is, and the beginnings of names."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

CONTROLLER = "nginx_ingress_controller_"
NGINX = "nginx_ingress_nginx_"
PLUS = "nginx_ingress_nginxplus_"


class MetricRow(msgspec.Struct, frozen=True):
    """One metric.

    Attributes:
        name: in the exposition.
        kind: ``counter``, ``gauge`` or ``histogram``.
        doc: one sentence; units included.
        labels: besides ``class``, label → the values that exist from the start; empty if they are not fixed.
        buckets: upper bounds of a histogram, in the unit of the name.
        optional: the flag without which the metric does not exist.
        live: whether it has series only where nginx's workers count in Lua (``-data-plane=live``).
    """

    name: str
    kind: str
    doc: str
    labels: Mapping[str, tuple[str, ...]] = {}
    buckets: tuple[float, ...] = ()
    optional: str = ""
    live: bool = False
