"""Tables of routes that came from Ingresses of ingress-nginx become objects of the other dialect. Pure."""

from __future__ import annotations

import enum
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import msgspec

from headgate.api import Ingress, Secret, Service, TopLevel
from headgate.migrating.conversion import carried, ingresses, virtual_servers
from headgate.migrating.conversion.guards import Guards
from headgate.migrating.conversion.outcome import Conversion, Document, Loss, Names, Note
from headgate.problems import ObjectRef, Problem
from headgate.routes import Layers, RouteTable
from headgate.settings import COMMUNITY


class Target(enum.Enum):
    """What is written."""

    NGINX_ORG = "nginx.org"
    VIRTUAL_SERVER = "virtualserver"


NO_HOST = "has no host, which a VirtualServer needs; --to nginx.org writes it"
NOT_PASSED = "is not written: TLS connections of {} are not passed on; write a TransportServer for that"
UNSERVED = "no path of it is served: older Ingresses have them"
ANSWERED = ("answered 500", "answered 403")
"""In the effects of Problems of guards, which are noted with the Policies."""
REDIRECTED = (
    "With a redirect to HTTPS, paths that no route has, and the root of an app-root, are redirected, too, and the slash"
    " at the end of a URL is kept."
)
GENERAL = (
    "A Service without endpoints is answered 502, not 503.",
    "A host without spec.tls does not answer HTTPS; ingress-nginx answers it with its default certificate.",
    REDIRECTED,
    "Keys of its ConfigMap about nginx as a whole (log formats, workers, http-snippet) are not carried over.",
    "Ports of --tcp-services-configmap and --udp-services-configmap are not carried over.",
)
HEADERS = (
    "Backends get the usual headers of nginx.org: Host without a port, X-Real-IP, and an X-Forwarded-For to which the"
    " client is appended; X-Scheme, X-Forwarded-Scheme and X-Original-Forwarded-For are removed."
)
OF_INGRESSES = (
    "What an Ingress that is alone asks of clients, it also asks for paths of its hosts that it does not have.",
    HEADERS,
)


class Wanted(msgspec.Struct, frozen=True):
    """What is asked for: the *target*, its class, and ``namespace/name`` of the ConfigMap with the defaults."""

    target: Target
    class_name: str
    config_map: tuple[str, str]


def community_tables(tables: Iterable[RouteTable]) -> tuple[RouteTable, ...]:
    """Return those of Ingresses of ingress-nginx."""
    return tuple(table for table in tables if any(_of_community(table)))


def _of_community(table: RouteTable) -> Iterator[bool]:
    for host in table.hosts:
        yield bool(host.settings) and host.settings[0].overrides.dialect is COMMUNITY


def convert(
    tables: Sequence[RouteTable],
    objects: Iterable[TopLevel],
    problems: Mapping[ObjectRef, Sequence[Problem]],
    wanted: Wanted,
) -> Conversion:
    """Write *tables*, which came from Ingresses among *objects*, with *problems*, as *wanted*."""
    objects = tuple(objects)
    secrets = {item.ref: item for item in objects if isinstance(item, Secret)}
    services = frozenset(item.ref for item in objects if isinstance(item, Service))
    documents: dict[tuple[str, str, str], Document] = {}
    names = Names()
    notes: list[Note] = []
    unconverted: dict[str, str] = {}
    for table in tables:
        guards = Guards(secrets, services, wanted.class_name)
        for stream in table.streams:
            guards.note(stream.origin, "ssl-passthrough", NOT_PASSED.format(stream.host), Loss.LOST)
        made = list(_written(table, guards, names, wanted, _ports(objects), unconverted))
        own = [*guards.notes, *_lost(table, problems)]
        notes += own
        every = (*guards.documents.values(), *made[:-1], *_with(made[-1:], own))
        documents |= {each.ref: each for each in every}
    members = {ref.key: ref for table in tables for ref in table.members}
    unconverted |= _unserved(objects, tables, problems)
    by_key = defaultdict(list)
    for note in notes:
        by_key[note.origin.key].append(note.loss)
    closed = sorted(key for key, losses in by_key.items() if Loss.CLOSED.value in losses)
    noted = sorted(key for key in by_key if key not in closed)
    whole = sorted(key for key in members if key not in by_key and key not in unconverted)
    general = (*GENERAL, *(OF_INGRESSES if wanted.target is Target.NGINX_ORG else ()))
    layers = next((host.settings for table in tables for host in table.hosts), ())
    known = carried.has_annotation if wanted.target is Target.NGINX_ORG else carried.has_upstream_field
    if lost := ", ".join(carried.unsayable(layers, known)):
        general = (*general, f"What holds for all Ingresses and has no key in the other ConfigMap is lost: {lost}.")
    defaults = [_config_map(layers, wanted)] if documents else []
    return Conversion([*defaults, *documents.values()], whole, noted, closed, unconverted, general)


def _written(  # noqa: PLR0913 - what is written, with what, into what
    table: RouteTable,
    guards: Guards,
    names: Names,
    wanted: Wanted,
    port: virtual_servers.PortNumber,
    unconverted: dict[str, str],
) -> Iterator[Document]:
    if wanted.target is Target.NGINX_ORG:
        yield from ingresses.Writer(table, guards, names, wanted.class_name).documents()
        return
    for host in table.hosts:
        if not host.name:
            unconverted |= {ref.key: NO_HOST for ref in {route.origin for route in host.routes}}
            continue
        yield from virtual_servers.Writer(host, guards, names, port, wanted.class_name).documents()


def _with(documents: Sequence[Document], notes: Sequence[Note]) -> Iterator[Document]:
    for each in documents:
        yield Document(each.item, tuple(notes))


def _lost(table: RouteTable, problems: Mapping[ObjectRef, Sequence[Problem]]) -> Iterator[Note]:
    """Yield what the Ingresses of *table* ask for in vain."""
    for ref in table.members:
        for problem in problems.get(ref, ()):
            if problem.field.startswith(COMMUNITY.prefix) and not any(code in problem.effect for code in ANSWERED):
                name = problem.field.removeprefix(COMMUNITY.prefix)
                effect = f"; {problem.effect}" if problem.effect else ""
                yield Note(ref, name, f"{problem.reason}{effect}", Loss.LOST.value)


def _unserved(
    objects: Iterable[TopLevel], tables: Iterable[RouteTable], problems: Mapping[ObjectRef, Sequence[Problem]]
) -> dict[str, str]:
    members = {ref for table in tables for ref in table.members}
    found = {}
    for item in objects:
        if isinstance(item, Ingress) and item.ref in problems and item.ref not in members:
            refusing = next((each for each in problems[item.ref] if each.refuses), None)
            found[item.ref.key] = str(refusing) if refusing else UNSERVED
    return found


def _config_map(layers: Layers, wanted: Wanted) -> Document:
    namespace, name = wanted.config_map
    data = carried.config_map_data(layers)
    metadata = {"name": name, "namespace": namespace}
    return Document({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data})


def _ports(objects: Iterable[TopLevel]) -> Callable[[str, str, str], int | None]:
    services = {(item.metadata.namespace, item.metadata.name): item for item in objects if isinstance(item, Service)}

    def number(namespace: str, service: str, port: str) -> int | None:
        if port.isdigit():
            return int(port)
        found = services.get((namespace, service))
        ports = (found.spec.ports or ()) if found and found.spec else ()
        return next((each.port for each in ports if each.name == port), None)

    return number
