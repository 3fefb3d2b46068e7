"""``headgate proxy``: serve backends on this machine, without manifests."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import ipaddress
import logging
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar

import msgspec

from headgate import flags
from headgate.api import ALL, TopLevel
from headgate.app import serve
from headgate.commands.errors import reported
from headgate.flags import Argument, Flag, Reading, Value
from headgate.flags.command import OK, Command, Environ, execute
from headgate.k8s import Fixed
from headgate.nginx.privileges import pass_on_low_ports
from headgate.nginx.scratch import PREFIX
from headgate.options import (
    DECLARED,
    KNOWN,
    NGINX,
    OBSERVE,
    RUN,
    ListenerPort,
    LogLevel,
    NamespacedName,
    Options,
    completed,
)
from headgate.problems import Problem
from headgate.proxy import (
    HOSTLESS,
    TLS_SECRET,
    Authority,
    Backend,
    Pair,
    Route,
    announcement,
    authority,
    data_directory,
    free_port,
    listening,
    manifests,
    objects,
    port_fault,
    route,
    settings,
    turn,
    unresolved,
)
from headgate.proxy.objects import NAME, NAMESPACE
from headgate.proxy.routes import LOCALHOST
from headgate.proxy.stale import end_stale
from headgate.proxy.surroundings import LOCAL
from headgate.proxy.text import Front
from headgate.reporting.logs import configure, style

ABOUT: Final = """\
Serve backends under hosts and paths, for development on one machine: nginx listens on this machine only, and the URLs
are printed. HOST may have a wildcard (*.app.localhost); without HOST, every host is served. URL begins with http://,
https://, grpc:// or grpcs://; a port alone is a port of localhost. WebSockets pass. Ctrl-C ends it at once.

--tls serves HTTPS, with a certificate of an authority that is made for it (docs/proxy.md describes which).
--print writes the Ingress, the Services and the rest as YAML instead, to be served by `headgate run --manifests`.

Examples:
  headgate proxy app.localhost=http://127.0.0.1:3000 app.localhost/api=http://127.0.0.1:4000
  headgate proxy 3000 --tls
  headgate proxy app.localhost=3000 --print >app.yaml

