"""What one change of an object means for the others."""

import json

import msgspec
import pytest

from headgate.api import Ingress
from headgate.configuration import Configuration
from headgate.controller.kinds import CLAIMANTS
from headgate.validation.rules import Rules
from tests.unit.configuration.ingresses import changes, configuration, ingress, master, minion, problems, ref

SHARE = "use a master and minions (nginx.org/mergeable-ingress-type) or another host"
ATTACH = "use a minion of that master (nginx.org/mergeable-ingress-type) or another host"
MOVE = "use another host or another ingress class"
ORPHAN = "Ingress master is invalid or doesn't exist (its paths are not served until there is a master for its host)"


def taken(*holders: str, out: str = SHARE) -> str:
    """Return the Problem of an Ingress that lost all its hosts."""
    return f"All hosts are taken by other resources: {'; '.join(holders)}; {out} (it is not served)"


def created(name: str, day: int) -> str:
    return f"Ingress default/{name}, created 2024-01-{day:02}T00:00:00Z"


def test_one_more_claimant_or_one_less_affects_no_other_resource() -> None:
    found = configuration(*(ingress(f"i{number}", created=number + 1) for number in range(9)))
    update = found.update([ingress("late", created=20)], [])
    assert changes(update) == []
    assert problems(update) == {"late": [taken(created("i0", 1))]}
    update = found.update([], [ref("i5")])
    assert (update.changes, update.standings) == ((), {})


def test_a_host_that_is_given_up_goes_to_the_next_and_its_file_goes_first() -> None:
    found = configuration(ingress("old", created=1), ingress("young", created=2), ingress("youngest", created=3))
    update = found.update([], [ref("old")])
    assert changes(update) == [("DELETE", "old"), ("ADD_OR_UPDATE", "young")]
    assert problems(update) == {"young": [], "youngest": [taken(created("young", 2))]}
    assert update.gone == {ref("old")}


def test_an_older_one_takes_the_host_away() -> None:
    found = configuration(ingress("young", created=9))
    update = found.update([ingress("old", created=1)], [])
    assert changes(update) == [("DELETE", "young"), ("ADD_OR_UPDATE", "old")]
    assert problems(update) == {"old": [], "young": [taken(created("old", 1))]}


@pytest.mark.parametrize("invalid", [False, True])
def test_losers_are_reported_with_the_new_holder_when_the_holder_is_renamed_or_becomes_invalid(invalid: bool) -> None:
    found = configuration(ingress("old", created=1), *(ingress(f"i{day}", created=day) for day in (5, 6, 7)))
    new, deletes = (ingress("old", "not a host", created=1), []) if invalid else (ingress("new"), [ref("old")])
    said = problems(found.update([new], deletes))
    holder = created("i5", 5) if invalid else created("new", 1)
    assert said.keys() == {"i5", "i6", "i7", new.metadata.name}
    assert (said["i6"], said["i7"]) == ([taken(holder)], [taken(holder)])


def test_losers_are_reported_when_an_older_one_takes_the_host() -> None:
    found = configuration(ingress("a", created=3), ingress("b", created=4))
    said = problems(found.update([ingress("old", created=1)], []))
    assert said == {"old": [], "a": [taken(created("old", 1))], "b": [taken(created("old", 1))]}


def test_losers_are_reported_when_what_they_read_about_the_holder_changes() -> None:
    found = configuration(ingress("old", created=1), ingress("young", created=9))
    assert problems(found.update([ingress("old", "a.test", "/x", created=1)], [])) == {"old": []}
    said = problems(found.update([ingress("old", "a.test", "/x", created=2)], []))
    assert said == {"old": [], "young": [taken(created("old", 2))]}
    said = problems(found.update([master("old", created=2)], []))
    assert said == {"old": [], "young": [taken(created("old", 2), out=ATTACH)]}


def test_several_holders_are_named_with_their_hosts() -> None:
    rules = [rule for host in ("a.test", "b.test", "c.test") for rule in ingress("x", host).spec.rules]
    late = ingress("late", created=9)
    late = type(late)(late.metadata, type(late.spec)(ingress_class_name="nginx", rules=tuple(rules)))
    found = configuration(ingress("one", "a.test"), ingress("two", "b.test", created=2))
    assert problems(found.update([late], []))["late"] == [
        f"spec.rules: host {host} is taken by another resource: {holder}; {SHARE} (that resource serves it)"
        for host, holder in (("a.test", created("one", 1)), ("b.test", created("two", 2)))
    ]
    said = problems(found.update([ingress("three", "c.test", created=3, namespace="other")], []))["late"]
    assert said == [
        taken(
            f"host a.test by {created('one', 1)}",
            f"host b.test by {created('two', 2)}",
            "host c.test by Ingress other/three, created 2024-01-03T00:00:00Z",
            out=MOVE,
        )
    ]


def test_the_way_out_depends_on_whether_the_host_can_be_shared() -> None:
    found = configuration(
        ingress("regular", "a.test", namespace="other"), master("master", "b.test", namespace="other")
    )
    said = problems(found.update([ingress("a", "a.test", created=2), ingress("b", "b.test", created=2)], []))
    assert said["a"] == [taken("Ingress other/regular, created 2024-01-01T00:00:00Z", out=MOVE)]
    assert said["b"] == [taken("Ingress other/master, created 2024-01-01T00:00:00Z", out=ATTACH)]


