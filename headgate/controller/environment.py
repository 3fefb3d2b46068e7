"""Flags and the binary become the Environment of translations and the Layout of nginx."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from headgate.ir import Capabilities, Layout
from headgate.ir.main import StatusServer
from headgate.options import DataPlane, LogFormat, Options
from headgate.render import HTTP, MAIN, TRANSPORT_SERVER, VIRTUAL_SERVER
from headgate.settings import Words
from headgate.translate import Environment

GATES = (
    "enable_snippets",
    "enable_directive_autoadjust",
    "enable_tls_passthrough",
    "enable_cert_manager",
    "enable_external_dns",
)
"""Flags that settings and fields ask for."""
JSON_TIMES = {LogFormat.JSON: "iso", LogFormat.JSON_UNIX: "s", LogFormat.JSON_UNIX_MS: "ms"}
"""The formats of the log that hold for the logs of nginx too, and how they write the time."""


def environment(  # noqa: PLR0913 - the flags, and what was found out about the machine
    options: Options, capabilities: Capabilities, layout: Layout, *, user: str | None, ipv6: bool, stdout: bool
) -> Environment:
    """Return what every translation shares before any ConfigMap is read."""
    passthrough = options.enable_tls_passthrough and capabilities.stream is not None and capabilities.stream_preread
    return Environment(
        layout=layout,
        capabilities=capabilities,
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
        data_plane="live" if capabilities.lua and options.data_plane is not DataPlane.FILES else "files",
        live_memory=options.live_memory,
    )


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


def template_overrides(options: Options) -> Mapping[str, str]:
    """Read the templates that flags name.

    Raises:
        OSError: one cannot be read.
    """
    paths = {
        MAIN: options.main_template_path,
        HTTP: options.ingress_template_path,
        VIRTUAL_SERVER: options.virtualserver_template_path,
        TRANSPORT_SERVER: options.transportserver_template_path,
    }
    return {name: path.read_text() for name, path in paths.items() if path}


def _spelled(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def _status(options: Options, *, ipv6: bool) -> StatusServer | None:
    if not options.nginx_status:
        return None
    port = options.nginx_status_port
    listens = [Words((str(port),)), *([Words((f"[::]:{port}",))] if ipv6 else [])]
    return StatusServer(tuple(listens), options.nginx_status_allow_cidrs)
