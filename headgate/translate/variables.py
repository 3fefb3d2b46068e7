"""Variables that name the object of a location or a server, for log formats and for text of users."""

from __future__ import annotations

from headgate.ir import latency
from headgate.ir.http import Backend
from headgate.problems import ObjectRef
from headgate.routes import Route, VirtualHost
from headgate.settings import Quoted
from headgate.translate.draft import Draft
from headgate.translate.environment import SERVICE_PORT, Environment

RESOURCE_VARIABLES = ("resource_type", "resource_name", "resource_namespace")


def location_variables(draft: Draft, host: VirtualHost, route: Route) -> tuple[tuple[str, str], ...]:
    """Return the variables that the locations of attached objects and their logs read, where any text reads them."""
    if not draft.resource_variables:
        return ()
    own: tuple[tuple[str, str], ...] = (("service", route.backend.service if route.backend else Quoted()),)
    if draft.env.service_ports:
        own = (*own, (SERVICE_PORT, route.backend.port if route.backend else Quoted()))
    return own if route.origin == host.origin else (*resource_variables(route.origin), *own)


def latency_variable(draft: Draft, backend: Backend) -> tuple[tuple[str, str], ...]:
    """Name the upstream of a location for those who count, where they do not know it.

    The latency log reads ``$proxy_host``, which gRPC does not have. Lua knows the upstreams whose servers it chooses.
    """
    env = draft.env
    unknown = backend.grpc if env.sends_lines else env.latency and draft.upstreams[backend.upstream].live is None
    return ((latency.VARIABLE, backend.upstream),) if unknown else ()


def server_variables(ref: ObjectRef | None, env: Environment) -> tuple[tuple[str, str], ...]:
    """Return the variables of a server, also of one that belongs to no object.

    nginx does not know a variable that nothing sets, and warns at each request of one that was not set.
    """
    own = resource_variables(ref) if ref else tuple((name, Quoted()) for name in RESOURCE_VARIABLES)
    return (*own, ("service", Quoted()), *([(SERVICE_PORT, Quoted())] if env.service_ports else []))


def resource_variables(ref: ObjectRef) -> tuple[tuple[str, str], ...]:
    """Return ``$resource_type`` and its siblings, which log formats of the incumbent read."""
    return tuple(zip(RESOURCE_VARIABLES, (ref.kind.lower(), ref.name, ref.namespace), strict=True))
