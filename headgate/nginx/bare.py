"""A configuration that only ``nginx -t`` reads: no port, no name, no other file."""

from __future__ import annotations

from headgate.ir import Layout

_KINDS = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


def bare(layout: Layout, http: str, *, main: str = "", after: str = "") -> str:
    """Return the main file with *http* in ``http {}``, *main* before all and *after* at the end; it adds no line."""
    temporary = "".join(f"{kind}_temp_path {layout.temp}/{kind}; " for kind in _KINDS)
    return (
        f"{main}pid {layout.pid}; error_log stderr; events {{}} http {{ access_log off; {temporary}{http} }} {after}\n"
    )
