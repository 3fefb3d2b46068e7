"""Draws the dashboard from Prometheus' answers, in the layout of Grafana's JSON; it is not a screenshot of Grafana."""

from __future__ import annotations

import io
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib as mpl

mpl.use("Agg")

from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch
from matplotlib.ticker import FuncFormatter, MaxNLocator, MultipleLocator
from PIL import Image

from monitoring.prometheus import Prometheus, Series, filled

Json = Mapping[str, Any]

UNIT_PX, COLUMN_PX, DPI = 30, 66, 100
SHORT_S = 150
"""Seconds; what is shorter has a tick every half minute."""
PAGE, CARD, LINE, TEXT, DIM = "#f4f5f5", "#ffffff", "#d9dbde", "#24292e", "#6c737a"
COLORS = ("#3274d9", "#e0842b", "#37872d", "#c4162a", "#8f3bb8", "#1f9e9e", "#b5892e", "#e05299", "#5a6a7a", "#7fb800")
LEVELS = {"green": "#37872d", "orange": "#e0842b", "red": "#c4162a"}
_LABEL = re.compile(r"\{\{(\w+)\}\}")


class Period(NamedTuple):
    """What is drawn: seconds since 1970, the distance of points, and the window of rates."""

    start: float
    end: float
    step: float
    window: str


def draw(board: Json, prometheus: Prometheus, period: Period, file: Path) -> None:
    """Draw every panel of *board* into *file* (PNG)."""
    panels = board["panels"]
    height = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in panels)
    plt.rcParams.update({"font.size": 7.5, "text.color": TEXT, "axes.edgecolor": LINE, "font.family": "DejaVu Sans"})
    figure = plt.figure(figsize=(24 * COLUMN_PX / DPI, height * UNIT_PX / DPI), dpi=DPI, facecolor=PAGE)
    for panel in panels:
        _panel(figure, panel, height, prometheus, period)
    with io.BytesIO() as large:
        figure.savefig(large, dpi=DPI, facecolor=PAGE)
        Image.open(large).convert("RGB").quantize(128).save(file, "PNG", optimize=True)
    plt.close(figure)


def _panel(figure: Figure, panel: Json, height: int, prometheus: Prometheus, period: Period) -> None:
    place = panel["gridPos"]
    left, width = place["x"] / 24, place["w"] / 24
    bottom, tall = 1 - (place["y"] + place["h"]) / height, place["h"] / height
    if panel["type"] == "row":
        figure.text(left + 0.006, bottom + tall / 2, panel["title"], fontsize=10.5, weight="bold", va="center")
        return
    gap_x, gap_y = 4 / (24 * COLUMN_PX), 4 / (height * UNIT_PX)
    box = (left + gap_x, bottom + gap_y, width - 2 * gap_x, tall - 2 * gap_y)
    card = FancyBboxPatch(
        box[:2], *box[2:], boxstyle="square,pad=0", linewidth=0.8, edgecolor=LINE, facecolor=CARD, zorder=-1,
        transform=figure.transFigure,
    )  # fmt: skip
    figure.add_artist(card)
    pixel_x, pixel_y = 1 / (24 * COLUMN_PX), 1 / (height * UNIT_PX)
    figure.text(
        box[0] + 8 * pixel_x, box[1] + box[3] - 9 * pixel_y, panel["title"], fontsize=8, weight="bold", va="top"
    )
    frame = (box, pixel_x, pixel_y)
    {"timeseries": _lines, "stat": _number, "table": _table}[panel["type"]](figure, panel, frame, prometheus, period)


Frame = tuple[tuple[float, float, float, float], float, float]


def _axes(figure: Figure, frame: Frame, margins: tuple[int, int, int, int]) -> Axes:
    """Return axes inside a panel with *margins* (left, bottom, right, top) in pixels."""
    (x, y, w, h), px, py = frame
    left, bottom, right, top = margins
    inner = (x + left * px, y + bottom * py, w - (left + right) * px, h - (bottom + top) * py)
    return figure.add_axes(inner, facecolor="none")


def _lines(figure: Figure, panel: Json, frame: Frame, prometheus: Prometheus, period: Period) -> None:
    unit = panel["fieldConfig"]["defaults"]["unit"]
    found = _named(panel, prometheus, period)
    columns = _legend_columns(found, panel)
    axes = _axes(figure, frame, (54, 32 + 13 * math.ceil(len(found) / columns), 12, 28))
    for number, (_, series) in enumerate(found):
        color = COLORS[number % len(COLORS)]
        times = [(time - period.start) / 60 for time, _ in series.points]
        values = [value for _, value in series.points]
        axes.plot(times, values, color=color, linewidth=1.1)
        axes.fill_between(times, values, color=color, alpha=0.08, linewidth=0)
    axes.set_xlim(0, (period.end - period.start) / 60)
    axes.set_ylim(0, max(axes.get_ylim()[1], _LEAST.get(unit, 1)))
    axes.yaxis.set_major_locator(MaxNLocator(4, integer=unit == "short"))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: spoken(value, unit)))
    axes.xaxis.set_major_locator(MultipleLocator(0.5 if period.end - period.start < SHORT_S else 1))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{int(value)}:{round(value % 1 * 60):02d}"))
    axes.tick_params(length=0, colors=DIM, labelsize=6.5)
    axes.grid(color="#eceef0", linewidth=0.7)
    for spine in axes.spines.values():
        spine.set_visible(False)
    # A label that begins with "_" is shown only if it is given so.
    axes.legend(axes.lines, [name for name, _ in found], loc="upper left", bbox_to_anchor=(0, 0), ncol=columns,
                frameon=False, fontsize=6.3, handlelength=1.0, columnspacing=1.0, handletextpad=0.4, borderpad=0,
                borderaxespad=2.6, labelspacing=0.3)  # fmt: skip


