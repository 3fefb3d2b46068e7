"""What answers where no resource does: the default server of each port, and hosts on ports that only a wildcard has.

nginx gives a name that no server of a port has to its default server, which is the first one read if none says that it
is (https://nginx.org/en/docs/http/request_processing.html); and a name that is served on other ports to the wildcard
that covers it (https://nginx.org/en/docs/http/server_names.html). Neither may reach somebody's backend.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from msgspec import structs

from headgate.ir import File
from headgate.ir.http import QUIC, ROUTES, HttpConfig, Location, Server, Tls
from headgate.ir.layout import NAMES_FILE, ROUTES_FILE, ROUTES_MASK
from headgate.ir.snippets import Directives, read
from headgate.routes import Listener, RouteTable, VirtualHost
from headgate.settings import NOTHING, Quoted, Words
from headgate.translate import naming
from headgate.translate.environment import Environment
from headgate.translate.errors import GRPC
from headgate.translate.listens import http2, listeners, listens
from headgate.translate.locations import health
from headgate.translate.standing_in import is_guarded, shell
from headgate.translate.variables import server_variables

_DEFAULT = frozenset({"default", "default_server"})
_ANY_IPV4 = re.compile(r"(?:\*:|0\.0\.0\.0:)")


ROUTED = "_routed"
"""The first name of the server for names of hosts without a server block; no host has it."""


def translate_default_server(
    env: Environment, *, routed: bool = False, pushed: bool = False, named: bool = False
) -> HttpConfig:
    """Translate the server that answers for hosts that no object holds; it carries the shared TLS context.

    Args:
        env: what every resource shares.
        routed: whether it routes hosts without a server block.
        pushed: whether certificates are pushed at run time.
        named: whether a second server has the names of those that accept handshakes, so that this one refuses all.
    """
    server = _usual_default_server(env, routed=routed and not named, pushed=pushed)
    if not named:
        return HttpConfig(file=naming.DEFAULT_SERVER, origin=None, servers=(server,))
    only_routes = structs.replace(server, attached=naming.mask(env.layout.conf, ROUTES_FILE))
    names = structs.replace(
        server,
        name=ROUTED,
        default=False,
        listens=_usual_lines(env),
        tls=Tls(),
        locations=(_unknown(env),),
        attached=_routes_mask(env),
    )
    return HttpConfig(file=naming.DEFAULT_SERVER, origin=None, servers=(only_routes, names))


def names_file(hosts: Iterable[str]) -> File:
    """Return the file with the names of that second server."""
    names = (naming.server_name(host) for host in sorted(hosts))
    text = "".join(f"server_name {name.spelled if isinstance(name, Quoted) else name};\n" for name in names)
    return File(NAMES_FILE, text.encode())


def translate_profiles(env: Environment, profiles: Mapping[str, Location]) -> HttpConfig:
    """Translate what that server includes: the named locations of hosts without a server block, by name."""
    speaks_grpc = any(profile.backend and profile.backend.grpc for profile in profiles.values())
    server = structs.replace(
        _usual_default_server(env, routed=True, pushed=False), locations=(), grpc_errors=GRPC if speaks_grpc else ()
    )
    locations = tuple(structs.replace(profile, path=name) for name, profile in sorted(profiles.items()))
    return HttpConfig(
        file=ROUTES_FILE, origin=ROUTES, within=server, locations=locations, routes=tuple(sorted(profiles))
    )


def _usual_default_server(env: Environment, *, routed: bool, pushed: bool) -> Server:
    server = _default_server(env, _usual_lines(env, default=True), tls=True)
    return structs.replace(server, tls=Tls(pushed=pushed), attached=_routes_mask(env)) if routed else server


def _routes_mask(env: Environment) -> Quoted:
    return Quoted(f"{env.layout.conf}/{ROUTES_MASK}")


def _usual_lines(env: Environment, *, default: bool = False) -> tuple[Words, ...]:
    return listens(env, (Listener(env.http_port), Listener(env.https_port, tls=True)), default=default)


def translate_ports(env: Environment, found: Collection[Listener]) -> Iterator[HttpConfig]:
    """Translate the default server of each further port among *found*, in order.

    A port on which one server uses TLS uses TLS for all of them (nginx). Addresses that have a default server in the
    http-snippets get none here.
    """
    taken = _default_addresses(read(env.params.snippets.http_snippets))
    ports: defaultdict[int, defaultdict[tuple[str, str], set[bool]]] = defaultdict(lambda: defaultdict(set))
    for each in found:
        ports[each.port][each.ipv4, each.ipv6].add(each.tls)
    for port in sorted(ports.keys() - {env.http_port, env.https_port}):
        servers = tuple(_default_servers(env, port, ports[port], taken))
        if servers:
            yield HttpConfig(file=naming.port_file(port), origin=None, servers=servers, follows=port)


def _default_servers(
    env: Environment,
    port: int,
    places: Mapping[tuple[str, str], Collection[bool]],
    taken: Collection[tuple[str, bool]],
) -> Iterator[Server]:
    """Yield the default servers of the addresses of *port*: those with TLS together, and those without."""
    for tls in (False, True):
        own = [Listener(port, tls=tls, ipv4=v4, ipv6=v6) for (v4, v6), found in sorted(places.items())
               if (True in found) is tls]  # fmt: skip
        if lines := tuple(line for line in listens(env, own, default=True) if _place_of(line) not in taken):
            yield _default_server(env, lines, tls=tls)


def _default_addresses(snippet: Directives) -> frozenset[tuple[str, bool]]:
    """Return where a server in *snippet* is the default: the address (``8080``, ``[::]:8080``), and whether by QUIC."""
    inner = (found for server in snippet.named("server") for found in server.block or ())
    lines = (found.arguments for found in inner if found.name == "listen" and found.arguments)
    return frozenset(_place_of(line) for line in lines if not _DEFAULT.isdisjoint(line[1:]))


def _place_of(line: Sequence[str]) -> tuple[str, bool]:
    return _ANY_IPV4.sub("", line[0]), QUIC in line[1:]


def translate_unserved(
    env: Environment, table: RouteTable, servers: Iterable[Server], salt: str
) -> tuple[tuple[Server, ...], list[HttpConfig]]:
    """Translate the answers for hosts of *table* on ports where only a wildcard that covers them is served.

    Args:
        env: what every resource shares.
        table: the routes of a resource.
        servers: the servers of its hosts, in their order.
        salt: the end of its names.

    Returns:
        those on the usual ports, and a file for each other port, which is there only while somebody opens that port.
    """
    if not any(host.covered for host in table.hosts):
        return (), []
    found: defaultdict[int, list[Server]] = defaultdict(list)
    for host, server in zip(table.hosts, servers, strict=True):
        own = {_place(listener) for listener in listeners(env, server)}
        for listener in host.covered:
            if _place(listener) not in own:
                found[listener.port].append(_unserved(env, host.name, listener))
    usual = (*found.pop(env.http_port, ()), *found.pop(env.https_port, ()))
    return usual, [
        HttpConfig(
            file=naming.config_file(table.origin, f"{salt}@{port}"),
            origin=table.origin,
            servers=tuple(servers),
            follows=port,
        )
        for port, servers in sorted(found.items())
    ]


def closing(
    env: Environment, configs: Iterable[HttpConfig], *, guarded: bool = False, hosts: Iterable[VirtualHost] = ()
) -> tuple[HttpConfig, ...]:
    """Return *configs*, the files of one resource, with the servers that refuse requests while a file is left out.

    That is so if something keeps clients out of the resource, perhaps in other files of it (*guarded*): a wildcard that
    covers a host would else answer for it. They are on the usual ports only, where the default server has the same
    addresses: nginx always accepts these. The servers of *hosts* that are independent stay for those that attach.
    """
    every = tuple(configs)
    usual = frozenset(_usual_lines(env))
    if guarded or any(map(is_guarded, every)):
        every = tuple(structs.replace(config, closed=tuple(_closed(config.servers, usual))) for config in every)
    lists = {config.file for config in every if config.includes}
    names = {
        naming.server_name(host.name) for host in hosts if host.independent and naming.includes_file(host.name) in lists
    }
    return tuple(_with_shell(config, names, usual) for config in every) if names else every


def _with_shell(config: HttpConfig, names: Collection[str], usual: Collection[Words]) -> HttpConfig:
    """Return *config* with what stands in for its servers because others attach to those with *names*."""
    guarded = is_guarded(config)
    found: list[Server] = []
    for server in config.servers:
        own = server.name in names and server.origin is not None and not server.default
        if own and (stays := shell(server, usual, guarded=guarded)):
            found.append(stays)
        elif config.closed or server.origin is None:
            found += _closed([server], usual)
    kept = any(server.attached for server in found)
    return structs.replace(config, shell=tuple(found)) if kept else config


def _closed(servers: Iterable[Server], usual: Collection[Words]) -> Iterator[Server]:
    for server in servers:
        lines = tuple(line for line in server.listens if line in usual)
        if not lines or server.default:
            continue
        if server.origin is None:  # on a port that only the wildcard has
            yield structs.replace(server, listens=lines)
        else:
            tls = Tls(reject=server.tls.reject) if server.tls else None
            yield Server(
                name=server.name, origin=None, listens=lines, tls=tls, own=NOTHING, locations=(), refused=True,
                variables=server.variables,
            )  # fmt: skip


def _place(listener: Listener) -> tuple[int, str, str]:
    return listener.port, listener.ipv4, listener.ipv6


def _unserved(env: Environment, name: str, listener: Listener) -> Server:
    return Server(
        name=name,
        origin=None,
        listens=listens(env, (listener,)),
        tls=Tls(reject=True) if listener.tls else None,
        own=NOTHING,
        locations=(_unknown(env),),
        variables=server_variables(None, env) if env.resource_variables else (),
        access_log_off=env.params.logging.default_server_access_log_off,
    )


def _default_server(env: Environment, lines: tuple[Words, ...], *, tls: bool) -> Server:
    return Server(
        name="_",
        origin=None,
        default=True,
        listens=lines,
        tls=Tls(reject=env.default_certificate is None) if tls else None,
        # Of a connection nginx knows the default server first: without it, no host of the port speaks HTTP/2.
        http2=http2(env) and env.capabilities.http2_directive,
        own=NOTHING,
        locations=(*((health(env.health_uri),) if env.health_uri else ()), _unknown(env)),
        variables=server_variables(None, env) if env.resource_variables else (),
        access_log_off=env.params.logging.default_server_access_log_off,
    )


def _unknown(env: Environment) -> Location:
    return Location(path="/", answer=env.params.main.default_server_return, own=NOTHING)
