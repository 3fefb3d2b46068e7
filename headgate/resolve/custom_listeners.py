"""The listeners of a VirtualServer: those of the GlobalConfiguration that it names instead of the usual ports."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from headgate.api.nginx_org.virtualserver import VirtualServerSpec
from headgate.problems import ObjectRef, Problem
from headgate.resolve.listeners import Listeners
from headgate.resolve.search import Search
from headgate.routes import Listener, Protocol

NO_HTTPS_LISTENER: Final = (
    "redirects to HTTPS, which this host does not have: spec.listener.https names no listener that can be used",
    "clients are redirected to the usual port of HTTPS, where this host is not served",
)
NO_HTTP_LISTENER: Final = (
    "redirects requests of plain HTTP, which this host does not have: spec.listener.http names no listener",
    "it has no effect",
)


def custom_listeners(search: Search, origin: ObjectRef, spec: VirtualServerSpec) -> tuple[Listener, ...] | None:
    """Return the listeners that *spec* names and that can be used, ``None`` if it names none.

    A half (HTTP or HTTPS) without a listener that can be used is not served, not even on the usual port.
    """
    named = (("http", spec.listener.http), ("https", spec.listener.https)) if spec.listener else ()
    if not any(name for _, name in named):
        return None
    known = search.listeners()
    found: list[Listener] = []
    for half, name in named:
        if not name:
            continue
        tls, field = half == "https", f"spec.listener.{half}"
        if reason := _fault(known, name, tls=tls):
            search.report(Problem(origin, field, name, reason, f"there is no {half.upper()} for this host"))
            continue
        if tls and spec.tls is None:
            search.report(Problem(origin, field, name, "needs spec.tls", "there is no HTTPS for this host"))
        found.append(known.found[name])
    return tuple(found)


def warn_of_redirect(search: Search, origin: ObjectRef, spec: VirtualServerSpec, found: Sequence[Listener]) -> None:
    """Warn if a redirect to HTTPS leads nowhere, or is never answered, with the listeners *found*.

    One by the header X-Forwarded-Proto leads to the proxy that sets it.
    """
    redirect = spec.tls.redirect if spec.tls else None
    if redirect is None or not redirect.enable or redirect.based_on == "x-forwarded-proto" or not found:
        return
    words = None if spec.listener and spec.listener.http else NO_HTTP_LISTENER
    if not any(listener.tls for listener in found):
        words = NO_HTTPS_LISTENER
    if words:
        search.report(Problem(origin, "spec.tls.redirect.enable", "true", *words))


def _fault(known: Listeners, name: str, *, tls: bool) -> str:
    """Return why the listener *name* cannot be used for HTTPS (*tls*) or HTTP, or ``""``."""
    listener = known.found.get(name)
    if listener is None or listener.protocol is not Protocol.HTTP:
        return f"is not an HTTP listener: {known.absence(name)}"
    if listener.tls is tls:
        return ""
    return "is a listener with ssl; name it as https" if listener.tls else "is a listener without ssl; name it as http"
