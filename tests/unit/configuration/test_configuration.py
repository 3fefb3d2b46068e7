"""What one change of an object means for the others."""

import json

import msgspec
import pytest

from headgate.api import Ingress
from tests.unit.configuration.ingresses import changes, configuration, ingress, master, minion, problems, ref

TAKEN = "All hosts are taken by other resources (it is not served; an older resource holds them)"
ORPHAN = "Ingress master is invalid or doesn't exist (its paths are not served until there is a master for its host)"


def test_one_more_claimant_affects_no_other_resource() -> None:
    found = configuration(*(ingress(f"i{number}", created=number + 1) for number in range(9)))
    update = found.update([ingress("late", created=20)], [])
    assert changes(update) == []
    assert problems(update) == {"late": [TAKEN]}


def test_a_host_that_is_given_up_goes_to_the_next_and_its_file_goes_first() -> None:
    found = configuration(ingress("old", created=1), ingress("young", created=2), ingress("youngest", created=3))
    update = found.update([], [ref("old")])
    assert changes(update) == [("DELETE", "old"), ("ADD_OR_UPDATE", "young")]
    assert problems(update) == {"young": []}
    assert update.gone == {ref("old")}


def test_an_older_one_takes_the_host_away() -> None:
    found = configuration(ingress("young", created=9))
    update = found.update([ingress("old", created=1)], [])
    assert changes(update) == [("DELETE", "young"), ("ADD_OR_UPDATE", "old")]
    assert problems(update) == {"old": [], "young": [TAKEN]}


def test_a_part_of_the_hosts_may_be_lost() -> None:
    both = ingress("both", "b.test", created=2)
    rules = (*ingress("x", "a.test").spec.rules, *both.spec.rules)
    both = type(both)(metadata=both.metadata, spec=type(both.spec)(ingress_class_name="nginx", rules=rules))
    found = configuration(ingress("old", "a.test", created=1), both)
    assert found.resources[ref("both")].hosts == ("b.test",)
    update = found.update([], [ref("old")])
    assert changes(update) == [("DELETE", "old"), ("ADD_OR_UPDATE", "both")]
    assert found.resources[ref("both")].hosts == ("a.test", "b.test")


def test_a_status_that_changes_is_no_change() -> None:
    found = configuration(ingress("a"))
    update = found.update([ingress("a", labels={"x": "y"})], [])
    assert (update.changes, update.standings) == ((), {})


def test_a_minion_affects_its_master_and_minions_whose_paths_it_takes() -> None:
    found = configuration(master("m"), minion("a", "/a", created=2), minion("b", "/b", created=3))
    update = found.update([minion("c", "/c", created=4)], [])
    assert changes(update) == [("ADD_OR_UPDATE", "m")]
    assert problems(update) == {"c": [], "m": []}
    update = found.update([minion("old", "/b", created=1)], [])
    (lost,) = problems(update)["b"]
    assert lost == ("spec.rules[0].http.paths[0].path: path /b is taken by another resource (that one serves it)")
    assert set(problems(update)) == {"m", "b", "old"}
    held = {attached.candidate.ref.name: attached.held for attached in found.resources[ref("m")].attached}
    assert held == {"a": {0}, "b": frozenset(), "c": {0}, "old": {0}}


def test_minions_get_problems_as_their_master_appears_and_disappears() -> None:
    found = configuration(minion("a", "/a"), minion("b", "/b"))
    update = found.update([master("m")], [])
    assert problems(update) == {"a": [], "b": [], "m": []}
    assert {standing.owner for standing in update.standings.values()} == {ref("m")}
    update = found.update([], [ref("m")])
    assert problems(update) == {"a": [ORPHAN], "b": [ORPHAN]}
    assert {standing.owner for standing in update.standings.values()} == {None}


def test_a_master_that_becomes_a_regular_ingress_loses_its_minions() -> None:
    found = configuration(master("m"), minion("a", "/a"))
    update = found.update([ingress("m", "a.test", "/x")], [])
    assert problems(update) == {"a": [ORPHAN], "m": []}
    assert found.resources[ref("m")].attached == ()


def test_a_host_of_a_regular_ingress_has_no_minions() -> None:
    update = configuration(ingress("regular", created=1), master("m", created=2)).update([minion("a", "/a")], [])
    assert problems(update)["a"] == [ORPHAN]


def test_an_object_that_becomes_invalid_is_withdrawn() -> None:
    found = configuration(ingress("a"), ingress("b", created=2))
    update = found.update([ingress("a", "not a host")], [])
    assert changes(update) == [("DELETE", "a"), ("ADD_OR_UPDATE", "b")]
    assert "is not a host name" in problems(update)["a"][0]


PATHS = [(path, kind) for path in ("/", "/tea", "/tea/") for kind in ("Prefix", "Exact", "ImplementationSpecific")]
SAME = [
    {("/", "Prefix"), ("/", "ImplementationSpecific")},
    {("/tea", "Prefix"), ("/tea/", "Prefix"), ("/tea/", "ImplementationSpecific")},
]
"""Paths that are one location in nginx."""


@pytest.mark.parametrize("regex", ["", "case_sensitive", "case_insensitive", "exact"])
@pytest.mark.parametrize("one", PATHS)
@pytest.mark.parametrize("other", PATHS)
def test_of_two_minions_that_want_one_location_the_older_has_it(
    one: tuple[str, str], other: tuple[str, str], regex: str
) -> None:
    found = configuration(master("m"), _of(minion("young", one[0], created=2), one[1], regex))
    found.update([_of(minion("old", other[0], created=1), other[1], regex)], [])
    held = {attached.candidate.ref.name: bool(attached.held) for attached in found.resources[ref("m")].attached}
    if regex:
        one, other = (one[0], "Exact"), (other[0], "Exact")
    same = one == other or any({one, other} <= group for group in SAME)
    assert held == {"old": True, "young": not same}


def _of(item: Ingress, kind: str, regex: str) -> Ingress:
    """Return *item* with another type of its path, and its path read as *regex*."""
    text = json.loads(msgspec.json.encode(item))
    text["spec"]["rules"][0]["http"]["paths"][0]["pathType"] = kind
    if regex:
        text["metadata"]["annotations"]["nginx.org/path-regex"] = regex
    return Ingress.convert(text)
