"""The readiness probe of the Pods behind a Service port becomes a Check, as the incumbent derives it."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping

from headgate.api import Pod
from headgate.api.core import HTTPGetAction, Probe, ServicePort
from headgate.problems import ObjectRef
from headgate.routes import Check

NO_POD = "finds no Pod behind service {service}; EndpointSlices must name Pods that may be read"
NO_PROBE = (
    "finds no readinessProbe with httpGet in a Pod of service {service}; the container must declare the port of the "
    "Service and have one"
)
_PATH = re.compile(r"/[^\s\x00-\x1f\x7f]*")
_NAME = re.compile(r"[-A-Za-z0-9]+")
_VALUE = re.compile(r"[^\x00-\x08\x0a-\x1f\x7f]*")


def probe_of(pods: Iterable[Pod], port: ServicePort) -> Probe | None:
    """Return the readiness probe of HTTP of the container that has *port* of a Service, in the first of *pods*."""
    target = port.target_port or port.port
    for pod in pods:
        for container in (pod.spec and pod.spec.containers) or ():
            probe, ports = container.readiness_probe, container.ports or ()
            if probe and probe.http_get and any(target in {each.container_port, each.name} for each in ports):
                return probe
    return None


def check_of_probe(field: str, probe: Probe, *, mandatory: bool) -> Check | str:
    """Return the checks that *probe* describes, or why they cannot be made; *field* asks for them.

    They are made at the port that gets the requests. The defaults are those of Kubernetes.
    """
    asked = probe.http_get or HTTPGetAction()
    path = asked.path or "/"
    path = path if path.startswith("/") else f"/{path}"
    headers = tuple((each.name, each.value) for each in asked.http_headers or ())
    if not _PATH.fullmatch(path):
        return "has a space or a control character in the path of the readinessProbe"
    if not all(_NAME.fullmatch(name) and _VALUE.fullmatch(value) for name, value in headers):
        return "has an invalid header in the readinessProbe"
    timeout = float(probe.timeout_seconds or 1)
    return Check(
        field=field,
        path=path,
        headers=headers,
        interval=probe.period_seconds or 10,
        fails=probe.failure_threshold or 3,
        passes=probe.success_threshold or 1,
        tls=(asked.scheme or "HTTP").upper() == "HTTPS",
        connect_timeout=timeout,
        send_timeout=timeout,
        read_timeout=timeout,
        mandatory=mandatory,
    )


def known(refs: Collection[ObjectRef], pods: Mapping[ObjectRef, Pod]) -> list[Pod]:
    """Return the Pods *refs* that are known, by name."""
    return [pods[ref] for ref in sorted(refs) if ref in pods]
