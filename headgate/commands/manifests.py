"""``headgate render`` and ``headgate check``: what manifests lead to, without a running nginx or network."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final, TypeVar

import msgspec

from headgate import flags
from headgate.checking import FORMATS, ORIGINS
from headgate.checking import check as checked
from headgate.commands.errors import reported
from headgate.flags import Argument, Choice, Flag, Value
from headgate.flags.command import FAILED, OK, Command, Environ, execute
from headgate.k8s import Manifests
from headgate.offline import generate_manifests
from headgate.options import DECLARED, KNOWN, DataPlane, Options, completed
from headgate.watch import WATCHED

RENDER_ABOUT: Final = """\
Print the NGINX configuration that is generated from the manifests in each DIR and FILE, and every problem on standard
error. - means standard input. With -o OUT the files are written below OUT, certificates and keys included, which are
not printed. By default each host is a server block; with -data-plane=live the output shows the profiles that hosts
share and the live state (live-state.json), as an nginx with the Lua module has them. Exit status 1 if an object was
refused or a file could not be read.

Example:
  headgate render examples/cafe -o /tmp/cafe && less /tmp/cafe/conf.d/default-cafe-ingress.conf

The flags are those of `headgate run` (-ingress-class, -enable-snippets, -nginx-configmaps, ...), and:
"""

CHECK_ABOUT: Final = """\
Print what is wrong with the manifests in each DIR and FILE, one line a problem: file and line, object, field, value,
reason and effect; then a summary. - means standard input.
Exit status 1 if an object was refused or a file could not be read, with --strict also if there is a warning.
-o github prints workflow commands, which GitHub shows in the pull request; -o sarif prints SARIF 2.1.0.
--from nic adds a warning for everything that works differently than in the F5 NGINX Ingress Controller.

Without -nginx-configmaps, a ConfigMap named nginx-config, nginx-ingress or NAME-nginx-ingress is checked as the
ConfigMap. EndpointSlices are not missed: a cluster creates them.

Examples:
  headgate check examples/cafe --strict
  kustomize build overlays/production | headgate check -

The flags are those of `headgate run` (-ingress-class, -enable-snippets, -nginx-configmaps, ...), and:
"""

Arguments = Annotated[
    tuple[str, ...],
    Value("DIR|FILE|-", str, each=True),
    Argument("Folders of manifests, files, and - for standard input."),
]


class RenderOptions(Options, frozen=True, kw_only=True):
    """The arguments of ``headgate render``, which take the place of a flag of ``headgate run``."""

    manifests: Path | None = None
    arguments: Arguments = ()
    output: Annotated[
        Path | None, Value("OUT", flags.path), Flag("Output", "Folder to write to.", "rendered", True, "o")
    ] = None
    as_files: Annotated[
        bool,
        Value("", flags.boolean),
        Flag("Output", "Write every host as a server block, also with -data-plane=live.", native=True),
    ] = False


class CheckOptions(Options, frozen=True, kw_only=True):
    """The arguments of ``headgate check``, which take the place of a flag of ``headgate run``."""

    manifests: Path | None = None
    arguments: Arguments = ()
    strict: Annotated[
        bool, Value("", flags.boolean), Flag("Output", "Exit with status 1 if there are warnings.", native=True)
    ] = False
    from_: Annotated[
        str,
        Value("|".join(ORIGINS), Choice(tuple(ORIGINS))),
        Flag("Output", "Report what works differently than in that controller (nic: F5 NGINX).", "nic", native=True),
    ] = ""
    output: Annotated[
        str,
        Value("|".join(FORMATS), Choice(tuple(FORMATS))),
        Flag("Output", "Format of the list.", "json", True, "o"),
    ] = "text"


OptionsT = TypeVar("OptionsT", RenderOptions, CheckOptions)


def render(argv: Sequence[str], environ: Environ) -> int:
    """Print or write the configuration; return the exit status."""
    return execute(RENDER, argv, environ)


def check(argv: Sequence[str], environ: Environ) -> int:
    """Print the Problems; return the exit status."""
    return execute(CHECK, argv, environ)


@reported
def _render(options: RenderOptions) -> int:
    if options.as_files:
        options = msgspec.structs.replace(options, data_plane=DataPlane.FILES)
    outcome = generate_manifests(_standalone(options), _manifests(options.arguments))
    for line in outcome.lines():
        print(line, file=sys.stderr)
    if options.output:
        try:
            outcome.write(options.output)
        except OSError as error:
            print(f"headgate: {_unwritten(options.output, error)}", file=sys.stderr)
            return FAILED
    for file in () if options.output else outcome.printable():
        print(f"# --- {file.name}\n{file.data.decode()}")
    return FAILED if outcome.refused else OK


def _unwritten(out: Path, error: OSError) -> str:
    """Say which file or folder cannot be written, and what to name instead."""
    what = f"{error.filename or out} cannot be written: {error.strerror or error}"
    if isinstance(error, NotADirectoryError | FileExistsError):
        blocking = next((path for path in (out, *out.parents) if path.exists() and not path.is_dir()), None)
        what = f"{blocking} is a file, not a folder" if blocking else what
    return f"--output: {what}; name a folder that exists or can be created"


@reported
def _check(options: CheckOptions) -> int:
    report = checked(_standalone(options), _manifests(options.arguments), options.from_)
    if text := FORMATS[options.output](report):
        print(text)
    return FAILED if report.failed(strict=options.strict) else OK


def _manifests(arguments: Sequence[str]) -> Manifests:
    return Manifests(arguments, sys.stdin.buffer.read, [row.model for row in WATCHED])


def _standalone(options: OptionsT) -> OptionsT:
    """Choose files instead of a cluster, as ``--manifests`` does: endpoints may then be on this machine."""
    return msgspec.structs.replace(options, manifests=Path(options.arguments[0]))


RENDER: Final = Command(
    name="headgate render",
    forms=("DIR|FILE|-... [-o OUT] [FLAGS]",),
    about=RENDER_ABOUT,
    kind=RenderOptions,
    run=_render,
    declined=KNOWN,
    build=completed,
    common=DECLARED,
)
CHECK: Final = Command(
    name="headgate check",
    forms=("DIR|FILE|-... [-o FORMAT] [--strict] [FLAGS]",),
    about=CHECK_ABOUT,
    kind=CheckOptions,
    run=_check,
    declined=KNOWN,
    build=completed,
    common=DECLARED,
)
