"""What every translation shares: where nginx lives, what it can do, and what the ConfigMap and the flags say."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

import msgspec
from msgspec import structs

from headgate.ir import Capabilities, Layout
from headgate.ir.live import LuaModules, NjsModule
from headgate.ir.main import StatusServer
from headgate.ir.snippets import Directive, read
from headgate.settings import ConfigParams, Header, Words
from headgate.settings.variables import read_by
from headgate.translate.headers import PASSED_PORT, SERVER_PORT, request_headers

OF_SERVER = re.compile(r"\$\{?(?:server_name|proxy_host|proxy_port)(?![A-Za-z0-9_])", re.IGNORECASE)
"""Variables whose values are others where there is no server block and no upstream block; nginx ignores case."""
_BESIDE_ROUTES = frozenset({
    "geo", "limit_conn_zone", "limit_req_zone", "log_format", "map", "proxy_cache_path", "split_clients", "upstream",
    "brotli", "brotli_comp_level", "brotli_min_length", "brotli_types", "brotli_window", "geoip2",
    "client_body_timeout", "client_header_buffer_size", "client_header_timeout", "gzip", "gzip_comp_level",
    "gzip_disable", "gzip_http_version", "gzip_min_length", "gzip_proxied", "gzip_types", "gzip_vary",
    "http2_max_concurrent_streams", "ignore_invalid_headers", "large_client_header_buffers",
    "proxy_headers_hash_bucket_size", "proxy_headers_hash_max_size", "ssl_buffer_size", "ssl_early_data",
    "ssl_ecdh_curve", "ssl_session_cache", "ssl_session_tickets", "ssl_session_timeout", "underscores_in_headers",
})  # fmt: skip
"""Directives of http-snippets that mean the same for a host without a server block."""
_TEMPLATES = frozenset({"main_template", "ingress_template", "virtualserver_template"})
_RESOURCE_VARIABLE = re.compile(r"\$\{?(?:resource_(?:type|name|namespace)|service(?:_port)?)(?![A-Za-z0-9_])")
SERVICE_PORT: Final = "service_port"
"""The variable of the port of the Service, which is set only where a log format or a template reads it."""


class Environment(msgspec.Struct, frozen=True, kw_only=True):
    """The frozen surroundings of a translation; two equal ones give equal files.

    Attributes:
        params: the ConfigMap over the defaults.
        gates: flags that settings ask for.
        http_port: where plain HTTP is served; ``https_port`` likewise.
        passthrough: whether TLS connections to ``https_port`` are passed on by their server name; those for HTTPS then
            arrive over a Unix socket.
        udp_ports: ports of UDP that are for TransportServers, where HTTP/3 leaves them alone.
        ipv6: whether listeners exist for IPv6 too.
        addresses: where listeners exist, an IPv6 address in brackets; empty means on all addresses.
        default_certificate: file of the default server's certificate (``secrets/default``), if there is one.
        health_uri: path that the default server answers with 200, if wanted.
        user: the workers' user, where nginx's master is root.
        status: where administrators read ``stub_status``.
        metrics: whether the metrics ask nginx over its status socket.
        data_plane: ``live`` if servers of upstreams are pushed at run time, unless the ConfigMap excludes it;
            ``files`` if files say everything.
        live_memory: the size of the memory that workers share for them.
        routing: whether hosts are routed at run time where they can be, instead of in server blocks;
            ``routing_asked`` if a flag asks for it.
        main_without_live: whether a main template of the user's lacks what ``live`` needs.
        for_reading: whether files are for people to read, so that no nginx with what they need is known.
        live_streams: whether servers of TCP and UDP are pushed too, where they can be.
        streams_in_files: why servers of TCP and UDP are in files though others are pushed; ``""`` if they need not be.
        access_log: where the access log goes if nginx cannot open its own standard output, else ``""``.
        json_time: how JSON logs of nginx write the time (``iso``, or ``s`` or ``ms`` since 1970); ``""`` for text.
        latency: whether requests and the latency of upstreams are counted.
        replicas: how many controllers share the traffic, at least 1.
        databases: the editions of GeoIP2 databases that are there.
        resource_variables: whether some text of the user's reads ``$resource_name`` and its siblings, so that they must
            be set; follows from *params*.
        service_ports: whether ``$service_port`` is among them.
        request_headers: the default headers of requests to backends; follows from *params*.
    """

    layout: Layout
    capabilities: Capabilities = Capabilities()
    params: ConfigParams = ConfigParams()
    gates: frozenset[str] = frozenset()
    http_port: int = 80
    https_port: int = 443
    passthrough: bool = False
    udp_ports: frozenset[int] = frozenset()
    ipv6: bool = True
    addresses: tuple[str, ...] = ()
    default_certificate: str | None = None
    health_uri: str | None = None
    user: str | None = None
    status: StatusServer | None = None
    metrics: bool = False
    latency: bool = False
    data_plane: str = "files"
    live_memory: str = "64m"
    routing: bool = False
    routing_asked: bool = False
    main_without_live: bool = False
    for_reading: bool = False
    live_streams: bool = True
    streams_in_files: str = ""
    access_log: str = ""
    json_time: str = ""
    replicas: int = 1
    databases: tuple[str, ...] = ()
    resource_variables: bool = False
    service_ports: bool = False
    request_headers: tuple[Header, ...] = ()

    def __post_init__(self) -> None:
        """Derive what every translation asks for."""
        params = self.params
        snippets = params.snippets
        texts = (
            snippets.http_snippets,
            snippets.main_template,
            snippets.ingress_template,
            snippets.virtualserver_template,
        )
        reads = reads_variables(*params.logging.log_format, *texts) or location_reads_variables(params)
        msgspec.structs.force_setattr(self, "resource_variables", reads)
        ports = any(SERVICE_PORT in read_by(text) for text in (*params.logging.log_format, *filter(None, texts)))
        msgspec.structs.force_setattr(self, "service_ports", ports)
        msgspec.structs.force_setattr(self, "request_headers", request_headers(params, port=self.port))

    @property
    def live(self) -> LuaModules | None:
        """How the Lua module is loaded, if servers of upstreams are pushed at run time."""
        excluded = self.data_plane != "live" or self.main_without_live or self.foreign_lua is not None
        return None if excluded else self.capabilities.lua

    @property
    def checks_tokens(self) -> bool:
        """Whether Lua checks JSON Web Tokens; for people to read, it is as if it did."""
        return self.live is not None or self.for_reading

    @property
    def sessions(self) -> bool:
        """Whether there may be sessions of OpenID Connect, which Lua opens."""
        return "enable-oidc" in self.gates and self.live is not None

    @property
    def without_sessions(self) -> str:
        """Why requests cannot be let in by sessions of OpenID Connect, which Lua decides; ``""`` if they can."""
        if self.checks_tokens:
            return ""
        if self.data_plane == "live":
            return "the ConfigMap, or a template, excludes it"
        return "nginx lacks its Lua module" if self.capabilities.lua is None else "-data-plane=files is given"

    @property
    def stream_js(self) -> NjsModule | None:
        """How njs is loaded, if servers of TCP and UDP are pushed at run time."""
        return None if self.unpushed_streams else self.capabilities.stream_js

    @property
    def unpushed_streams(self) -> str:
        """Why servers of TCP and UDP are in files, whatever their object says; ``""`` if they need not be."""
        if self.live is None:
            return "the live data plane is off"
        if not self.live_streams:
            return "-live-streams is off"
        if self.capabilities.stream is None or self.capabilities.stream_js is None:
            return "nginx lacks its njs module for TCP and UDP"
        found = (each.name for each in read(self.params.snippets.stream_snippets).found if _is_in_the_way(each.name))
        return self.streams_in_files or next(
            (f"the stream-snippets of the ConfigMap have {name}" for name in found), ""
        )

    @property
    def plane(self) -> str:
        """How nginx learns of the servers of upstreams: ``live`` or ``files``."""
        return "live" if self.live else "files"

    @property
    def sends_lines(self) -> bool:
        """Whether workers send a line for each request to the controller; where they have Lua, they count instead."""
        return self.latency and self.live is None

    @property
    def routes(self) -> bool:
        """Whether hosts without a server block are possible."""
        return not self.unrouted

    @property
    def unrouted(self) -> str:
        """Why every host has a server block, regardless of its object; empty if hosts may do without one."""
        if not self.routing:
            return "-live-routes is off"
        return self.unable_to_route or next(self._about_server_blocks(), "")

    @property
    def unable_to_route(self) -> str:
        """What nginx lacks for hosts without a server block; empty if it lacks nothing."""
        if self.data_plane != "live":
            return "the live data plane is off"
        lua = self.capabilities.lua
        if lua is None or not (lua.pools and self.capabilities.keepalive_by_default):
            return "nginx is older than 1.29.7, or its Lua module does not have balancer_keepalive"
        return ""

    def _about_server_blocks(self) -> Iterator[str]:
        """Yield what in the ConfigMap is about server blocks, so that every host has one."""
        params, snippets = self.params, self.params.snippets
        if self.live is None:
            yield "the ConfigMap excludes the live data plane"
        templates = structs.asdict(snippets).items()
        yield from (f"the ConfigMap has {_key(name)}" for name, text in templates if text and name in _TEMPLATES)
        if self.resource_variables:
            yield "the ConfigMap, or a template, uses $service or a variable named $resource_…"
        if params.logging.default_server_access_log_off:
            yield "the ConfigMap has default-server-access-log-off"
        texts = (*params.logging.log_format, snippets.http_snippets or "")
        yield from (f"the ConfigMap uses {found[0]}" for found in map(OF_SERVER.search, texts) if found)
        others = (found.name for found in read(snippets.http_snippets).found if found.name not in _BESIDE_ROUTES)
        yield from (f"the http-snippets of the ConfigMap have {name}" for name in others)

    @property
    def foreign_lua(self) -> tuple[str, Directive] | None:
        """The first directive of the Lua module in the ConfigMap's snippets, which excludes ours, and its key."""
        snippets = self.params.snippets
        texts = {"http-snippets": snippets.http_snippets, "main-snippets": snippets.main_snippets}
        found = ((key, directive) for key, text in texts.items() for directive in read(text).found)
        return next((each for each in found if _uses_lua(each[1])), None)

    @property
    def resolves(self) -> bool:
        """Whether nginx can resolve the names of backends while it runs."""
        return bool(self.params.resolver.resolver_addresses) and self.capabilities.upstream_resolve

    @property
    def access_log_target(self) -> Words:
        """The arguments of ``access_log``; a standard output that nginx cannot open is replaced by a file."""
        target = self.params.logging.access_log
        if target[0].startswith("/dev/std") and self.access_log:
            return Words((self.access_log, *target[1:]))
        return target

    @property
    def port(self) -> str:
        """The variable of the port on which a request came."""
        return PASSED_PORT if self.passthrough else SERVER_PORT

    @property
    def shares_headers(self) -> bool:
        """Whether request headers may stand in ``http {}``: a server in the http-snippets would inherit them."""
        return not read(self.params.snippets.http_snippets).has("server")

    @property
    def speaks_grpc(self) -> bool:
        """Whether gRPC is possible: the binary has it, and the ConfigMap turned HTTP/2 on."""
        return self.capabilities.grpc and self.capabilities.http2 and self.params.tls.http2


def _uses_lua(directive: Directive) -> bool:
    name, arguments = directive.name, directive.arguments
    if name == "load_module":
        return any(module in " ".join(arguments) for module in ("http_lua_module", "ndk_http_module"))
    return "lua" in name.split("_")


def _is_in_the_way(name: str) -> bool:
    """Whether the directive *name* beside servers of TCP and UDP changes what their own need."""
    return name == "access_log" or name.startswith("js_")


def _key(field: str) -> str:
    return field.replace("_", "-")


def reads_variables(*texts: str | None) -> bool:
    """Whether one of *texts* reads a variable that says which resource answers, spelled ``$name`` or ``${name}``."""
    return any(_RESOURCE_VARIABLE.search(text) for text in texts if text)


def location_reads_variables(params: ConfigParams) -> bool:
    """Whether what *params* say for servers and locations reads such a variable."""
    snippets, method = params.snippets, " ".join(params.upstream.lb_method or ())
    return reads_variables(snippets.server_snippets, snippets.location_snippets, params.limits.limit_req_key, method)
