"""The flags of ingress-nginx: those that mean something here, and those that do not, each with the reason.

Most are another spelling of a flag that Headgate has. ``adapted`` says what they decide; where they are used, and no
``-nginx-configmaps`` says otherwise, what flags leave open is as in ingress-nginx.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Annotated, Any, Final

import msgspec

from headgate import flags
from headgate.flag_values import (
    Addresses,
    Bool,
    HealthPath,
    ListenerPort,
    LogLevel,
    Name,
    Namespaced,
    Rate,
    Selector,
    SocketMetrics,
    Text,
)
from headgate.flags import Declined, Flag, Value
from headgate.own_flags import OwnFlags
from headgate.problems import Problem

GROUP: Final = "Flags of ingress-nginx"
CONTROLLER: Final = "k8s.io/ingress-nginx"
"""The ``spec.controller`` of its IngressClass, and the default of its ``--controller-class``."""
_DRAIN_S: Final = 240
_SLOWEST_MS: Final = 60_000
_VERBOSE: Final = 3
_MOST_VERBOSE: Final = 5


def _flag(doc: str, example: str = "") -> Flag:
    return Flag(GROUP, doc, example, native=True)


class CommunityFlags(OwnFlags, frozen=True, kw_only=True):
    """The flags of ingress-nginx that have an effect, beside those that both controllers have.

    Attributes:
        community: whether the defaults of ingress-nginx hold where flags say nothing; follows from the flags.
    """

    community: bool = False

    configmap: Annotated[
        Namespaced,
        _flag("ConfigMap with the settings of ingress-nginx.", "ingress-nginx/ingress-nginx-controller"),
    ] = None
    tcp_services_configmap: Annotated[
        Namespaced, _flag("ConfigMap with ports for TCP: PORT to NAMESPACE/SERVICE:PORT.", "ingress-nginx/tcp-services")
    ] = None
    udp_services_configmap: Annotated[
        Namespaced, _flag("ConfigMap with ports for UDP: PORT to NAMESPACE/SERVICE:PORT.", "ingress-nginx/udp-services")
    ] = None
    publish_service: Annotated[
        Namespaced,
        _flag(
            "Service, of any namespace, whose addresses are written to Ingresses.",
            "ingress-nginx/ingress-nginx-controller",
        ),
    ] = None
    publish_status_address: Annotated[
        Addresses, _flag("Addresses and host names that are written to Ingresses.", "203.0.113.7")
    ] = ()
    update_status: Annotated[Bool, _flag("Write addresses to the status of Ingresses: -report-ingress-status.")] = True
    election_id: Annotated[Name, _flag("Name of the Lease: -leader-election-lock-name.", "ingress-nginx-leader")] = (
        "ingress-controller-leader"
    )
    disable_leader_election: Annotated[
        Bool, _flag("Elect no leader: -enable-leader-election=false; then no status of an Ingress is written.")
    ] = False
    watch_ingress_without_class: Annotated[Bool, _flag("Serve Ingresses that name no class, too.")] = False
    ingress_class_by_name: Annotated[
        Bool, _flag("Serve the class called -ingress-class whatever its spec.controller, in this dialect.")
    ] = False
    watch_namespace_selector: Annotated[
        Selector, _flag("Label selector of namespaces: -watch-namespace-label.", "team=web")
    ] = ""
    default_ssl_certificate: Annotated[
        Namespaced,
        _flag("Certificate of the default server: -default-server-tls-secret.", "ingress-nginx/default-tls"),
    ] = None
    http_port: Annotated[ListenerPort, _flag("Port for HTTP: -default-http-listener-port.", "8000")] = 80
    https_port: Annotated[ListenerPort, _flag("Port for HTTPS: -default-https-listener-port.", "8443")] = 443
    enable_ssl_passthrough: Annotated[Bool, _flag("-enable-tls-passthrough, on the port for HTTPS.")] = False
    healthz_port: Annotated[
        ListenerPort, _flag("Port of --health-check-path, and of the metrics: -ready-status-port.", "10254")
    ] = 10254
    healthz_host: Annotated[Text, _flag("Address of that port; empty means all.", "127.0.0.1")] = ""
    health_check_path: Annotated[
        HealthPath, _flag("Path of the health check, on that port and for hosts that no Ingress names.", "/healthz")
    ] = "/healthz"
    enable_metrics: Annotated[Bool, _flag("Serve metrics on that port: -enable-prometheus-metrics.")] = False
    metrics_per_host: Annotated[Bool, _flag("Whether metrics of requests have the label host.")] = True
    metrics_per_undefined_host: Annotated[
        Bool, _flag("Count requests for hosts that no Ingress has, too, as the host _.")
    ] = False
    report_status_classes: Annotated[Bool, _flag("The label status is a class of statuses, such as 2xx.")] = False
    exclude_socket_metrics: Annotated[
        SocketMetrics, _flag("Metrics of requests that are left out, separated by commas.", "request_size,bytes_sent")
    ] = ()
    disable_svc_external_name: Annotated[Bool, _flag("Send nothing to Services of type ExternalName.")] = False
    disable_catch_all: Annotated[Bool, _flag("Refuse Ingresses with spec.defaultBackend.")] = False
    sync_rate_limit: Annotated[Rate, _flag("Reloads a second at most: --reload-spacing.", "0.3")] = 0.3
    maxmind_edition_ids: Annotated[
        Text, _flag("Databases for use-geoip2: NAME.mmdb in /etc/ingress-controller/geoip.", "GeoLite2-City")
    ] = "GeoLite2-City,GeoLite2-ASN"
    v: Annotated[
        Annotated[int, Value("LEVEL", flags.Integer(0, 100))],
        _flag("How much is logged: from 3 on -log-level=debug, from 5 on trace.", "3"),
    ] = 0


_BUCKETS = "has no effect: the buckets of times are Headgate's, and sizes have none"
_NATIVE = "has no effect: there are no native histograms"
_NO_PORT = "has no effect: Headgate opens no such port"
_GEOIP = "has no effect: databases are not downloaded; mount them at /etc/ingress-controller/geoip"
_KLOG = "has no effect: the log goes to standard error; see -log-format and -log-level"
_API = "is not supported; write the address of the API server into a kubeconfig and name that by --kubeconfig"


def _idle(default: str, reason: str, *accepted: str, coming: bool = False) -> Declined:
    return Declined(default, reason, refused=False, accepted=accepted, coming=coming, dashes="--")


def _refused(default: str, reason: str, *, coming: bool = False) -> Declined:
    return Declined(default, reason, coming=coming, dashes="--")


_DECLINED: dict[str, Declined] = {
    "apiserver-host": _refused("", _API),
    "certificate-authority": _refused("", _API),
    "default-backend-service": _idle(
        "", "has no effect yet: what no Ingress serves is answered 404 by Headgate itself", coming=True
    ),
    "sync-period": _idle("0s", "has no effect: objects are watched, and listed again where a watch is interrupted"),
    "profiling": _idle("true", "is accepted; there is no profiler", "true", "false"),
    "health-check-timeout": _idle("10", "has no effect, as in ingress-nginx"),
    "election-ttl": _idle("30s", "has no effect: the Lease has Headgate's own duration"),
    "update-status-on-shutdown": _idle(
        "true", "is always so: the status of Ingresses is kept at shutdown", "true", "false"
    ),
    "report-node-internal-ip-address": _idle(
        "false", "has no effect: addresses of nodes are not published; use --publish-service"
    ),
    "annotations-prefix": _refused(
        "nginx.ingress.kubernetes.io",
        "is not supported: annotations have the prefix nginx.ingress.kubernetes.io; rename them and remove the flag",
    ),
    "enable-annotation-validation": _idle("true", "has no effect: annotations are always checked"),
    "enable-ssl-chain-completion": _idle(
        "false", "has no effect: add the intermediate certificates to the Secrets themselves"
    ),
    "time-buckets": _idle("0.005,0.01,0.025,0.05,0.1,0.25,0.5,1,2.5,5,10", _BUCKETS),
    "length-buckets": _idle("10,20,30,40,50,60,70,80,90,100", _BUCKETS),
    "size-buckets": _idle("10,100,1000,10000,100000,1000000,10000000", _BUCKETS),
    "bucket-factor": _idle("0", _NATIVE),
    "max-buckets": _idle("100", _NATIVE),
    "monitor-max-batch-size": _idle("10000", "has no effect: workers add up what they count, in place of batches"),
    "ssl-passthrough-proxy-port": _idle("442", _NO_PORT),
    "default-server-port": _idle("8181", _NO_PORT),
    "status-port": _idle("10246", _NO_PORT),
    "stream-port": _idle("10247", _NO_PORT),
    "profiler-port": _idle("10245", _NO_PORT),
    "profiler-address": _idle("127.0.0.1", _NO_PORT),
    "internal-logger-address": _idle("127.0.0.1:11514", _NO_PORT),
    "disable-full-test": _idle("false", "has no effect: the webhook does not test nginx", "true", "false"),
    "status-update-interval": _idle("60", "has no effect: a status is written when its addresses change"),
    "post-shutdown-grace-period": _idle("10", "has no effect: Headgate ends when nginx has ended"),
    "deep-inspect": _idle("true", "has no effect: every value is checked before it is written into a file"),
    "dynamic-configuration-retries": _idle("15", "has no effect: what is pushed is repeated until nginx has it"),
    "disable-sync-events": _idle("false", "has no effect: events tell what becomes of an Ingress"),
    "enable-topology-aware-routing": _idle(
        "false", "has no effect yet: endpoints of all zones are used alike", coming=True
    ),
    "maxmind-mirror": _idle("", _GEOIP, coming=True),
    "maxmind-license-key": _idle("", _GEOIP, coming=True),
    "maxmind-retries-count": _idle("1", _GEOIP, coming=True),
    "maxmind-retries-timeout": _idle("0s", _GEOIP, coming=True),
    # The flags of the library by which ingress-nginx logs.
    "add_dir_header": _idle("false", _KLOG),
    "alsologtostderr": _idle("false", _KLOG, "true", "false"),
    "log_backtrace_at": _idle(":0", _KLOG),
    "log_dir": _idle("", _KLOG),
    "log_file": _idle("", _KLOG),
    "log_file_max_size": _idle("1800", _KLOG),
    "logtostderr": _idle("true", _KLOG),
    "one_output": _idle("false", _KLOG),
    "skip_headers": _idle("false", _KLOG),
    "skip_log_headers": _idle("false", _KLOG),
    "stderrthreshold": _idle("2", _KLOG),
    "vmodule": _idle("", _KLOG),
}
COMMUNITY_DECLINED: Mapping[str, Declined] = MappingProxyType(_DECLINED)
"""The flags of ingress-nginx that are known and have no effect, or stop the start."""

SPELLINGS: Mapping[str, str] = MappingProxyType(
    {
        "update_status": "report_ingress_status",
        "election_id": "leader_election_lock_name",
        "watch_namespace_selector": "watch_namespace_label",
        "default_ssl_certificate": "default_server_tls_secret",
        "http_port": "default_http_listener_port",
        "https_port": "default_https_listener_port",
        "enable_ssl_passthrough": "enable_tls_passthrough",
        "enable_metrics": "enable_prometheus_metrics",
    }
)
"""The flags that are another spelling of one of Headgate's: their field, and that one's."""
_OF_COMMUNITY = frozenset(CommunityFlags.__struct_fields__) - {*OwnFlags.__struct_fields__, "community"}


class Adapted(msgspec.Struct, frozen=True):
    """What the flags of ingress-nginx decide: fields of the Options, and the Problems that stop the start."""

    fields: Mapping[str, Any]
    problems: tuple[Problem, ...] = ()


def adapted(given: Mapping[str, Any]) -> Adapted:
    """Return what follows from flags of ingress-nginx among those *given* (field to value)."""
    if not given.keys() & _OF_COMMUNITY:
        return Adapted({})
    found = {target: given[source] for source, target in SPELLINGS.items() if source in given}
    problems = tuple(_contradictions(given))
    found.update(_derived(given))
    community = not given.get("nginx_configmaps")
    if community:
        found = {**_defaults(given), **found, "community": True}
    return Adapted({**found, **{field: given[field] for field in found.keys() & given.keys()}}, problems)


def _derived(given: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield what follows from flags that have no counterpart of the same form."""
    if given.get("disable_leader_election"):
        yield "enable_leader_election", False
        yield "report_ingress_status", False
    if given.get("enable_ssl_passthrough"):
        yield "tls_passthrough_port", given.get("https_port", 443)
    if "sync_rate_limit" in given:
        yield "reload_spacing", min(round(1000 / given["sync_rate_limit"]), _SLOWEST_MS)
    if given.get("v", 0) >= _VERBOSE:
        yield "log_level", LogLevel.TRACE if given["v"] >= _MOST_VERBOSE else LogLevel.DEBUG
    if given.get("healthz_port"):
        yield "ready_status_port", given["healthz_port"]
        yield "prometheus_metrics_listen_port", given["healthz_port"]


