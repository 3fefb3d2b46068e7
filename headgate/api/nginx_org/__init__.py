"""The custom resources of the group k8s.nginx.org, by the names and fields of the F5 NGINX Ingress Controller."""

from headgate.api.nginx_org.crds import CUSTOM, DEFINED, definition
from headgate.api.nginx_org.dnsendpoint import DNSEndpoint
from headgate.api.nginx_org.policy import Policy
from headgate.api.nginx_org.transportserver import GlobalConfiguration, TransportServer
from headgate.api.nginx_org.virtualserver import VirtualServer, VirtualServerRoute

__all__ = [
    "CUSTOM",
    "DEFINED",
    "DNSEndpoint",
    "GlobalConfiguration",
    "Policy",
    "TransportServer",
    "VirtualServer",
    "VirtualServerRoute",
    "definition",
]
