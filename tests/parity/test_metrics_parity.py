"""Every metric of the incumbent is there with its type and labels, or is absent with a reason."""

import csv
import re
from pathlib import Path

import pytest

from headgate.reporting.reference import ABSENT_METRICS, absent_metric
from headgate.reporting.table import TABLE

with (Path(__file__).parent / "nic-metrics.csv").open(newline="") as table:
    ROWS = list(csv.DictReader(table))
THERE = {row.name: row for row in TABLE}


def labels(words: str) -> set[str]:
    """Read ``class,type(regular|master|minion)``."""
    return set(re.findall(r"(\w+)(?:\([^)]*\))?(?:,|$)", words)) - {"class"}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["metric"])
def test_every_metric_of_the_incumbent_exists_or_has_a_reason(row: dict[str, str]) -> None:
    found, absent = THERE.get(row["metric"]), absent_metric(row["metric"])
    assert (found is None) is (absent is not None)
    if found:
        assert found.kind == row["type"].partition(" ")[0]
        assert set(found.labels) == labels(row["labels"])
    else:
        assert absent is not None
        assert absent.reason


def test_all_open_source_rows_are_there_but_those_of_the_custom_resources() -> None:
    lacking = {row["metric"] for row in ROWS if row["plus_only"] == "no"} - THERE.keys()
    assert lacking == {key for key in ABSENT_METRICS if "server" in key and "*" not in key}


def test_nothing_is_absent_that_does_not_exist() -> None:
    for key in ABSENT_METRICS:
        assert any(row["metric"].startswith(key.rstrip("*")) for row in ROWS)
