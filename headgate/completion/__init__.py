"""Scripts that complete command lines of ``headgate`` in bash, zsh and fish, generated from what commands declare.

``words`` says what may stand where; ``bash``, ``zsh`` and ``fish`` write that down for one shell each. The scripts are
static: no Python runs when a key is pressed.
"""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from headgate.completion import bash, fish, zsh
from headgate.completion.words import Complete, Flag, Kind, Level, level

SHELLS: Mapping[str, Callable[[Sequence[Level]], str]] = MappingProxyType(
    {"bash": bash.script, "zsh": zsh.script, "fish": fish.script}
)
"""What writes the script of each shell."""

__all__ = ["SHELLS", "Complete", "Flag", "Kind", "Level", "level"]
