"""Every metric of ingress-nginx is there with its type and labels, or is absent with a reason."""

from __future__ import annotations

import csv
import re
from collections import Counter
from pathlib import Path

import pytest

from headgate.reporting.community import ALONE, COMMUNITY_ABSENT, COMMUNITY_DIFFERS, COMMUNITY_TABLE
from headgate.reporting.rows import CONTROLLER

with (Path(__file__).parent / "community-metrics.csv").open(newline="") as table:
    ROWS = list(csv.DictReader(table))
THERE = {row.name: row for row in COMMUNITY_TABLE}
OF_PROCESS = "process_*"
"""The library has it, for Headgate's own names as well."""
OF_CONTROLLER = {"controller_namespace", "controller_class", "controller_pod"}


def declared(name: str) -> str:
    """Return works, differs or declined."""
    if name == OF_PROCESS or name in THERE:
        return "differs" if name in COMMUNITY_DIFFERS else "works"
    return "declined" if reason(name) else "undeclared"


def reason(name: str) -> str:
    starred = (why for key, why in COMMUNITY_ABSENT.items() if key.endswith("*") and name.startswith(key[:-1]))
    return COMMUNITY_ABSENT.get(name) or next(starred, "")


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["metric"])
def test_it_is_there_or_has_a_reason(row: dict[str, str]) -> None:
    found = THERE.get(row["metric"])
    assert declared(row["metric"]) != "undeclared"
    if found:
        assert found.kind == row["type"]
        wanted = set(re.sub(r"\(.*?\)", "", row["labels"]).split("|"))
        around = set() if found.name.removeprefix(CONTROLLER) in ALONE else OF_CONTROLLER
        assert {*found.labels, *around} == wanted
        assert not reason(row["metric"])


def test_the_counts() -> None:
    assert Counter(declared(row["metric"]) for row in ROWS) == {"works": 16, "differs": 9, "declined": 15}


def test_nothing_else_is_declared() -> None:
    names = {row["metric"] for row in ROWS}
    assert not THERE.keys() - names
    assert not COMMUNITY_DIFFERS.keys() - THERE.keys()
    for key in COMMUNITY_ABSENT:
        assert any(name.startswith(key.rstrip("*")) for name in names)
