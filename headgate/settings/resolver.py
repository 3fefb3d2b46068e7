"""Names that are resolved while nginx runs: the backends of ExternalName Services."""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated

from headgate.settings.dialect import Scope
from headgate.settings.parsers import Unfit, accepts, listed, number
from headgate.settings.registry import Settings, Where, setting
from headgate.settings.values import Duration, Seconds

_NUMERIC = re.compile(r"(?:[^.]*+\.)*+(?:[0-9]+|0x[0-9a-fA-F]*)\.?")
"""Names that a resolver reads as an IPv4 address: ``127.1``, ``0x7f.1`` (inet_aton(3))."""
_NAME = re.compile(r"(?=.{1,253}\Z)(?!-)[A-Za-z0-9\-]{1,63}(?:\.[A-Za-z0-9\-]{1,63})*\.?")
_SPLIT = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^:\[\]]+)(?::(?P<port>[0-9]{1,5}))?")


@accepts("address or name, perhaps with a port")
def name_server(text: str) -> str:
    """Parse an argument of ``resolver``: ``10.96.0.10``, ``[fd00::a]:53`` or a name.

    nginx resolves a name when it loads its configuration, and refuses it if that fails; numbers must be an address.
    """
    split = _SPLIT.fullmatch(text)
    if not split or not (_is_address(split["host"]) or _is_name(split["host"])):
        raise Unfit(f"not the address of a name server ({text[:60]!r}), for example 10.96.0.10 or [fd00::a]:53")
    if split["port"]:
        number(1, 65535)(split["port"])
    return text


def _is_name(host: str) -> bool:
    return bool(_NAME.fullmatch(host)) and not _NUMERIC.fullmatch(host)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True


class ResolverSettings(Settings):
    """Who resolves names while nginx runs; without, names are resolved once, as nginx loads its configuration."""

    resolver_addresses: Annotated[
        tuple[str, ...],
        setting(
            "resolver-addresses",
            "Name servers that nginx uses at run time for the names of ExternalName Services.",
            Scope.SERVER,
            Where.CONFIGMAP,
            parse=listed(name_server, "addresses of name servers"),
            directive="resolver",
            context="http, stream",
            example="10.96.0.10,[fd00::a]:53",
            differs="Works with open-source nginx 1.27.3 or later; the incumbent requires NGINX Plus.",
        ),
    ] = ()
    resolver_ipv6: Annotated[
        bool,
        setting(
            "resolver-ipv6",
            "Whether names are resolved to IPv6 addresses too.",
            Scope.SERVER,
            Where.CONFIGMAP,
            requires="resolver-addresses",
            directive="resolver",
            context="http, stream",
        ),
    ] = True
    resolver_valid: Annotated[
        Seconds | None,
        setting(
            "resolver-valid",
            "How long an answer is cached, instead of its TTL.",
            Scope.SERVER,
            Where.CONFIGMAP,
            requires="resolver-addresses",
            directive="resolver",
            context="http, stream",
        ),
    ] = None
    resolver_timeout: Annotated[
        Duration | None,
        setting(
            "resolver-timeout",
            "Longest wait for an answer.",
            Scope.SERVER,
            Where.CONFIGMAP,
            requires="resolver-addresses",
            context="http, stream",
        ),
    ] = None
