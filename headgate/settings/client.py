"""Connections of clients: keep-alive, and who the client is behind a proxy."""

from __future__ import annotations

from typing import Annotated

from headgate.networks import as_compared
from headgate.problems import show
from headgate.settings.dialect import Scope
from headgate.settings.parsers import Unfit, accepts, listed, matching
from headgate.settings.registry import Settings, Where, setting
from headgate.settings.values import Duration


@accepts("address, network or `unix:`")
def network(text: str) -> str:
    """Parse an argument of ``set_real_ip_from``; a zone (``fe80::1%eth0``) may hold any text, so it is refused."""
    if text == "unix:":
        return text
    if "%" in text:
        raise Unfit("an address with a zone, which nginx cannot use")
    try:
        return as_compared(text)
    except ValueError:
        raise Unfit(f"not an address or a network ({show(text)}), for example 10.0.0.0/8") from None


class ClientSettings(Settings):
    """What nginx believes about clients."""

    keepalive_timeout: Annotated[
        Duration, setting("keepalive-timeout", "How long an idle client may stay.", Scope.SERVER, Where.CONFIGMAP)
    ] = Duration("75s")
    keepalive_requests: Annotated[
        int,
        setting(
            "keepalive-requests",
            "Requests on one connection.",
            Scope.SERVER,
            Where.CONFIGMAP,
            unit="requests",
            example="500",
        ),
    ] = 1000
    proxy_protocol: Annotated[
        bool,
        setting(
            "proxy-protocol",
            "Listeners expect the PROXY protocol.",
            Scope.SERVER,
            Where.CONFIGMAP,
            directive="listen",
            context="server",
        ),
    ] = False
    real_ip_header: Annotated[
        str | None,
        setting(
            "real-ip-header",
            "Header with the client's address, or proxy_protocol.",
            Scope.SERVER,
            Where.CONFIGMAP,
            parse=matching(r"[A-Za-z0-9_\-]+", "a header name or proxy_protocol"),
            example="X-Forwarded-For",
        ),
    ] = None
    set_real_ip_from: Annotated[
        tuple[str, ...],
        setting(
            "set-real-ip-from",
            "Proxies that are believed.",
            Scope.SERVER,
            Where.CONFIGMAP,
            parse=listed(network, network.words),
            example="10.0.0.0/8,192.168.0.0/16",
        ),
    ] = ()
    real_ip_recursive: Annotated[
        bool, setting("real-ip-recursive", "Skip believed addresses in the header.", Scope.SERVER, Where.CONFIGMAP)
    ] = False
