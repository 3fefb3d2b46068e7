"""What an nginx binary can do, so that the rest asks by name and never by version number."""

from __future__ import annotations

import msgspec

from headgate.ir.addons import Addon
from headgate.ir.live import LuaModules, NjsModule


class Capabilities(msgspec.Struct, frozen=True, kw_only=True):
    """The features of one binary; the defaults are those of nginx 1.22 as Debian 12 builds it.

    Attributes:
        version: ``(1, 22, 1)``.
        openssl: version text of the TLS library, may be empty.
        keepalive_min_timeout: idle connections are closed gracefully at reload (nginx ≥ 1.27.4).
        keepalive_by_default: connections to backends are kept unless ``keepalive 0`` stands there (≥ 1.29.7).
        ssl_certificate_cache: certificates with variables are cached (≥ 1.27.4).
        http2_directive: ``http2 on;`` (≥ 1.25.1) in place of ``listen … http2``.
        http2: HTTP/2 is compiled in.
        http3: QUIC is compiled in.
        stub_status: the status page is compiled in.
        realip: ``real_ip_header`` is compiled in.
        grpc: ``grpc_pass`` is compiled in.
        stream: path of the dynamic stream module, ``""`` if built in, ``None`` if absent.
        stream_ssl: TLS is terminated in ``stream {}``; ``stream_preread`` server names are read there, and
            ``stream_realip`` addresses of the PROXY protocol.
        stream_hosts: several servers of ``stream {}`` share a listener by server names (≥ 1.25.5).
        add_header_inherit: ``add_header_inherit`` (≥ 1.29.3).
        stream_js: how the dynamic njs module for ``stream {}`` is loaded, ``None`` if it is absent.
        gunzip: ``gunzip`` (ngx_http_gunzip_module).
        upstream_resolve: ``server NAME resolve`` in an upstream (≥ 1.27.3).
        sticky: ``sticky cookie`` in an upstream (≥ 1.29.6).
        protocols_by_host: ``ssl_protocols`` holds for the server that a client names (≥ 1.29.2).
        otel: path of the OpenTelemetry module, ``None`` if absent.
        addons: the modules that are loaded if a snippet or a setting needs them.
        lua: how the Lua module and what Headgate needs of it are loaded, ``None`` if something is absent.
    """

    version: tuple[int, int, int] = (1, 22, 1)
    openssl: str = ""
    keepalive_min_timeout: bool = False
    keepalive_by_default: bool = False
    ssl_certificate_cache: bool = False
    http2_directive: bool = False
    http2: bool = True
    http3: bool = False
    stub_status: bool = True
    realip: bool = True
    grpc: bool = True
    stream: str | None = None
    stream_ssl: bool = True
    stream_preread: bool = True
    stream_realip: bool = True
    stream_hosts: bool = False
    stream_js: NjsModule | None = None
    gunzip: bool = True
    add_header_inherit: bool = False
    upstream_resolve: bool = False
    sticky: bool = False
    protocols_by_host: bool = False
    otel: str | None = None
    lua: LuaModules | None = None
    addons: tuple[Addon, ...] = ()

    def has(self, addon: str) -> bool:
        """Whether the module *addon* can be loaded."""
        return any(each.name == addon for each in self.addons)
