"""Which upstreams have their servers pushed at run time, and in which form."""

from __future__ import annotations

import re
from typing import Final

from headgate.ir.layout import EMPTY_SOCKET, NO_ENDPOINTS_SOCKET, REPLACED_SOCKET
from headgate.ir.live import LiveUpstream, Method, Peer, Times
from headgate.routes import Backend
from headgate.routes.backends import EMPTY, NOBODY, REPLACED
from headgate.settings import ConfigParams, Words
from headgate.settings.values import Seconds
from headgate.translate.environment import Environment
from headgate.translate.sticky import cookie_words, live_cookie

_METHODS: Final[dict[tuple[str, ...], Method]] = {
    (): "round_robin",
    ("least_conn",): "least_conn",
    ("ip_hash",): "ip_hash",
    ("random",): "random",
    ("random", "two"): "random_two",
    ("random", "two", "least_conn"): "random_two",
    ("random", "two", "least_time=header"): "random_two_least_time",
    ("random", "two", "least_time=last_byte"): "random_two_least_time",
    ("least_time", "header"): "least_time",
    ("least_time", "last_byte"): "least_time",
    ("least_time", "header", "inflight"): "least_time",
    ("least_time", "last_byte", "inflight"): "least_time",
    ("ewma",): "random_two_least_time",
}
ANSWERING: Final = {NOBODY: NO_ENDPOINTS_SOCKET, EMPTY: EMPTY_SOCKET, REPLACED: REPLACED_SOCKET}
"""The socket that answers with a status while a backend has no endpoints."""
SUBSET: Final = "subset="
"""The argument of a hash by which it leads to several servers; nginx itself does not know it."""
RAMPED: Final[frozenset[Method]] = frozenset({"round_robin", "least_conn", "least_time"})
"""Methods that know slow start."""
RAMPED_WORDS: Final = "round_robin, least_conn or least_time"
"""The same in messages."""
_VARIABLE: Final = re.compile(r"\$\{?(\w+)\}?")
_KNOWN: Final = re.compile(
    r"(?:(?:arg|cookie|http|sent_http)_\w+|request_uri|uri|document_uri|args|query_string|host|hostname|remote_addr"
    r"|binary_remote_addr|remote_port|remote_user|scheme|server_addr|server_name|server_port|server_protocol|https"
    r"|is_args|request|request_id|request_method|connection|proxy_add_x_forwarded_for|ssl_session_id|ssl_server_name)"
)
"""Variables that every nginx has. Of another one ``nginx -t`` must say whether it exists."""


def live_upstream(service: str, backend: Backend, params: ConfigParams, env: Environment) -> LiveUpstream | None:
    """Return what is pushed for the servers of *backend*; ``None`` if they are in the file."""
    if env.live is None or why_in_files(backend, params):
        return None
    settings = params.upstream
    method, key = _method(settings.lb_method or Words())
    assert method  # noqa: S101 - else they are in the file
    cookie = cookie_words(service, params) if backend.endpoints.servers else None
    servers = backend.endpoints.servers or (f"unix:{env.layout.socket(ANSWERING[backend.unserved])}",)
    backup = backend.backup.endpoints.servers if backend.backup else ()
    return LiveUpstream(
        peers=tuple(map(peer, servers)),
        backup=tuple(map(peer, backup)) or None,
        method=method,
        key=key,
        subset=_subset(settings.lb_method or Words()),
        times=_times(settings.lb_method or Words()),
        max_fails=settings.max_fails,
        fail_timeout=Seconds.parse(str(settings.fail_timeout)).seconds,
        max_conns=settings.max_conns or None,
        cookie=live_cookie(cookie) if cookie else None,
        draining=(tuple(map(peer, backend.endpoints.draining)) or None) if cookie else None,
        slow_start=settings.slow_start.seconds or None if settings.slow_start and method in RAMPED else None,
        pooled=settings.keepalive != 0,
        idle=settings.upstream_keepalive_timeout.seconds if settings.upstream_keepalive_timeout else None,
        requests=settings.upstream_keepalive_requests,
    )


def why_in_files(backend: Backend, params: ConfigParams) -> str:
    """Say why the servers of *backend* are in the file, whatever the data plane; ``""`` if they need not be."""
    if backend.endpoints.named:
        return "nginx resolves their name"
    if backend.backup and backend.backup.endpoints.named:
        return "nginx resolves the name of their backup"
    if _method(params.upstream.lb_method or Words())[0] is None:
        return "only nginx knows whether the variables of its method exist"
    if has_log_handler(params):
        return "a snippet has a log handler in place of the one that counts their requests"
    return ""


def has_log_handler(params: ConfigParams) -> bool:
    """Whether a snippet of a server or a location has a log handler of its own."""
    snippets = params.snippets
    return any("log_by_lua" in text for text in (snippets.server_snippets, snippets.location_snippets) if text)


def _method(words: Words) -> tuple[Method | None, tuple[str, ...] | None]:
    """Return the method and the parts of its key; no method if workers cannot do what *words* say."""
    if not words or words[0] != "hash":
        return _METHODS.get(tuple(words)), None
    parts = tuple(_VARIABLE.split(words[1]))
    known = all(map(is_known, parts[1::2]))
    method: Method = "consistent_subset" if _subset(words) else "consistent_hash" if "consistent" in words else "hash"
    return method if known else None, parts


def _subset(words: Words) -> int | None:
    """Return to how many servers a hash leads, if that is not one."""
    return next((int(word.removeprefix(SUBSET)) for word in words if word.startswith(SUBSET)), None)


def _times(words: Words) -> Times | None:
    """Return the response times that the method *words* compares; those of ``ewma`` are peaks that fade."""
    if words == ("ewma",):
        return Times("header", peaks=True)
    if not any(word.startswith("least_time") for word in words):
        return None
    return Times("last_byte" if "last_byte" in " ".join(words) else "header", inflight="inflight" in words)


def in_files(method: Words | None) -> Words | None:
    """Return the method of nginx itself that is used where servers are in the file.

    It does not compare times, and its hash leads to one server.
    """
    if method and _subset(method):
        return Words(word for word in method if not word.startswith(SUBSET))
    if not method or _times(method) is None:
        return method
    return Words(("random", "two", "least_conn")) if method[0] == "random" else Words(("least_conn",))


def is_known(variable: str) -> bool:
    """Whether every nginx has *variable*, in each request."""
    return _KNOWN.fullmatch(variable) is not None


def peer(server: str) -> Peer:
    """Return *server* as it is pushed."""
    if server.startswith("unix:"):
        return Peer(server)
    address, _, port = server.rpartition(":")
    return Peer(address, int(port))
