from __future__ import annotations

from collections import Counter
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from headgate.deltas import Tally, differing


@given(st.lists(st.integers(0, 3)), st.lists(st.integers(0, 3)))
def test_what_differs_is_what_stands_between_the_common_ends(old: list[int], new: list[int]) -> None:
    begin, gone, come = splice = differing(tuple(old), tuple(new))
    start = next((i for i, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), min(len(old), len(new)))
    rest = len(old) - start - len(gone)
    assert (tuple(old[start : start + len(gone)]), tuple(new[start : start + len(come)])) == (gone, come)
    assert begin == start
    assert old[:start] == new[:start]
    assert splice.applied(tuple(map(str, old)), map(str, come)) == tuple(map(str, new))
    assert splice.replaced(tuple(map(str, old))) == tuple(map(str, gone))
    assert old[len(old) - rest :] == new[len(new) - rest :]
    assert not gone or not come or gone[-1] != come[-1]


def test_equal_objects_differ_if_they_are_not_the_same() -> None:
    kept, one, other = object(), Decimal(1), Decimal(1)
    assert differing((kept, one, kept), (kept, other, kept)) == (1, (one,), (other,))
    assert differing((kept, one), (kept, one)) == (2, (), ())


@given(st.lists(st.lists(st.sampled_from("abc"), max_size=4)))
def test_a_tally_counts_what_was_counted_last(versions: list[list[str]]) -> None:
    tally: Tally[str] = Tally()
    other: list[str] = ["a"]
    tally.replace((), other)
    for old, new in zip([[], *versions], versions, strict=False):
        before = tally.keys
        tally.replace(old, new)
        counts = Counter([*other, *new])
        assert tally.keys == counts.keys()
        assert tally.distinct == (max(counts.values()) == 1)
        assert [key in tally for key in "abc"] == [key in counts for key in "abc"]
        assert set(old) != set(new) or tally.keys is before
