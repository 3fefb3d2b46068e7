"""The core group (v1): Service, Secret, ConfigMap, Pod, Namespace, Event."""

from __future__ import annotations

import base64
import binascii
from typing import ClassVar

import msgspec

from headgate.api.base import Kind, Model, ObjectMeta, TopLevel

IntOrString = int | str


class ServicePort(Model):
    """One port of a Service; ``target_port`` is a number or the name of a container port."""

    port: int = 0
    name: str | None = None
    protocol: str | None = None
    target_port: IntOrString | None = None
    node_port: int | None = None
    app_protocol: str | None = None


class ServiceSpec(Model):
    """What a Service asks for; ``cluster_ip`` is ``"None"`` for a headless one."""

    type: str | None = None
    cluster_ip: str | None = msgspec.field(default=None, name="clusterIP")
    cluster_ips: tuple[str, ...] | None = msgspec.field(default=None, name="clusterIPs")
    external_name: str | None = None
    external_ips: tuple[str, ...] | None = msgspec.field(default=None, name="externalIPs")
    ports: tuple[ServicePort, ...] | None = None
    selector: dict[str, str] | None = None


class PortStatus(Model):
    """A port of a load balancer address."""

    port: int = 0
    protocol: str = "TCP"


class LoadBalancerIngress(Model):
    """One address of a load balancer: an IP or a host name."""

    ip: str | None = None
    hostname: str | None = None
    ports: tuple[PortStatus, ...] | None = None


class LoadBalancerStatus(Model):
    """The addresses under which traffic arrives; also the status of an Ingress."""

    ingress: tuple[LoadBalancerIngress, ...] | None = None


class ServiceStatus(Model):
    """What the cloud gave to a Service."""

    load_balancer: LoadBalancerStatus | None = None


class Service(TopLevel):
    """A name for a set of Pods."""

    KIND: ClassVar[Kind] = Kind("Service", "services")

    spec: ServiceSpec | None = None
    status: ServiceStatus | None = None


class Secret(TopLevel):
    """Confidential data; values are base64 on the wire."""

    KIND: ClassVar[Kind] = Kind("Secret", "secrets")

    type: str | None = None
    data: dict[str, str] | None = None
    string_data: dict[str, str] | None = None

    def value(self, key: str) -> bytes | None:
        """Return the bytes under *key*; ``None`` if absent or not base64.

        ``stringData`` counts too (a folder of manifests has no API server that would fold it in)
        and wins over ``data``, as it does there.
        """
        if self.string_data and key in self.string_data:
            return self.string_data[key].encode()
        if not self.data or key not in self.data:
            return None
        try:
            return base64.b64decode("".join(self.data[key].split()), validate=True)
        except (binascii.Error, ValueError):
            return None


class ConfigMap(TopLevel):
    """Plain configuration data."""

    KIND: ClassVar[Kind] = Kind("ConfigMap", "configmaps")

    data: dict[str, str] | None = None


class ContainerPort(Model):
    """A port that a container names."""

    container_port: int = 0
    name: str | None = None
    protocol: str | None = None


class HTTPHeader(Model):
    """A header of a probe."""

    name: str = ""
    value: str = ""


class HTTPGetAction(Model):
    """A request that finds out whether a container is well."""

    path: str | None = None
    scheme: str | None = None
    http_headers: tuple[HTTPHeader, ...] | None = None


class Probe(Model):
    """How it is found out whether a container is well; times are seconds, and ``None`` is what Kubernetes defaults."""

    http_get: HTTPGetAction | None = None
    period_seconds: int | None = None
    timeout_seconds: int | None = None
    success_threshold: int | None = None
    failure_threshold: int | None = None


class Container(Model):
    """A container; only its ports and its readiness probe are read."""

    name: str = ""
    ports: tuple[ContainerPort, ...] | None = None
    readiness_probe: Probe | None = None


class PodSpec(Model):
    """The containers of a Pod."""

    containers: tuple[Container, ...] | None = None


class PodIP(Model):
    """One address of a Pod."""

    ip: str = ""


class PodCondition(Model):
    """One thing that is so or not (``True``, ``False``, ``Unknown``) about a Pod, such as Ready."""

    type: str = ""
    status: str = ""


class PodStatus(Model):
    """The addresses of a Pod, and how it fares."""

    conditions: tuple[PodCondition, ...] | None = None
    pod_ip: str | None = msgspec.field(default=None, name="podIP")
    pod_ips: tuple[PodIP, ...] | None = msgspec.field(default=None, name="podIPs")


class Pod(TopLevel):
    """A Pod: metadata, named ports and addresses."""

    KIND: ClassVar[Kind] = Kind("Pod", "pods")

    spec: PodSpec | None = None
    status: PodStatus | None = None


class Namespace(TopLevel):
    """A namespace; its labels select it for ``-watch-namespace-label``."""

    KIND: ClassVar[Kind] = Kind("Namespace", "namespaces", namespaced=False)


class ObjectReference(Model):
    """What an Event is about."""

    kind: str = ""
    namespace: str = ""
    name: str = ""
    uid: str = ""
    api_version: str = ""
    resource_version: str = ""


class EventSource(Model):
    """Who speaks in an Event."""

    component: str = ""
    host: str = ""


class Event(TopLevel):
    """A core/v1 Event; ``count`` increases when it is repeated."""

    KIND: ClassVar[Kind] = Kind("Event", "events")

    involved_object: ObjectReference = ObjectReference()
    reason: str = ""
    message: str = ""
    type: str = ""
    count: int = 0
    first_timestamp: str | None = None
    last_timestamp: str | None = None
    source: EventSource = EventSource()
    reporting_component: str = ""
    reporting_instance: str = ""


__all__ = [
    "ConfigMap",
    "Container",
    "ContainerPort",
    "Event",
    "EventSource",
    "IntOrString",
    "LoadBalancerIngress",
    "LoadBalancerStatus",
    "Namespace",
    "ObjectMeta",
    "ObjectReference",
    "Pod",
    "PodCondition",
    "PodIP",
    "PodSpec",
    "PodStatus",
    "PortStatus",
    "Secret",
    "Service",
    "ServicePort",
    "ServiceSpec",
    "ServiceStatus",
]
