"""``headgate diff``: what would change between two sets of manifests, or between a cluster and manifests."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
from msgspec.structs import replace

from headgate import flags
from headgate.api import ConfigMap, Secret, Service, TopLevel, Undecodable
from headgate.checking.assumed import Omission, with_config_map, without_omissions
from headgate.commands.errors import reported
from headgate.comparing import Comparison, Side, Tone, compare, lines
from headgate.comparing.overlay import Scope, aged, applied
from headgate.controller.kinds import CLAIMANTS
from headgate.flags import Argument, Choice, Flag, Value
from headgate.flags.command import FAILED, OK, USAGE, Command, Environ, execute
from headgate.k8s import FILE, Manifests
from headgate.k8s.reading import STDIN
from headgate.offline import examine, printable
from headgate.options import DECLARED, KNOWN, LogLevel, Options, completed
from headgate.problems import ObjectRef, Problem
from headgate.reporting.logs import configure
from headgate.viewing import read as read_cluster
from headgate.watch import WATCHED
from headgate.watch.kinds import Extent

ABOUT: Final = """\
Print what would change if the manifests of NEW took the place of OLD: hosts, routes, settings, Secrets, Problems,
objects that are refused or ignored, and then nginx's files as a unified diff. OLD and NEW are folders, files or - for
standard input. With --cluster, OLD is the cluster of the kubeconfig and NEW is applied to it, as by `kubectl apply`:
objects that are only in the cluster stay, unless --prune is given. Nothing is changed, and data of Secrets is not
printed.
Exit status 0 if nothing differs, 1 if something does, 2 if the command line is wrong or something cannot be read.

Without -nginx-configmaps, a ConfigMap named nginx-config, nginx-ingress or NAME-nginx-ingress is used as the
ConfigMap.

Examples:
  headgate diff overlays/staging overlays/production
  kustomize build overlays/production | headgate diff --cluster -

