"""The flags of ``headgate run``: the frozen Options, made once from flags and environment and passed down.

Names, defaults and forms are those of the F5 NGINX Ingress Controller, so that its manifests work unchanged; flags of
Headgate's own are printed with two dashes. ``headgate.declined_flags`` has the incumbent's flags that
are not supported.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, TypeVar

import msgspec

from headgate import flags
from headgate.declined_flags import DECLINED
from headgate.flags import Flag, Value
from headgate.networks import as_compared
from headgate.problems import Problem

DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
"""RFC 1123 label: what a namespace is called."""
_PART = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")

_QUALIFIED = r"([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-\w.]{0,61}[A-Za-z0-9])?"
_LABEL_VALUE = r"([A-Za-z0-9]([-\w.]{0,61}[A-Za-z0-9])?)?"
_SELECTOR_TERM = re.compile(
    rf"\s*(?:!\s*{_QUALIFIED}|{_QUALIFIED}"
    rf"(?:\s*(?:=|==|!=)\s*{_LABEL_VALUE}|\s+(?:in|notin)\s*\(\s*{_LABEL_VALUE}(?:\s*,\s*{_LABEL_VALUE})*\s*\)"
    r"|\s*[<>]\s*\d+)?)\s*",
    re.ASCII,
)
_MEMORY = re.compile(r"([0-9]{1,7})([km])")
_LEAST_MEMORY_KIB, _MOST_MEMORY_KIB = 1 << 10, 4 << 20
_HEALTH_URI = re.compile(r"/[^\s{};\"'\\]+")


class NamespacedName(msgspec.Struct, frozen=True, order=True):
    """``namespace/name`` of one object."""

    namespace: str
    name: str

    def __str__(self) -> str:
        """As the flag spells it."""
        return f"{self.namespace}/{self.name}"


class LogLevel(enum.Enum):
    """The levels of the log; each includes those above it."""

    FATAL = "fatal"
    ERROR = "error"
    WARN = "warn"
    INFO = "info"
    DEBUG = "debug"
    TRACE = "trace"


class DataPlane(enum.Enum):
    """How nginx learns of the servers of upstreams."""

    AUTO = "auto"
    LIVE = "live"
    FILES = "files"


class IngressDialect(enum.Enum):
    """Whose annotations Ingresses have."""

    AUTO = "auto"
    NGINX_ORG = "nginx.org"
    INGRESS_NGINX = "ingress-nginx"


class LogFormat(enum.Enum):
    """The formats of log lines; ``-unix`` and ``-unix-ms`` have the time in seconds or milliseconds since 1970."""

    GLOG = "glog"
    TEXT = "text"
    JSON = "json"
    TEXT_UNIX = "text-unix"
    TEXT_UNIX_MS = "text-unix-ms"
    JSON_UNIX = "json-unix"
    JSON_UNIX_MS = "json-unix-ms"


def is_dns_subdomain(text: str) -> bool:
    """Whether *text* may name a Kubernetes object: a DNS-1123 subdomain, whose labels may be longer than 63."""
    return len(text) <= 253 and all(_PART.fullmatch(label) for label in text.split("."))  # noqa: PLR2004 DNS-1123


def _name(text: str) -> str:
    if not is_dns_subdomain(text):
        raise ValueError("is not a name; write lower case letters, digits, - and . (RFC 1123), for example nginx")
    return text


def _optional_name(text: str) -> str:
    return _name(text) if text else ""


def _names(text: str) -> tuple[str, ...]:
    return tuple(_name(item.strip()) for item in text.split(",")) if text.strip() else ()


def _namespaced(text: str) -> NamespacedName | None:
    if not text:
        return None
    namespace, slash, name = text.partition("/")
    if not (slash and DNS_LABEL.fullmatch(namespace) and is_dns_subdomain(name)):
        raise ValueError("is not NAMESPACE/NAME, for example nginx-ingress/default-server-secret")
    return NamespacedName(namespace, name)


def _cidrs(text: str) -> tuple[str, ...]:
    found = []
    for item in map(str.strip, text.split(",")):
        try:
            found.append(as_compared(item))
        except ValueError:
            raise ValueError(f"has the entry {item!r}, which is neither an IP address nor a CIDR") from None
    return tuple(found)


def _memory(text: str) -> str:
    found = _MEMORY.fullmatch(text.strip().lower())
    if not found or not _LEAST_MEMORY_KIB <= int(found[1]) * (1024 if found[2] == "m" else 1) <= _MOST_MEMORY_KIB:
        raise ValueError("is not a size from 1m to 4096m, for example 128m")
    return found[0]


def _selector(text: str) -> str:
    terms = re.split(r",(?![^()]*\))", text) if text else []
    for term in terms:
        if not _SELECTOR_TERM.fullmatch(term):
            raise ValueError(f"has the term {term!r}, which is not a label selector; write for example team=web")
    return text.strip()


def _health_uri(text: str) -> str:
    if not _HEALTH_URI.fullmatch(text):
        raise ValueError("is not a path below /; write for example /nginx-health, without spaces, quotes, {, } or ;")
    return text


Bool = Annotated[bool, Value("", flags.boolean)]
ListenerPort = Annotated[int, Value("PORT", flags.Integer(1, 65535))]
# The incumbent documents 1024 as the lowest port but accepts 1023, which existing manifests may use.
ServicePort = Annotated[int, Value("PORT", flags.Integer(1023, 65535))]
Milliseconds = Annotated[int, Value("MILLISECONDS", flags.Integer(1, 86_400_000))]
MillisecondsOrNone = Annotated[int, Value("MILLISECONDS", flags.Integer(0, 60_000))]
Seconds = Annotated[int, Value("SECONDS", flags.Integer(0, 86_400))]
Name = Annotated[str, Value("NAME", _name)]
OptionalName = Annotated[str, Value("NAME", _optional_name)]
Names = Annotated[tuple[str, ...], Value("NAME,…", _names)]
Namespaced = Annotated[NamespacedName | None, Value("NAMESPACE/NAME", _namespaced)]
OptionalPath = Annotated[Path | None, Value("PATH", flags.path)]
Text = Annotated[str, Value("TEXT", str)]

RUN, WATCH, NGINX, TLS = "Where it runs", "What it watches", "NGINX", "TLS and Secrets"
STATUS, OBSERVE, PROGRAM = "Status and leadership", "Metrics, readiness and logs", "The program"


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """All flags; a field is the flag of its name with ``-`` for ``_``.

    Attributes:
        pod_namespace: from ``POD_NAMESPACE``: the namespace of the Lease and of the Service of ``-external-service``.
        pod_name: from ``POD_NAME``: the candidate for leadership and the Pod that events are about; empty outside
            a cluster.
        warnings: about flags that were accepted but have no effect.
        address: the IP addresses that nginx listens on; empty means all. Only ``headgate proxy`` has the flag.
        log_format_given: whether ``-log-format`` stands on the command line.
        live_routes_given: whether ``-live-routes`` does.
    """

    declined: ClassVar[Mapping[str, str]]
    """Flag of the incumbent that Headgate does not have → the reason."""

    pod_namespace: str = "default"
    pod_name: str = ""
    warnings: tuple[Problem, ...] = ()
    address: tuple[str, ...] = ()
    log_format_given: bool = False
    live_routes_given: bool = False

    manifests: Annotated[
        OptionalPath,
        Flag(
            RUN,
            "Folder of YAML or JSON manifests to serve instead of a cluster; changes are followed.",
            "examples/cafe",
            native=True,
            letter="m",
        ),
    ] = None
    prefix: Annotated[
        OptionalPath,
        Flag(
            RUN,
            "Directory of nginx's configuration, sockets and temporary files; empty means the default.",
            "/var/lib/headgate",
            native=True,
        ),
    ] = None
    nginx: Annotated[
        OptionalPath,
        Flag(
            RUN, "The nginx binary; empty means nginx on PATH, else the embedded one.", "/usr/sbin/nginx", native=True
        ),
    ] = None
    data_plane: Annotated[
        Annotated[DataPlane, Value("PLANE", flags.EnumValue(DataPlane))],
        Flag(
            RUN,
            "How nginx learns of endpoints: live (without a reload; needs its Lua module), files, or auto (live if "
            "possible).",
            "files",
            native=True,
        ),
    ] = DataPlane.AUTO
    live_routes: Annotated[
        Bool,
        Flag(
            RUN,
            "Push hosts and routes of Ingresses and VirtualServers with plain settings to nginx as well, instead of "
            "server blocks, where the live data plane serves.",
            native=True,
        ),
    ] = True
    live_streams: Annotated[
        Bool,
        Flag(
            RUN,
            "Push endpoints of TransportServers to nginx as well, without a reload, where the live data plane serves "
            "and nginx has njs; each open session then takes more memory.",
            "false",
            native=True,
        ),
    ] = True
    control_writes: Annotated[
        Bool,
        Flag(
            RUN,
            "Let headgate drain and headgate set-log-level change this controller over its control socket, which only "
            "its user may open.",
            native=True,
        ),
    ] = False
    live_memory: Annotated[
        Annotated[str, Value("SIZE", _memory)],
        Flag(
            RUN,
            "Memory of nginx's workers for the servers of upstreams with the live data plane; 64m is enough for "
            "200,000 upstreams of two endpoints.",
            "128m",
            native=True,
        ),
    ] = "64m"
    kubeconfig: Annotated[
        OptionalPath,
        Flag(
            RUN,
            "Kubeconfig file; empty means $KUBECONFIG, else the Pod's account, else ~/.kube/config.",
            "~/.kube/config",
            native=True,
        ),
    ] = None
    context: Annotated[
        Text, Flag(RUN, "Context of the kubeconfig; empty means its current one.", "kind-dev", native=True)
    ] = ""
    read_only: Annotated[
        Bool,
        Flag(RUN, "Write nothing to the cluster: no Lease, no events, no statuses of Ingresses.", native=True),
    ] = False

    watch_namespace: Annotated[Names, Flag(WATCH, "Namespaces to watch; empty means all.", "shop,blog")] = ()
    watch_secret_namespace: Annotated[
        Names, Flag(WATCH, "Namespaces whose Secrets are read; empty means those of -watch-namespace.", "shop")
    ] = ()
    watch_namespace_label: Annotated[
        Annotated[str, Value("SELECTOR", _selector)],
        Flag(WATCH, "Label selector of the namespaces to watch, followed as labels change.", "team=web"),
    ] = ""
    ingress_class: Annotated[Name, Flag(WATCH, "Name of the IngressClass that is served.", "nginx")] = "nginx"
    controller_class: Annotated[
        Text,
        Flag(
            WATCH,
            "Serve every IngressClass with this spec.controller, in the dialect of ingress-nginx; empty means the one "
            "called -ingress-class alone.",
            "k8s.io/ingress-nginx",
            native=True,
        ),
    ] = ""
    ingress_dialect: Annotated[
        Annotated[IngressDialect, Value("DIALECT", flags.EnumValue(IngressDialect))],
        Flag(
            WATCH,
            "Whose annotations Ingresses have: nginx.org (F5 NGINX Ingress Controller) or ingress-nginx (the "
            "community's); auto goes by the spec.controller of their IngressClass.",
            "ingress-nginx",
            native=True,
        ),
    ] = IngressDialect.AUTO
    enable_custom_resources: Annotated[
        Bool, Flag(WATCH, "Serve VirtualServers and the other kinds of k8s.nginx.org too, where they are defined.")
    ] = True
    enable_cert_manager: Annotated[
        Bool, Flag(WATCH, "Make the Certificates of cert-manager that VirtualServers ask for (tls.cert-manager).")
    ] = False
    enable_external_dns: Annotated[
        Bool, Flag(WATCH, "Make the DNSEndpoints for ExternalDNS that VirtualServers ask for (externalDNS).")
    ] = False
    nginx_configmaps: Annotated[
        Namespaced, Flag(WATCH, "ConfigMap with settings for all of nginx.", "nginx-ingress/nginx-config")
    ] = None
    allow_empty_ingress_host: Annotated[
        Bool, Flag(WATCH, "Accept rules without a host; they serve what no other host matches.")
    ] = False
    global_configuration: Annotated[
        Namespaced,
        Flag(
            WATCH,
            "GlobalConfiguration with further listeners; in a folder, empty means the only one there.",
            "nginx-ingress/nginx-configuration",
        ),
    ] = None
    enable_snippets: Annotated[Bool, Flag(WATCH, "Let Ingresses add raw nginx directives.")] = False

    default_http_listener_port: Annotated[ListenerPort, Flag(NGINX, "Port for HTTP.", "8000")] = 80
    default_https_listener_port: Annotated[ListenerPort, Flag(NGINX, "Port for HTTPS.", "8443")] = 443
    enable_tls_passthrough: Annotated[
        Bool, Flag(NGINX, "Pass TLS connections to -tls-passthrough-port on by their server name (TransportServer).")
    ] = False
    tls_passthrough_port: Annotated[
        ListenerPort, Flag(NGINX, "Port of TLS passthrough, and then of HTTPS, too.", "8443")
    ] = 443
    disable_ipv6: Annotated[Bool, Flag(NGINX, "Listen on IPv4 only.")] = False
    health_status: Annotated[Bool, Flag(NGINX, "Answer 200 at -health-status-uri for hosts that no Ingress names.")] = (
        False
    )
    health_status_uri: Annotated[
        Annotated[str, Value("PATH", _health_uri)], Flag(NGINX, "Path of -health-status.", "/healthz")
    ] = "/nginx-health"
    nginx_status: Annotated[Bool, Flag(NGINX, "Serve stub_status on -nginx-status-port.")] = True
    nginx_status_port: Annotated[ServicePort, Flag(NGINX, "Port of stub_status.", "8080")] = 8080
    nginx_status_allow_cidrs: Annotated[
        Annotated[tuple[str, ...], Value("CIDR,…", _cidrs)],
        Flag(NGINX, "Addresses and networks that may read stub_status.", "127.0.0.1,10.0.0.0/8"),
    ] = ("127.0.0.1", "::1")
    nginx_debug: Annotated[Bool, Flag(NGINX, "Run the nginx-debug binary.")] = False
    nginx_reload_timeout: Annotated[
        Milliseconds, Flag(NGINX, "Timeout of a start or reload: until nginx serves the new configuration.", "30000")
    ] = 60_000
    reload_spacing: Annotated[
        MillisecondsOrNone,
        Flag(NGINX, "Minimum interval between two reloads; changes in between share one.", "1000", native=True),
    ] = 200
    shutdown_grace_period: Annotated[
        Seconds,
        Flag(
            NGINX,
            "How long new connections are served after SIGTERM, until load balancers have noticed it; "
            "in a cluster only, and a second signal ends it.",
            "10",
            native=True,
        ),
    ] = 5
    drain_timeout: Annotated[
        Seconds,
        Flag(
            NGINX,
            "Longest wait for requests in flight at shutdown, counted from SIGTERM, --shutdown-grace-period included.",
            "10",
            native=True,
        ),
    ] = 25
    enable_config_safety: Annotated[
        Bool, Flag(NGINX, "Not ready while every resource is refused; testing and fallback are always on.")
    ] = False
    enable_directive_autoadjust: Annotated[
        Bool, Flag(NGINX, "Correct proxy buffer sizes that contradict each other.")
    ] = False
    main_template_path: Annotated[
        OptionalPath, Flag(NGINX, "Jinja template for nginx.conf; empty means the built-in one.", "/templates/main.j2")
    ] = None
    ingress_template_path: Annotated[
        OptionalPath,
        Flag(NGINX, "Jinja template for an Ingress; empty means the built-in one.", "/templates/ingress.j2"),
    ] = None
    virtualserver_template_path: Annotated[
        OptionalPath,
        Flag(NGINX, "Jinja template for a VirtualServer; empty means the built-in one.", "/templates/server.j2"),
    ] = None
    transportserver_template_path: Annotated[
        OptionalPath,
        Flag(NGINX, "Jinja template for a TransportServer; empty means the built-in one.", "/templates/stream.j2"),
    ] = None

    default_server_tls_secret: Annotated[
        Namespaced,
        Flag(
            TLS,
            "Certificate for hosts that no Ingress names; empty rejects their handshake.",
            "nginx-ingress/default-tls",
        ),
    ] = None
    wildcard_tls_secret: Annotated[
        Namespaced, Flag(TLS, "Certificate for TLS hosts without a Secret of their own.", "nginx-ingress/wildcard-tls")
    ] = None
    ssl_dynamic_reload: Annotated[Bool, Flag(TLS, "Use a renewed certificate without a reload.")] = True

    external_service: Annotated[
        OptionalName,
        Flag(
            STATUS, "Service in the controller's namespace whose addresses are written to Ingresses.", "nginx-ingress"
        ),
    ] = ""
    report_ingress_status: Annotated[Bool, Flag(STATUS, "Write addresses to the status of Ingresses.")] = False
    enable_leader_election: Annotated[Bool, Flag(STATUS, "Let only one replica write statuses.")] = True
    leader_election_lock_name: Annotated[
        Name, Flag(STATUS, "Name of the Lease that replicas compete for.", "nginx-ingress-leader-election")
    ] = "nginx-ingress-leader-election"

    enable_prometheus_metrics: Annotated[
        Bool, Flag(OBSERVE, "Serve metrics at /metrics of -prometheus-metrics-listen-port.")
    ] = False
    prometheus_metrics_listen_port: Annotated[ServicePort, Flag(OBSERVE, "Port of the metrics.", "9113")] = 9113
    prometheus_tls_secret: Annotated[
        Namespaced, Flag(OBSERVE, "Certificate for the metrics; empty means plain HTTP.", "nginx-ingress/metrics-tls")
    ] = None
    prometheus_basic_auth_secret: Annotated[
        Namespaced,
        Flag(
            OBSERVE,
            "Secret (kubernetes.io/basic-auth) that the metrics require; empty means none.",
            "nginx-ingress/metrics-login",
            native=True,
        ),
    ] = None
    enable_latency_metrics: Annotated[
        Bool, Flag(OBSERVE, "Measure upstream servers, and count requests by host and Service, and sessions.")
    ] = False
    ready_status: Annotated[Bool, Flag(OBSERVE, "Serve /nginx-ready on -ready-status-port.")] = True
    ready_status_port: Annotated[ServicePort, Flag(OBSERVE, "Port of readiness and liveness.", "8081")] = 8081
    log_format: Annotated[
        Annotated[LogFormat, Value("FORMAT", flags.EnumValue(LogFormat), lenient=True)],
        Flag(
            OBSERVE,
            "One of " + ", ".join(item.value for item in LogFormat) + "; a terminal gets a shorter form.",
            "json",
        ),
    ] = LogFormat.GLOG
    log_level: Annotated[
        Annotated[LogLevel, Value("LEVEL", flags.EnumValue(LogLevel, {"warning": "warn"}), lenient=True)],
        Flag(OBSERVE, "One of " + ", ".join(item.value for item in LogLevel) + ".", "debug"),
    ] = LogLevel.INFO

    version: Annotated[Bool, Flag(PROGRAM, "Print version and commit, then end.")] = False
    help: Annotated[Bool, Flag(PROGRAM, "Print this text, then end.", native=True, letter="h")] = False

    @property
    def secret_namespaces(self) -> tuple[str, ...]:
        """The namespaces whose Secrets are read; empty means all."""
        return self.watch_secret_namespace or self.watch_namespace


Options.declined = MappingProxyType({name: flag.reason for name, flag in DECLINED.items()})

DECLARED: Mapping[str, flags.Declaration] = flags.declarations(Options)
"""The flags that are supported, by name."""

NO_START = "Headgate does not start"

OptionsT = TypeVar("OptionsT", bound=Options)


def parse(argv: Sequence[str], environ: Mapping[str, str]) -> Options | tuple[Problem, ...]:
    """Read the arguments of ``headgate run``, and ``POD_NAMESPACE`` and ``POD_NAME`` from *environ*.

    Returns:
        The Options, or every Problem that stops the start. ``--help`` and ``-version`` win over all mistakes.
    """
    return completed(Options, flags.read(argv, flags.Syntax("headgate run", Options, DECLINED, NO_START)), environ)


def completed(
    kind: type[OptionsT], reading: flags.Reading, environ: Mapping[str, str]
) -> OptionsT | tuple[Problem, ...]:
    """Make Options, or a *kind* with further flags, of what was read and of *environ*; see ``parse``."""
    options = kind(
        **reading.fields,
        pod_namespace=environ.get("POD_NAMESPACE") or "default",
        pod_name=environ.get("POD_NAME", ""),
        log_format_given="log_format" in reading.fields,
        live_routes_given="live_routes" in reading.fields,
    )
    problems = (*reading.problems, *_contradictions(options))
    warnings = (*reading.warnings, *_not_written(options, reading.fields))
    return problems or _settled(options, warnings)


def _contradictions(options: Options) -> Iterator[Problem]:
    """Yield a Problem for each pair of flags that contradict each other."""
    if options.watch_namespace and options.watch_namespace_label:
        yield flags.problem(
            "-watch-namespace-label",
            options.watch_namespace_label,
            "contradicts -watch-namespace; name the namespaces or select them by label, not both",
        )
    if options.manifests and (options.kubeconfig or options.context):
        other = "--kubeconfig" if options.kubeconfig else "--context"
        yield flags.problem(
            "--manifests", str(options.manifests), f"contradicts {other}; choose the folder or the cluster"
        )
    if options.live_routes and options.live_routes_given and options.data_plane is DataPlane.FILES:
        yield flags.problem("-live-routes", "true", "contradicts -data-plane=files; remove one of them")
    if not options.enable_custom_resources:
        for field in ("enable_cert_manager", "enable_external_dns"):
            if getattr(options, field):
                flag = f"-{field.replace('_', '-')}"
                yield flags.problem(flag, "true", "needs -enable-custom-resources, which is off; remove one of them")
    yield from _port_clashes(options)


def listeners(options: Options) -> Mapping[str, int]:
    """Return the ports on which nginx and Headgate itself listen, by flag."""
    found = {
        "-default-http-listener-port": options.default_http_listener_port,
    }
    if options.enable_tls_passthrough:
        found["-tls-passthrough-port"] = options.tls_passthrough_port
    else:
        found["-default-https-listener-port"] = options.default_https_listener_port
    if options.nginx_status:
        found["-nginx-status-port"] = options.nginx_status_port
    if options.ready_status:
        found["-ready-status-port"] = options.ready_status_port
    if options.enable_prometheus_metrics:
        found["-prometheus-metrics-listen-port"] = options.prometheus_metrics_listen_port
    return found


def _port_clashes(options: Options) -> Iterator[Problem]:
    """Yield a Problem for each port that two listeners would share."""
    owners: dict[int, str] = {}
    for flag, port in listeners(options).items():
        if port in owners:
            yield flags.problem(flag, str(port), f"is also the port of {owners[port]}; give one of them another port")
        owners.setdefault(port, flag)


_WRITING: Mapping[str, tuple[str, str]] = {
    "report_ingress_status": ("-report-ingress-status", "statuses of Ingresses are not written"),
    "enable_leader_election": ("-enable-leader-election", "no Lease is created or updated"),
    "leader_election_lock_name": ("-leader-election-lock-name", "no Lease is created or updated"),
    "external_service": ("-external-service", "its addresses are not written to Ingresses"),
    "enable_cert_manager": ("-enable-cert-manager", "no Certificates are made"),
    "enable_external_dns": ("-enable-external-dns", "no DNSEndpoints are made"),
}
"""What is only about writing: the field, its flag and what becomes of it with --read-only."""


def _not_written(options: Options, given: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield a warning for each flag that was *given* and has no effect because nothing is written."""
    for field in ("enable_cert_manager", "enable_external_dns"):
        if options.manifests and given.get(field):
            spelling, effect = _WRITING[field]
            yield flags.warning(spelling, "true", "has no effect with --manifests, which is never written to", effect)
    if options.read_only and options.manifests:
        yield flags.warning("--read-only", "true", "has no effect with --manifests, which is never written to")
    elif options.read_only:
        for field, (spelling, effect) in _WRITING.items():
            if given.get(field):
                value = flags.printed(given[field])
                yield flags.warning(spelling, value, "has no effect with --read-only; remove one of them", effect)


def _settled(options: OptionsT, warnings: tuple[Problem, ...]) -> OptionsT:
    """Attach *warnings* and switch off what has no effect without another flag, or because of one."""
    if options.read_only:
        options = msgspec.structs.replace(options, report_ingress_status=False, enable_leader_election=False)
    if options.enable_latency_metrics and not options.enable_prometheus_metrics:
        alone = flags.warning(
            "-enable-latency-metrics",
            "true",
            "needs -enable-prometheus-metrics, which is off",
            "upstream latency is not measured",
        )
        return msgspec.structs.replace(options, enable_latency_metrics=False, warnings=(*warnings, alone))
    return msgspec.structs.replace(options, warnings=warnings)


def flags_help() -> str:
    """Return the flags for ``headgate run --help``: under headings, one line each, with default and example."""
    return flags.help_text(DECLARED.values())


def flags_markdown() -> str:
    """Return the reference page of all flags, those that are not supported included."""
    return flags.markdown(DECLARED.values(), DECLINED)
