"""Which profiles are out after nginx refused all of them, and which may be forgotten."""

from __future__ import annotations

import pytest

from headgate.ir.http import Location
from headgate.pipeline import profiles
from headgate.pipeline.profiles import Profiles
from headgate.settings import NOTHING

NAMES = [f"p_{number}" for number in range(13)]


def used(found: Profiles, *names: str) -> None:
    found.replace({}, {name: Location(path=name, own=NOTHING) for name in names})


def search(found: Profiles, bad: set[str]) -> int:
    """Let nginx refuse all of them as long as one of *bad* is there, and objects work without; count the attempts."""
    attempts = 0
    while True:
        attempts += 1
        assert attempts < 200, "it does not end"
        if bad.isdisjoint(found.there):
            found.accept()
            pardoned = found.pardon(NAMES)  # nginx accepts the server blocks of everybody
            if not pardoned:
                return attempts
            used(found, *pardoned)
        else:
            out = found.refuse()
            assert out
            found.replace(dict.fromkeys(out, Location(path="", own=NOTHING)), {})


@pytest.mark.parametrize("bad", [{"p_7"}, {"p_0", "p_12"}, {"p_3", "p_4", "p_5"}, set(NAMES)])
def test_bad_ones_are_found_though_nginx_refuses_no_server_block(bad: set[str]) -> None:
    found = Profiles()
    used(found, *NAMES)
    search(found, bad)
    assert found.refused == bad
    assert found.there.keys() == set(NAMES) - bad
    assert found.doubtful == frozenset()


def test_one_bad_among_many_takes_few_attempts() -> None:
    found = Profiles()
    used(found, *NAMES)
    assert search(found, {"p_7"}) <= len(NAMES)


def test_those_that_nginx_accepted_before_are_not_touched() -> None:
    found = Profiles()
    used(found, "p_0", "p_1")
    found.accept()
    used(found, "p_2", "p_3")
    assert found.refuse() == {"p_2", "p_3"}
    assert found.there.keys() == {"p_0", "p_1"}
    assert not found.admit(["p_0", "p_2"])
    assert found.pardon(["p_2"]) == {"p_2"}
    assert found.admit(["p_0", "p_2"])
    assert not found.admit(["p_3"])


def test_what_is_held_and_what_served_last_outlives_a_lack_of_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(profiles, "LIMIT", 3)
    found = Profiles()
    used(found, "p_0", "p_1", "p_2")
    found.accept(held=["p_2"])
    found.replace(dict.fromkeys(NAMES[:3], Location(path="", own=NOTHING)), {})
    used(found, "p_3", "p_4")
    assert found.there.keys() == {"p_0", "p_1", "p_2", "p_3", "p_4"}, "nginx may refuse the new ones"
    assert not found.admit(["p_5"]), "one is held"
    found.accept(held=["p_2"])
    found.prune()
    assert found.there.keys() == {"p_2", "p_3", "p_4"}
    found.accept()
    found.prune()
    assert found.there.keys() == {"p_3", "p_4"}
