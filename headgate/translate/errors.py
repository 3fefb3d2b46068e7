"""What clients get in place of errors: a page of the default backend, or gRPC's words."""

from __future__ import annotations

from headgate.ir.http import GrpcError
from headgate.routes import Forward, VirtualHost
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
REFUSALS = frozenset({400, 401, 403, 495, 496})
"""The statuses of denied requests, also of those without a client certificate (ngx_http_ssl_module)."""
KEPT = "these statuses are not replaced"
NO_PAGE = ("error_page", Words(("599", "/")))
"""The line of an ``error_page`` for a status that never occurs. A list of its own ends that of the server, or of a
snippet, whose page would answer in place of a refusal."""
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
    if leaking := sorted(REFUSALS.intersection(codes)) if _is_guarded(host, host.default) else ():
        reason = (
            "would send clients who are kept out to a Service that they are kept out of: spec.defaultBackend is also"
            " the backend of a guarded path; use a Service that has error pages only"
        )
        draft.warn(place.origin, place.key("custom_http_errors"), ",".join(map(str, leaking)), (reason, KEPT))
    left = [str(code) for code in codes if code not in leaking]
    return Words((*left, PAGE)) if left else None


def _is_guarded(host: VirtualHost, pages: Forward) -> bool:
    """Whether some clients are kept out of a route of *host* to the Service of *pages*."""
    named = pages.backend.namespace, pages.backend.service
    return any(
        route.backend is not None
        and (route.backend.namespace, route.backend.service) == named
        and (host.policies.keeps_out or route.policies.keeps_out)
        for route in host.routes
    )
