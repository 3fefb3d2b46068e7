"""Every key of ingress-nginx's ConfigMap has an effect, or is told to have none, with a reason."""

import csv
from pathlib import Path

import pytest

from headgate.problems import ObjectRef
from headgate.settings.community import read_community_config
from headgate.settings.community.absent_keys import ABSENT_KEYS, CLOSING_KEYS
from headgate.settings.community.keys import AS_ANNOTATIONS, GLOBAL_AUTH, KEYS

REF = ObjectRef("ConfigMap", "ingress-nginx", "ingress-nginx-controller")
HOMES = ({*KEYS} - {*GLOBAL_AUTH}, AS_ANNOTATIONS, GLOBAL_AUTH, ABSENT_KEYS, CLOSING_KEYS)

with Path(__file__).with_name("community-configmap.csv").open(newline="") as table:
    ROWS = list(csv.DictReader(table))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["key"])
def test_key(row: dict[str, str]) -> None:
    assert [row["key"] in home for home in HOMES].count(True) == 1


def test_nothing_else_is_declared() -> None:
    assert {key for home in HOMES for key in home} == {row["key"] for row in ROWS}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["key"])
def test_its_default_is_taken_without_a_word(row: dict[str, str]) -> None:
    text = row["default"]
    if text.startswith(("see effect", "number of", "true when", "(empty", "[] (", '"" ')):
        return
    data = {row["key"]: "" if text in {'""', "[]"} else text.split(" (")[0]}
    _, problems = read_community_config(data, REF, sole=True)
    assert not problems


@pytest.mark.parametrize("key", sorted({*ABSENT_KEYS, *CLOSING_KEYS}))
def test_what_has_no_effect_is_told(key: str) -> None:
    config, problems = read_community_config({key: "another-value"}, REF, sole=True)
    assert [problem.field for problem in problems] == [key]
    assert bool(config.rules.refused) == (key in CLOSING_KEYS)
