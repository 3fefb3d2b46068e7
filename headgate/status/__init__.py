"""What is served and what is wrong: hosts, routes, endpoints, certificates, and the state of a running controller."""

from headgate.status.report import (
    BackendStatus,
    CertificateStatus,
    ConfigurationStatus,
    ControllerStatus,
    EndpointStatus,
    Health,
    HostStatus,
    ObjectStatus,
    Reload,
    RouteStatus,
    Serving,
    Status,
    WatchStatus,
)
from headgate.status.routes import Cluster, hosts
from headgate.status.text import text

__all__ = [
    "BackendStatus", "CertificateStatus", "Cluster", "ConfigurationStatus", "ControllerStatus", "EndpointStatus",
    "Health", "HostStatus", "ObjectStatus", "Reload", "RouteStatus", "Serving", "Status", "WatchStatus", "hosts",
    "text",
]  # fmt: skip
