"""networking.k8s.io/v1: Ingress and IngressClass."""

from __future__ import annotations

from typing import Any, ClassVar

from headgate.api.base import Kind, Model, TopLevel
from headgate.api.core import LoadBalancerStatus


class ServiceBackendPort(Model):
    """A Service port by number or by name."""

    number: int | None = None
    name: str | None = None

    def __str__(self) -> str:
        """The number or the name."""
        return str(self.number) if self.number else self.name or ""


class IngressServiceBackend(Model):
    """A Service and one of its ports."""

    name: str = ""
    port: ServiceBackendPort | None = None


class IngressBackend(Model):
    """Where requests go: a Service, or a ``resource``, which Headgate refuses as the incumbent does."""

    service: IngressServiceBackend | None = None
    resource: dict[str, Any] | None = None


class HTTPIngressPath(Model):
    """One path of a rule; ``path_type`` is Exact, Prefix or ImplementationSpecific."""

    backend: IngressBackend = IngressBackend()
    path: str | None = None
    path_type: str | None = None


class HTTPIngressRuleValue(Model):
    """The paths of a rule."""

    paths: tuple[HTTPIngressPath, ...] | None = None


class IngressRule(Model):
    """A host and its paths; no host means every host."""

    host: str | None = None
    http: HTTPIngressRuleValue | None = None


class IngressTLS(Model):
    """Hosts that are served over TLS, and the Secret with their certificate."""

    hosts: tuple[str, ...] | None = None
    secret_name: str | None = None


class IngressSpec(Model):
    """What an Ingress asks for."""

    ingress_class_name: str | None = None
    default_backend: IngressBackend | None = None
    tls: tuple[IngressTLS, ...] | None = None
    rules: tuple[IngressRule, ...] | None = None


class IngressStatus(Model):
    """The addresses written to an Ingress."""

    load_balancer: LoadBalancerStatus | None = None


class Ingress(TopLevel):
    """Routes HTTP by host and path to Services."""

    KIND: ClassVar[Kind] = Kind("Ingress", "ingresses", group="networking.k8s.io")

    spec: IngressSpec | None = None
    status: IngressStatus | None = None


class IngressClassSpec(Model):
    """Which controller serves a class."""

    controller: str | None = None


class IngressClass(TopLevel):
    """A class of Ingresses."""

    KIND: ClassVar[Kind] = Kind("IngressClass", "ingressclasses", group="networking.k8s.io", namespaced=False)

    spec: IngressClassSpec | None = None
