"""The flags of ``headgate run``: the frozen Options, made once from flags and environment and passed down.

Names, defaults and forms are those of the F5 NGINX Ingress Controller, so that its manifests work unchanged; flags of
Headgate's own are printed with two dashes. ``headgate.declined_flags`` has the incumbent's flags that
are not supported, ``headgate.community_flags`` those of ingress-nginx.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, TypeVar

import msgspec

from headgate import flags
from headgate.community_flags import COMMUNITY_DECLINED, GROUP, CommunityFlags, adapted
from headgate.declined_flags import DECLINED
from headgate.flag_values import (
    DNS_LABEL,
    DataPlane,
    IngressDialect,
    ListenerPort,
    LogFormat,
    LogLevel,
    NamespacedName,
    is_dns_subdomain,
)
from headgate.flags import Declined
from headgate.own_flags import NGINX, OBSERVE, RUN
from headgate.problems import Problem

__all__ = [
    "DECLARED",
    "DNS_LABEL",
    "KNOWN",
    "NGINX",
    "NO_START",
    "OBSERVE",
    "RUN",
    "DataPlane",
    "IngressDialect",
    "ListenerPort",
    "LogFormat",
    "LogLevel",
    "NamespacedName",
    "Options",
    "completed",
    "flags_help",
    "flags_markdown",
    "is_dns_subdomain",
    "listeners",
    "parse",
]


class Options(CommunityFlags, frozen=True, kw_only=True):
    """All flags."""

    @property
    def published_service(self) -> NamespacedName | None:
        """The Service whose addresses are written to Ingresses."""
        own = NamespacedName(self.pod_namespace, self.external_service) if self.external_service else None
        return self.publish_service or own

    @property
    def main_config_map(self) -> NamespacedName | None:
        """The ConfigMap that decides about all of nginx."""
        return self.nginx_configmaps or self.configmap

    @property
    def config_maps(self) -> tuple[NamespacedName, ...]:
        """The ConfigMaps that flags name, each once."""
        named = self.nginx_configmaps, self.configmap, self.tcp_services_configmap, self.udp_services_configmap
        return tuple(dict.fromkeys(each for each in named if each))

    @property
    def reads_community(self) -> bool:
        """Whether flags say that there are Ingresses of ingress-nginx; else an IngressClass alone may."""
        named = self.configmap or self.controller_class
        return self.community or bool(named) or self.ingress_dialect is IngressDialect.INGRESS_NGINX

    @property
    def metrics_beside_probes(self) -> bool:
        """Whether metrics are on the port of the probes, as in ingress-nginx, which asks for no password there."""
        alone = self.prometheus_tls_secret or self.prometheus_basic_auth_secret
        shared = self.prometheus_metrics_listen_port == self.ready_status_port
        return self.community and self.ready_status and shared and not alone


Options.declined = MappingProxyType({name: flag.reason for name, flag in DECLINED.items()})

DECLARED: Mapping[str, flags.Declaration] = flags.declarations(Options)
"""The flags that are supported, by name."""
KNOWN: Mapping[str, Declined] = MappingProxyType({**DECLINED, **COMMUNITY_DECLINED})
"""The flags of both controllers that are known but not supported."""

NO_START = "Headgate does not start"

OptionsT = TypeVar("OptionsT", bound=Options)


def parse(argv: Sequence[str], environ: Mapping[str, str]) -> Options | tuple[Problem, ...]:
    """Read the arguments of ``headgate run``, and ``POD_NAMESPACE`` and ``POD_NAME`` from *environ*.

    Returns:
        The Options, or every Problem that stops the start. ``--help`` and ``-version`` win over all mistakes.
    """
    return completed(Options, flags.read(argv, flags.Syntax("headgate run", Options, KNOWN, NO_START)), environ)


def completed(
    kind: type[OptionsT], reading: flags.Reading, environ: Mapping[str, str]
) -> OptionsT | tuple[Problem, ...]:
    """Make Options, or a *kind* with further flags, of what was read and of *environ*; see ``parse``."""
    community = adapted(reading.fields)
    options = kind(
        **{**reading.fields, **community.fields},
        pod_namespace=environ.get("POD_NAMESPACE") or "default",
        pod_name=environ.get("POD_NAME", ""),
        log_format_given="log_format" in reading.fields,
        live_routes_given="live_routes" in reading.fields,
    )
    if not options.live_routes_given and (kind is not Options or options.manifests or options.community):
        # Off otherwise: who changes the image of the F5 controller alone, and passes its flags, looks into conf.d.
        options = msgspec.structs.replace(options, live_routes=True)
    problems = (*reading.problems, *community.problems, *_contradictions(options))
    warnings = (*reading.warnings, *_not_written(options, reading.fields), *_webhook_alone(options))
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
    yield from _webhook_sources(options)
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
        found["--healthz-port" if options.community else "-ready-status-port"] = options.ready_status_port
    if options.enable_prometheus_metrics and not options.metrics_beside_probes:
        found["-prometheus-metrics-listen-port"] = options.prometheus_metrics_listen_port
    if options.serves_webhook and options.validating_webhook:
        found["--validating-webhook"] = options.validating_webhook.port
    return found


_OF_SECRET: Mapping[str, str] = {
    "validating_webhook_service": "no certificate is made",
    "validating_webhook_configuration": "its caBundle stays as it is",
}
"""The fields that need a Secret for the certificate of the webhook, and what is without one."""


def _webhook_alone(options: Options) -> Iterator[Problem]:
    """Yield a warning if a flag of the webhook is given without the others."""
    files = {
        "--validating-webhook-certificate": options.validating_webhook_certificate,
        "--validating-webhook-key": options.validating_webhook_key,
    }
    if options.validating_webhook and not options.serves_webhook:
        if options.validating_webhook_secret:
            why = "needs a cluster for --validating-webhook-secret; name files"
        else:
            missing = " and ".join(flag for flag, file in files.items() if not file)
            why = f"needs {missing}; name the files, or a Secret by --validating-webhook-secret"
        value = flags.printed(options.validating_webhook)
        yield flags.warning("--validating-webhook", value, why, "there is no admission webhook")
    for field, effect in _OF_SECRET.items():
        if getattr(options, field) and not options.validating_webhook_secret:
            flag, value = f"--{field.replace('_', '-')}", flags.printed(getattr(options, field))
            yield flags.warning(flag, value, "needs --validating-webhook-secret", effect)


def _webhook_sources(options: Options) -> Iterator[Problem]:
    """Yield a Problem if the certificate of the webhook has two places."""
    files = options.validating_webhook_certificate or options.validating_webhook_key
    if files and options.validating_webhook_secret:
        yield flags.problem(
            "--validating-webhook-secret",
            flags.printed(options.validating_webhook_secret),
            "contradicts --validating-webhook-certificate and --validating-webhook-key; name the Secret or the files",
        )


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
    "validating_webhook_service": ("--validating-webhook-service", "no certificate is made"),
    "validating_webhook_configuration": ("--validating-webhook-configuration", "its caBundle stays as it is"),
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
    known = {"Known and not there": DECLINED, f"{GROUP} without effect": COMMUNITY_DECLINED}
    return flags.markdown(DECLARED.values(), known)
