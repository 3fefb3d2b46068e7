from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from headgate.deltas import Rope, Tally, differing


@given(st.lists(st.integers(0, 3)), st.lists(st.integers(0, 3)))
def test_what_differs_is_what_stands_between_the_common_ends(old: list[int], new: list[int]) -> None:
    begin, gone, come = splice = differing(tuple(old), tuple(new))
    start = next((i for i, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), min(len(old), len(new)))
    rest = len(old) - start - len(gone)
    assert (tuple(old[start : start + len(gone)]), tuple(new[start : start + len(come)])) == (gone, come)
    assert begin == start
    assert old[:start] == new[:start]
    assert list(Rope(map(str, old)).replaced(splice, map(str, come))) == list(map(str, new))
    assert Rope(map(str, old)).at(splice) == tuple(map(str, gone))
    assert old[len(old) - rest :] == new[len(new) - rest :]
    assert not gone or not come or gone[-1] != come[-1]


def test_equal_objects_differ_if_they_are_not_the_same() -> None:
    kept, one, other = object(), Decimal(1), Decimal(1)
    assert differing((kept, one, kept), (kept, other, kept)) == (1, (one,), (other,))
    assert differing((kept, one), (kept, one)) == (2, (), ())


EDITS = st.lists(st.tuples(st.integers(0, 200), st.integers(0, 70), st.integers(0, 70)), max_size=30)
"""Where to begin, how many items to remove, and how many to put there."""


@given(st.integers(0, 200), EDITS)
def test_a_rope_is_the_sequence_that_its_splices_make_of_it(size: int, edits: list[tuple[int, int, int]]) -> None:
    plain = [object() for _ in range(size)]
    first = rope = Rope(plain)
    kept = list(plain)
    for wanted, count, added in edits:
        before, known, come = rope, list(plain), [object() for _ in range(added)]
        start = min(wanted, len(plain))
        removed = min(count, len(plain) - start)
        plain[start : start + removed] = come
        rope = rope.spliced(start, removed, come)
        assert list(rope) == plain
        assert (len(rope), bool(rope)) == (len(plain), bool(plain))
        assert rope == Rope(plain) == before.became(plain)
        assert rope.since(before) == differing(tuple(known), tuple(plain)) == Rope(plain).since(Rope(known))
        assert [rope[index] for index in range(-len(plain), len(plain))] == plain + plain
    assert list(first) == kept
    assert rope.since(first) == differing(tuple(kept), tuple(plain))


def test_a_rope_with_one_other_item_shares_all_chunks_but_one() -> None:
    items = [object() for _ in range(500)]
    old = Rope(items)
    new = old.spliced(250, 1, [object()])
    assert len(set(map(id, new.chunks)) - set(map(id, old.chunks))) == 1
    items[250] = new[250]
    assert [chunk for chunk in old.became(items).chunks if chunk not in new.chunks] == []


@given(st.sets(st.integers(0, 300)), st.integers(0, 301))
def test_an_item_has_its_place_in_a_rope_in_order(items: set[int], item: int) -> None:
    plain = sorted(items)
    assert Rope(plain).place(str(item).zfill(3), lambda known: str(known).zfill(3)) == bisect_left(plain, item)


def test_a_rope_of_which_much_is_removed_does_not_keep_small_chunks() -> None:
    rope = Rope(range(20_000))
    for start in range(500, 0, -1):
        rope = rope.spliced(start * 40 - 39, 39, ())
    assert len(rope.chunks) < 100


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
