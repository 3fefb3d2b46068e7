"""``headgate completion``: a script that completes command lines, for one shell."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Final

import msgspec

from headgate.commands.catalogue import Names, levels
from headgate.completion import SHELLS
from headgate.flags import OK, Argument, Choice, Command, Environ, Flag, Value, boolean, execute

ABOUT: Final = """\
Print a script that completes commands, flags, their values, files, and the names of annotations, ConfigMap keys and
flags. The script is complete in itself: write it again after an upgrade.

Examples:
  source <(headgate completion bash)
  headgate completion bash > ~/.local/share/bash-completion/completions/headgate
  headgate completion zsh > "${fpath[1]}/_headgate"
  headgate completion fish > ~/.config/fish/completions/headgate.fish
"""


class CompletionOptions(msgspec.Struct, frozen=True, kw_only=True):
    """What ``headgate completion`` takes from the command line."""

    shell: Annotated[str, Value("|".join(SHELLS), Choice(tuple(SHELLS))), Argument("The shell.")] = ""
    help: Annotated[bool, Value("", boolean), Flag("Flags", "Print this text, then end.", native=True, letter="h")] = (
        False
    )


def main(argv: Sequence[str], environ: Environ, names: Names, listing: str) -> int:
    """Print the script; *names* and *listing* are the commands and the help that lists them."""

    def run(options: CompletionOptions) -> int:
        print(SHELLS[options.shell](levels(names, listing)), end="")
        return OK

    return execute(msgspec.structs.replace(COMPLETION, run=run), argv, environ)


COMPLETION: Final = Command(
    name="headgate completion",
    forms=("|".join(SHELLS),),
    about=ABOUT,
    kind=CompletionOptions,
    run=lambda _: OK,
)
