"""A configuration that only ``nginx -t`` reads: no port, no name, no other file."""

from __future__ import annotations

from headgate.ir import Layout

_KINDS = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


def bare(layout: Layout, http: str, *, main: str = "") -> str:
    """Return the main file with *http* in ``http {}`` and *main* before all; it adds no line to theirs."""
    temporary = "".join(f"{kind}_temp_path {layout.temp}/{kind}; " for kind in _KINDS)
    return f"{main}pid {layout.pid}; error_log stderr; events {{}} http {{ access_log off; {temporary}{http} }}\n"
