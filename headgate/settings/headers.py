"""Headers of requests and responses."""

from __future__ import annotations

from typing import Annotated

from headgate.settings.dialect import Scope
from headgate.settings.parsers import choice, listed, number
from headgate.settings.registry import Settings, Where, setting
from headgate.settings.values import Header, HeaderName

_names = listed(HeaderName.parse, "header names")


class HeaderSettings(Settings):
    """Which headers pass, which are added, and HSTS (RFC 6797)."""

    proxy_hide_headers: Annotated[
        tuple[HeaderName, ...],
        setting(
            "proxy-hide-headers",
            "Headers of backends that clients do not see.",
            Scope.SERVER,
            parse=_names,
            directive="proxy_hide_header, grpc_hide_header",
            example="X-Powered-By,Server",
            narrow=True,
            differs="Spaces around a name are removed; in the incumbent's ConfigMap they are a part of it.",
        ),
    ] = ()
    proxy_pass_headers: Annotated[
        tuple[HeaderName, ...],
        setting(
            "proxy-pass-headers",
            "Headers that nginx hides by default, passed on.",
            Scope.SERVER,
            parse=_names,
            directive="proxy_pass_header, grpc_pass_header",
            example="Server,Date",
            narrow=True,
            differs="Spaces around a name are removed; in the incumbent's ConfigMap they are a part of it.",
        ),
    ] = ()
    proxy_set_headers: Annotated[
        tuple[Header, ...],
        setting(
            "proxy-set-headers",
            "Request headers for backends; without a value the client's own.",
            Scope.JOINED,
            Where.ANNOTATION,
            parse=listed(Header.request, "`Name` or `Name:Value`"),
            directive="proxy_set_header, grpc_set_header",
            example="X-Tenant:blue,X-Request-ID",
            differs="Sent to gRPC backends too.",
        ),
    ] = ()
    add_header: Annotated[
        tuple[Header, ...],
        setting(
            "add-header",
            "Response headers; with always also on errors.",
            Scope.OWN,
            parse=listed(Header.response, "`Name:Value` or `Name:Value:always`"),
            example="X-Frame-Options:DENY:always",
            differs="A location with its own headers keeps HSTS: every list is generated in full. A header that HSTS or"
            " a Policy (cors) sends is left out.",
        ),
    ] = ()
    add_header_inherit: Annotated[
        str | None,
        setting(
            "add-header-inherit",
            "What happens to response headers of the level above: on (kept where there are no own ones), off, merge.",
            Scope.OWN,
            parse=choice("on", "off", "merge"),
            directive="add_header",
            narrow=True,
            differs="Applied when the lists are generated, so that it works with every nginx, not only from 1.29.3.",
        ),
    ] = None
    disable_forwarded_headers: Annotated[
        bool,
        setting(
            "disable-forwarded-headers",
            "Send no X-Forwarded-* headers to backends.",
            Scope.SERVER,
            Where.CONFIGMAP,
            gate="enable-snippets",
            gated=Where.CONFIGMAP,
            directive="proxy_set_header",
        ),
    ] = False
    hsts: Annotated[
        bool, setting("hsts", "Send Strict-Transport-Security.", Scope.SERVER, directive="add_header", context="server")
    ] = False
    hsts_max_age: Annotated[
        int,
        setting(
            "hsts-max-age",
            "Seconds of HSTS.",
            Scope.SERVER,
            requires="hsts",
            parse=number(0, 2**53),
            directive="add_header",
            context="server",
            unit="seconds",
            example="31536000",
            narrow=True,
            differs="An invalid value in the ConfigMap is ignored; the incumbent then sends no HSTS at all.",
        ),
    ] = 2_592_000
    hsts_include_subdomains: Annotated[
        bool,
        setting(
            "hsts-include-subdomains",
            "HSTS for subdomains too.",
            Scope.SERVER,
            requires="hsts",
            directive="add_header",
            context="server",
        ),
    ] = False
    hsts_behind_proxy: Annotated[
        bool,
        setting(
            "hsts-behind-proxy",
            "Decide HSTS by X-Forwarded-Proto of a proxy in front.",
            Scope.SERVER,
            requires="hsts",
            directive="add_header",
            context="server",
        ),
    ] = False
