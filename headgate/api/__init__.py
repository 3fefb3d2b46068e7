"""Kubernetes objects as types: lean, frozen, decoded by msgspec."""

from headgate.api.admission_registration import ValidatingWebhookConfiguration
from headgate.api.base import Kind, Model, Object, ObjectMeta, TopLevel, Undecodable
from headgate.api.coordination import Lease, LeaseSpec
from headgate.api.core import ConfigMap, Event, Namespace, Pod, Secret, Service
from headgate.api.discovery import EndpointSlice
from headgate.api.networking import Ingress, IngressClass
from headgate.api.nginx_org import GlobalConfiguration, Policy, TransportServer, VirtualServer, VirtualServerRoute

ALL: tuple[type[TopLevel], ...] = (
    ConfigMap,
    EndpointSlice,
    Event,
    GlobalConfiguration,
    Ingress,
    IngressClass,
    Lease,
    Namespace,
    Pod,
    Policy,
    Secret,
    Service,
    TransportServer,
    ValidatingWebhookConfiguration,
    VirtualServer,
    VirtualServerRoute,
)
"""Every kind that Headgate knows."""

__all__ = [
    "ALL",
    "ConfigMap",
    "EndpointSlice",
    "Event",
    "GlobalConfiguration",
    "Ingress",
    "IngressClass",
    "Kind",
    "Lease",
    "LeaseSpec",
    "Model",
    "Namespace",
    "Object",
    "ObjectMeta",
    "Pod",
    "Policy",
    "Secret",
    "Service",
    "TopLevel",
    "TransportServer",
    "Undecodable",
    "ValidatingWebhookConfiguration",
    "VirtualServer",
    "VirtualServerRoute",
]
