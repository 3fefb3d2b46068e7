"""The ConfigMap of ingress-nginx becomes settings of all of nginx, of the hosts of this dialect, and annotations."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import msgspec

from headgate.problems import ObjectRef, Problem
from headgate.settings.community.absent_keys import ABSENT_KEYS, CLOSING_KEYS
from headgate.settings.community.annotations import GUARDS
from headgate.settings.community.defaults import HSTS_MAX_AGE
from headgate.settings.community.keys import AS_ANNOTATIONS, GLOBAL_AUTH, KEYS, UNTOLD, Key
from headgate.settings.community.log_variables import replaced_variables
from headgate.settings.community.reading import FIELDS, OFF, CommunityRules
from headgate.settings.community.references import ConfigMaps, referred, request_headers, response_headers
from headgate.settings.community.shared import SHARED
from headgate.settings.overrides import Overrides
from headgate.settings.parsers import Unfit, guess
from headgate.settings.proxy import CONDITIONS
from headgate.settings.registry import Setting
from headgate.settings.values import Duration, Header, HeaderName, Quoted, Snippet, Words
from headgate.settings.variables import read_by

EVERYBODY: Final = ("0.0.0.0/0",)
GZIP_TYPES: Final = (
    "application/atom+xml application/javascript application/x-javascript application/json application/rss+xml"
    " application/vnd.ms-fontobject application/x-font-ttf application/x-web-app-manifest+json application/xhtml+xml"
    " application/xml font/opentype image/svg+xml image/x-icon text/css text/javascript text/plain text/x-component"
)
LOG_FORMAT: Final = (
    '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent"'
    " $request_length $request_time [$proxy_upstream_name] [$proxy_alternative_upstream_name] $upstream_addr"
    " $upstream_response_length $upstream_response_time $upstream_status $req_id"
)
"""The format of the access log of ingress-nginx."""
STREAM_FORMAT: Final = "[$remote_addr] [$time_local] $protocol $status $bytes_sent $bytes_received $session_time"
CIPHERS: Final = (
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
    "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:"
    "DHE-RSA-AES256-GCM-SHA384:DHE-RSA-AES128-GCM-SHA256"
)
FORWARDED_LINES: Final = (
    'map $http_x_forwarded_proto $ingress_forwarded_proto { default $http_x_forwarded_proto; "" $scheme; }',
    (
        'map "$http_x_forwarded_port:$server_port" $ingress_forwarded_port {'
        ' default $http_x_forwarded_port; "~^:(.+)$" $1; ":" 443; }'
    ),
    'map $http_x_forwarded_host $ingress_forwarded_host { default $http_host; "~^([^ ,]+)" $1; }',
)
"""The variables of what a proxy in front says of its request, or else of what the connection is; of hosts the first.

