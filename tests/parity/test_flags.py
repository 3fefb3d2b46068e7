"""Every flag of the incumbent is declared with its default, or declined with a reason."""

import csv
from pathlib import Path

import pytest

from headgate import flags
from headgate.declined_flags import DECLINED
from headgate.options import DECLARED, Options, parse

with (Path(__file__).parent / "nic-flags.csv").open(newline="") as table:
    ROWS = list(csv.DictReader(table))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["flag"])
def test_every_flag_of_the_incumbent_is_known_with_its_default(row: dict[str, str]) -> None:
    name = row["flag"]
    if name in DECLARED:
        assert flags.printed(DECLARED[name].default) == row["default"]
        assert DECLARED[name].boolean == (row["type"] == "bool")
    else:
        assert DECLINED[name].default == row["default"]
        assert DECLINED[name].boolean == (row["type"] == "bool")
        assert Options.declined[name]


@pytest.mark.parametrize("row", [row for row in ROWS if row["flag"] != "version"], ids=lambda row: row["flag"])
def test_passing_the_default_is_accepted(row: dict[str, str]) -> None:
    options = parse([f"-{row['flag']}={row['default']}"], {})
    assert isinstance(options, Options), options


def test_no_flag_is_both_declared_and_declined() -> None:
    assert not DECLARED.keys() & DECLINED.keys()


def test_flags_the_incumbent_lacks_are_printed_with_two_dashes() -> None:
    known = {row["flag"] for row in ROWS}
    native = {name for name, declaration in DECLARED.items() if declaration.flag.native}
    assert native == DECLARED.keys() - known


WORK_HERE = {"enable-oidc"}
"""Rows for NGINX Plus that open-source nginx can do by now."""


def test_plus_only_flags_are_declined() -> None:
    assert {row["flag"] for row in ROWS if row["plus_only"] == "yes"} - WORK_HERE <= DECLINED.keys()