The flags are those of `headgate run` (-ingress-class, -enable-snippets, -nginx-configmaps, ...), for both sides. And:
"""
DIFFERS: Final = FAILED
"""Exit status if something differs, as of diff(1); a failure is ``USAGE``."""
GROUP: Final = "Comparison"
EFFECT: Final = "nothing is compared"


class DiffOptions(Options, frozen=True, kw_only=True):
    """The arguments of ``headgate diff``."""

    manifests: Path | None = None
    arguments: Annotated[
        tuple[str, ...],
        Value("OLD|NEW", str, each=True),
        Argument("OLD and NEW: folders of manifests, files, and - for standard input."),
    ] = ()
    cluster: Annotated[
        bool,
        Value("", flags.boolean),
        Flag(GROUP, "OLD is the cluster of the kubeconfig (--kubeconfig, --context).", native=True),
    ] = False
    prune: Annotated[
        bool,
        Value("", flags.boolean),
        Flag(
            GROUP,
            "With --cluster: Ingresses and Services that are not in NEW are deleted, in the namespaces of NEW.",
            native=True,
        ),
    ] = False
    no_patch: Annotated[
        bool,
        Value("", flags.boolean),
        Flag("Output", "Name the files of nginx that differ, without a unified diff.", native=True),
    ] = False
    output: Annotated[
        str, Value("text|json", Choice(("text", "json"))), Flag("Output", "Format.", "json", True, "o")
    ] = "text"


def main(argv: Sequence[str], environ: Environ) -> int:
    """Print the comparison; return the exit status."""
    return execute(DIFF, argv, environ)


def _build(
    kind: type[DiffOptions], reading: flags.Reading, environ: Mapping[str, str]
) -> DiffOptions | tuple[Problem, ...]:
    found = completed(kind, reading, environ)
    if not isinstance(found, DiffOptions) or found.help or found.version:
        return found
    return tuple(_misused(found)) or found


def _misused(options: DiffOptions) -> Iterator[Problem]:
    given, wanted = options.arguments, 1 if options.cluster else 2
    if len(given) < wanted:
        advice = "name two folders, files or -, or give --cluster in place of OLD for the cluster of the kubeconfig"
        yield flags.problem("NEW", "", f"is missing; {advice}", EFFECT)
    for word in given[wanted:]:
        names = "NEW, because --cluster is OLD" if options.cluster else "OLD and NEW"
        yield flags.problem("", word, f"is an argument too many; name {names}", EFFECT)
    if given.count(STDIN) > 1:
        yield flags.problem("OLD and NEW", "- -", "reads standard input twice; write one of them to a file", EFFECT)
    if options.prune and not options.cluster:
        yield flags.problem("--prune", "true", "requires --cluster", EFFECT)


class _Files(msgspec.Struct, frozen=True):
    """The objects of one argument, what is wrong with its files, and the files that cannot be read."""

    objects: tuple[TopLevel, ...]
    refs: frozenset[ObjectRef]
    faults: tuple[Problem, ...]
    unreadable: tuple[Problem, ...]
    broken: tuple[Undecodable[Any], ...] = ()


def _read(argument: str) -> _Files:
    """Read one argument (ConfigError if that is not possible)."""
    manifests = Manifests([argument], sys.stdin.buffer.read, [row.model for row in WATCHED])
    objects = manifests.load()
    problems = manifests.problems()
    unreadable = [each for each in problems if each.origin.kind == FILE and each.origin.name in manifests.unreadable]
    faults = [_inside(argument, each) for each in problems if each not in unreadable]
    refs = frozenset({item.ref for item in objects} | manifests.refused.keys())
    broken = tuple(manifests.refused.values())
    return _Files(objects, refs, (*faults, *manifests.unknown_fields()), tuple(unreadable), broken)


def _inside(argument: str, problem: Problem) -> Problem:
    """Name files from the folder on, so that OLD and NEW have the same names."""
    folder = f"{argument.rstrip('/')}/"
    origin = problem.origin
    if origin.kind == FILE:
        origin = replace(origin, name=origin.name.removeprefix(folder))
    return replace(problem, origin=origin, reason=problem.reason.replace(folder, ""))


@functools.partial(reported, failed=USAGE)
def _diff(options: DiffOptions) -> int:
    configure(options.log_format, LogLevel.WARN, sys.stderr)  # standard output is for the comparison
    found, unreadable = _with_cluster(options) if options.cluster else _of_files(options)
    _print(found, options)
    for problem in unreadable:
        print(f"headgate: {printable(f'{problem.origin.name} {problem}')}", file=sys.stderr)
    if unreadable:
        return USAGE
    return DIFFERS if found.differs else OK


def _of_files(options: DiffOptions) -> tuple[Comparison, Sequence[Problem]]:
    """Compare two arguments; return the files that could not be read, too."""
    old, new = map(_read, options.arguments)
    # Endpoints may be on this machine, as with --manifests.
    options = replace(options, manifests=Path(options.arguments[1]))
    chosen = [with_config_map(options, found.objects)[0] for found in (old, new)]
    before, _ = _side(chosen[0], old.objects, old)
    after, omissions = _side(chosen[1], aged(old.objects, new.objects), new)
    notes = (*_chosen(options, (old, new)), *map(str, omissions))
    return compare(before, after, patch=not options.no_patch, notes=notes), (*old.unreadable, *new.unreadable)


def _with_cluster(options: DiffOptions) -> tuple[Comparison, Sequence[Problem]]:
    """Compare the cluster with what it would be after the argument is applied."""
    files = _read(options.arguments[0])
    named, _ = with_config_map(options, files.objects)
    live, _ = read_cluster(named)
    pruned: tuple[type[TopLevel], ...] = (*(kind.model for kind in CLAIMANTS), Service) if options.prune else ()
    wanted = applied(live, files.objects, _scope(named), pruned)
    refs = frozenset(item.ref for item in live)
    before, known = _side(named, live, _Files((), refs, (), ()))
    after, omissions = _side(named, wanted, replace(files, refs=files.refs | {item.ref for item in wanted}))
    new = [each for each in omissions if each not in known]
    notes = (*_chosen(options, (files,)), *map(str, new))
    return compare(before, after, patch=not options.no_patch, notes=notes), files.unreadable


def _side(options: Options, objects: Sequence[TopLevel], files: _Files) -> tuple[Side, tuple[Omission, ...]]:
    """Take *objects* through the pipeline; return what a cluster would add to them, too."""
    generation, found = examine(options, objects, broken=files.broken)
    problems, omissions = without_omissions(dict.fromkeys((*files.faults, *found)), objects)
    named = options.main_config_map
    side = Side(
        generation=generation,
        problems=tuple(problems),
        objects=files.refs,
        config_map=ConfigMap.KIND.ref(named.namespace, named.name) if named else None,
    )
    return side, omissions


def _scope(options: Options) -> Scope:
    """Return what a controller with these *options* reads of a cluster."""
    namespaces = {
        Extent.CLUSTER: (),
        Extent.WATCHED: options.watch_namespace,
        **({Extent.CUSTOM: options.watch_namespace} if options.enable_custom_resources else {}),
        Extent.SECRETS: options.secret_namespaces,
    }
    named = options.main_config_map
    secrets = {options.default_server_tls_secret, options.wildcard_tls_secret}
    special = {Secret.KIND.ref(secret.namespace, secret.name) for secret in secrets if secret}
    if named:
        special.add(ConfigMap.KIND.ref(named.namespace, named.name))
    kinds = {row.model: namespaces[row.extent] for row in WATCHED if row.extent in namespaces}
    return Scope(kinds, frozenset(special))


def _chosen(options: Options, sides: Iterable[_Files]) -> dict[str, None]:
    """Return what is to be noted about ConfigMaps, once."""
    notes = [note for files in sides for note in with_config_map(options, files.objects)[1].items()]
    return dict.fromkeys(f"{ref} {reason}" for ref, reason in notes)


COLORS: Final = {
    Tone.HEADING: "\x1b[1m",
    Tone.ADDED: "\x1b[32m",
    Tone.REMOVED: "\x1b[31m",
    Tone.CHANGED: "\x1b[33m",
    Tone.HUNK: "\x1b[36m",
}
"""Select Graphic Rendition of a terminal (ECMA-48)."""
RESET: Final = "\x1b[0m"


def _print(found: Comparison, options: DiffOptions) -> None:
    if options.output == "json":
        print(msgspec.json.format(msgspec.json.encode(found)).decode())
        return
    colors = COLORS if _in_colors() else {}
    for line in lines(found):
        text = "\t".join(map(printable, line.text.split("\t")))
        color = colors.get(line.tone, "")
        print(f"{color}{text}{RESET}" if color else text)
    sys.stdout.flush()
    for note in found.notes:
        print(f"note: {printable(note)}", file=sys.stderr)


def _in_colors() -> bool:
    """Whether this is a terminal, NO_COLOR (https://no-color.org) is unset, and TERM does not forbid colours."""
    environ = os.environ
    return sys.stdout.isatty() and not environ.get("NO_COLOR") and environ.get("TERM", "dumb") != "dumb"


DIFF: Final = Command(
    name="headgate diff",
    forms=(
        "OLD NEW [--no-patch] [-o text|json] [FLAGS]",
        "--cluster [--prune] NEW [--no-patch] [-o text|json] [FLAGS]",
    ),
    about=ABOUT,
    kind=DiffOptions,
    run=_diff,
    declined=KNOWN,
    effect=EFFECT,
    build=_build,
    common=DECLARED,
)
