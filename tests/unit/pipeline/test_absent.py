"""What a user reads of a Policy that is not there, by the flags that decide what is watched."""

from __future__ import annotations

import pytest

from headgate.api import Policy
from headgate.options import Options
from headgate.pipeline.absent import absent

REF = Policy.KIND.ref("shop", "office")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (Options(), "does not exist in namespace shop"),
        (Options(watch_namespace=("shop",)), "does not exist in namespace shop"),
        (
            Options(watch_namespace=("blog",)),
            "is in namespace shop, which is not watched; add it to -watch-namespace",
        ),
        (
            Options(watch_namespace_label="team=a"),
            "does not exist in namespace shop, or that namespace has not the label team=a (-watch-namespace-label)",
        ),
        (Options(enable_custom_resources=False), "is not read, because of -enable-custom-resources=false"),
    ],
)
def test_an_absent_policy_is_reported_with_the_flag_that_keeps_it_out(options: Options, words: str) -> None:
    assert absent(REF, options, standalone=False) == words


def test_files_are_read_whatever_namespaces_are_watched() -> None:
    assert absent(REF, Options(watch_namespace=("blog",)), standalone=True) == "does not exist in namespace shop"
