"""Flags and the binary become the Environment of translations and the Layout of nginx."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from headgate.ir import Capabilities, Layout
from headgate.ir.main import StatusServer
from headgate.options import DataPlane, LogFormat, Options
from headgate.render import HTTP, MAIN, TRANSPORT_SERVER, VIRTUAL_SERVER, BadTemplate, Renderer
from headgate.settings import ConfigParams, Words
from headgate.settings.community import whole_defaults
from headgate.settings.parsers import Unfit
from headgate.settings.snippets import jinja_template
from headgate.translate import Environment
from headgate.translate.geoip import DIRECTORY, VARIABLES

GATES = (
    "enable_snippets",
    "enable_directive_autoadjust",
    "enable_tls_passthrough",
    "enable_oidc",
    "enable_cert_manager",
    "enable_external_dns",
    "disable_catch_all",
    "disable_svc_external_name",
    "canaries_across_namespaces",
)
"""Flags that settings and fields ask for."""
JSON_TIMES = {LogFormat.JSON: "iso", LogFormat.JSON_UNIX: "s", LogFormat.JSON_UNIX_MS: "ms"}
"""The formats of the log that hold for the logs of nginx too, and how they write the time."""


def environment(  # noqa: PLR0913 - the flags, and what was found out about the machine
    options: Options, capabilities: Capabilities, layout: Layout, *, user: str | None, ipv6: bool, stdout: bool
) -> Environment:
    """Return what every translation shares before any ConfigMap is read."""
    data_plane: Literal["live", "files"] = "files"
    if capabilities.lua and options.data_plane is not DataPlane.FILES:
        data_plane = "live"
    asked = options.live_routes and options.live_routes_given
    passthrough = options.enable_tls_passthrough and capabilities.stream is not None and capabilities.stream_preread
    return Environment(
        layout=layout,
        capabilities=capabilities,
        params=_params(options, capabilities),
        gates=frozenset(gate.replace("_", "-") for gate in GATES if getattr(options, gate)),
        http_port=options.default_http_listener_port,
        https_port=options.tls_passthrough_port if passthrough else options.default_https_listener_port,
        passthrough=passthrough,
        ipv6=ipv6 and not options.disable_ipv6,
        addresses=tuple(_spelled(item) for item in options.address if ":" not in item or ipv6),
        health_uri=options.health_status_uri if options.health_status else None,
        user=user,
        status=_status(options, ipv6=ipv6 and not options.disable_ipv6),
        metrics=options.enable_prometheus_metrics,
        latency=options.enable_latency_metrics,
        access_log="" if stdout else f"{layout.logs}/access.log",
        json_time=JSON_TIMES.get(options.log_format, ""),
        routing=options.live_routes and (asked or data_plane == "live"),
        routing_asked=asked,
        data_plane=data_plane,
        live_streams=options.live_streams,
        live_memory=options.live_memory,
        databases=_databases(options),
    )


def _databases(options: Options) -> tuple[str, ...]:
    """Return the GeoIP2 databases that are there; one that comes later needs a restart, as in ingress-nginx."""
    named = dict.fromkeys(name.strip() for name in options.maxmind_edition_ids.split(","))
    return tuple(name for name in named if name in VARIABLES and Path(DIRECTORY, f"{name}.mmdb").is_file())


def _params(options: Options, capabilities: Capabilities) -> ConfigParams:
    """Return the settings before any ConfigMap is read."""
    if not options.community:
        return ConfigParams()
    routed = options.live_routes and capabilities.lua is not None and options.data_plane is not DataPlane.FILES
    return whole_defaults(routed=routed).values


def layout(options: Options) -> Layout:
    """Return where nginx lives: ``--prefix``, else in a Pod the image's directories, else the user's own."""
    if options.prefix is not None:
        return Layout.under(str(options.prefix.expanduser().absolute()))
    if os.environ.get("KUBERNETES_SERVICE_HOST") and options.manifests is None:
        return Layout.container()
    if os.geteuid() == 0:
        return Layout.under("/var/lib/headgate")
    state = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Layout.under(f"{state}/headgate")


def templates(options: Options) -> Renderer:
    """Compile the templates that flags name.

    Raises:
        BadTemplate: one cannot be read, or is not Jinja2; the text names the flag, the file and the line.
    """
    paths = {
        MAIN: ("-main-template-path", options.main_template_path, "main"),
        HTTP: ("-ingress-template-path", options.ingress_template_path, "http"),
        VIRTUAL_SERVER: ("-virtualserver-template-path", options.virtualserver_template_path, "http"),
        TRANSPORT_SERVER: ("-transportserver-template-path", options.transportserver_template_path, "stream"),
    }
    texts, sources = {}, {}
    for name, (flag, path, builtin) in paths.items():
        if path:
            sources[name] = f"{flag}={path}"
            texts[name] = _template_text(name, path, sources[name], f"{builtin}.conf.j2")
    try:
        return Renderer(texts, sources)
    except BadTemplate as error:
        reason = f"{error.reason.rstrip('.')}; correct it, or use the built-in template by leaving out the flag"
        raise BadTemplate(error.template, reason, error.source) from error


def _template_text(name: str, path: Path, source: str, builtin: str) -> str:
    try:
        return jinja_template(builtin)(path.read_text())
    except OSError as error:
        reason = f"cannot be read: {error.strerror or error}; name a file that this user may read"
    except UnicodeDecodeError:
        reason = "is not text in UTF-8"
    except Unfit as unfit:
        reason = f"is {unfit}"
    raise BadTemplate(name, reason, source)


def _spelled(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def _status(options: Options, *, ipv6: bool) -> StatusServer | None:
    if not options.nginx_status:
        return None
    port = options.nginx_status_port
    listens = [Words((str(port),)), *([Words((f"[::]:{port}",))] if ipv6 else [])]
    return StatusServer(tuple(listens), options.nginx_status_allow_cidrs)
