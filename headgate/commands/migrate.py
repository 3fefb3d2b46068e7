"""``headgate migrate``: what becomes of the Ingresses of ingress-nginx, before they are moved."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Final

from headgate import flags
from headgate.api import ConfigMap, TopLevel
from headgate.checking.assumed import without_omissions
from headgate.commands.convert import CONVERT
from headgate.commands.errors import reported
from headgate.commands.sources import Arguments, in_dialect, read, source_fault
from headgate.declined_flags import DECLINED
from headgate.flags import Choice, Flag, Value
from headgate.flags.command import FAILED, HELP_FLAGS, OK, USAGE, Command, Environ, execute, unknown
from headgate.migrating import as_json, as_text, audit
from headgate.offline import examine, printable
from headgate.options import DECLARED, LogLevel, Options, completed
from headgate.problems import Problem
from headgate.reporting.logs import configure

HELP: Final = """\
headgate migrate: move to Headgate from another ingress controller

  headgate migrate audit DIR|FILE|-...    what becomes of the Ingresses of ingress-nginx in manifests
  headgate migrate audit --cluster        the same for the cluster of the kubeconfig
  headgate migrate convert --to nginx.org|virtualserver DIR|FILE|-...|--cluster
                                          write them in the other dialect, with comments on what has no equal

`headgate migrate audit --help` and `headgate migrate convert --help` print more.
"""
ABOUT: Final = """\
Print which annotations of ingress-nginx the Ingresses have, how many have each, and what becomes of it: the same,
something else, nothing, or that its requests are answered 500; the same for the keys of its ConfigMap (--configmap, or
one called ingress-nginx-controller); then what is wrong besides. Ingresses of all classes with the
controller k8s.io/ingress-nginx (or --controller-class) are looked at; if there is no such class, all Ingresses of
-ingress-class. Nothing is changed.
Exit status 0 if nothing is lost, 1 if an annotation has no effect or an Ingress is refused, with --strict also if one
works in another way, 2 if something cannot be read.

Examples:
  headgate migrate audit --cluster
  headgate migrate audit manifests/ -o json

The flags are those of `headgate run` (-ingress-class, -enable-snippets, ...), and:
"""
USUAL: Final = frozenset({"ingress-nginx-controller", "nginx-configuration"})
"""What the ConfigMap is called by the chart of ingress-nginx, and by its older manifests."""
EFFECT: Final = "nothing is looked at"
GROUP: Final = "Audit"


class AuditOptions(Options, frozen=True, kw_only=True):
    """The arguments of ``headgate migrate audit``."""

    manifests: Path | None = None
    arguments: Arguments = ()
    cluster: Annotated[
        bool,
        Value("", flags.boolean),
        Flag(GROUP, "Look at the cluster of the kubeconfig (--kubeconfig, --context).", native=True),
    ] = False
    strict: Annotated[
        bool,
        Value("", flags.boolean),
        Flag(GROUP, "Exit with status 1 if an annotation works in another way, too.", native=True),
    ] = False
    output: Annotated[
        str, Value("text|json", Choice(("text", "json"))), Flag("Output", "Format.", "json", True, "o")
    ] = "text"


def main(argv: Sequence[str], environ: Environ) -> int:
    """Run a command of ``headgate migrate``; return the exit status."""
    word, rest = (argv[0], argv[1:]) if argv else ("--help", ())
    if word in HELP_FLAGS:
        print(HELP, end="")
        return OK
    if word == "audit":
        return execute(AUDIT, rest, environ)
    if word == "convert":
        return execute(CONVERT, rest, environ)
    print(f"headgate migrate: {unknown(word, ('audit', 'convert'))}", file=sys.stderr)
    return USAGE


def _build(
    kind: type[AuditOptions], reading: flags.Reading, environ: Mapping[str, str]
) -> AuditOptions | tuple[Problem, ...]:
    found = completed(kind, reading, environ)
    if not isinstance(found, AuditOptions) or found.help or found.version:
        return found
    return source_fault(found, EFFECT) or found


@reported
def _audit(options: AuditOptions) -> int:
    configure(options.log_format, LogLevel.WARN, sys.stderr)
    source = read(options, options)
    objects = source.objects
    options = in_dialect(options, objects, next(iter(options.arguments), ""))
    generation, found = examine(options, objects)
    problems, _ = without_omissions(dict.fromkeys((*source.problems, *found)), objects)
    result = audit(objects, generation.update.ignored.keys(), tuple(problems), _config_map(options, objects))
    lines = (as_json(result) if options.output == "json" else as_text(result)).splitlines()
    print("\n".join(map(printable, lines)))
    for line in source.unreadable:
        print(f"headgate: {printable(line)}", file=sys.stderr)
    if source.unreadable:
        return USAGE
    return FAILED if result.failed(strict=options.strict) else OK


def _config_map(options: AuditOptions, objects: Sequence[TopLevel]) -> ConfigMap | None:
    """Return the ConfigMap of ingress-nginx: that of --configmap, else one with the name that its chart gives."""
    named = options.configmap
    for item in objects:
        if isinstance(item, ConfigMap):
            meta = item.metadata
            if (meta.namespace, meta.name) == (named.namespace, named.name) if named else meta.name in USUAL:
                return item
    return None


AUDIT: Final = Command(
    name="headgate migrate audit",
    forms=("DIR|FILE|-... [--strict] [-o text|json] [FLAGS]", "--cluster [--strict] [-o text|json] [FLAGS]"),
    about=ABOUT,
    kind=AuditOptions,
    run=_audit,
    declined=DECLINED,
    effect=EFFECT,
    build=_build,
    common=DECLARED,
)
