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
    Push,
    Reload,
    RouteStatus,
    Serving,
    Status,
    StreamStatus,
    WatchStatus,
)
from headgate.status.routes import Cluster, hosts, streams
from headgate.status.text import text

__all__ = [
    "BackendStatus", "CertificateStatus", "Cluster", "ConfigurationStatus", "ControllerStatus", "EndpointStatus",
    "Health", "HostStatus", "ObjectStatus", "Push", "Reload", "RouteStatus", "Serving", "Status", "StreamStatus",
    "WatchStatus", "hosts", "streams", "text",
]  # fmt: skip
