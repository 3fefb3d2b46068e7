"""``headgate compare``: ask the old and the new controller the same, and print what they answer differently."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Final

from msgspec.structs import replace

from headgate import flags
from headgate.api import Ingress, IngressClass, TopLevel
from headgate.commands.errors import reported
from headgate.commands.sources import Arguments, read, source_fault
from headgate.declined_flags import DECLINED
from headgate.explain import ClusterView
from headgate.flags import Argument, Choice, Flag, Integer, Value
from headgate.flags.command import FAILED, OK, USAGE, Command, Environ, execute
from headgate.offline import generate, printable
from headgate.options import DECLARED, IngressDialect, LogLevel, Options, completed
from headgate.probing import (
    CannotAskError,
    Controller,
    Probe,
    Report,
    as_json,
    as_text,
    chosen,
    compare,
    controller,
    header,
    probes,
    with_headers,
)
from headgate.probing.samples import is_host
from headgate.problems import Problem, some
from headgate.reporting.logs import configure
from headgate.routes import VirtualHost
from headgate.viewing import view

ABOUT: Final = """\
Send the same requests to two controllers, A and B, and print what they answer differently: ask both before traffic is
moved from one to the other. The requests follow from the hosts and paths of the objects in manifests or, with
--cluster, in the cluster of the kubeconfig: each path and those next to it, in plain HTTP and TLS, CORS preflights,
headers and cookies on which routes have conditions (canaries), and nothing where credentials are asked for. Compared
are status, Location, some headers, names of cookies, certificates, and small bodies that are the same each time.
An address is http://HOST[:PORT], https://HOST[:PORT], both with a comma between them, or HOST for both with the usual
ports. No other address is asked, no redirect is followed, and methods are GET and OPTIONS, except with --uploads.
Exit status 0 if nothing differs, 1 if something does, 2 if a controller cannot be asked or objects cannot be read.

Examples:
  headgate compare 10.0.0.1 10.0.0.2 --cluster
  headgate compare http://10.0.0.1 http://10.0.0.2 manifests/ -o json

