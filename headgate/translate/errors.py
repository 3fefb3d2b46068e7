"""What clients get in place of errors: a page of the default backend, or gRPC's words."""

from __future__ import annotations

from headgate.ir.http import GrpcError
from headgate.routes import VirtualHost
from headgate.settings import Header, Quoted, Words
from headgate.translate.draft import Draft, Place

PAGE = "@custom_default_backend"
"""The named location that answers in place of an error (``custom-http-errors``)."""
TOLD = (
    Header("X-Code", Quoted("$status")),
    Header("X-Original-URI", Quoted("$request_uri")),
    Header("Content-Length", Quoted("")),
)
"""Request headers of the default backend, beside the usual ones; it gets no body: nginx discards it for a 413."""
NO_PAGE = Words(("404", PAGE))
"""What ends the list of the server in a location whose only answer is 500."""
GRPC = tuple(
    GrpcError(code, status, Quoted(message))
    for code, status, message in (
        (400, 13, "internal error"),
        (401, 16, "unauthenticated"),
        (403, 7, "permission denied"),
        (404, 12, "unimplemented"),
        (405, 13, "internal error"),
        (408, 4, "deadline exceeded"),
        (414, 13, "internal error"),
        (426, 13, "internal error"),
        (429, 14, "unavailable"),
        (500, 13, "internal error"),
        (501, 12, "unimplemented"),
        (502, 14, "unavailable"),
        (503, 14, "unavailable"),
        (504, 4, "deadline exceeded"),
    )
)
"""nginx's own errors for clients that speak gRPC (gRPC's "HTTP to gRPC Status Code Mapping")."""


def error_page(draft: Draft, host: VirtualHost, place: Place) -> Words | None:
    """Return the arguments of ``error_page`` that *place* asks for; warn where there is no backend for them."""
    codes = place.params.errors.custom_http_errors
    if not codes or host.policies.refused:
        return None  # the 500 of a Policy that cannot be used must not become a request to the default backend
    if host.default is None:
        whose = "its master has" if place.origin != host.origin else "this Ingress has"
        words = (f"needs a spec.defaultBackend, and {whose} none", "clients get the errors as they are")
        draft.warn(place.origin, place.key("custom_http_errors"), "", words)
        return None
    return Words((*map(str, codes), PAGE))
