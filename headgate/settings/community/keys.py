"""The keys of ingress-nginx's ConfigMap that have an effect, each with what it becomes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from headgate.settings.addons import types
from headgate.settings.client import network
from headgate.settings.community.references import reference
from headgate.settings.community.risks import LEVELS
from headgate.settings.community.values import networks, seconds, size
from headgate.settings.logging import log_format
from headgate.settings.main import LARGEST_BUCKET, affinity, workers
from headgate.settings.parsers import VARIABLE, Parser, Unfit, accepts, choice, listed, matching, number, switch
from headgate.settings.passing import span_name, trusted_span
from headgate.settings.proxy import body_buffer
from headgate.settings.regex import regex_fault
from headgate.settings.snippets import snippet
from headgate.settings.tls import ciphers, protocols, redirect_code
from headgate.settings.values import Duration, HeaderName, Quoted, Size
from headgate.settings.variables import unknown_variable


class Key(msgspec.Struct, frozen=True):
    """What a key becomes.

    Attributes:
        doc: one sentence for the reference page.
        parse: how its text is read.
        field: the setting that it is.
        host: whether that setting is one of the hosts of this dialect; otherwise of all of nginx.
        both: whether it is both.
        directive: the directive of ``http {}`` that it is; the value stands in place of ``{}``.
        guards: whether clients are kept out by it.
    """

    doc: str
    parse: Parser[Any]
    field: str = ""
    host: bool = False
    both: bool = False
    directive: str = ""
    guards: bool = False


@accepts("size")
def _buffers(text: str) -> str:
    count, _, each = text.strip().partition(" ")
    return f"{number(1, 1024)(count)} {Size.parse(each)}"


@accepts("time")
def _time(text: str) -> Duration:
    return Duration.parse(text)


@accepts("text without line breaks")
def _pattern(text: str) -> str:
    """Parse a pattern of headers: a text, or an expression after ``~`` or ``~*``."""
    if re.search(r"[\x00-\x1f\x7f]", text):
        raise Unfit("text with a control character")
    if text.startswith("~") and (fault := regex_fault(text.lstrip("~").removeprefix("*"))):
        raise Unfit(fault)
    return text


@accepts("words, separated by `,`")
def _words(text: str) -> tuple[str, ...]:
    return tuple(filter(None, map(str.strip, text.split(","))))


@accepts(", ".join(LEVELS))
def _risk(text: str) -> str:
    if text.strip().capitalize() not in LEVELS:
        raise Unfit(f"not one of {', '.join(LEVELS)}")
    return text.strip().capitalize()


@accepts("regular expression")
def _regex(text: str) -> str:
    if fault := regex_fault(text) or ("a text with a control character" if re.search(r"[\x00-\x1f\x7f]", text) else ""):
        raise Unfit(fault)
    return Quoted(text).spelled


@accepts("AlwaysOn, AlwaysOff or TraceIdRatioBased")
def _sampler(text: str) -> str:
    if text.strip() not in {"AlwaysOn", "AlwaysOff", "TraceIdRatioBased"}:
        raise Unfit("not AlwaysOn, AlwaysOff or TraceIdRatioBased")
    return text.strip()


@accepts("number from 0 to 1")
def _share(text: str) -> str:
    """Parse a share; it returns hundredths of a percent."""
    if not re.fullmatch(r"[01](?:\.[0-9]{1,9})?|\.[0-9]{1,9}", text.strip()) or float(text) > 1:
        raise Unfit("not a number from 0 to 1")
    return f"{round(100 * float(text), 2):g}"


@accepts("milliseconds")
def _milliseconds(text: str) -> Duration:
    return Duration(f"{number(1, 10**9)(text)}ms")


@accepts("paths, separated by `,`", example="/.well-known/acme-challenge")
def _paths(text: str) -> tuple[str, ...]:
    found = tuple(each.strip() for each in text.split(",") if each.strip())
    if not all(each.startswith("/") for each in found):
        raise Unfit("not a list of paths that begin with /")
    return found


@accepts("text of letters and digits with variables", example="$http_x_tenant")
def _limit_key(text: str) -> str:
    """Parse by what requests and connections are counted."""
    key = text.strip()
    if not re.fullmatch(rf"(?:[A-Za-z0-9_\-]|{VARIABLE})+", key) or "$" not in key:
        raise Unfit("not text with a variable such as $binary_remote_addr")
    if fault := unknown_variable(key):
        raise Unfit(f"a text that {fault}")
    return key


_TYPES = matching(r"[A-Za-z0-9.+/*_-]+(?: [A-Za-z0-9.+/*_-]+)*", "types such as text/html, separated by spaces")
_HOST = matching(r"[A-Za-z0-9][A-Za-z0-9.\-]*|\[[0-9A-Fa-f:.]+\]", "an address or a host name")
_HEADER = matching(r"[A-Za-z0-9\-]+", "the name of a header")
_names = listed(HeaderName.parse, "header names")
_trusted = listed(network, network.words)
_status = number(400, 599)
_HASH, _BUCKET = number(32, 2**20), number(32, LARGEST_BUCKET)


def _automatic(parse: Parser[int]) -> Parser[int | None]:
    """Return *parse*, for which 0 says nothing."""
    return Parser(parse.words, lambda text: None if text.strip() == "0" else parse(text))


def _http(doc: str, parse: Parser[Any], directive: str) -> Key:
    return Key(doc, parse, directive=directive)


def _all(doc: str, parse: Parser[Any], field: str) -> Key:
    return Key(doc, parse, field)


def _host(doc: str, parse: Parser[Any], field: str) -> Key:
    return Key(doc, parse, field, host=True)


KEYS: Mapping[str, Key] = {
    # the process
    "worker-processes": _all("Worker processes, or auto.", workers, "worker_processes"),
    "worker-cpu-affinity": _all("Binding of workers to CPUs.", affinity, "worker_cpu_affinity"),
    "worker-shutdown-timeout": _all(
        "Time after which old workers close their remaining connections.", _time, "worker_shutdown_timeout"
    ),
    "max-worker-connections": _all("Connections of one worker.", _automatic(number(16, 2**20)), "worker_connections"),
    "max-worker-open-files": _all("Open files of one worker.", _automatic(number(64, 2**30)), "worker_rlimit_nofile"),
    "server-name-hash-max-size": _all("Table of host names.", _HASH, "server_names_hash_max_size"),
    "server-name-hash-bucket-size": _all("Bucket for them.", _automatic(_BUCKET), "server_names_hash_bucket_size"),
    "map-hash-bucket-size": _all("Bucket of maps.", _BUCKET, "map_hash_bucket_size"),
    "variables-hash-max-size": _all("Table of variables.", _HASH, "variables_hash_max_size"),
    "variables-hash-bucket-size": _all("Bucket of variables.", _BUCKET, "variables_hash_bucket_size"),
    "proxy-headers-hash-max-size": _http("Table of headers.", _HASH, "proxy_headers_hash_max_size {}"),
    "proxy-headers-hash-bucket-size": _http("Bucket of headers.", _BUCKET, "proxy_headers_hash_bucket_size {}"),
    # clients
    "keep-alive": _all("Seconds for which an idle client may stay.", seconds, "keepalive_timeout"),
    "keep-alive-requests": _all("Requests on one connection.", number(1), "keepalive_requests"),
    "client-header-timeout": _http("Seconds for the headers of a request.", seconds, "client_header_timeout {}"),
    "client-body-timeout": _http("Seconds between two reads of a body.", seconds, "client_body_timeout {}"),
    "client-header-buffer-size": _http("Buffer for headers.", body_buffer, "client_header_buffer_size {}"),
    "large-client-header-buffers": _http("Buffers for large headers.", _buffers, "large_client_header_buffers {}"),
    "enable-underscores-in-headers": _http("Headers with _ in their name.", switch, "underscores_in_headers {}"),
    "ignore-invalid-headers": _http("Other invalid headers are left out.", switch, "ignore_invalid_headers {}"),
    "default-type": _http("Type of answers without one.", _TYPES, "default_type {}"),
    "relative-redirects": _http("Redirects of nginx have no host.", switch, "absolute_redirect {}"),
    "limit-conn-status-code": _http("Status of a refused connection.", _status, "limit_conn_status {}"),
    "limit-conn-zone-variable": Key("By what requests and connections are counted.", _limit_key),
    "no-tls-redirect-locations": Key("Beginnings of paths that are not redirected to HTTPS.", _paths),
    "limit-req-status-code": Key("Status of a refused request.", _status),
    "use-proxy-protocol": Key("Listeners expect the PROXY protocol.", switch, "proxy_protocol"),
    "use-forwarded-headers": Key("What a proxy in front says of the client counts.", switch),
    "compute-full-forwarded-for": Key("Backends get the whole X-Forwarded-For.", switch),
    "enable-real-ip": Key("The address of the client is that of forwarded-for-header.", switch),
    "forwarded-for-header": Key("The header with the address of the client.", _HEADER),
    "proxy-real-ip-cidr": Key("Proxies that are believed.", _trusted),
    "block-cidrs": Key("Clients that are refused on every host.", networks, guards=True),
    "block-user-agents": Key("Values of User-Agent that get 403.", listed(_pattern, _pattern.words), guards=True),
    "block-referers": Key("Values of Referer that get 403.", listed(_pattern, _pattern.words), guards=True),
    # TLS
    "ssl-protocols": _all("TLS versions.", protocols, "ssl_protocols"),
    "ssl-ciphers": _all("Ciphers of TLS up to 1.2; the server's order counts.", ciphers, "ssl_ciphers"),
    "ssl-ecdh-curve": _http("Curves.", matching(r"[A-Za-z0-9:_-]+", "names of curves"), "ssl_ecdh_curve {}"),
    "ssl-early-data": _http("TLS 1.3 early data.", switch, "ssl_early_data {}"),
    "ssl-buffer-size": _http("Buffer of records.", body_buffer, "ssl_buffer_size {}"),
    "ssl-session-tickets": _http("Sessions by tickets.", switch, "ssl_session_tickets {}"),
    "ssl-session-timeout": _http("Longest life of a session.", _time, "ssl_session_timeout {}"),
    "ssl-session-cache": Key("A cache of sessions that workers share.", switch),
    "ssl-session-cache-size": Key("Its size.", size),
    "use-http2": Key("HTTP/2 on TLS listeners.", switch, "http2", both=True),
    "http2-max-concurrent-streams": _http("Streams of one connection.", number(1), "http2_max_concurrent_streams {}"),
    "hsts": Key("Send Strict-Transport-Security on HTTPS.", switch),
    "hsts-max-age": Key("Its seconds.", number(0, 2**53)),
    "hsts-include-subdomains": Key("It holds for subdomains.", switch),
    "hsts-preload": Key("It asks for preloading.", switch),
    "http-redirect-code": Key("Status of redirects to HTTPS.", redirect_code),
    # answers
    "server-tokens": Key("nginx tells its version.", switch, "server_tokens", both=True),
    "hide-headers": Key("Headers of backends that clients do not see.", _names, "proxy_hide_headers", host=True),
    "allow-backend-server-header": Key("Clients see the header Server of backends.", switch),
    "use-gzip": Key("Answers are compressed.", switch),
    "gzip-level": Key("How hard.", number(1, 9)),
    "gzip-min-length": Key("The shortest.", number(0)),
    "gzip-types": Key("Of which types, beside text/html.", _TYPES),
    "enable-brotli": _all("Answers are compressed with Brotli.", switch, "brotli"),
    "brotli-level": _all("How hard.", number(0, 11), "brotli_comp_level"),
    "brotli-min-length": _all("The shortest.", number(0, 2**30), "brotli_min_length"),
    "brotli-types": _all("Of which types, beside text/html.", types, "brotli_types"),
    "use-geoip2": _all("Variables say where clients are, by the databases of --maxmind-edition-ids.", switch, "geoip2"),
    "geoip2-autoreload-in-minutes": _all(
        "Minutes after which newer databases are looked for.", number(0, 525_600), "geoip2_autoreload"
    ),
    "gzip-disable": Key("Not for these values of User-Agent.", _regex),
    "add-headers": Key("ConfigMap with headers of all responses of these hosts, followed when it changes.", reference),
    "global-allowed-response-headers": Key("Headers that custom-headers of annotations may set.", _names),
    # backends
    "proxy-set-headers": Key("ConfigMap with headers of requests to backends, followed when it changes.", reference),
    "upstream-keepalive-connections": Key("Idle connections of a worker.", number(0, 65535), "keepalive", host=True),
    "upstream-keepalive-requests": _host("Requests on one connection.", number(1), "upstream_keepalive_requests"),
    "upstream-keepalive-time": _host("Longest life of a connection.", _time, "upstream_keepalive_time"),
    "upstream-keepalive-timeout": _host("Seconds without a request.", seconds, "upstream_keepalive_timeout"),
    "grpc-buffer-size-kb": _http("Kilobytes for gRPC responses.", _automatic(number(1, 4096)), "grpc_buffer_size {}k"),
    "proxy-ssl-location-only": Key("TLS to backends is that of paths, as always here.", switch),
    "retry-non-idempotent": Key("Other methods than idempotent ones are tried again, too.", switch),
    "proxy-add-original-uri-header": Key("Backends get X-Original-URI.", switch),
    "generate-request-id": Key("Backends get X-Request-ID.", switch),
    # ports of TCP and UDP
    "proxy-stream-timeout": Key("Longest time without data.", _time),
    "proxy-stream-next-upstream": Key("Another endpoint is tried if one cannot be reached.", switch),
    "proxy-stream-next-upstream-timeout": Key("For how long.", _time),
    "proxy-stream-next-upstream-tries": Key("How many.", number()),
    "proxy-stream-responses": Key("Datagrams in answer to one.", number()),
    # logs
    "error-log-level": _all(
        "Level of the error log.",
        choice("debug", "info", "notice", "warn", "error", "crit", "alert", "emerg"),
        "error_log_level",
    ),
    "disable-access-log": _all("No access log.", switch, "access_log_off"),
    "disable-http-access-log": _all("No access log.", switch, "access_log_off"),
    "enable-syslog": Key("The access log goes to syslog-host.", switch),
    "syslog-host": Key("Where that is.", _HOST),
    "syslog-port": Key("Its port.", number(1, 65535)),
    "log-format-upstream": Key("Format of the access log.", log_format),
    "log-format-escape-json": Key("Values of variables are escaped as in JSON.", switch),
    "log-format-escape-none": Key("Values of variables are not escaped.", switch),
    "log-format-stream": _all("Format of the stream log.", log_format, "stream_log_format"),
    # traces
    "enable-opentelemetry": _all("Requests are traced, if nginx has ngx_otel_module.", switch, "otel_trace_in_http"),
    "otlp-collector-host": Key("Collector of traces (OTLP over gRPC).", _HOST),
    "otlp-collector-port": Key("Its port.", number(1, 65535)),
    "otel-service-name": _all(
        "Name of the service in traces.",
        matching(r"(?!.*\.\.)[A-Za-z0-9_.:/@\-]{1,255}", "a name of letters, digits and _ . : / @ -"),
        "otel_service_name",
    ),
    "opentelemetry-operation-name": _all("Name of spans.", span_name, "otel_span_name"),
    "opentelemetry-trust-incoming-span": _all("Traces of clients are continued.", trusted_span, "otel_trace_context"),
    "otel-sampler": Key("Which requests: AlwaysOn, AlwaysOff or TraceIdRatioBased.", _sampler),
    "otel-sampler-ratio": Key("Their share with TraceIdRatioBased, from 0 to 1.", _share),
    "otel-sampler-parent-based": Key("A request with a trace is sampled as that says.", switch),
    "otel-schedule-delay-millis": _all("Milliseconds between two exports.", _milliseconds, "otel_exporter_interval"),
    "otel-max-export-batch-size": _all("Most spans in one export.", number(1), "otel_exporter_batch_size"),
    # raw directives
    "main-snippet": _all("Lines of the main context.", snippet, "main_snippets"),
    "http-snippet": _all("Lines of http.", snippet, "http_snippets"),
    "stream-snippet": _all("Lines of stream.", snippet, "stream_snippets"),
    "server-snippet": Key("Lines of every server.", snippet, "server_snippets", host=True),
    "location-snippet": Key("Lines of every location.", snippet, "location_snippets", host=True),
    # what annotations may say
    "allow-snippet-annotations": Key("Annotations with raw directives count.", switch),
    "annotations-risk-level": Key("The highest risk of annotations that is accepted.", _risk),
    "annotation-value-word-blocklist": Key("Words that no annotation may have.", _words),
    # authentication of all hosts
    "global-auth-url": Key("Service that decides about requests, without auth-url.", _words, guards=True),
}  # fmt: skip
"""Keys of which the meaning is written down here, or in ``config_map``."""

AS_ANNOTATIONS = (
    "client-body-buffer-size", "custom-http-errors", "denylist-source-range", "disable-proxy-intercept-errors",
    "force-ssl-redirect", "limit-rate", "limit-rate-after", "load-balance", "preserve-trailing-slash",
    "proxy-body-size", "proxy-buffer-size", "proxy-buffering", "proxy-buffers-number", "proxy-busy-buffers-size",
    "proxy-connect-timeout", "proxy-cookie-domain", "proxy-cookie-path", "proxy-http-version",
    "proxy-max-temp-file-size", "proxy-next-upstream", "proxy-next-upstream-timeout", "proxy-next-upstream-tries",
    "proxy-read-timeout", "proxy-redirect-from", "proxy-redirect-to", "proxy-request-buffering", "proxy-send-timeout",
    "service-upstream", "ssl-redirect", "use-port-in-redirects", "whitelist-source-range",
)  # fmt: skip
"""Keys that are the default of the annotation of the same name, where that has an effect."""
UNTOLD: Mapping[str, str] = {
    "global-auth-always-set-cookie": "false", "global-auth-cache-duration": "200 202 401 5m", "limit-rate": "0",
    "limit-rate-after": "0", "preserve-trailing-slash": "false", "proxy-buffers-number": "4",
    "proxy-cookie-domain": "off", "proxy-cookie-path": "off", "proxy-http-version": "1.1",
    "proxy-request-buffering": "on", "use-port-in-redirects": "false", "load-balance": "round_robin",
}  # fmt: skip
"""The defaults of keys that have no effect yet, which ask for nothing."""
GLOBAL_AUTH: Mapping[str, str] = {
    "global-auth-url": "auth-url",
    "global-auth-signin": "auth-signin",
    "global-auth-signin-redirect-param": "auth-signin-redirect-param",
    "global-auth-response-headers": "auth-response-headers",
    "global-auth-method": "auth-method",
    "global-auth-request-redirect": "auth-request-redirect",
    "global-auth-cache-key": "auth-cache-key",
    "global-auth-cache-duration": "auth-cache-duration",
    "global-auth-always-set-cookie": "auth-always-set-cookie",
    "global-auth-snippet": "auth-snippet",
}
"""Keys that are the default of the annotations about auth-url, of Ingresses without one of their own."""
