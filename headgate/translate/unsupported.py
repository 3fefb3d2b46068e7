"""Settings that the binary does not support: they are left out with a warning."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import structs

from headgate.ir.addons import BROTLI, GEOIP2
from headgate.problems import ObjectRef, Problem
from headgate.translate.environment import Environment
from headgate.translate.geoip import databases
from headgate.translate.live import in_files
from headgate.translate.live_only import LIVE
from headgate.translate.main import loaded_by
from headgate.translate.quic import without_http3

LEFT_OUT = "it is left out"
UNTRACED = (
    "it is left out, and no request is traced; add ngx_otel_module.so to the modules of this nginx, as the section "
    "on tracing of docs/observability.md describes"
)

BY_RELOADS = "endpoints change by reloads"
LACKS_LIVE = (
    "does not contain what nginx needs to learn of endpoints while it runs; copy the lines from {% if main.live %} to "
    '{% endif %} of the built-in template before its "user", and put {% include "blocks/live.j2" %} into its http block'
)


def unsupported_keys(env: Environment, origin: ObjectRef) -> Iterator[Problem]:
    """Yield a Problem for each key of the ConfigMap *origin* that this nginx has no module for."""
    client, capabilities = env.params.client, env.capabilities
    asked = {
        "real-ip-header": (client.real_ip_header, capabilities.realip, "ngx_http_realip_module"),
        "set-real-ip-from": (client.set_real_ip_from, capabilities.realip, "ngx_http_realip_module"),
        "http2": (env.params.tls.http2, capabilities.http2, "ngx_http_v2_module"),
        "stream-snippets": (env.params.snippets.stream_snippets, capabilities.stream is not None, "ngx_stream_module"),
    }
    for key, (value, able, module) in asked.items():
        if value and not able:
            yield Problem(origin, key, "", _lacks(module), LEFT_OUT)
    if env.passthrough and client.real_ip_header not in {None, "", "proxy_protocol"}:
        reason = "cannot be used with -enable-tls-passthrough, by which the PROXY protocol has the addresses of clients"
        yield Problem(origin, "real-ip-header", str(client.real_ip_header), reason, "proxy_protocol is used")
    if env.params.tls.http3 and (reason := without_http3(env)):
        yield Problem(origin, "http3", "", reason, "no port speaks HTTP/3")
    yield from _without_addons(env, origin)
    for key, given in _telemetry(env):
        if given and capabilities.otel is None:
            yield Problem(origin, key, "", _lacks("ngx_otel_module"), UNTRACED)
    if env.params.resolver.resolver_addresses and not capabilities.upstream_resolve:
        reason = f"needs nginx 1.27.3, and this one is {'.'.join(map(str, capabilities.version))}"
        yield Problem(origin, "resolver-addresses", "", reason, "ExternalName Services are resolved at each reload")
    method = env.params.upstream.lb_method
    if env.live is None and (used := in_files(method)) != method:
        yield Problem(origin, "lb-method", " ".join(method or ()), f"needs {LIVE}", f"{' '.join(used or ())} is used")
    yield from _not_live(env, origin)


def _without_addons(env: Environment, origin: ObjectRef) -> Iterator[Problem]:
    """Yield a Problem for each setting of a further module that cannot be used."""
    capabilities = env.capabilities
    if env.params.addons.brotli and not (
        capabilities.has(BROTLI) or BROTLI in loaded_by(env.params.snippets.main_snippets)
    ):
        yield Problem(origin, "brotli", "true", _lacks(BROTLI), LEFT_OUT)
    if env.params.addons.geoip2 and not databases(env):
        lacking = "finds no database of --maxmind-edition-ids in /etc/ingress-controller/geoip"
        reason = lacking if capabilities.has(GEOIP2) else _lacks(GEOIP2)
        yield Problem(origin, "geoip2", "true", reason, "its variables are not known")


def _not_live(env: Environment, origin: ObjectRef) -> Iterator[Problem]:
    """Yield what in the ConfigMap keeps endpoints from reaching nginx while it runs, though this nginx could."""
    if env.data_plane != "live":
        return
    if env.foreign_lua:
        key, directive = env.foreign_lua
        words = f"{directive.name} {directive.arguments[0]}" if directive.name == "load_module" else directive.name
        reason = "cannot be used beside the Lua code by which nginx learns of endpoints while it runs"
        yield Problem(origin, key, words, reason, BY_RELOADS)
    if env.main_without_live and env.params.snippets.main_template:
        yield Problem(origin, "main-template", "", LACKS_LIVE, BY_RELOADS)


def _lacks(module: str) -> str:
    return f"needs {module}, which this nginx does not have"


def _telemetry(env: Environment) -> Iterator[tuple[str, object]]:
    """Yield the keys of OpenTelemetry with their values."""
    yield from ((name.replace("_", "-"), value) for name, value in structs.asdict(env.params.telemetry).items())


def unsupported_flags(env: Environment) -> Iterator[str]:
    """Yield one line for each thing that flags ask for and this nginx cannot do."""
    capabilities = env.capabilities
    if not capabilities.stub_status and env.status:
        yield "-nginx-status is on, but this nginx has no stub_status module: its status port is not served"
    if not capabilities.stub_status and env.metrics:
        yield "-enable-prometheus-metrics is on, but this nginx has no stub_status: no connection metrics"
    if "enable-tls-passthrough" in env.gates and not env.passthrough:
        lacking = "ngx_stream_ssl_preread_module" if capabilities.stream is not None else "ngx_stream_module"
        yield f"-enable-tls-passthrough is on, but this nginx has no {lacking}: no TLS connection is passed on"
    if env.routing_asked and env.unable_to_route:
        yield f"-live-routes is on, but {env.unable_to_route}: every host has a server block"
    if not capabilities.keepalive_min_timeout:
        yield (
            "this nginx has no keepalive_min_timeout (1.27.4): a reload may cut requests on busy keep-alive connections"
        )
