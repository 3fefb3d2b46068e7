"""The line that nginx's workers send for each request and for each session, so that these can be counted and timed.

Fields are separated by tabs (a JSON line costs twice the time to read). A field lists several values when a
request tried several servers: ``, `` between tries, `` : `` between internal redirects; ``-`` where a try had no
answer. Times are seconds with three decimals (ngx_http_upstream_module, ngx_http_log_module). The host is the name of
the server block, which the configuration bounds, and not the one that the client sent.

In ``stream {}`` no variable names the server that was chosen by its server name, so each has a format of its own, in
which the upstream is text. A session is written as it ends (ngx_stream_core_module, ngx_stream_upstream_module).
"""

from __future__ import annotations

from typing import Final

import msgspec

from headgate.ir.layout import SYSLOG_SOCKET, Layout

TAG: Final = "nginx"
"""The syslog tag in front of the line of a request."""
STREAM_TAG: Final = "stream"
"""The syslog tag in front of the line of a session."""
LOG_NAME: Final = "response_time"
"""The name of the format in ``log_format``."""
VARIABLE: Final = "latency_upstream"
"""The variable with the name of the upstream: ``$proxy_host`` unless a location sets it; gRPC has no such variable."""
LOG_FORMAT: Final = (
    r"$latency_upstream\t$upstream_addr\t$upstream_status\t$upstream_response_time\t$server_name\t$status"
)
r"""The format as nginx's configuration spells it, for single quotes: nginx turns ``\t`` into a tab."""
SESSION_FORMAT: Final = (
    r"\t$status\t$bytes_received\t$bytes_sent\t$session_time\t$upstream_addr\t$upstream_connect_time"
)
"""The format of a session, spelled as ``LOG_FORMAT``, after the name of the upstream."""
BUCKETS: Final = tuple(digit * 10**power for power in range(4) for digit in (1, 2, 3, 4, 5)) + tuple(
    range(10_000, 60_000, 10_000)
)
"""Upper bounds of the buckets of upstream latencies, in milliseconds."""
SERIES: Final = 20_000
"""Pairs of a host and an upstream, and of a server and a status, that workers count."""


class Measured(msgspec.Struct, frozen=True):
    """What workers count in Lua, in place of sending lines (``metrics.lua``): ``SERIES`` and ``BUCKETS``."""

    series: int = SERIES
    buckets: tuple[int, ...] = BUCKETS


def destination(layout: Layout, tag: str = TAG) -> str:
    """Return the first argument of the ``access_log`` directive."""
    return f"syslog:server=unix:{layout.socket(SYSLOG_SOCKET)},nohostname,tag={tag}"