The other flags are those of `headgate run`; those that differ, and:
"""
ARGUMENT: Final = "[HOST][/PATH]=URL"
PORTS: Final[Mapping[str, int]] = {"default_http_listener_port": 8080, "default_https_listener_port": 8443}
"""Field → the port that is preferred."""


def _addresses(text: str) -> tuple[str, ...]:
    """Read addresses as `kubectl port-forward` does."""
    found: list[str] = []
    for item in (item.strip() for item in text.split(",")):
        try:
            found += LOCAL if item == "localhost" else [str(ipaddress.ip_address(item))]
        except ValueError:
            raise ValueError(f"has the entry {item!r}, which is neither an IP address nor localhost") from None
    return tuple(dict.fromkeys(found))


class ProxyOptions(Options, frozen=True, kw_only=True):
    """The arguments of ``headgate proxy``, which take the place of manifests and of a cluster.

    Attributes:
        given_ports: the fields of ``PORTS`` that are given.
    """

    given_ports: frozenset[str] = frozenset()
    manifests: Path | None = None
    kubeconfig: Path | None = None
    context: str = ""
    nginx_configmaps: NamespacedName | None = None
    routes: Annotated[
        tuple[Route, ...], Value(f"{ARGUMENT}", route, each=True), Argument("What is served, and where it is.")
    ] = ()
    tls: Annotated[
        bool,
        Value("", flags.boolean),
        Flag(RUN, "Serve HTTPS, and redirect HTTP to it for the hosts that are named.", native=True),
    ] = False
    print: Annotated[bool, Value("", flags.boolean), Flag(RUN, "Print the objects as YAML, then end.", native=True)] = (
        False
    )
    address: Annotated[
        tuple[str, ...],
        Value("ADDRESS,…", _addresses),
        Flag(NGINX, "IP addresses to listen on, or localhost.", "0.0.0.0", native=True),  # noqa: S104 - an example
    ] = LOCAL
    default_http_listener_port: Annotated[
        ListenerPort,
        Flag(NGINX, "Port for HTTP; if it is not given and not free, the next free port.", "3080", letter="p"),
    ] = PORTS["default_http_listener_port"]
    default_https_listener_port: Annotated[
        ListenerPort, Flag(NGINX, "Port for HTTPS; if it is not given and not free, the next free port.", "3443")
    ] = PORTS["default_https_listener_port"]
    drain_timeout: Annotated[
        int,
        Value("SECONDS", flags.Integer(0, 86_400)),
        Flag(NGINX, "Longest wait for requests in flight when it ends.", "5", native=True),
    ] = 0
    nginx_status: Annotated[
        bool, Value("", flags.boolean), Flag(OBSERVE, "Serve stub_status on -nginx-status-port.")
    ] = False
    ready_status: Annotated[
        bool, Value("", flags.boolean), Flag(OBSERVE, "Serve /nginx-ready on -ready-status-port.")
    ] = False
    log_level: Annotated[
        LogLevel,
        Value("LEVEL", flags.EnumValue(LogLevel, {"warning": "warn"}), lenient=True),
        Flag(OBSERVE, "One of " + ", ".join(item.value for item in LogLevel) + ".", "info"),
    ] = LogLevel.WARN

    @property
    def hosts(self) -> tuple[str, ...]:
        """The hosts that are named, each once."""
        return tuple(dict.fromkeys(route.host for route in self.routes if route.host))

    @property
    def backends(self) -> tuple[Backend, ...]:
        """The backends, each once."""
        return tuple(dict.fromkeys(route.backend for route in self.routes))

    @property
    def hostless(self) -> bool:
        """Whether a route is for every host."""
        return any(not route.host for route in self.routes)


OptionsT = TypeVar("OptionsT", bound=Options)


def main(argv: Sequence[str], environ: Environ) -> int:
    """Serve until a signal, or print; return the exit status."""
    return execute(PROXY, argv, environ)


def _build(kind: type[OptionsT], reading: Reading, environ: Environ) -> OptionsT | tuple[Problem, ...]:
    """Check the routes against each other, and take note of the ports that are given."""
    fields = dict(reading.fields)
    problems = [*reading.problems, *_twice(fields.get("routes", ()))]
    given = {field: fields[field] for field in PORTS if field in fields}
    fields["given_ports"] = frozenset(given)
    for field, preferred in PORTS.items():
        fields.setdefault(field, preferred + 1 if preferred in given.values() else preferred)
    return completed(kind, Reading(fields, tuple(problems), reading.warnings), environ)


def _twice(routes: Sequence[Route]) -> Iterator[Problem]:
    seen: dict[str, Route] = {}
    for each in routes:
        if each.place in seen:
            reason = f"has the backends {seen[each.place].backend} and {each.backend}; a path has one"
            yield flags.problem(ARGUMENT, each.place, reason, "")
        seen[each.place] = each


def _with_free_ports(options: ProxyOptions) -> ProxyOptions:
    """Choose the ports that are not given.

    Raises:
        OSError: a port cannot be opened.
    """
    pass_on_low_ports()
    chosen: dict[str, int] = {field: getattr(options, field) for field in options.given_ports}
    for field, port in chosen.items():
        if fault := port_fault(port, options.address):
            raise OSError(f"-{field.replace('_', '-')}: '{port}' {fault}")
    for field, preferred in PORTS.items():
        if field not in chosen:
            chosen[field] = free_port(preferred, options.address, chosen.values())
    return msgspec.structs.replace(options, **chosen)


@reported
def _run(options: ProxyOptions) -> int:
    with tempfile.TemporaryDirectory(prefix=PREFIX) as name:
        scratch = Path(name)
        scratch.chmod(0o755)  # workers, which are another user's where root starts nginx, pass it
        if options.print:
            print(_manifests(options, scratch), end="")
            return OK
        if fault := unresolved(backend for backend in options.backends if backend.named):
            raise OSError(fault)
        with contextlib.ExitStack() as starting:
            starting.enter_context(turn())
            end_stale()
            return _serve(_with_free_ports(options), scratch, starting)


def _manifests(options: ProxyOptions, scratch: Path) -> str:
    _, pair = _certificate(options, scratch)
    items = [*objects(options.routes, options.ingress_class, {}, pair)]
    if any(backend.grpc for backend in options.backends):
        items.append(settings(development=False))
    return manifests(items, options.routes, options.ingress_class, tls=options.tls)


def _serve(options: ProxyOptions, scratch: Path, starting: contextlib.ExitStack) -> int:
    configure(style(options), options.log_level)
    if options.log_level is LogLevel.WARN:  # what an older nginx cannot do is of interest to operators only
        logging.getLogger("headgate.app").setLevel(logging.ERROR)
    issuer, pair = _certificate(options, scratch)
    found = {backend: listening(backend) for backend in options.backends}
    local = {one.port: addresses or LOCAL for one, addresses in found.items() if one.host == LOCALHOST}
    items = (*objects(options.routes, options.ingress_class, local, pair), settings(development=True))
    front = _front(options, issuer)
    silent = {backend for backend, addresses in found.items() if not addresses}

    def announce() -> None:
        starting.close()
        print(announcement(options.routes, front, silent), flush=True)

    try:
        asyncio.run(serve(_standalone(options, scratch), Fixed(map(_decoded, items)), announce))
    except (asyncio.CancelledError, KeyboardInterrupt):
        return OK
    return OK


def _certificate(options: ProxyOptions, scratch: Path) -> tuple[Authority | None, Pair | None]:
    if not options.tls:
        return None, None
    now = dt.datetime.now(dt.UTC)
    names = tuple(dict.fromkeys((*options.hosts, *(HOSTLESS if options.hostless else ()))))
    issuer = authority(names, data_directory(os.environ), scratch, now)
    return issuer, issuer.issue(names, now)


def _front(options: ProxyOptions, issuer: Authority | None) -> Front:
    address = next(iter(options.address), LOCAL[0])
    address = LOCAL[0] if address in {"0.0.0.0", "::"} else address  # noqa: S104 - it is compared
    if issuer:
        return Front(options.default_https_listener_port, address, issuer.path, lasting=issuer.kept)
    return Front(options.default_http_listener_port, address)


def _standalone(options: ProxyOptions, scratch: Path) -> ProxyOptions:
    """Choose the objects in memory instead of a cluster, as ``--manifests`` does, and directories of its own."""
    secret = NamespacedName(NAMESPACE, TLS_SECRET) if options.tls and options.hostless else None
    return msgspec.structs.replace(
        options,
        manifests=Path("the command line"),
        prefix=options.prefix or scratch,
        nginx_configmaps=NamespacedName(NAMESPACE, NAME),
        allow_empty_ingress_host=options.hostless,
        default_server_tls_secret=secret or options.default_server_tls_secret,
    )


def _decoded(item: Mapping[str, Any]) -> TopLevel:
    model = next(model for model in ALL if item["kind"] == model.KIND.name)
    return model.convert(item)


LISTED: Final = ("address", "default-http-listener-port", "default-https-listener-port", "drain-timeout", "log-level")
PROXY: Final = Command(
    name="headgate proxy",
    forms=(f"{ARGUMENT}... [--tls] [-p PORT] [--print] [FLAGS]",),
    about=ABOUT,
    kind=ProxyOptions,
    run=_run,
    declined=KNOWN,
    build=_build,
    common={name: flag for name, flag in DECLARED.items() if name not in LISTED},
)
