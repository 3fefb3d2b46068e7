"""What health checks found, by the objects whose servers were checked."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain

from headgate.controller.traffic import server_of
from headgate.ir import Layout
from headgate.ir.check import ServerHealth
from headgate.ir.http import Upstream
from headgate.nginx.health import server_health
from headgate.pipeline import Generation
from headgate.problems import ObjectRef
from headgate.reporting.measured import UpstreamServer

_WORST = {"up": 0, "checking": 1, "unhealthy": 2}


async def found_by_checks(layout: Layout, generation: Generation | None) -> Sequence[ServerHealth]:
    """Ask nginx what its checks found; nothing if no upstream of *generation* has checks, or nginx does not answer."""
    live = generation.live if generation else None
    if live is None:
        return ()
    checks = (each.check for each in live.upstreams.values()), (each.check for each in (live.streams or {}).values())
    if not any(chain(*checks)):
        return ()
    return await server_health(layout) or ()


def checked(generation: Generation, found: Sequence[ServerHealth]) -> dict[tuple[ObjectRef, str, str], str]:
    """Return the state of each server by object, name of its Service, and address.

    If several upstreams of an object have the server, it is the worst.
    """
    states: dict[tuple[ObjectRef, str, str], str] = {}
    for upstream, each in _known(generation, found):
        key = upstream.origin, upstream.service, each.server
        states[key] = max(states.get(key, "up"), each.state, key=_WORST.__getitem__)
    return states


def series(generation: Generation, found: Sequence[ServerHealth]) -> dict[UpstreamServer, ServerHealth]:
    """Return what was found by the labels of its metrics."""
    return {server_of(upstream.name, upstream, each.server): each for upstream, each in _known(generation, found)}


def _known(generation: Generation, found: Sequence[ServerHealth]) -> Iterator[tuple[Upstream, ServerHealth]]:
    """Yield each server that is still there, with its upstream."""
    for each in found:
        upstream = generation.upstreams.get(each.upstream)
        if upstream and each.server in upstream.servers:
            yield upstream, each
