"""Queues of upstreams: which locations let requests wait, and why others do not."""

from __future__ import annotations

import re
from typing import Any, Final

from msgspec import structs

from headgate.ir.http import Upstream
from headgate.ir.live import Queue
from headgate.routes import Backend
from headgate.translate.draft import Draft, Place
from headgate.translate.live_only import needed

NO_WAIT: Final = "a request that no endpoint can take does not wait, and gets 502"
HANDLER: Final = (
    "cannot be used beside a snippet with access_by_lua, rewrite_by_lua or lua_check_client_abort",
    NO_WAIT,
)
CACHED: Final = (
    "cannot be used where responses are cached: those from the cache would wait, too",
    NO_WAIT,
)
IDLE: Final = (
    "does nothing without max-conns or health checks, as an endpoint can always take a request",
    "it has no effect",
)
_HANDLERS: Final = re.compile(r"(?:access|rewrite)_by_lua|lua_check_client_abort")
_CACHE: Final = re.compile(r"\bproxy_cache\s")
_UNBUFFERED: Final = re.compile(r"proxy_request_buffering")


def with_queue(upstream: Upstream, backend: Backend) -> Upstream:
    """Return *upstream*, the servers of *backend*, with the queue that it asks for, if requests can wait."""
    live, queue = upstream.live, backend.queue
    if live is None or queue is None or not backend.endpoints.servers:
        return upstream
    return structs.replace(upstream, live=structs.replace(live, queue=Queue(queue.size, queue.timeout)))


def queue_parts(draft: Draft, place: Place, backend: Backend, upstream: Upstream, *, grpc: bool) -> dict[str, Any]:
    """Return the attributes of a location whose requests wait for *upstream*, and warn where they cannot.

    Bodies of gRPC are not read before: a client may wait for an answer while it sends.
    """
    queue = backend.queue
    if queue is None:
        return {}
    words = _obstacle(draft, place, backend, upstream)
    if words:
        draft.warn(place.origin, queue.field, "", words)
    if upstream.live is None or upstream.live.queue is None or words in {HANDLER, CACHED}:
        return {}
    return {"queue": upstream.name, "reads_body": not grpc and not _finds(place, _UNBUFFERED)}


def _obstacle(draft: Draft, place: Place, backend: Backend, upstream: Upstream) -> tuple[str, str] | None:
    if upstream.live is None:
        return (f"needs {needed(draft, place, backend)}", NO_WAIT)
    if _finds(place, _HANDLERS):
        return HANDLER
    if place.policies.cache or _finds(place, _CACHE):
        return CACHED
    if not upstream.live.max_conns and not backend.check:
        return IDLE
    return None


def _finds(place: Place, pattern: re.Pattern[str]) -> bool:
    """Whether *pattern* is in a snippet that is for the location of *place*, or that it inherits."""
    found = place.params.snippets
    return any(pattern.search(text) for text in (found.http_snippets, found.server_snippets, found.location_snippets)
               if text)  # fmt: skip
