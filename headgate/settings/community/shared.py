"""The annotations of ingress-nginx that mean a setting: the field that takes the value, and how it is read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from headgate.settings.community.values import hash_key, offset, on_off, redirect_to, seconds, size
from headgate.settings.parsers import Parser, choice, number, switch
from headgate.settings.passing import cookie_domain, cookie_path, kilobytes, span_name, trusted_span
from headgate.settings.proxy import conditions, redirect_from
from headgate.settings.routing import app_root
from headgate.settings.snippets import snippet
from headgate.settings.tls import ciphers


class Shared(msgspec.Struct, frozen=True):
    """That an annotation is the setting *field*, read by *parse*; *gate* is the flag without which it is refused."""

    field: str
    parse: Parser[Any]
    gate: str = ""


SHARED: Mapping[str, Shared] = {
    "app-root": Shared("app_root", app_root),
    "client-body-buffer-size": Shared("client_body_buffer_size", size),
    "configuration-snippet": Shared("location_snippets", snippet, "enable-snippets"),
    "enable-access-log": Shared("logged", switch),
    "enable-rewrite-log": Shared("rewrite_log", switch),
    "limit-rate": Shared("limit_rate", kilobytes),
    "limit-rate-after": Shared("limit_rate_after", kilobytes),
    "proxy-body-size": Shared("client_max_body_size", offset),
    "proxy-buffer-size": Shared("proxy_buffer_size", size),
    "proxy-buffering": Shared("proxy_buffering", on_off),
    "proxy-busy-buffers-size": Shared("proxy_busy_buffers_size", size),
    "proxy-connect-timeout": Shared("proxy_connect_timeout", seconds),
    "proxy-cookie-domain": Shared("proxy_cookie_domain", cookie_domain),
    "proxy-cookie-path": Shared("proxy_cookie_path", cookie_path),
    "proxy-http-version": Shared("proxy_http_version", choice("1.0", "1.1")),
    "proxy-max-temp-file-size": Shared("proxy_max_temp_file_size", size),
    "proxy-next-upstream": Shared("proxy_next_upstream", conditions),
    "proxy-next-upstream-timeout": Shared("proxy_next_upstream_timeout", seconds),
    "proxy-next-upstream-tries": Shared("proxy_next_upstream_tries", number()),
    "proxy-read-timeout": Shared("proxy_read_timeout", seconds),
    "proxy-redirect-from": Shared("proxy_redirect_from", redirect_from),
    "proxy-redirect-to": Shared("proxy_redirect_to", redirect_to),
    "proxy-request-buffering": Shared("proxy_request_buffering", on_off),
    "enable-opentelemetry": Shared("traced", switch),
    "opentelemetry-operation-name": Shared("traced_name", span_name),
    "opentelemetry-trust-incoming-span": Shared("trace_context", trusted_span),
    "proxy-send-timeout": Shared("proxy_send_timeout", seconds),
    "relative-redirects": Shared("relative_redirects", switch),
    "server-snippet": Shared("server_snippets", snippet, "enable-snippets"),
    "service-upstream": Shared("use_cluster_ip", switch),
    "ssl-ciphers": Shared("ssl_ciphers", ciphers),
    "ssl-prefer-server-ciphers": Shared("ssl_prefer_server_ciphers", switch),
    "use-port-in-redirects": Shared("port_in_redirect", switch),
    "upstream-hash-by": Shared("lb_method", hash_key),
}
"""By the name that follows the prefix."""
