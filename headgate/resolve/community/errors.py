"""``custom-http-errors`` and ``default-backend``: a Service that answers in place of errors."""

from __future__ import annotations

from collections.abc import Iterator

from headgate.problems import Problem
from headgate.resolve.search import Search
from headgate.routes import Action, Backend, ErrorPage, Forward, Layer
from headgate.routes.actions import ServicePage
from headgate.routes.backends import EMPTY, REPLACED
from headgate.settings import COMMUNITY, Header, Quoted
from headgate.validation.community import ValidCommunityIngress

AFTERWARDS = frozenset({404, 502, 504})
"""Errors of clients that were let in; nginx limits requests and looks at their sizes before it looks at the client."""
UNKNOWN = 401
TOLD = {
    "Host": "$http_host",
    "X-Format": "$http_accept",
    "X-Original-URI": "$request_uri",
    "X-Request-ID": "$request_id",
    "X-Forwarded-For": "$remote_addr",
    "X-Forwarded-Host": "$http_host",
    "Proxy": "",
}
"""Headers for the Service about the request that failed, besides those in ``ErrorBackend``."""


class ErrorBackend:
    """The Service that answers in place of errors of one Ingress, if there is one."""

    def __init__(self, search: Search, valid: ValidCommunityIngress, layer: Layer) -> None:
        """Look up what *valid* names."""
        self._search, self._valid, self._said = search, valid, valid.annotations
        self._backend = self._found(layer)

    @property
    def field(self) -> str:
        """The annotation that asks for it."""
        return f"{COMMUNITY.prefix}{'custom-http-errors' if self._said.custom_http_errors else 'default-backend'}"

    @property
    def unserved(self) -> int:
        """What is answered for a Service without endpoints."""
        return REPLACED if self._backend and not self._said.disable_proxy_intercept_errors else EMPTY

    def pages(self, action: Action, guarded: frozenset[str], *, signs_in: bool) -> tuple[ErrorPage, ...]:
        """Return what is answered in place of errors of *action*; *guarded* are Services that not all may reach.

        *signs_in*: clients that are not known are sent elsewhere.
        """
        if self._backend is None or not isinstance(action, Forward):
            return ()
        left_out = self._leaking(self._backend, guarded) | ({UNKNOWN} if signs_in else set())
        codes = {code: code for code in self._said.custom_http_errors if code not in left_out}
        if self.unserved == REPLACED:
            codes[REPLACED] = EMPTY
        return tuple(
            ErrorPage((code,), ServicePage(self._backend, tuple(self._told(action.backend, shown))))
            for code, shown in codes.items()
        )

    def _found(self, layer: Layer) -> Backend | None:
        name, ref = self._said.default_backend, self._valid.ingress.ref
        if name is None:
            asked = f"{COMMUNITY.prefix}custom-http-errors" in self._valid.ingress.annotations
            if asked and self._said.custom_http_errors:
                reason = f"needs {COMMUNITY.prefix}default-backend"
                self._report("custom-http-errors", "", reason, "clients get the errors as they are")
            return None
        port = self._search.first_port(ref.namespace, name)
        if port is None:
            self._report("default-backend", name, "is not a Service of this namespace with a port", "it has no effect")
            return None
        found = self._search.endpoints(layer, f"{COMMUNITY.prefix}default-backend", name, port)
        return Backend(name, str(port), ref.namespace, found, unserved=EMPTY)

    def _leaking(self, backend: Backend, guarded: frozenset[str]) -> set[int]:
        """Return the statuses of clients who would be sent to a Service that they are kept out of; report them."""
        found = frozenset(self._said.custom_http_errors) - AFTERWARDS
        if not found or f"{backend.namespace}/{backend.service}" not in guarded:
            return set()
        reason = (
            "would send clients who are kept out to a Service that they are kept out of: default-backend is also the"
            " backend of a guarded path; use a Service that has error pages only"
        )
        codes = ",".join(map(str, sorted(found)))
        self._report("custom-http-errors", codes, reason, "these statuses are not replaced")
        return set(found)

    def _told(self, asked: Backend, code: int) -> Iterator[Header]:
        ref = self._valid.ingress.ref
        own = {
            "X-Code": str(code),
            "X-Namespace": ref.namespace,
            "X-Ingress-Name": ref.name,
            "X-Service-Name": asked.service,
            "X-Service-Port": asked.port,
        }
        yield from (Header(name, Quoted(value)) for name, value in {**TOLD, **own}.items())

    def _report(self, name: str, value: str, reason: str, effect: str) -> None:
        self._search.report(Problem(self._valid.ingress.ref, f"{COMMUNITY.prefix}{name}", value, reason, effect))
