"""The dashboard in Grafana's format (schema version 39: Grafana 10.4 and newer)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from monitoring.panels import ROWS, Panel, Query, Row
from monitoring.queries import JOIN, LEADER, REQUESTS, rows_of

Json = dict[str, Any]

UID = "headgate"
COLUMNS = 24
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
VARIABLES: Mapping[str, tuple[str, str]] = {
    "class": ("IngressClass", f"label_values({LEADER}, class)"),
    "instance": ("Pod", f'label_values({LEADER}{{class=~"$class"}}, instance)'),
    "host": ("Host", f'label_values({REQUESTS}{{class=~"$class"}}, host)'),
    "service": ("Service", f'label_values({REQUESTS}{{class=~"$class",host=~"$host"}}, service)'),
}
"""Name → label and query; each selects all unless something is chosen."""
_ANY = frozenset({"host", "service"})
"""Variables of which all means any value, also none. Of the others it means those that the query finds: Headgate's."""


def dashboard() -> str:
    """Return the dashboard as JSON."""
    board = {
        "annotations": {"list": []},
        "description": "NGINX ingress controller Headgate: traffic, errors, latency, sessions, reloads, certificates."
        " Panels by host and Service require -enable-latency-metrics.",
        "editable": True,
        "fiscalYearStartMonth": 0,
        "graphTooltip": 1,
        "id": None,
        "links": [],
        "panels": list(_panels(ROWS)),
        "refresh": "30s",
        "schemaVersion": 39,
        "tags": ["headgate", "ingress", "nginx"],
        "templating": {"list": [_datasource(), *(_variable(name, *row) for name, row in VARIABLES.items())]},
        "time": {"from": "now-1h", "to": "now"},
        "timepicker": {},
        "timezone": "",
        "title": "Headgate",
        "uid": UID,
        "version": 1,
        "weekStart": "",
    }
    return msgspec.json.format(msgspec.json.encode(board), indent=2).decode() + "\n"


def _datasource() -> Json:
    return {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus", "hide": 0}


def _variable(name: str, label: str, query: str) -> Json:
    return {
        "name": name,
        "label": label,
        "type": "query",
        "datasource": SOURCE,
        "query": {"qryType": 1, "query": query, "refId": f"variable-{name}"},
        "includeAll": True,
        "allValue": ".*" if name in _ANY else None,
        "multi": True,
        "current": {"selected": True, "text": ["All"], "value": ["$__all"]},
        "refresh": 2,
        "sort": 1,
        "hide": 0,
    }


def _panels(rows: tuple[Row, ...]) -> Iterator[Json]:
    """Yield the panels from the top; each takes the place to the right of the one before it, or begins a line."""
    number = y = 0
    for row in rows:
        number += 1
        place = {"h": 1, "w": COLUMNS, "x": 0, "y": y}
        yield {"type": "row", "id": number, "title": row.title, "collapsed": False, "gridPos": place, "panels": []}
        x, y, tallest = 0, y + 1, 0
        for panel in row.panels:
            if x + panel.width > COLUMNS:
                x, y, tallest = 0, y + tallest, 0
            number += 1
            yield _panel(panel) | {"id": number, "gridPos": {"h": panel.height, "w": panel.width, "x": x, "y": y}}
            x, tallest = x + panel.width, max(tallest, panel.height)
        y += tallest


def _panel(panel: Panel) -> Json:
    return {
        "type": panel.kind,
        "title": panel.title,
        "description": description(panel),
        "datasource": SOURCE,
        "targets": [_target(panel, *item) for item in zip("ABCD", panel.queries, strict=False)],
        "fieldConfig": {"defaults": _defaults(panel), "overrides": _overrides(panel)},
        "options": _OPTIONS[panel.kind],
        "transformations": _transformations(panel),
    }


def description(panel: Panel) -> str:
    """Return what the table says about the metrics of *panel*, and the flag that they require."""
    shown = (query.expr.partition(JOIN)[0] for query in panel.queries)
    rows = list({row.name: row for expr in shown for row in rows_of(expr)}.values())
    flags = dict.fromkeys(row.optional for row in rows if row.optional)
    texts = [*(row.doc for row in rows), panel.hint, *(f"Requires {flag}." for flag in flags)]
    return " ".join(dict.fromkeys(text for text in texts if text))


def _target(panel: Panel, letter: str, query: Query) -> Json:
    table = panel.kind == "table"
    return {
        "refId": letter,
        "datasource": SOURCE,
        "editorMode": "code",
        "expr": query.expr,
        "legendFormat": query.legend or "__auto",
        "format": "table" if table else "time_series",
        "instant": table,
        "range": not table,
    }


def _defaults(panel: Panel) -> Json:
    steps = [{"color": color, "value": value} for value, color in panel.levels]
    common = {"unit": panel.unit, "thresholds": {"mode": "absolute", "steps": steps}}
    if panel.kind == "timeseries":
        custom = {"drawStyle": "line", "lineWidth": 1, "fillOpacity": 10, "showPoints": "never", "spanNulls": False}
        return {**common, "min": 0, "color": {"mode": "palette-classic"}, "custom": custom}
    if panel.kind == "table":
        return {**common, "color": {"mode": "thresholds"}, "decimals": 1, "custom": {"align": "auto"}}
    return {**common, "color": {"mode": "thresholds"}}


def _overrides(panel: Panel) -> list[Json]:
    if not panel.columns:
        return []
    cell = {"id": "custom.cellOptions", "value": {"type": "color-text"}}
    return [{"matcher": {"id": "byName", "options": panel.columns["Value"]}, "properties": [cell]}]


def _transformations(panel: Panel) -> list[Json]:
    if not panel.columns:
        return []
    order = {name: place for place, name in enumerate(panel.columns)}
    options = {"excludeByName": {"Time": True}, "indexByName": order, "renameByName": dict(panel.columns)}
    return [{"id": "organize", "options": options}]


_OPTIONS: Mapping[str, Json] = {
    "timeseries": {
        "legend": {"calcs": [], "displayMode": "list", "placement": "bottom", "showLegend": True},
        "tooltip": {"mode": "multi", "sort": "desc"},
    },
    "stat": {
        "colorMode": "value",
        "graphMode": "area",
        "justifyMode": "auto",
        "orientation": "auto",
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        "textMode": "auto",
        "wideLayout": True,
        "showPercentChange": False,
        "percentChangeColorMode": "standard",
    },
    "table": {"cellHeight": "sm", "showHeader": True},
}
