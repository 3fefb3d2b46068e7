"""Health checks of the servers of upstreams: which are run, and why others are not."""

from __future__ import annotations

import re
from typing import Final

from msgspec import structs

from headgate.ir.check import LiveCheck, TlsClient
from headgate.ir.http import Upstream
from headgate.ir.layout import Layout
from headgate.routes import Backend, Check
from headgate.routes.policies import BackendTls
from headgate.settings.proxy import ProxySettings
from headgate.settings.values import Duration
from headgate.translate.draft import Draft, Place
from headgate.translate.live_only import needed

UNCHECKED: Final = "its endpoints are not checked"
EACH_ITS_OWN: Final = ("has no effect, as each check has a connection of its own", "it is ignored")
UPSTREAM: Final = "$proxy_host"
"""The name of a server where a Policy has none."""
_VALUE: Final = re.compile(r"[^\x00-\x08\x0a-\x1f\x7f]+")


def with_check(upstream: Upstream, backend: Backend, place: Place, layout: Layout) -> Upstream:
    """Return *upstream*, the servers of *backend*, with the checks that it asks for, if they can be run."""
    check, live = backend.check, upstream.live
    if live is None or check is None or not backend.endpoints.servers:
        return upstream
    found = _live_check(check, upstream.name, backend, place.params.proxy)
    if found.tls:
        found = structs.replace(found, secure=_secure(found, place.policies.backend_tls, upstream.name, layout))
    return structs.replace(upstream, live=structs.replace(live, check=found))


def warn_of_checks(draft: Draft, place: Place, backend: Backend, upstream: Upstream) -> None:
    """Warn of checks that are not run, and of what has no effect on those that are."""
    check = backend.check
    if check is None:
        return
    if upstream.live is None:
        draft.warn(place.origin, check.field, "", (f"needs {needed(draft, place, backend)}", UNCHECKED))
    elif check.keepalive:
        draft.warn(place.origin, f"{check.field}.keepalive-time", check.keepalive, EACH_ITS_OWN)


def _uses_tls(check: Check, backend: Backend) -> bool:
    return backend.tls if check.tls is None else check.tls


def _live_check(check: Check, name: str, backend: Backend, proxy: ProxySettings) -> LiveCheck:
    return LiveCheck(
        path=check.path,
        headers=_headers(check, name),
        interval=check.interval,
        jitter=check.jitter,
        fails=check.fails,
        passes=check.passes,
        port=check.port,
        tls=_uses_tls(check, backend),
        connect=_timeout(check.connect_timeout, proxy.proxy_connect_timeout),
        send=_timeout(check.send_timeout, proxy.proxy_send_timeout),
        read=_timeout(check.read_timeout, proxy.proxy_read_timeout),
        status=check.status,
        negated=check.negated,
        mandatory=check.mandatory,
        grpc=check.grpc,
        grpc_status=check.grpc_status,
    )


def _secure(check: LiveCheck, own: BackendTls | None, name: str, layout: Layout) -> TlsClient | None:
    """Return how TLS is spoken as for requests that a Policy is *own* of; ``None`` if without all of that."""
    alpn = "h2" if check.grpc is not None else None
    if own is None:
        return TlsClient(alpn=alpn) if alpn else None
    return TlsClient(
        verify=own.verify,
        ca=f"{layout.conf}/{own.authority.file}" if own.authority else None,
        depth=own.depth,
        name=own.name.replace(UPSTREAM, name),
        send_name=own.send_name,
        certificate=f"{layout.conf}/{own.certificate.file}" if own.certificate else None,
        protocols=tuple(own.protocols.split()),
        ciphers=own.ciphers,
        alpn=alpn,
    )


def _timeout(own: float | None, usual: Duration) -> float:
    return Duration(usual).seconds if own is None else own


def _headers(check: Check, name: str) -> tuple[tuple[str, str], ...]:
    """Return the headers of requests: those of the check over those that nginx would send, which has no value empty.

    Validation admits no control character in a value; one that has some is left out here, too, as it would end the
    header.
    """
    given = {key.lower(): (key, value.strip()) for key, value in check.headers}
    usual = {"host": ("Host", name), "connection": ("Connection", "close")}
    return tuple((key, value) for key, value in {**usual, **given}.values() if _VALUE.fullmatch(value))
