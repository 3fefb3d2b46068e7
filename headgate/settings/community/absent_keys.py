"""The keys of ingress-nginx's ConfigMap that have no effect, each with its default and the reason."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from headgate.settings.declined import Outlook

BROTLI_TYPES = (
    "application/xml+rss application/atom+xml application/javascript application/x-javascript "
    "application/json application/rss+xml application/vnd.ms-fontobject application/x-font-ttf "
    "application/x-web-app-manifest+json application/xhtml+xml application/xml font/opentype "
    "image/svg+xml image/x-icon text/css text/javascript text/plain text/x-component"
)


class AbsentKey(msgspec.Struct, frozen=True):
    """Why a key does nothing; its *default* asks for nothing. The reason completes the sentence "'value' is …"."""

    outlook: Outlook
    reason: str
    default: str = ""


_INTERNAL = {
    "Resolver": "", "app-root": "", "bind-address-ipv4": "", "bind-address-ipv6": "", "global-external-auth": "",
    "upstream-hash-by": "", "upstream-hash-by-subset": "false", "upstream-hash-by-subset-size": "0",
}  # fmt: skip
_REMOVED = {
    "use-geoip": "", "jaeger-collector-host": "", "jaeger-collector-port": "", "jaeger-endpoint": "",
    "jaeger-service-name": "", "jaeger-propagation-format": "", "jaeger-sampler-type": "", "jaeger-sampler-param": "",
    "jaeger-sampler-host": "", "jaeger-sampler-port": "", "jaeger-trace-context-header-name": "",
    "jaeger-debug-header": "", "jaeger-baggage-header": "", "jaeger-trace-baggage-header-prefix": "",
    "jaeger-tracer-baggage-header-prefix": "",
}  # fmt: skip
_LOG = {
    "access-log-params": "", "access-log-path": "/var/log/nginx/access.log",
    "error-log-path": "/var/log/nginx/error.log", "http-access-log-path": "", "stream-access-log-path": "",
    "disable-stream-access-log": "false",
}  # fmt: skip
_LATER_LOG = {
    "skip-access-log-urls": "", "enable-access-log-for-default-backend": "false", "enable-auth-access-log": "false",
}  # fmt: skip
_LISTEN = {
    "bind-address": "", "disable-ipv6": "false",
}  # fmt: skip
_MODULE = {
    "brotli-level": "4", "brotli-min-length": "20", "brotli-types": BROTLI_TYPES, "enable-brotli": "false",
    "use-geoip2": "false", "geoip2-autoreload-in-minutes": "0",
}  # fmt: skip
_OTEL = {
    "enable-opentelemetry": "false", "opentelemetry-config": "/etc/ingress-controller/telemetry/opentelemetry.toml",
    "opentelemetry-operation-name": "", "opentelemetry-trust-incoming-span": "true",
    "otel-max-export-batch-size": "512", "otel-max-queuesize": "2048", "otel-sampler": "AlwaysOn",
    "otel-sampler-parent-based": "true", "otel-sampler-ratio": "0.01", "otel-schedule-delay-millis": "5000",
    "otel-service-name": "nginx", "otlp-collector-host": "", "otlp-collector-port": "4317",
}  # fmt: skip
_NGINX = {
    "http2-max-field-size": "", "http2-max-header-size": "", "http2-max-requests": "0",
}  # fmt: skip
_OURS = {
    "lua-shared-dicts": "", "enable-serial-reloads": "false", "reuse-port": "true", "enable-multi-accept": "true",
    "enable-aio-write": "true", "debug-connections": "", "disable-ipv6-dns": "", "strict-validate-path-type": "true",
    "proxy-protocol-header-timeout": "5s", "forwarded-for-proxy-protocol-header": "X-Forwarded-For-Proxy-Protocol",
    "forwarded-host-header": "X-Forwarded-Host",
}  # fmt: skip
_STATUS = {
    "nginx-status-ipv4-whitelist": "127.0.0.1", "nginx-status-ipv6-whitelist": "::1",
}  # fmt: skip
_UPSTREAM = {
    "grpc-buffer-size-kb": "0",
}  # fmt: skip
_LATER = {
    "custom-http-errors": "", "disable-proxy-intercept-errors": "false", "enable-ocsp": "false",
    "limit-conn-zone-variable": "$binary_remote_addr", "no-tls-redirect-locations": "/.well-known/acme-challenge",
    "proxy-ssl-location-only": "false", "ssl-dh-param": "", "ssl-reject-handshake": "false",
    "ssl-session-ticket-key": "",
}  # fmt: skip
_AUTH = {
    "allow-cross-namespace-resources": "false", "no-auth-locations": "/.well-known/acme-challenge",
}  # fmt: skip

_GROUPS = (
    (_INTERNAL, Outlook.DECLINED, "not a key that ingress-nginx reads"),
    (_REMOVED, Outlook.DECLINED, "a key of a feature that ingress-nginx itself had removed"),
    (
        _LOG,
        Outlook.DECLINED,
        "not a place for logs: the access log goes to standard output or syslog-host, the error log to standard error",
    ),
    (_LATER_LOG, Outlook.COMING, "not supported yet"),
    (_LISTEN, Outlook.COMING, "not supported yet: nginx listens on all addresses; -disable-ipv6 leaves IPv6 out"),
    (_MODULE, Outlook.COMING, "for a module that nginx does not have here yet"),
    (_OTEL, Outlook.COMING, "not supported yet, as are the annotations about OpenTelemetry"),
    (_NGINX, Outlook.DECLINED, "for a directive that nginx no longer has"),
    (_OURS, Outlook.DECLINED, "about the inside of ingress-nginx"),
    (_STATUS, Outlook.DECLINED, "for a page that Headgate does not serve to clients; see -nginx-status"),
    (_UPSTREAM, Outlook.COMING, "not supported yet: connections to backends are kept as long as nginx does by default"),
    (_LATER, Outlook.COMING, "not supported yet"),
    (_AUTH, Outlook.DECLINED, "always as ingress-nginx has it by default"),
)
ABSENT_KEYS: Mapping[str, AbsentKey] = {
    key: AbsentKey(outlook, reason, default) for keys, outlook, reason in _GROUPS for key, default in keys.items()
}
"""The keys without effect."""

_WAF = "not supported yet, and keeps clients out"
CLOSING_KEYS: Mapping[str, str] = {
    "enable-modsecurity": _WAF,
    "enable-owasp-modsecurity-crs": _WAF,
    "modsecurity-snippet": _WAF,
    "global-auth-snippet": "not supported yet, and may keep clients out",
}
"""Keys without which clients would be let in that are not to be: no Ingress of this dialect is served with one."""
