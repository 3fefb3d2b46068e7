"""Keys that nginx refuses are found among those that it accepts, in few tries."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from hypothesis import given
from hypothesis import strategies as st

from headgate.pipeline.key_search import FoundKeys, search_keys

NAMES = [f"k{number:02}" for number in range(16)]
Judge = Callable[[frozenset[str]], str | None]


def found(texts: Mapping[str, str], judge: Judge, most: int = 1000) -> tuple[FoundKeys, list[frozenset[str]]]:
    """Search among *texts* with an nginx that says what *judge* says; return what was found and what was tried."""
    tried: list[frozenset[str]] = []
    words = judge(frozenset(texts))
    assert words
    search = search_keys(texts, words, lambda: len(tried) >= most)
    said: str | None = None
    while True:
        try:
            tried.append(search.send(said))
        except StopIteration as end:
            return end.value, tried
        said = judge(tried[-1])


def refusing(*bad: str) -> Judge:
    """An nginx that names the first bad key, in no words that its text holds."""
    return lambda keys: next((f"bad {key}" for key in sorted(bad) if key in keys), "")


def named(keys: Collection[str]) -> dict[str, str]:
    return {key: f"{key} on;" for key in keys}


@given(st.sets(st.sampled_from(NAMES), min_size=1), st.data())
def test_all_others_are_accepted(keys: set[str], data: st.DataObject) -> None:
    bad = data.draw(st.sets(st.sampled_from(sorted(keys)), min_size=1))
    outcome, _ = found(named(sorted(keys)), refusing(*bad))
    assert (outcome.accepted, outcome.refused.keys(), outcome.untried) == (keys - bad, bad, {})
    assert outcome.refused == {key: f"bad {key}" for key in bad}


def test_one_among_many_takes_few_tries() -> None:
    most = max(len(found(named(NAMES), refusing(bad))[1]) for bad in NAMES)
    assert most <= 9


def test_one_that_nginx_quotes_takes_a_single_try() -> None:
    texts = named(NAMES) | {"k07": "no_such_thing on;"}
    outcome, tried = found(texts, lambda keys: 'unknown directive "no_such_thing"' if "k07" in keys else "")
    assert (len(tried), outcome.refused.keys()) == (1, {"k07"})


def test_one_alone_needs_no_try() -> None:
    assert found(named(["a"]), refusing("a")) == (FoundKeys(refused={"a": "bad a"}), [])


@given(st.permutations(["format", "map", "bad", "good"]))
def test_one_that_needs_another_is_accepted_with_it(order: list[str]) -> None:
    def judge(keys: frozenset[str]) -> str:
        lonely = "format" in keys and "map" not in keys
        return "bad" if "bad" in keys else "unknown variable" if lonely else ""

    outcome, _ = found(named(order), judge)
    assert (outcome.accepted, outcome.refused.keys()) == ({"format", "map", "good"}, {"bad"})


@given(st.permutations(["format", "map", "other"]))
def test_one_that_needs_a_refused_one_is_refused_too(order: list[str]) -> None:
    def judge(keys: frozenset[str]) -> str:
        return "bad map" if "map" in keys else "unknown variable" if "format" in keys else ""

    outcome, _ = found(named(order), judge)
    assert (outcome.accepted, outcome.refused) == ({"other"}, {"map": "bad map", "format": "unknown variable"})


@given(st.sets(st.sampled_from(NAMES), min_size=1), st.integers(0, 12))
def test_what_there_was_no_time_for_is_left_out_and_said(bad: set[str], most: int) -> None:
    outcome, tried = found(named(NAMES), refusing(*bad), most)
    assert len(tried) <= most
    assert sorted((*outcome.accepted, *outcome.refused, *outcome.untried)) == NAMES
    assert not outcome.accepted & bad
    assert outcome.refused.keys() <= bad
    assert all(words.startswith("bad ") for words in outcome.untried.values())


def test_the_search_ends_where_nginx_has_no_answer() -> None:
    outcome, tried = found(named(NAMES), lambda keys: "bad k15" if len(keys) > 8 else None)
    assert (len(tried), outcome.accepted, outcome.refused, len(outcome.untried)) == (1, set(), {}, 16)
