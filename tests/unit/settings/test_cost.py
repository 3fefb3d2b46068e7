"""The cost of a new setting: its declaration, four lines in one place; everything else follows."""

from typing import Annotated

from headgate.settings import Duration, Registry, Settings
from headgate.settings.registry import setting


class Brewing(Settings):
    """A group with one setting."""

    brew_timeout: Annotated[
        Duration,
        setting("brew-timeout", "Longest wait for a cup."),
    ] = Duration("60s")


def test_a_declaration_brings_its_keys_parser_default_and_words() -> None:
    registry = Registry({"brewing": Brewing})
    (field,) = registry.fields
    assert registry.keys == {"brew-timeout": field}
    assert registry.annotations == {"nginx.org/brew-timeout": field}
    assert registry.names == {"brew_timeout"}
    assert field.parse("1h 30m") == "1h30m"
    assert (field.usual, field.parse.words, field.spec.doc) == ("60s", "time", "Longest wait for a cup.")
