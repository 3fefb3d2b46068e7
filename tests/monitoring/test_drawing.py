"""The picture of the dashboard, drawn from answers that are made up."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from monitoring.prometheus import Prometheus, Series, filled

ROOT = Path(__file__).resolve().parents[2]
LABELS = {"host": "_", "service": "tea", "secret_name": "cafe", "secret_namespace": "shop", "instance": "10.0.0.1:9113"}


class Answers(Prometheus):
    """One series for each query, which are kept; nothing runs."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def query(self, expr: str) -> list[Series]:
        self.asked.append(expr)
        return [Series(LABELS, ((60.0, 12.0),))]

    def query_range(self, expr: str, start: float, end: float, step: float) -> list[Series]:
        self.asked.append(expr)
        return [
            Series(LABELS, tuple((start + number * step, number % 7) for number in range(int((end - start) / step))))
        ]


def test_every_query_is_drawn_in_the_layout_of_the_dashboard(tmp_path: Path) -> None:
    from monitoring.drawing import Period, draw  # with matplotlib, which not every worker needs

    board = json.loads((ROOT / "charts" / "headgate" / "files" / "dashboard.json").read_text())
    answers = Answers()
    draw(board, answers, Period(0, 60, 5, "10s"), tmp_path / "board.png")
    wanted = [target["expr"] for panel in board["panels"] for target in panel.get("targets", ())]
    assert sorted(answers.asked) == sorted(filled(expr, "10s") for expr in wanted)
    assert not any("$" in expr for expr in answers.asked)
    assert (tmp_path / "board.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.0512, "percentunit", "5.12%"), (1, "bool_yes_no", "Yes"), (1500, "ms", "1.5 s"), (12, "ms", "12 ms"),
        (0.25, "s", "250 ms"), (0, "s", "0 s"), (5.08, "d", "5.1 days"), (60 * 2**20, "bytes", "60 MiB"),
        (44.4, "reqps", "44.4 req/s"), (3, "short", "3"),
    ],
)  # fmt: skip
def test_values_have_their_units(value: float, unit: str, text: str) -> None:
    from monitoring.drawing import spoken

    assert spoken(value, unit) == text
