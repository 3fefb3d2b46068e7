"""Health checks of the servers of upstreams: which are run, and why others are not."""

from __future__ import annotations

import re
from typing import Final

from msgspec import structs

from headgate.ir.check import LiveCheck
from headgate.ir.http import Upstream
from headgate.routes import Backend, Check
from headgate.settings.proxy import ProxySettings
from headgate.settings.values import Duration
from headgate.translate.draft import Draft, Place
from headgate.translate.live_only import needed

UNCHECKED: Final = "its endpoints are not checked"
VERIFIED: Final = (
    "cannot be used over TLS with a Policy of type egressMTLS yet; use tls.enable: false with a port without TLS",
    UNCHECKED,
)
GRPC_TLS: Final = (
    "cannot be used with gRPC over TLS; use tls.enable: false with a port without TLS",
    UNCHECKED,
)
GRPC_STATUS: Final = (
    "cannot be used with a status other than 0; the service must have the gRPC health protocol",
    UNCHECKED,
)
EACH_ITS_OWN: Final = ("has no effect, as each check has a connection of its own", "it is ignored")
_VALUE: Final = re.compile(r"[^\x00-\x08\x0a-\x1f\x7f]+")


def with_check(upstream: Upstream, backend: Backend, place: Place) -> Upstream:
    """Return *upstream*, the servers of *backend*, with the checks that it asks for, if they can be run."""
    check, live = backend.check, upstream.live
    if live is None or check is None or not backend.endpoints.servers or obstacle(backend, place):
        return upstream
    found = _live_check(check, upstream.name, backend, place.params.proxy)
    return structs.replace(upstream, live=structs.replace(live, check=found))


def obstacle(backend: Backend, place: Place) -> tuple[str, str] | None:
    """Return why the checks of *backend* cannot be run though its servers are pushed."""
    check = backend.check
    if check is None:
        return None
    if check.grpc_status:
        return GRPC_STATUS
    if not _uses_tls(check, backend):
        return None
    return GRPC_TLS if check.grpc is not None else VERIFIED if place.policies.backend_tls else None


def warn_of_checks(draft: Draft, place: Place, backend: Backend, upstream: Upstream) -> None:
    """Warn of checks that are not run, and of what has no effect on those that are."""
    check = backend.check
    if check is None:
        return
    if upstream.live is None:
        draft.warn(place.origin, check.field, "", (f"needs {needed(draft, place, backend)}", UNCHECKED))
    elif reason := obstacle(backend, place):
        draft.warn(place.origin, check.field, "", reason)
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
