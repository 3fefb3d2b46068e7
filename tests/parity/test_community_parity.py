"""Every annotation of ingress-nginx is served, or is absent with a reason."""

import csv
from pathlib import Path

import pytest

from headgate.settings import COMMUNITY, Overrides
from headgate.settings.community import FIELDS
from headgate.settings.community.absent import ABSENT
from headgate.settings.community.annotations import GUARDS
from headgate.settings.community.shared import SHARED, Shared

with Path(__file__).with_name("community-annotations.csv").open(newline="") as table:
    NAMES = [row["annotation"].removeprefix(COMMUNITY.prefix) for row in csv.DictReader(table)]


@pytest.mark.parametrize("name", NAMES)
def test_annotation(name: str) -> None:
    assert [name in home for home in (FIELDS, SHARED, ABSENT)].count(True) == 1


@pytest.mark.parametrize(("name", "shared"), SHARED.items())
def test_messages_name_the_annotation(name: str, shared: Shared) -> None:
    assert Overrides(dialect=COMMUNITY).key(shared.field) == COMMUNITY.prefix + name


def test_nothing_else_is_declared() -> None:
    assert {*FIELDS, *SHARED, *ABSENT} == set(NAMES)
    assert FIELDS.keys() >= GUARDS
