"""Snippets that are hard to parse."""

from __future__ import annotations

from headgate.ir.snippets import read
from tests.processor_time import limited_processor_time


def test_blocks_that_are_nested_too_deeply_are_left_to_nginx() -> None:
    assert not read("a { " * 3000 + "b; " + "}" * 3000)


def test_a_long_text_of_open_braces_is_read_once() -> None:
    with limited_processor_time():
        assert not read("${" * 2_000_000)
