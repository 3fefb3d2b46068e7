"""How nginx talks to backends: timeouts, retries and body sizes."""

from __future__ import annotations

from typing import Annotated

from headgate.problems import show
from headgate.settings.dialect import Scope
from headgate.settings.parsers import Unfit, accepts, matching, word
from headgate.settings.regex import regex_fault
from headgate.settings.registry import Settings, Where, setting
from headgate.settings.values import Duration, Offset, Quoted, Size, Words

CONDITIONS = (
    "error", "timeout", "invalid_header", "http_500", "http_502", "http_503", "http_504",
    "http_403", "http_404", "http_429", "non_idempotent", "off",
)  # fmt: skip


@accepts(f"some of {' '.join(CONDITIONS)}")
def conditions(text: str) -> Words:
    """Parse the conditions of ``proxy_next_upstream``."""
    words = text.split()
    for condition in words:
        if condition == "denied":
            raise Unfit("not possible on open-source NGINX ('denied' belongs to NGINX Plus)")
        if condition not in CONDITIONS:
            raise Unfit(f"not a list of conditions ({show(condition)}); use {', '.join(CONDITIONS)}")
    if not words or len(set(words)) != len(words):
        raise Unfit("an empty list or one with a condition twice")
    return Words(words)


_pattern = matching(r"~\*?[^\s\x00-\x1f\x7f]+", "a regular expression without spaces")


@accepts("off, default, text or a regular expression after `~` or `~*`")
def redirect_from(text: str) -> str:
    """Parse the first argument of ``proxy_redirect``; a regular expression is Quoted, for its backslashes."""
    if not text.strip().startswith("~"):
        return word(text)
    pattern = _pattern(text)
    if fault := regex_fault(pattern[1:].removeprefix("*")):
        raise Unfit(fault)
    return Quoted(pattern)


@accepts("size above 0", unit="bytes", example="64k")
def body_buffer(text: str) -> Size:
    """Parse a size; with an empty buffer nginx reads a request's body for ever, a worker's whole time long."""
    size = Size.parse(text)
    if not size.bytes:
        raise Unfit("no size for a buffer; use at least 1k")
    return size


class ProxySettings(Settings):
    """Timeouts, retries and sizes between nginx, clients and backends."""

    proxy_connect_timeout: Annotated[
        Duration,
        setting(
            "proxy-connect-timeout",
            "Longest wait for a connection to a backend.",
            directive="proxy_connect_timeout, grpc_connect_timeout",
        ),
    ] = Duration("60s")
    proxy_read_timeout: Annotated[
        Duration,
        setting(
            "proxy-read-timeout",
            "Longest silence between two reads from a backend.",
            directive="proxy_read_timeout, grpc_read_timeout",
        ),
    ] = Duration("60s")
    proxy_send_timeout: Annotated[
        Duration,
        setting(
            "proxy-send-timeout",
            "Longest silence between two writes to a backend.",
            directive="proxy_send_timeout, grpc_send_timeout",
        ),
    ] = Duration("60s")
    proxy_next_upstream: Annotated[
        Words | None,
        setting(
            "proxy-next-upstream",
            "When to try the next backend.",
            Scope.OWN,
            Where.ANNOTATION,
            parse=conditions,
            directive="proxy_next_upstream, grpc_next_upstream",
            example="error timeout http_503",
        ),
    ] = None
    proxy_next_upstream_timeout: Annotated[
        Duration | None,
        setting(
            "proxy-next-upstream-timeout",
            "Time for tries on all backends.",
            Scope.OWN,
            Where.ANNOTATION,
            directive="proxy_next_upstream_timeout, grpc_next_upstream_timeout",
        ),
    ] = None
    proxy_next_upstream_tries: Annotated[
        int | None,
        setting(
            "proxy-next-upstream-tries",
            "Number of backends to try.",
            Scope.OWN,
            Where.ANNOTATION,
            directive="proxy_next_upstream_tries, grpc_next_upstream_tries",
            unit="backends",
            example="3",
        ),
    ] = None
    proxy_redirect_from: Annotated[
        str | None,
        setting(
            "proxy-redirect-from",
            "What to replace in the headers Location and Refresh of backends.",
            Scope.OWN,
            Where.ANNOTATION,
            parse=redirect_from,
            directive="proxy_redirect",
            example="http://backend.internal/",
        ),
    ] = None
    proxy_redirect_to: Annotated[
        str | None,
        setting(
            "proxy-redirect-to",
            "The replacement for proxy-redirect-from.",
            Scope.OWN,
            Where.ANNOTATION,
            requires="proxy-redirect-from",
            parse=word,
            directive="proxy_redirect",
            example="https://$host/",
        ),
    ] = None
    client_max_body_size: Annotated[
        Offset, setting("client-max-body-size", "Largest request body; 0 turns the check off.")
    ] = Offset("1m")
    client_body_buffer_size: Annotated[
        Size | None,
        setting(
            "client-body-buffer-size",
            "Buffer for request bodies before a file is used.",
            Scope.OWN,
            parse=body_buffer,
        ),
    ] = None
