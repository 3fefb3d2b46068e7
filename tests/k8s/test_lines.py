"""Lines come out whole, however the bytes were cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.k8s import BadAnswer
from headgate.k8s import lines as lines_module
from headgate.k8s.lines import Lines


@given(st.lists(st.binary(max_size=20)), st.lists(st.integers(1, 7), min_size=1))
def test_any_split_gives_the_same_lines(texts: list[bytes], sizes: list[int]) -> None:
    wanted = [text.replace(b"\n", b"n") for text in texts]
    stream = b"".join(text + b"\n" for text in wanted)
    reader, got, at, turn = Lines(), [], 0, 0
    while at < len(stream):
        size = sizes[turn % len(sizes)]
        got += reader.feed(stream[at : at + size])
        at, turn = at + size, turn + 1
    assert got == [text.strip() for text in wanted if text.strip()]


def test_an_incomplete_line_is_held_back() -> None:
    reader = Lines()
    assert list(reader.feed(b"one\ntw")) == [b"one"]
    assert list(reader.feed(b"o\n")) == [b"two"]


def test_a_line_that_is_too_long_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines_module, "LONGEST", 10)
    reader = Lines()
    list(reader.feed(b"123456"))
    with pytest.raises(BadAnswer, match="without a line's end"):
        list(reader.feed(b"789012"))