The flags are those of `headgate run` (-ingress-class, -enable-snippets, ...), and:
"""
NOTHING: Final = "no object has a host that would be served; -ingress-class and --controller-class say which are"
EFFECT: Final = "nothing is asked"
GROUP: Final = "Compare"
CONTROLLER: Final = "k8s.io/ingress-nginx"
COMMUNITY: Final = "nginx.ingress.kubernetes.io/"
_MOST_RATE = 10_000
_NOWHERE = Controller("", {})


class CompareOptions(Options, frozen=True, kw_only=True):
    """The arguments of ``headgate compare``."""

    manifests: Path | None = None
    a: Annotated[Controller, Value("URL_A", controller), Argument("Address of the controller that serves now.")] = (
        _NOWHERE
    )
    b: Annotated[Controller, Value("URL_B", controller), Argument("Address of the other one.")] = _NOWHERE
    arguments: Arguments = ()
    cluster: Annotated[
        bool,
        Value("", flags.boolean),
        Flag(GROUP, "Take the objects of the cluster of the kubeconfig (--kubeconfig, --context).", native=True),
    ] = False
    rate: Annotated[
        int,
        Value("N", Integer(1, _MOST_RATE)),
        Flag(GROUP, "Requests a second, to both controllers together.", "50", True),
    ] = 20
    timeout: Annotated[
        int,
        Value("SECONDS", Integer(1, 3600)),
        Flag(GROUP, "Seconds to wait for a connection, and for an answer.", "30", True),
    ] = 10
    max_: Annotated[
        int,
        Value("N", Integer(1, 10_000_000)),
        Flag(GROUP, "Requests to compare at most, the most important ones first.", "10000", True),
    ] = 2000
    header: Annotated[
        tuple[tuple[str, str], ...],
        Value("'NAME: VALUE'", header, each=True),
        Flag(
            GROUP,
            "Header of every request, which may be repeated; where clients need credentials, requests without it are"
            " sent, too.",
            "X-Tenant: blue",
            native=True,
            letter="H",
        ),
    ] = ()
    uploads: Annotated[
        bool,
        Value("", flags.boolean),
        Flag(
            GROUP,
            "Also POST bodies of the size limit and one byte more, up to 16 MiB; those within it reach the backends.",
            native=True,
        ),
    ] = False
    output: Annotated[
        str, Value("text|json", Choice(("text", "json"))), Flag("Output", "Format.", "json", True, "o")
    ] = "text"


def main(argv: Sequence[str], environ: Environ) -> int:
    """Run ``headgate compare``; return the exit status."""
    return execute(COMPARE, argv, environ)


def _build(
    kind: type[CompareOptions], reading: flags.Reading, environ: Mapping[str, str]
) -> CompareOptions | tuple[Problem, ...]:
    found = completed(kind, reading, environ)
    if not isinstance(found, CompareOptions) or found.help or found.version:
        return found
    if fault := source_fault(found, EFFECT):
        return fault
    if not _schemes(found):
        what = f"has no scheme that {found.a.named} has; give both in http, or both in https"
        return (flags.problem("URL_B", found.b.named, what, EFFECT),)
    return found


def _compare(options: CompareOptions) -> int:
    configure(options.log_format, LogLevel.WARN, sys.stderr)
    source = read(options, options)
    for line in source.unreadable:
        print(f"headgate: {printable(line)}", file=sys.stderr)
    if source.unreadable:
        return USAGE
    found = _look(options, source.objects)
    if not _hosts(found) and not _unserved(found):
        print(f"headgate: {NOTHING}", file=sys.stderr)
        return USAGE
    try:
        report = _report(options, found, source.refused)
    except CannotAskError as error:
        print(f"headgate: {error}", file=sys.stderr)
        return USAGE
    lines = (as_json(report) if options.output == "json" else as_text(report)).splitlines()
    print("\n".join(map(printable, lines)))
    return FAILED if report.different else OK


def _report(options: CompareOptions, found: ClusterView, faulty: int) -> Report:
    """Ask both (CannotAskError: one of them accepts no connection); *faulty* objects could not be read."""
    every = with_headers(_probes(options, found), options.header)
    asked = chosen(every, options.max_)
    if sys.stderr.isatty():
        seconds = 2 * len(asked) / options.rate
        print(f"headgate: comparing {len(asked):,} requests, which takes {seconds:,.0f} s or more", file=sys.stderr)
    comparisons = asyncio.run(compare(asked, options.a, options.b, options.rate, options.timeout))
    notes = (*_notes(options, found), *([f"Objects that cannot be read were left out: {faulty:,}."] if faulty else ()))
    return Report(options.a.named, options.b.named, len(asked), len(every) - len(asked), tuple(comparisons), notes)


def _look(options: CompareOptions, objects: Sequence[TopLevel]) -> ClusterView:
    options = _in_dialect(options, objects)
    return view(options, objects, generate(options, objects))


def _in_dialect(options: CompareOptions, objects: Sequence[TopLevel]) -> CompareOptions:
    """Have classes of both dialects served; without any, annotations show which dialect -ingress-class has."""
    options = replace(options, controller_class=options.controller_class or CONTROLLER)
    if options.arguments:
        options = replace(options, manifests=Path(options.arguments[0]))
    if options.ingress_dialect is not IngressDialect.AUTO or any(isinstance(item, IngressClass) for item in objects):
        return options
    said = (key for item in objects if isinstance(item, Ingress) for key in item.metadata.annotations or ())
    if any(key.startswith(COMMUNITY) for key in said):
        return replace(options, ingress_dialect=IngressDialect.INGRESS_NGINX)
    return options


def _schemes(options: CompareOptions) -> tuple[str, ...]:
    return tuple(
        scheme for scheme in ("http", "https") if scheme in options.a.addresses and scheme in options.b.addresses
    )


def _probes(options: CompareOptions, found: ClusterView) -> tuple[Probe, ...]:
    return probes(_hosts(found), _unserved(found), _schemes(options), found.env.params, uploads=options.uploads)


def _hosts(found: ClusterView) -> tuple[VirtualHost, ...]:
    return tuple(host for resource in found.resources for host in resource.table.hosts)


def _unserved(found: ClusterView) -> tuple[str, ...]:
    """Return the hosts of objects of this controller that are not served: the other one may serve them."""
    served = {host.name for host in _hosts(found)}
    asked = (host for ref, hosts in found.hosts.items() if ref not in found.ignored for host in hosts)
    return tuple(sorted({host for host in asked if host} - served))


def _notes(options: CompareOptions, found: ClusterView) -> Iterator[str]:
    if names := some(dict.fromkeys(name for name, _ in options.header)):
        yield f"Requests had headers of --header: {names}."
    for scheme in ("http", "https"):
        if scheme not in _schemes(options):
            yield f"Nothing was asked in {scheme}: give an address of both controllers."
    unserved = _unserved(found)
    if names := some(name for name in unserved if is_host(name)):
        yield f"Headgate does not serve {names}, of which only / was asked for."
    wrong = (ref for ref, problems in found.problems.items() if any(each.refuses for each in problems))
    if names := some(sorted(wrong)):
        yield f"Headgate refuses {names}, whose paths were not asked for; `headgate check` says why."
    if names := some(repr(name) for name in unserved if not is_host(name)):
        yield f"Not asked, because no host can be called so: {names}."
    if found.ignored:
        yield f"Objects of other controllers were left out: {len(found.ignored):,}."


COMPARE: Final = Command(
    name="headgate compare",
    forms=(
        "URL_A URL_B DIR|FILE|-... [--rate N] [--max N] [-o text|json] [FLAGS]",
        "URL_A URL_B --cluster [--rate N] [--max N] [-o text|json] [FLAGS]",
    ),
    about=ABOUT,
    kind=CompareOptions,
    run=reported(_compare, failed=USAGE),
    declined=DECLINED,
    effect=EFFECT,
    build=_build,
    common=DECLARED,
)
