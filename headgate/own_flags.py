"""The flags that Headgate shares with the F5 NGINX Ingress Controller, and its own; each is a field."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

import msgspec

from headgate import flags
from headgate.flag_values import (
    Bool,
    DataPlane,
    HealthPath,
    IngressDialect,
    Listen,
    ListenerPort,
    LogFormat,
    LogLevel,
    Memory,
    Milliseconds,
    MillisecondsOrNone,
    Name,
    Names,
    Namespaced,
    Networks,
    OptionalName,
    OptionalPath,
    Seconds,
    Selector,
    ServicePort,
    Text,
)
from headgate.flags import Flag, Value
from headgate.problems import Problem

RUN, WATCH, NGINX, TLS = "Where it runs", "What it watches", "NGINX", "TLS and Secrets"
STATUS, OBSERVE, PROGRAM = "Status and leadership", "Metrics, readiness and logs", "The program"
ADMISSION = "Admission webhook"


class OwnFlags(msgspec.Struct, frozen=True, kw_only=True):
    """The flags of Headgate and of the F5 controller; a field is the flag of its name with ``-`` for ``_``.

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
            "server blocks, where the live data plane serves. Without the flag it is on for a folder and with flags of "
            "ingress-nginx; the chart and deploy/ give it.",
            native=True,
        ),
    ] = False
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
        Memory,
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
        Selector,
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
    canaries_across_namespaces: Annotated[
        Bool,
        Flag(
            WATCH,
            "Let canaries of ingress-nginx take requests for paths of other namespaces, up to all of them.",
            native=True,
        ),
    ] = False
    enable_oidc: Annotated[
        Bool, Flag(WATCH, "Serve Policies of type oidc: clients log in with OpenID Connect. Needs the live data plane.")
    ] = False
    oidc_keys_secret: Annotated[
        Name,
        Flag(
            WATCH,
            "Secret in the controller's namespace with the keys that seal sessions of OpenID Connect; all replicas use "
            "it, and it is made and renewed if that is permitted.",
            "headgate-oidc-keys",
            native=True,
        ),
    ] = "headgate-oidc-keys"  # noqa: S105 - the name of the Secret

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
    health_status_uri: Annotated[HealthPath, Flag(NGINX, "Path of -health-status.", "/healthz")] = "/nginx-health"
    nginx_status: Annotated[Bool, Flag(NGINX, "Serve stub_status on -nginx-status-port.")] = True
    nginx_status_port: Annotated[ServicePort, Flag(NGINX, "Port of stub_status.", "8080")] = 8080
    nginx_status_allow_cidrs: Annotated[
        Networks,
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
    validating_webhook: Annotated[
        Listen,
        Flag(
            ADMISSION,
            "Address of the admission webhook; without a host all addresses. Needs the two files below, or a Secret.",
            ":8443",
            native=True,
        ),
    ] = None
    validating_webhook_certificate: Annotated[
        OptionalPath,
        Flag(
            ADMISSION,
            "PEM file with the certificate of the webhook, read again when it changes.",
            "/usr/local/certificates/cert",
            native=True,
        ),
    ] = None
    validating_webhook_key: Annotated[
        OptionalPath,
        Flag(ADMISSION, "PEM file with the key of that certificate.", "/usr/local/certificates/key", native=True),
    ] = None
    validating_webhook_secret: Annotated[
        Namespaced,
        Flag(
            ADMISSION,
            "Secret with the certificate of the webhook, in place of files; read again when it changes.",
            "headgate/headgate-admission",
            native=True,
        ),
    ] = None
    validating_webhook_service: Annotated[
        Namespaced,
        Flag(
            ADMISSION,
            "Service of the webhook: Headgate makes and renews the certificate for it in that Secret, if it is empty.",
            "headgate/headgate-admission",
            native=True,
        ),
    ] = None
    validating_webhook_configuration: Annotated[
        OptionalName,
        Flag(
            ADMISSION,
            "ValidatingWebhookConfiguration whose caBundle follows that Secret.",
            "headgate",
            native=True,
        ),
    ] = ""
    validating_webhook_client_ca: Annotated[
        OptionalPath,
        Flag(
            ADMISSION,
            "PEM file with authorities: only clients with a certificate of theirs may ask the webhook.",
            "/etc/headgate/api-server/ca.crt",
            native=True,
        ),
    ] = None
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
    def serves_webhook(self) -> bool:
        """Whether the port of the admission webhook is opened: there is a place for its certificate."""
        files = self.validating_webhook_certificate and self.validating_webhook_key
        return bool(self.validating_webhook and (files or (self.validating_webhook_secret and not self.manifests)))

    @property
    def secret_namespaces(self) -> tuple[str, ...]:
        """The namespaces whose Secrets are read; empty means all."""
        return self.watch_secret_namespace or self.watch_namespace
