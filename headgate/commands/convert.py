"""``headgate migrate convert``: the Ingresses of ingress-nginx as objects of the other dialect."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final

from msgspec.structs import replace

from headgate import flags
from headgate.api import ConfigMap, Ingress, IngressClass, Secret, TopLevel
from headgate.api.nginx_org import Policy, VirtualServer, VirtualServerRoute
from headgate.checking.assumed import without_omissions
from headgate.commands.errors import reported
from headgate.commands.sources import Arguments, in_dialect, read, source_fault
from headgate.declined_flags import DECLINED
from headgate.flag_values import NamespacedName
from headgate.flags import Choice, Flag, Value
from headgate.flags.command import FAILED, OK, USAGE, Command
from headgate.migrating import Conversion, Target, Wanted, as_summary, as_yaml, community_tables, convert, file_names
from headgate.offline import examine, printable
from headgate.options import DECLARED, IngressDialect, LogLevel, Options, completed
from headgate.pipeline import Generation
from headgate.problems import ObjectRef, Problem
from headgate.reporting.logs import configure

ABOUT: Final = """\
Write the Ingresses of ingress-nginx in the other dialect: as Ingresses with annotations of nginx.org, or as
VirtualServers, VirtualServerRoutes and Policies, with a ConfigMap that has the defaults of ingress-nginx. The objects
are made from the routes that Headgate serves for the Ingresses. A comment names each thing that has no equal, and what
happens in its place; where that is a guard (authentication, an address rule, a limit), a Policy answers requests with
403 until it is replaced. Secrets with passwords and authorities are written again in the form of the other dialect.
Objects are written to standard output, or with --output into a folder; a summary is written to standard error. Nothing
in the cluster is changed.
Exit status 0 if nothing is lost, 1 if something has no equal or an Ingress is not converted, 2 if something cannot be
read.

Examples:
  headgate migrate convert --to virtualserver --cluster --output converted/
  headgate migrate convert --to nginx.org manifests/ > converted.yaml

The flags are those of `headgate run` (-ingress-class, -enable-snippets, ...), and:
"""
EFFECT: Final = "nothing is converted"
GROUP: Final = "Convert"
MODELS: Final[Mapping[str, type[TopLevel]]] = {
    model.KIND.name: model for model in (ConfigMap, Ingress, Policy, Secret, VirtualServer, VirtualServerRoute)
}
OF_SECRETS: Final = "_secret.yaml"
"""How names of files of Secrets end."""
TARGETS: Final = tuple(target.value for target in Target)


class ConvertOptions(Options, frozen=True, kw_only=True):
    """The arguments of ``headgate migrate convert``."""

    manifests: Path | None = None
    arguments: Arguments = ()
    to: Annotated[
        str,
        Value("nginx.org|virtualserver", Choice(TARGETS)),
        Flag(GROUP, "What is written.", "virtualserver", native=True, required=True),
    ] = ""
    cluster: Annotated[
        bool,
        Value("", flags.boolean),
        Flag(GROUP, "Read the cluster of the kubeconfig (--kubeconfig, --context).", native=True),
    ] = False
    to_class: Annotated[
        str,
        Value("NAME", str),
        Flag(GROUP, "The ingressClassName that is written.", "headgate", native=True),
    ] = "nginx"
    output: Annotated[
        str, Value("DIR", str), Flag("Output", "Folder for one file for each object; it is made.", "out", True, "o")
    ] = ""


def _build(
    kind: type[ConvertOptions], reading: flags.Reading, environ: Mapping[str, str]
) -> ConvertOptions | tuple[Problem, ...]:
    found = completed(kind, reading, environ)
    if not isinstance(found, ConvertOptions) or found.help or found.version:
        return found
    return source_fault(found, EFFECT) or found


def _convert(options: ConvertOptions) -> int:
    configure(options.log_format, LogLevel.WARN, sys.stderr)
    source = read(options, options)
    for line in source.unreadable:
        print(f"headgate: {printable(line)}", file=sys.stderr)
    if source.unreadable:
        return USAGE
    generation, problems = _examined(
        in_dialect(options, source.objects, next(iter(options.arguments), "")), source.objects, source.problems
    )
    result = _converted(options, source.objects, generation, problems)
    if options.output:
        _write(Path(options.output), file_names(result))
    else:
        print(as_yaml(result), end="")
    for line in as_summary(result).splitlines():
        print(f"headgate: {printable(line)}", file=sys.stderr)
    return FAILED if result.lossy else OK


def _examined(
    options: Options, objects: Sequence[TopLevel], faults: Sequence[Problem]
) -> tuple[Generation, tuple[Problem, ...]]:
    generation, found = examine(options, objects)
    return generation, tuple(without_omissions(dict.fromkeys((*faults, *found)), objects)[0])


def _converted(
    options: ConvertOptions, objects: Sequence[TopLevel], generation: Generation, problems: Sequence[Problem]
) -> Conversion:
    tables = [each.served.table for _, each in sorted(generation.resources.items()) if each.served]
    by_ref: dict[ObjectRef, list[Problem]] = {
        item.ref: [] for item in objects if isinstance(item, Ingress) and item.ref not in generation.update.ignored
    }
    for problem in problems:
        by_ref.setdefault(problem.origin, []).append(problem)
    others = {ref for table in tables if table not in community_tables(tables) for ref in table.members}
    known = {ref: each for ref, each in by_ref.items() if ref not in others}
    named = options.nginx_configmaps or NamespacedName("nginx-ingress", "nginx-config")
    wanted = Wanted(Target(options.to), options.to_class, (named.namespace, named.name))
    result = convert(community_tables(tables), objects, known, wanted)
    return result.with_problems(_checked(options, objects, result, wanted), {each.reason for each in problems})


def _checked(
    options: ConvertOptions, objects: Sequence[TopLevel], result: Conversion, wanted: Wanted
) -> tuple[Problem, ...]:
    """Return what Headgate itself would report about the objects of *result*."""
    made = [MODELS[str(document.item["kind"])].convert(document.item) for document in result.documents]
    rest = [item for item in objects if not isinstance(item, Ingress | IngressClass)]
    reading = replace(
        options, ingress_dialect=IngressDialect.NGINX_ORG, enable_custom_resources=True,
        ingress_class=wanted.class_name, nginx_configmaps=NamespacedName(*wanted.config_map), community=False,
        controller_class="", configmap=None, manifests=Path(options.arguments[0]) if options.arguments else None,
    )  # fmt: skip
    return _examined(reading, [*rest, *made], ())[1]


def _write(folder: Path, files: Mapping[str, str]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        if name.endswith(OF_SECRETS):
            _write_secret(folder / name, text)
        else:
            (folder / name).write_text(text)


def _write_secret(file: Path, text: str) -> None:
    """Write *text* for the owner alone, whatever the mode of a file that is there."""
    descriptor, made = tempfile.mkstemp(prefix=f".{OF_SECRETS}", dir=file.parent)  # with the mode 0600
    try:
        with os.fdopen(descriptor, "w") as stream:
            stream.write(text)
        Path(made).replace(file)
    except BaseException:
        Path(made).unlink()
        raise


CONVERT: Final[Command[Any]] = Command(
    name="headgate migrate convert",
    forms=(
        "--to nginx.org|virtualserver DIR|FILE|-... [--output DIR] [FLAGS]",
        "--to nginx.org|virtualserver --cluster [--output DIR] [FLAGS]",
    ),
    about=ABOUT,
    kind=ConvertOptions,
    run=reported(_convert, failed=USAGE),
    declined=DECLINED,
    effect=EFFECT,
    build=_build,
    common=DECLARED,
)
