"""Routes: who answers which requests, and under which settings. Knows neither Kubernetes nor nginx.

Every kind of object is lowered to these types (``resolve``); ``translate`` and ``explain`` read nothing else.
"""

from headgate.routes.actions import (
    Action,
    Answer,
    Case,
    Changes,
    Choice,
    Condition,
    ErrorPage,
    Forward,
    Redirect,
    Split,
)
from headgate.routes.backends import Backend, Backup, Endpoints, Queue, SecretReference
from headgate.routes.checks import Check, StreamCheck
from headgate.routes.hosts import (
    HttpsRedirect,
    Match,
    MemberRoutes,
    PathRegex,
    PathType,
    Route,
    RoutesByMember,
    Tls,
    VirtualHost,
)
from headgate.routes.layers import Layer, Layers, layered
from headgate.routes.listeners import Listener, Protocol
from headgate.routes.policies import Policies
from headgate.routes.streams import Session, StreamBackend, StreamRoute, StreamTls
from headgate.routes.table import RouteTable

__all__ = [
    "Action", "Answer", "Backend", "Backup", "Case", "Changes", "Check", "Choice", "Condition", "Endpoints",
    "ErrorPage", "Forward", "HttpsRedirect", "Layer", "Layers", "Listener", "Match", "MemberRoutes", "PathRegex",
    "PathType", "Policies", "Protocol", "Queue", "Redirect", "Route", "RouteTable", "RoutesByMember",
    "SecretReference", "Session", "Split", "StreamBackend", "StreamCheck", "StreamRoute", "StreamTls", "Tls",
    "VirtualHost", "layered",
]  # fmt: skip
