"""Every flag of ingress-nginx works under its name, or is known with its default and a reason."""

import csv
from pathlib import Path

import pytest

from headgate import flags
from headgate.community_flags import COMMUNITY_DECLINED
from headgate.options import DECLARED, Options, parse
from headgate.problems import Problem

OTHER_DEFAULTS = {
    "controller-class": "",
    "kubeconfig": "",
    "shutdown-grace-period": "5",
}
"""Flags of both that have another default here; the first is that of ingress-nginx where its flags are used."""


def _default(text: str) -> str:
    return "" if text in {'""', "[]"} else text


with Path(__file__).with_name("community-flags.csv").open(newline="") as table:
    ROWS = [
        {**row, "flag": row["flag"].split(" ")[0].removeprefix("--"), "default": _default(row["default"])}
        for row in csv.DictReader(table)
    ]
NAMES = {row["flag"] for row in ROWS}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["flag"])
def test_every_flag_of_ingress_nginx_is_known_with_its_default(row: dict[str, str]) -> None:
    name = row["flag"]
    if name in DECLARED:
        assert flags.printed(DECLARED[name].default) == OTHER_DEFAULTS.get(name, row["default"])
        assert DECLARED[name].boolean == (row["type"] == "bool")
        assert name not in COMMUNITY_DECLINED
    else:
        assert COMMUNITY_DECLINED[name].default == row["default"]
        assert COMMUNITY_DECLINED[name].boolean == (row["type"] == "bool")
        assert COMMUNITY_DECLINED[name].reason


@pytest.mark.parametrize("row", [row for row in ROWS if row["flag"] != "version"], ids=lambda row: row["flag"])
def test_its_default_passes_without_a_word(row: dict[str, str]) -> None:
    options = parse([f"--{row['flag']}={row['default']}"], {})
    assert isinstance(options, Options), options
    assert not options.warnings


@pytest.mark.parametrize("name", sorted(NAMES & COMMUNITY_DECLINED.keys()))
def test_any_other_value_is_told_or_refused(name: str) -> None:
    declined = COMMUNITY_DECLINED[name]
    other = ("false" if declined.default == "true" else "true") if declined.boolean else "other"
    if declined.accepts(other):
        return
    found = parse([f"--{name}={other}"], {})
    told = found if isinstance(found, tuple) else found.warnings
    assert isinstance(found, tuple) == declined.refused
    assert [(problem.field, problem.reason) for problem in told] == [(f"--{name}", declined.reason)]
    assert isinstance(told[0], Problem)


def test_nothing_else_is_declared() -> None:
    klog = {name for name in COMMUNITY_DECLINED if name not in NAMES}
    assert klog == {
        "add_dir_header", "alsologtostderr", "log_backtrace_at", "log_dir", "log_file", "log_file_max_size",
        "logtostderr", "one_output", "skip_headers", "skip_log_headers", "stderrthreshold", "vmodule",
    }  # fmt: skip