A connection without a port is one of HTTPS, over a Unix socket (TLS passthrough).
"""
FORWARDED_HEADERS: Final[Mapping[str, str]] = {
    "Host": "$ingress_forwarded_host",
    "X-Forwarded-Host": "$ingress_forwarded_host",
    "X-Forwarded-Port": "$ingress_forwarded_port",
    "X-Forwarded-Proto": "$ingress_forwarded_proto",
    "X-Forwarded-Scheme": "$ingress_forwarded_proto",
    "X-Scheme": "$ingress_forwarded_proto",
}
FULL: Final = "ingress_full_forwarded_for"
"""The variable of all addresses: those that a proxy in front says, and its own."""
STREAMS: Final = {
    "proxy-stream-timeout": "timeout",
    "proxy-stream-next-upstream": "next_upstream",
    "proxy-stream-next-upstream-timeout": "next_upstream_timeout",
    "proxy-stream-next-upstream-tries": "next_upstream_tries",
    "proxy-stream-responses": "responses",
}
"""The fields of ``Session`` that keys about TCP and UDP are."""
NO_EFFECT: Final = "it has no effect"
ELSEWHERE: Final = "for all of nginx, about which the ConfigMap of -nginx-configmaps decides"
SHUT: Final = "Ingresses of this dialect are refused, not served unguarded"

WHOLE_DEFAULTS: Final[Mapping[str, Any]] = {
    "worker_connections": 16_384,
    "worker_shutdown_timeout": Duration("240s"),
    "ssl_ciphers": Quoted(CIPHERS),
    "ssl_prefer_server_ciphers": True,
    "http2": True,
    "server_tokens": False,
    "log_format": (Quoted(replaced_variables(LOG_FORMAT)[0]),),
    "stream_log_format": (Quoted(STREAM_FORMAT),),
}
"""What holds in ingress-nginx for all of nginx without a key, where it is otherwise here."""
_ROUTED: Final[Mapping[str, Any]] = {
    "log_format": (Quoted(replaced_variables(LOG_FORMAT.replace("$proxy_upstream_name", "-"))[0]),)
}


class Strict(msgspec.Struct, frozen=True):
    """The header Strict-Transport-Security of hosts of this dialect."""

    max_age: int = HSTS_MAX_AGE
    include_subdomains: bool = True
    preload: bool = False


class CommunityHosts(msgspec.Struct, frozen=True):
    """What the ConfigMap says of the hosts of this dialect.

    Attributes:
        origin: the ConfigMap, ``None`` without one.
        overrides: settings below those of annotations.
        hsts: ``None`` to send no such header.
        redirect_code: the status of redirects to HTTPS.
        forwarded: whether these go by what a proxy in front says.
        told: headers of requests to backends, beside the usual ones.
        set_headers: those of the ConfigMap of proxy-set-headers, in place of others of the same name.
        allowed_headers: the response headers that annotations may set, in lower case.
        limit_key: by what requests and connections are counted.
        plain_paths: beginnings of paths that are not redirected to HTTPS.
        denied: networks that are refused whatever annotations say.
        limit_status: the status of requests above a limit; *connection_status* that of connections.
        streams: how connections of ports of TCP and UDP are made: a field of ``Session`` to its value.
    """

    origin: ObjectRef | None = None
    overrides: Overrides = Overrides(dialect=None)
    hsts: Strict | None = Strict()
    redirect_code: int = 308
    forwarded: bool = False
    told: Mapping[str, str] = {}
    set_headers: tuple[Header, ...] = ()
    allowed_headers: frozenset[str] = frozenset()
    limit_key: str = "$binary_remote_addr"
    plain_paths: tuple[str, ...] = ("/.well-known/acme-challenge",)
    denied: tuple[str, ...] = ()
    limit_status: int = 503
    streams: Mapping[str, Any] = {}
    connection_status: int = 503


class CommunityConfig(msgspec.Struct, frozen=True):
    """What the ConfigMap of ingress-nginx says.

    Attributes:
        whole: the settings of all of nginx.
        hosts: what it says of the hosts of this dialect.
        rules: what it says of annotations.
        unusable: keys that keep clients out and cannot be used.
        named: namespace and name of the ConfigMaps that keys name.
    """

    whole: Overrides = Overrides(dialect=None)
    hosts: CommunityHosts = CommunityHosts()
    rules: CommunityRules = CommunityRules()
    unusable: tuple[str, ...] = ()
    named: frozenset[tuple[str, str]] = frozenset()

    @property
    def said(self) -> Overrides:
        """The settings of all of nginx that have a key."""
        keys = self.whole.keys
        return Overrides({name: self.whole.explicit[name] for name in keys}, keys, None)


def whole_defaults(*, routed: bool = False) -> Overrides:
    """Return what holds for all of nginx without a ConfigMap.

    *routed* says that hosts may have no server block: in the log of these nothing says which object answers, so that
    the usual format has ``-`` there.
    """
    return Overrides({**WHOLE_DEFAULTS, **(_ROUTED if routed else {})}, {}, None)


def _no_config_map(_namespace: str, _name: str) -> None:
    return None


def read_community_config(
    data: Mapping[str, str],
    origin: ObjectRef,
    *,
    sole: bool,
    routed: bool = False,
    others: ConfigMaps = _no_config_map,
) -> tuple[CommunityConfig, list[Problem]]:
    """Read the ConfigMap of ingress-nginx; a key that cannot be used keeps its default and never spoils the others.

    Args:
        data: its keys.
        origin: its identity.
        sole: whether it decides about all of nginx; otherwise what is not of the hosts of this dialect has no effect.
        routed: as of ``whole_defaults``.
        others: the ConfigMaps that keys name.

    Returns:
        what it says, and a Problem (event reason InvalidValue) for each key that is wrong or has no effect.
    """
    reading = _Reading(data, origin, whole_defaults(routed=routed), others, sole=sole)
    for key, text in sorted(data.items()):
        reading.take(key, text)
    return reading.config(), reading.problems


class _Reading:
    """The keys as they are read."""

    def __init__(
        self, data: Mapping[str, str], origin: ObjectRef, usual: Overrides, others: ConfigMaps, *, sole: bool
    ) -> None:
        self.problems: list[Problem] = []
        self._data = data
        self._usual = usual
        self._origin = origin
        self._sole = sole
        self._others = others
        self._set_headers: tuple[Header, ...] = ()
        self._values: dict[str, Any] = {}
        self._whole: dict[str, tuple[Any, str]] = {}
        self._hosts: dict[str, tuple[Any, str]] = {}
        self._own: dict[str, Any] = {}
        self._auth: dict[str, Any] = {}
        self._lines: list[str] = []
        self._unusable: list[str] = []
        self._closing: list[str] = []

    def take(self, key: str, text: str) -> None:
        """Read one key."""
        if not text.strip():
            return
        if key in KEYS and key not in GLOBAL_AUTH:
            self._take_key(key, KEYS[key], text)
        elif (name := GLOBAL_AUTH.get(key)) and name in FIELDS:
            self._take_annotation(key, name, FIELDS[name], text, self._auth)
        elif key in AS_ANNOTATIONS and key in SHARED:
            if (value := self._parsed(key, SHARED[key].parse, text)) is not _NOTHING:
                self._hosts[SHARED[key].field] = value, key
        elif key in AS_ANNOTATIONS and key in FIELDS:
            self._take_annotation(key, key, FIELDS[key], text, self._own)
        else:
            self._take_absent(key, text)

    def config(self) -> CommunityConfig:
        """Return what was read."""
        self._combine()
        whole = Overrides(
            {**self._usual.explicit, **{field: value for field, (value, _) in self._whole.items()}},
            {field: key for field, (_, key) in self._whole.items()},
            None,
        )
        hosts = Overrides(
            {field: value for field, (value, _) in self._hosts.items()},
            {field: key for field, (_, key) in self._hosts.items()},
            None,
        )
        get = self._values.get
        strict = Strict(
            get("hsts-max-age", HSTS_MAX_AGE), get("hsts-include-subdomains", True), get("hsts-preload", False)
        )
        return CommunityConfig(
            whole,
            CommunityHosts(
                self._origin, hosts, strict if get("hsts", True) else None, get("http-redirect-code", 308),
                get("use-forwarded-headers", False), dict(self._told()), self._set_headers,
                frozenset(name.lower() for name in get("global-allowed-response-headers", ())),
                get("limit-conn-zone-variable", CommunityHosts().limit_key),
                get("no-tls-redirect-locations", CommunityHosts().plain_paths), get("block-cidrs", ()),
                get("limit-req-status-code", 503),
                {field: self._values[key] for key, field in STREAMS.items() if key in self._values},
                get("limit-conn-status-code", 503),
            ),
            CommunityRules(
                self._own, self._auth, get("allow-snippet-annotations", False), get("annotations-risk-level", "High"),
                get("annotation-value-word-blocklist", ()), self._refused(),
                frozenset(read_by(" ".join(str(get(key, "")) for key in ("http-snippet", "server-snippet")))),
            ),
            tuple(self._unusable),
            frozenset(self._named(key) for key in ("add-headers", "proxy-set-headers") if key in self._values),
        )  # fmt: skip

    def _take_key(self, key: str, known: Key, text: str) -> None:
        value = self._parsed(key, known.parse, text, guards=known.guards)
        if value is _NOTHING or value is None:
            return
        self._values[key] = value
        if known.field and (known.host or known.both):
            self._hosts[known.field] = value, key
        if known.field and not known.host and self._for_all(key, text, told=not known.both):
            self._whole[known.field] = value, key
        if known.directive and self._for_all(key, text):
            self._lines.append(f"{known.directive.format(_spelled(value))};")

    def _for_all(self, key: str, text: str, *, told: bool = True) -> bool:
        """Whether what is for all of nginx is decided here; otherwise that is *told*."""
        if not self._sole and told:
            self._report(key, text, ELSEWHERE)
        return self._sole

    def _take_annotation(self, key: str, name: str, field: Setting, text: str, into: dict[str, Any]) -> None:
        value = self._parsed(key, field.parse, text, guards=name in GUARDS)
        if value is not _NOTHING:
            into[field.name] = value

    def _take_absent(self, key: str, text: str) -> None:
        found = ABSENT_KEYS.get(key)
        if key in CLOSING_KEYS and text.strip().lower() not in OFF:
            self._closing.append(key)
            self._report(key, text, CLOSING_KEYS[key], SHUT)
        elif found and text.strip() != found.default:
            self._report(key, text, found.reason)
        elif key in AS_ANNOTATIONS or key in GLOBAL_AUTH:
            if text.strip() != UNTOLD.get(key):
                self._report(key, text, "not supported yet, as is the annotation")
        elif not found and key not in CLOSING_KEYS:
            known = (*KEYS, *AS_ANNOTATIONS, *GLOBAL_AUTH, *ABSENT_KEYS)
            self._report(key, text, f"not a key of the ConfigMap of ingress-nginx{guess(key, known)}")

    def _parsed(self, key: str, parse: Any, text: str, *, guards: bool = False) -> Any:
        try:
            return parse(text)
        except Unfit as unfit:
            if guards:
                self._unusable.append(key)
            self._report(key, text, unfit.about(text), SHUT if guards else "the default stays in force")
            return _NOTHING

    def _report(self, key: str, text: str, reason: str, effect: str = NO_EFFECT) -> None:
        self.problems.append(Problem(self._origin, key, text, f"is {reason}", effect, code="InvalidValue"))

    # --- ConfigMaps that keys name ------------------------------------------------------------------------

    def _named(self, key: str) -> tuple[str, str]:
        """Return namespace and name of the ConfigMap that *key* names."""
        found = referred(self._values[key], self._origin.namespace)
        assert found  # noqa: S101 - it was parsed
        return found

    def _combine_headers(self) -> None:
        if headers := self._headers("add-headers", response_headers):
            hidden = tuple(HeaderName(header.name) for header in headers)
            known = self._hosts.get("proxy_hide_headers", ((), ""))[0]
            self._hosts["add_header"] = headers, "add-headers"
            self._hosts["proxy_hide_headers"] = tuple(dict.fromkeys((*known, *hidden))), "add-headers"
        self._set_headers = self._headers("proxy-set-headers", request_headers)

    def _headers(self, key: str, read: Callable[[Mapping[str, str]], tuple[Header, ...]]) -> tuple[Header, ...]:
        if key not in self._values:
            return ()
        data, text = self._others(*self._named(key)), self._data[key]
        if data is None:
            self._report(key, text, "of a ConfigMap that does not exist, or that is of a namespace that is not watched")
            return ()
        try:
            return read(data)
        except Unfit as unfit:
            self._report(key, text, str(unfit))
            return ()

    # --- what follows from several keys ------------------------------------------------------------------

    def _combine(self) -> None:
        get = self._values.get
        if "ssl-ciphers" in self._values:
            self._whole["ssl_prefer_server_ciphers"] = True, "ssl-ciphers"
        if get("allow-backend-server-header"):
            self._hosts["proxy_pass_headers"] = (HeaderName("Server"),), "allow-backend-server-header"
        if get("retry-non-idempotent"):
            given = self._hosts.get("proxy_next_upstream", (("error", "timeout"), ""))[0]
            words = Words(word for word in CONDITIONS if word in {*given, "non_idempotent"})
            self._hosts["proxy_next_upstream"] = words, "retry-non-idempotent"
        if lacks_target({name: value for name, (value, _) in self._hosts.items()}):
            value, key = self._hosts.pop("proxy_redirect_from")
            self._report(key, str(value), "not valid unless proxy-redirect-to is set too")
        self._combine_logs()
        self._combine_clients()
        self._combine_tls()
        self._combine_traces()
        self._combine_gzip()
        self._combine_blocks()
        self._combine_headers()
        if self._sole and self._lines:
            text, key = self._whole.get("http_snippets", ("", "http-snippet"))
            self._whole["http_snippets"] = Snippet("\n".join((*self._lines, text)).rstrip()), key

    def _combine_logs(self) -> None:
        get = self._values.get
        key = "log-format-upstream"
        if key in self._values and self._for_all(key, self._data[key]):
            lines = tuple(replaced_variables(line) for line in self._values[key])
            self._whole["log_format"] = tuple(Quoted(text) for text, _ in lines), key
            for name in sorted({name for _, names in lines for name in names}):
                self._report(key, name, "not known of a request here", '"-" is written')
        for key, way in {"log-format-escape-json": "json", "log-format-escape-none": "none"}.items():
            if get(key) and self._for_all(key, self._data[key]):
                self._whole["log_format_escaping"] = way, key
        if get("enable-syslog") and self._for_all("enable-syslog", self._data["enable-syslog"]):
            if host := get("syslog-host"):
                target = f"syslog:server={host}:{get('syslog-port', 514)}"
                self._whole["access_log"] = Words((target, "main")), "enable-syslog"
            else:
                self._report("enable-syslog", "true", "not valid unless syslog-host is set too")

    def _combine_clients(self) -> None:
        get = self._values.get
        asked = [key for key in ("use-proxy-protocol", "use-forwarded-headers", "enable-real-ip") if get(key)]
        for key in asked if not self._sole else ():
            self._for_all(key, "true", told=key != "use-proxy-protocol")
        if not asked or not self._sole:
            return
        header = get("forwarded-for-header", "X-Forwarded-For")
        self._whole["real_ip_header"] = "proxy_protocol" if asked[0] == "use-proxy-protocol" else header, asked[0]
        self._whole["set_real_ip_from"] = get("proxy-real-ip-cidr", EVERYBODY), "proxy-real-ip-cidr"
        self._whole["real_ip_recursive"] = True, asked[0]
        if "proxy-real-ip-cidr" not in self._values and asked != ["use-proxy-protocol"]:
            reason = "not limited by proxy-real-ip-cidr, so that every client can say that it has another address"
            self._report(asked[-1], "true", reason, "it is used anyway, as in ingress-nginx")
        if get("use-forwarded-headers"):
            self._lines += FORWARDED_LINES
        if get("use-forwarded-headers") and get("compute-full-forwarded-for"):
            both = '"$http_x_forwarded_for, $realip_remote_addr"'
            self._lines.append(f'map $http_x_forwarded_for ${FULL} {{ default {both}; "" $realip_remote_addr; }}')

    def _combine_tls(self) -> None:
        get = self._values.get
        asked = next((key for key in ("ssl-session-cache", "ssl-session-cache-size") if key in self._values), "")
        if asked and get("ssl-session-cache", True) and self._for_all(asked, self._data[asked]):
            self._lines.append(f"ssl_session_cache shared:SSL:{get('ssl-session-cache-size', '10m')};")

    def _combine_traces(self) -> None:
        get, host, asked = self._values.get, "otlp-collector-host", "enable-opentelemetry"
        parts = (host, "otlp-collector-port", "otel-sampler", "otel-sampler-ratio", "otel-sampler-parent-based")
        for key in parts if not self._sole else ():
            if key in self._values:
                self._for_all(key, self._data[key])
        if not get(asked) or not self._sole:
            return
        if host in self._values:
            self._whole["otel_exporter_endpoint"] = f"http://{get(host)}:{get('otlp-collector-port', 4317)}", host
        else:
            self._report(asked, "true", f"not valid unless {host} is set too")
        sampler = get("otel-sampler", "AlwaysOn")
        if sampler != "AlwaysOn":
            percent = get("otel-sampler-ratio", "1") if sampler == "TraceIdRatioBased" else "0"
            self._whole["otel_sampled_percent"] = percent, "otel-sampler"
        self._whole["otel_parent_sampled"] = get("otel-sampler-parent-based", True), asked
        self._whole.setdefault("otel_trace_context", ("propagate", asked))

    def _combine_gzip(self) -> None:
        get = self._values.get
        if not get("use-gzip") or not self._for_all("use-gzip", "true"):
            return
        self._lines += [
            "gzip on;",
            f"gzip_comp_level {get('gzip-level', 1)};",
            "gzip_http_version 1.1;",
            f"gzip_min_length {get('gzip-min-length', 256)};",
            f"gzip_types {get('gzip-types', GZIP_TYPES)};",
            "gzip_proxied any;",
            "gzip_vary on;",
        ]
        if "gzip-disable" in self._values:
            self._lines.append(f"gzip_disable {get('gzip-disable')};")

    def _combine_blocks(self) -> None:
        """Refuse clients in the servers of this dialect, before anything else is done."""
        sources = {"block-user-agents": "$http_user_agent", "block-referers": "$http_referer"}
        lines = [
            f"if ({variable} {_condition(pattern)}) {{ return 403; }}"
            for key, variable in sources.items()
            for pattern in self._values.get(key, ())
        ]
        if lines:
            text, key = self._hosts.get("server_snippets", ("", "block-user-agents"))
            self._hosts["server_snippets"] = Snippet("\n".join((*lines, text)).rstrip()), key

    def _told(self) -> Iterator[tuple[str, str]]:
        """Yield the headers of requests that keys ask for."""
        get = self._values.get
        if get("compute-full-forwarded-for") and get("use-forwarded-headers"):
            yield "X-Forwarded-For", f"${FULL}" if self._sole else "$proxy_add_x_forwarded_for"
        if get("use-forwarded-headers"):
            yield from (FORWARDED_HEADERS if self._sole else {"X-Forwarded-Proto": "$http_x_forwarded_proto"}).items()
        if get("proxy-add-original-uri-header"):
            yield "X-Original-URI", "$request_uri"
        if get("generate-request-id") is False:
            yield "X-Request-ID", "$http_x_request_id"

    def _refused(self) -> str:
        """Return why no Ingress of this dialect is served, or ``""``."""
        closing = (f"{key} of the ConfigMap {self._origin.key} is {CLOSING_KEYS[key]}" for key in self._closing)
        unusable = (f"{key} of the ConfigMap {self._origin.key} cannot be used" for key in self._unusable)
        return next(iter((*closing, *unusable)), "")


def lacks_target(explicit: Mapping[str, Any]) -> bool:
    """Whether *explicit* says what is replaced in the header Location, and not by what."""
    return explicit.get("proxy_redirect_from", "off") not in {"off", "default"} and "proxy_redirect_to" not in explicit


_NOTHING: Final = object()


def _spelled(value: Any) -> str:
    return ("on" if value else "off") if isinstance(value, bool) else str(value)


def _condition(pattern: str) -> str:
    """Return *pattern* of a map as the condition of an ``if``: a text is compared whole, whatever its case."""
    if pattern.startswith("~"):
        operator = "~*" if pattern.startswith("~*") else "~"
        return f"{operator} {Quoted(pattern.removeprefix(operator)).spelled}"
    return f"~* {Quoted(f'^{re.escape(pattern)}$').spelled}"
