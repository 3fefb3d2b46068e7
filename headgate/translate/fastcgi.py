"""Locations whose backends speak FastCGI, whose directives are those of another module of nginx."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from msgspec import structs

from headgate.ir.http import Backend, FastCgi, Line, Location
from headgate.routes.backends import FastCgi as Asked
from headgate.settings import Delta, Header, Quoted, Words

PARAMS: Final = {
    "QUERY_STRING": "$query_string",
    "REQUEST_METHOD": "$request_method",
    "CONTENT_TYPE": "$content_type",
    "CONTENT_LENGTH": "$content_length",
    "SCRIPT_NAME": "$fastcgi_script_name",
    "REQUEST_URI": "$request_uri",
    "DOCUMENT_URI": "$document_uri",
    "DOCUMENT_ROOT": "$document_root",
    "SERVER_PROTOCOL": "$server_protocol",
    "REQUEST_SCHEME": "$scheme",
    "GATEWAY_INTERFACE": "CGI/1.1",
    "SERVER_SOFTWARE": "nginx",
    "REMOTE_ADDR": "$remote_addr",
    "REMOTE_PORT": "$remote_port",
    "REMOTE_USER": "$remote_user",
    "SERVER_ADDR": "$server_addr",
    "SERVER_PORT": "$server_port",
    "SERVER_NAME": "$server_name",
    "REDIRECT_STATUS": "200",
}
"""What a FastCGI server expects (RFC 3875, and PHP); parameters of users replace those of the same name."""
IF_ANY: Final = {"HTTPS": "$https"}
"""The same, left out if they are empty."""
CONDITIONS: Final = frozenset({
    "error", "timeout", "invalid_header", "http_500", "http_503", "http_403", "http_404", "http_429",
    "non_idempotent", "off",
})  # fmt: skip
"""The conditions that ``fastcgi_next_upstream`` knows."""
_RENAMED: Final = frozenset({
    "proxy_hide_header", "proxy_ignore_headers", "proxy_pass_header", "proxy_pass_request_headers",
})  # fmt: skip
_OF_CONNECTIONS: Final = frozenset({"connection", "upgrade"})


def with_fastcgi(
    location: Location, asked: Asked, headers: tuple[Header, ...], hidden: tuple[str, ...], own: Delta
) -> Location:
    """Return *location* for a backend that speaks FastCGI.

    Args:
        location: as it is for HTTP.
        asked: what the object says.
        headers: of the request to the backend; they become parameters in place of what the client sends.
        hidden: headers of responses that the server hides.
        own: the settings that the location must set, none of which nginx inherits from others.
    """
    assert location.backend  # noqa: S101 - else there would be no FastCGI
    said = {name.upper() for name, _ in asked.params}
    words = tuple(word for word in own.proxy_next_upstream or () if word in CONDITIONS)
    params = (
        *((name, Quoted(value), False) for name, value in PARAMS.items() if name not in said),
        *((name, Quoted(value), True) for name, value in IF_ANY.items() if name not in said),
        *((name, value, True) for name, value in _of_headers(headers) if name not in said),
        *((name, value, False) for name, value in asked.params),
    )
    return structs.replace(
        location,
        backend=Backend("fastcgi", location.backend.upstream),
        own=own,
        request_headers=None,
        proxy_redirect=None,
        lines=tuple(_lines(location.lines, hidden)),
        fastcgi=FastCgi(params, Quoted(asked.index) if asked.index else None, Words(words) or None),
    )


def _of_headers(headers: tuple[Header, ...]) -> Iterator[tuple[str, Quoted]]:
    """Yield *headers* as parameters: nginx leaves out what the client sends under these names."""
    for header in headers:
        if header.name.lower() not in _OF_CONNECTIONS:
            yield f"HTTP_{header.name.upper().replace('-', '_')}", header.value


def _lines(lines: tuple[Line, ...], hidden: tuple[str, ...]) -> Iterator[Line]:
    names = {name for name, _ in lines}
    if "proxy_hide_header" not in names:
        yield from (("fastcgi_hide_header", Words((name,))) for name in hidden)
    for name, words in lines:
        if name in _RENAMED:
            yield name.replace("proxy_", "fastcgi_", 1), words
        elif not name.startswith("proxy_"):
            yield name, words