def test_a_holder_without_a_creation_time_is_named_without_it() -> None:
    found = configuration(ingress("a", creationTimestamp=None), ingress("b", creationTimestamp=None))
    assert problems(found.update([ingress("c", creationTimestamp=None)], [])) == {
        "c": [taken("Ingress default/a, which is first by name")]
    }


def test_an_ingress_without_a_host_names_the_holder() -> None:
    found = Configuration(CLAIMANTS, Rules(allow_empty_host=True))
    found.update([ingress("old", "", created=1), ingress("young", "", created=2)], [])
    said = problems(found.update([ingress("late", "", created=3)], []))
    assert said == {"late": [taken(created("old", 1))]}
    assert problems(found.update([], [ref("old")])) == {"young": [], "late": [taken(created("young", 2))]}


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
    assert problems(update)["b"] == [path_taken(created("old", 1))]
    assert set(problems(update)) == {"m", "b", "old"}
    held = {attached.candidate.ref.name: attached.held for attached in found.resources[ref("m")].attached}
    assert held == {"a": {0}, "b": frozenset(), "c": {0}, "old": {0}}


def path_taken(holder: str) -> str:
    words = f"path /b is taken by another resource: {holder}; use another path (that resource serves it)"
    return f"spec.rules[0].http.paths[0].path: {words}"


def test_minions_that_lost_a_path_are_reported_with_its_new_holder() -> None:
    minions = [minion(f"i{day}", "/b", created=day) for day in (3, 4, 5)]
    found = configuration(master("m"), minion("a", "/a"), minion("old", "/b", created=2), *minions)
    update = found.update([], [ref("old")])
    lost = [path_taken(created("i3", 3))]
    assert problems(update) == {"m": [], "i3": [], "i4": lost, "i5": lost}
    assert changes(update) == [("ADD_OR_UPDATE", "m")]


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
    assert problems(update) == {"a": [orphan_beside(created("m", 1))], "m": []}
    assert not found.resources[ref("m")].attached


def orphan_beside(holder: str) -> str:
    taken = f"doesn't exist: its host is taken by {holder}, which is not a master ("
    return ORPHAN.replace("doesn't exist (", taken)


def test_a_host_of_a_regular_ingress_has_no_minions() -> None:
    found = configuration(ingress("regular", created=1), ingress("young", created=2), master("m", created=3))
    assert problems(found.update([minion("a", "/a")], []))["a"] == [orphan_beside(created("regular", 1))]
    said = problems(found.update([], [ref("regular")]))
    assert said["a"] == [orphan_beside(created("young", 2))]
    assert said["m"] == [taken(created("young", 2))]


def test_an_object_that_becomes_invalid_is_withdrawn() -> None:
    found = configuration(ingress("a"), ingress("b", created=2))
    update = found.update([ingress("a", "not a host")], [])
    assert changes(update) == [("DELETE", "a"), ("ADD_OR_UPDATE", "b")]
    assert "is not a host name" in problems(update)["a"][0]


PATHS = [(path, kind) for path in ("/", "/tea", "/tea/") for kind in ("Prefix", "Exact", "ImplementationSpecific")]
SAME = [
    {("/", "Prefix"), ("/", "ImplementationSpecific")},
    {(path, kind) for path in ("/tea", "/tea/") for kind in ("Prefix", "ImplementationSpecific")},
]
"""Paths that match the same requests, at least those for ``/tea`` itself."""


def test_the_minions_of_a_master_are_in_the_order_of_their_age() -> None:
    """nginx tries regular expressions in this order."""
    found = configuration(
        master("m"), minion("z", "/1", created=2), minion("a", "/2", created=4), minion("b", "/3", created=3)
    )
    assert [attached.candidate.ref.name for attached in found.resources[ref("m")].attached] == ["z", "b", "a"]


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


def on_port(name: str, day: int, *, tls: bool = False) -> Ingress:
    key = "nginx.org/listen-ports-ssl" if tls else "nginx.org/listen-ports"
    return ingress(name, f"{name}.test", created=day, annotations={key: "8090"})


def test_the_oldest_decides_which_protocol_a_port_has() -> None:
    found = configuration(on_port("plain", 2), on_port("too", 3), on_port("secure", 4, tls=True))
    assert found.resources.keys() == {ref("plain"), ref("too")}
    update = found.update([on_port("first", 1, tls=True)], [])
    assert changes(update) == [
        ("DELETE", "plain"),
        ("DELETE", "too"),
        ("ADD_OR_UPDATE", "first"),
        ("ADD_OR_UPDATE", "secure"),
    ]
    told = problems(update)["too"]
    words = f"nginx.org/listen-ports: port 8090 is used for HTTPS by another resource: {created('first', 1)}"
    assert told == [f"{words}; use another port (it is not served)"]
    update = found.update([on_port("first", 1)], [])
    assert found.resources.keys() == {ref("first"), ref("plain"), ref("too")}
    assert changes(update)[0] == ("DELETE", "secure")