def _defaults(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return what holds in ingress-nginx without flags; ports that it does not open stay closed."""
    standard = CommunityFlags()
    return {
        "controller_class": CONTROLLER,
        "leader_election_lock_name": standard.election_id,
        "report_ingress_status": standard.update_status,
        "allow_empty_ingress_host": True,
        "enable_custom_resources": False,
        "ready_status_port": standard.healthz_port,
        "prometheus_metrics_listen_port": standard.healthz_port,
        "health_status": True,
        "health_status_uri": given.get("health_check_path", standard.health_check_path),
        "nginx_status": False,
        "drain_timeout": _DRAIN_S,
        "enable_latency_metrics": bool(given.get("enable_metrics")),
    }


def _contradictions(given: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield a Problem for each flag that is given in both spellings with two values."""
    for source, target in SPELLINGS.items():
        if source in given and target in given and given[source] != given[target]:
            other = f"-{target.replace('_', '-')}={flags.printed(given[target])}"
            yield flags.problem(
                f"--{source.replace('_', '-')}",
                flags.printed(given[source]),
                f"contradicts {other}; remove one of them",
            )
    if given.get("publish_service") and given.get("publish_status_address"):
        yield flags.problem(
            "--publish-status-address",
            flags.printed(given["publish_status_address"]),
            "contradicts --publish-service; name the Service or the addresses, not both",
        )
    if given.get("publish_service") and given.get("external_service"):
        yield flags.problem(
            "--publish-service",
            flags.printed(given["publish_service"]),
            "contradicts -external-service; remove one of them",
        )
