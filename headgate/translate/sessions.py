"""How sessions of TCP and UDP are reported to the controller, beside the logs that there are anyway. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from headgate.ir import latency
from headgate.ir.snippets import Directives, read
from headgate.routes import StreamRoute
from headgate.settings import Quoted, Words
from headgate.translate.environment import Environment

LOG = "access_log"
USUAL = "stream-main"
"""The format of the log of ``stream {}``."""


def session_format(env: Environment, route: StreamRoute) -> Words | None:
    """Return the arguments of the ``log_format`` of *route*, ``None`` where sessions are not reported."""
    if not env.latency:
        return None
    text = f"{route.target}{latency.SESSION_FORMAT}".replace(r"\t", "\t")
    return Words((_name(route), Quoted(text)))


def session_logs(env: Environment, route: StreamRoute) -> Iterator[Words]:
    """Yield the arguments of each ``access_log`` of the server of *route*; none where sessions are not reported.

    A list of the server's own ends that of ``stream {}``, which is repeated unless a snippet of the server ends it too.
    """
    if not env.latency:
        return
    if not read(route.server_snippet).has(LOG):
        yield from _around(env, read(env.params.snippets.stream_snippets), read(route.stream_snippet))
    yield Words((latency.destination(env.layout, latency.STREAM_TAG), _name(route)))


def _around(env: Environment, *snippets: Directives) -> Iterator[Words]:
    """Yield the logs of ``stream {}``, of which *snippets* may say more, or that there are none."""
    if any("off" in snippet.subjects(LOG) for snippet in snippets):
        return
    yield Words((env.access_log_target[0], USUAL))
    for snippet in snippets:
        yield from (Words(map(Quoted, each.arguments)) for each in snippet.named(LOG))


def _name(route: StreamRoute) -> str:
    return f"session_{route.target}"