_LEAST = {"short": 1, "percentunit": 0.01, "cps": 1, "s": 0.1, "ms": 1, "reqps": 1}
"""The least upper end of an axis, so that zero is a flat line."""


def _legend_columns(found: Sequence[tuple[str, Series]], panel: Json) -> int:
    longest = max((len(name) for name, _ in found), default=1)
    return max(1, min(len(found), int((panel["gridPos"]["w"] * COLUMN_PX - 66) / (longest * 5.2 + 30))))


def _number(figure: Figure, panel: Json, frame: Frame, prometheus: Prometheus, period: Period) -> None:
    unit = panel["fieldConfig"]["defaults"]["unit"]
    found = _named(panel, prometheus, period)
    if not found:
        return
    points = found[0][1].points
    color = _level(panel, points[-1][1])
    axes = _axes(figure, frame, (1, 1, 1, 62))
    axes.plot([time for time, _ in points], [value for _, value in points], color=color, linewidth=1)
    axes.fill_between(
        [time for time, _ in points], [value for _, value in points], color=color, alpha=0.12, linewidth=0
    )
    axes.set_xlim(period.start, period.end)
    low, high = axes.get_ylim()
    axes.set_ylim(min(low, 0), max(high, 1e-6))
    axes.axis("off")
    (x, y, w, h), _, py = frame
    figure.text(x + w / 2, y + h - 44 * py, spoken(points[-1][1], unit), fontsize=17, color=color, weight="bold",
                ha="center", va="center")  # fmt: skip


def _table(figure: Figure, panel: Json, frame: Frame, prometheus: Prometheus, period: Period) -> None:
    (x, y, w, h), px, py = frame
    columns = panel["transformations"][0]["options"]["renameByName"]
    found = prometheus.query(filled(panel["targets"][0]["expr"], period.window))
    top = y + h - 44 * py
    places = {name: x + 12 * px + number * w / len(columns) for number, name in enumerate(columns)}
    for name, title in columns.items():
        figure.text(places[name], top, title, fontsize=7.5, color=COLORS[0], weight="bold", va="center")
    for number, series in enumerate(found, 1):
        value = series.points[0][1]
        for name, place in places.items():
            text = f"{value:.1f}" if name == "Value" else series.labels[name]
            color = _level(panel, value) if name == "Value" else TEXT
            figure.text(place, top - number * 26 * py, text, fontsize=8, color=color, va="center")


def _named(panel: Json, prometheus: Prometheus, period: Period) -> list[tuple[str, Series]]:
    """Return the series of all queries of *panel* with the names of their legends."""
    found: list[tuple[str, Series]] = []
    for target in panel["targets"]:
        expr = filled(target["expr"], period.window)
        answer = prometheus.query_range(expr, period.start, period.end, period.step)
        found += [(_legend(target["legendFormat"], series.labels), series) for series in answer]
    return found


def _legend(text: str, labels: Mapping[str, str]) -> str:
    return _LABEL.sub(lambda match: labels.get(match[1], ""), text)


def _level(panel: Json, value: float) -> str:
    steps = panel["fieldConfig"]["defaults"]["thresholds"]["steps"]
    return next(LEVELS[step["color"]] for step in reversed(steps) if step["value"] is None or value >= step["value"])


def spoken(value: float, unit: str) -> str:
    """Return *value* with its unit, as Grafana prints it."""
    if unit == "bool_yes_no":
        return "Yes" if value else "No"
    if unit == "percentunit":
        return f"{value * 100:.3g}%"
    if unit == "bytes":
        return f"{value / 2**20:.3g} MiB"
    if unit == "d":
        return f"{value:.1f} days"
    if unit == "ms" and abs(value) >= 1000:  # noqa: PLR2004 - milliseconds of a second
        return f"{value / 1000:.3g} s"
    if unit == "s" and 0 < abs(value) < 1:
        return f"{value * 1000:.3g} ms"
    suffix = {"reqps": " req/s", "cps": "/s", "s": " s", "ms": " ms"}.get(unit, "")
    return f"{value:.3g}{suffix}"
