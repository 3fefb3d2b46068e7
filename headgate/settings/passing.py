"""How requests and responses pass nginx, where only annotations of ingress-nginx say so."""

from __future__ import annotations

import re
from typing import Annotated

from headgate.settings.dialect import Scope
from headgate.settings.parsers import Unfit, accepts, choice, matching, switch
from headgate.settings.registry import Settings, SettingSpec, Where, setting
from headgate.settings.values import Size, Words

_MOST_KILOBYTES = 10**9


@accepts("a number of kilobytes, 0 for no limit", unit="kilobytes", example="500")
def kilobytes(text: str) -> Size:
    """Parse a number of kilobytes; a negative one is no limit, as in ingress-nginx."""
    if not re.fullmatch("[+-]?[0-9]{1,10}", text.strip()) or int(text) > _MOST_KILOBYTES:
        raise Unfit("not a whole number of kilobytes")
    return Size(f"{max(int(text), 0)}k")


def _replacement(text: str, pattern: str, words: str) -> Words:
    parts = text.split()
    if parts == ["off"]:
        return Words(parts)
    if len(parts) != 2 or not all(re.fullmatch(pattern, part) for part in parts):  # noqa: PLR2004 - from, to
        raise Unfit(f"neither off nor {words}")
    if any(".." in part.split("/") for part in parts):
        raise Unfit("text with a .. between slashes")
    if parts[0].startswith("~"):
        raise Unfit("a regular expression, which is not taken here")
    return Words(parts)


@accepts("off, or two domains", example="backend.internal shop.example.com")
def cookie_domain(text: str) -> Words:
    """Parse the arguments of ``proxy_cookie_domain``."""
    return _replacement(text, r"[\-._~a-zA-Z0-9/:]+", "a domain and what replaces it")


@accepts("off, or two paths", example="/app /")
def cookie_path(text: str) -> Words:
    """Parse the arguments of ``proxy_cookie_path``."""
    return _replacement(text, r"[\-._~a-zA-Z0-9/:,?&=]+", "a path and what replaces it")


@accepts("true or false")
def trusted_span(text: str) -> str:
    """Parse whether the trace of a client is continued; it is passed on to backends in any case."""
    return "propagate" if switch(text) else "inject"


span_name = matching(r"[A-Za-z0-9_\-]{1,255}", "a name of letters, digits, _ and -")
"""The name of spans."""


def passing(name: str, doc: str, directive: str | None = None) -> SettingSpec:
    """Declare a setting that no user of the incumbent has."""
    return setting(name, doc, Scope.LOCATION, Where.NOWHERE, directive=directive)


class PassingSettings(Settings):
    """How requests and responses pass; ``None`` is what nginx does by itself."""

    proxy_request_buffering: Annotated[
        bool | None, passing("proxy-request-buffering", "Whether a request is read whole before a backend gets it.")
    ] = None
    proxy_http_version: Annotated[
        str | None,
        setting(
            "proxy-http-version",
            "Version of HTTP that backends are spoken to in.",
            Scope.LOCATION,
            Where.NOWHERE,
            parse=choice("1.0", "1.1"),
        ),
    ] = None
    proxy_cookie_domain: Annotated[
        Words | None,
        setting(
            "proxy-cookie-domain",
            "What replaces the domain of cookies of backends.",
            Scope.LOCATION,
            Where.NOWHERE,
            parse=cookie_domain,
        ),
    ] = None
    proxy_cookie_path: Annotated[
        Words | None,
        setting(
            "proxy-cookie-path",
            "What replaces the path of cookies of backends.",
            Scope.LOCATION,
            Where.NOWHERE,
            parse=cookie_path,
        ),
    ] = None
    limit_rate: Annotated[
        Size | None,
        setting(
            "limit-rate",
            "Kilobytes a second of one response, 0 for any number.",
            Scope.LOCATION,
            Where.NOWHERE,
            parse=kilobytes,
        ),
    ] = None
    limit_rate_after: Annotated[
        Size | None,
        setting(
            "limit-rate-after",
            "Kilobytes of a response that are sent before limit-rate applies.",
            Scope.LOCATION,
            Where.NOWHERE,
            parse=kilobytes,
        ),
    ] = None
    logged: Annotated[
        bool | None, passing("enable-access-log", "Whether requests are in the access log.", "access_log")
    ] = None
    traced: Annotated[bool | None, passing("enable-opentelemetry", "Whether requests are traced.", "otel_trace")] = None
    trace_context: Annotated[
        str | None,
        setting(
            "opentelemetry-trust-incoming-span",
            "What of the trace of a client is read, and passed on.",
            Scope.LOCATION,
            Where.NOWHERE,
            parse=trusted_span,
            directive="otel_trace_context",
        ),
    ] = None
    traced_name: Annotated[
        str | None,
        setting(
            "opentelemetry-operation-name",
            "Name of spans.",
            Scope.LOCATION,
            Where.NOWHERE,
            parse=span_name,
            directive="otel_span_name",
        ),
    ] = None
    rewrite_log: Annotated[
        bool | None, passing("enable-rewrite-log", "Whether the error log (at level notice) has rewrites.")
    ] = None
    relative_redirects: Annotated[
        bool | None,
        passing("relative-redirects", "Whether redirects of nginx's own have no host.", "absolute_redirect"),
    ] = None
    port_in_redirect: Annotated[
        bool | None, passing("use-port-in-redirects", "Whether redirects of nginx's own have the port.")
    ] = None
