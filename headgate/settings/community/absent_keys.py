"""The keys of ingress-nginx's ConfigMap that have no effect, each with its default and the reason."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from headgate.settings.declined import Outlook


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
_OTEL = {
    "opentelemetry-config": "/etc/ingress-controller/telemetry/opentelemetry.toml", "otel-max-queuesize": "2048",
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
_LATER = {
    "enable-ocsp": "false", "ssl-dh-param": "", "ssl-reject-handshake": "false", "ssl-session-ticket-key": "",
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
    (_OTEL, Outlook.DECLINED, "about the module of ingress-nginx; ngx_otel_module has no such setting"),
    (_NGINX, Outlook.DECLINED, "for a directive that nginx no longer has"),
    (_OURS, Outlook.DECLINED, "about the inside of ingress-nginx"),
    (_STATUS, Outlook.DECLINED, "for a page that Headgate does not serve to clients; see -nginx-status"),
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
}
"""Keys without which clients would be let in that are not to be: no Ingress of this dialect is served with one."""
