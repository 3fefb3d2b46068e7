"""``headgate render`` and ``headgate check``: what a folder of manifests leads to, without nginx or network."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final

import msgspec

from headgate import flags
from headgate.commands.errors import reported
from headgate.flags import Argument, Choice, Flag, Value
from headgate.flags.command import FAILED, OK, Command, Environ, execute
from headgate.offline import generate_folder
from headgate.options import DECLARED, DECLINED, Options, completed

RENDER_ABOUT: Final = """\
Print the NGINX configuration that is generated from the manifests in DIR, and every problem on standard error.
With -o OUT the files are written below OUT, certificates and keys included, which are not printed.
Exit status 1 if an object was refused or a file could not be read.

Example:
  headgate render examples/cafe -o /tmp/cafe && less /tmp/cafe/conf.d/default-cafe-ingress.conf

The flags are those of `headgate run` (-ingress-class, -enable-snippets, -nginx-configmaps, ...), and:
"""

CHECK_ABOUT: Final = """\
Print what is wrong with the manifests in DIR, one line a problem: file, object, field, value, reason and effect.
Exit status 1 if an object was refused or a file could not be read.

Example:
  headgate check examples/cafe -o json

The flags are those of `headgate run` (-ingress-class, -enable-snippets, -nginx-configmaps, ...), and:
"""

Folder = Annotated[Path | None, Value("DIR", flags.path), Argument("The folder of manifests.")]
"""What is a flag of ``headgate run`` and the argument of these commands."""


class RenderOptions(Options, frozen=True, kw_only=True):
    """The arguments of ``headgate render``."""

    manifests: Folder = None
    output: Annotated[
        Path | None, Value("OUT", flags.path), Flag("Output", "Folder to write to.", "rendered", True, "o")
    ] = None


class CheckOptions(Options, frozen=True, kw_only=True):
    """The arguments of ``headgate check``."""

    manifests: Folder = None
    output: Annotated[
        str, Value("text|json", Choice(("text", "json"))), Flag("Output", "Format of the list.", "json", True, "o")
    ] = "text"


def render(argv: Sequence[str], environ: Environ) -> int:
    """Print or write the configuration; return the exit status."""
    return execute(RENDER, argv, environ)


def check(argv: Sequence[str], environ: Environ) -> int:
    """Print the Problems; return the exit status."""
    return execute(CHECK, argv, environ)


@reported
def _render(options: RenderOptions) -> int:
    outcome = generate_folder(options)
    for line in outcome.lines():
        print(line, file=sys.stderr)
    if options.output:
        outcome.write(options.output)
    for file in () if options.output else outcome.printable():
        print(f"# --- {file.name}\n{file.data.decode()}")
    return FAILED if outcome.refused else OK


@reported
def _check(options: CheckOptions) -> int:
    outcome = generate_folder(options)
    if options.output == "json":
        print(msgspec.json.format(msgspec.json.encode(outcome.rows())).decode())
    for line in () if options.output == "json" else outcome.lines():
        print(line)
    return FAILED if outcome.refused else OK


RENDER: Final = Command(
    name="headgate render",
    forms=("DIR [-o OUT] [FLAGS]",),
    about=RENDER_ABOUT,
    kind=RenderOptions,
    run=_render,
    declined=DECLINED,
    build=completed,
    common=DECLARED,
)
CHECK: Final = Command(
    name="headgate check",
    forms=("DIR [-o text|json] [FLAGS]",),
    about=CHECK_ABOUT,
    kind=CheckOptions,
    run=_check,
    declined=DECLINED,
    build=completed,
    common=DECLARED,
)
