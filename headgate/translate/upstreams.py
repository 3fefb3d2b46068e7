"""Service ports become upstreams."""

from __future__ import annotations

from msgspec import structs

from headgate.ir.http import HttpConfig, Line, Upstream
from headgate.ir.layout import NO_ENDPOINTS_SOCKET
from headgate.problems import ObjectRef
from headgate.routes import Backend, Endpoints
from headgate.settings import ConfigParams, Quoted, Size, Words
from headgate.settings.upstream import UpstreamSettings
from headgate.settings.values import Seconds
from headgate.translate import naming
from headgate.translate.backups import with_backup
from headgate.translate.draft import Draft, Place
from headgate.translate.environment import Environment
from headgate.translate.live import ANSWERING, in_files, live_upstream
from headgate.translate.sticky import cookie_words

ZONE = Size("256k")
"""Size of the shared memory zone of an upstream where no setting defines it."""


def translate_upstream(
    name: str, origin: ObjectRef, backend: Backend, params: ConfigParams, env: Environment
) -> Upstream:
    """Return the upstream called *name* for a *backend* of *origin*; one without endpoints answers 502."""
    backend = with_backup(backend, params, env)
    settings, endpoints, service = params.upstream, backend.endpoints, backend.service
    live = live_upstream(service, backend, params, env)
    if not endpoints.servers:
        upstream = unreachable(name, origin, service, env, ANSWERING[backend.unserved])
        return (
            structs.replace(upstream, live=live, keepalive=_keepalive(settings, env), kept=_kept(settings))
            if live
            else upstream
        )
    resolved = endpoints.named and env.resolves
    external, included = external_servers(name, backend, env)
    backup = backend.backup.endpoints if backend.backup else Endpoints()
    several = len(endpoints.servers) + len(backup.servers) > 1
    return Upstream(
        name=name,
        servers=endpoints.servers,
        origin=origin,
        service=service,
        pods=endpoints.pods,
        external=external,
        included=included,
        parameters=_parameters(settings, resolved=resolved),
        backups=backup.servers,
        backup_parameters=_parameters(settings, resolved=backup.named) if backup.servers else Words(),
        method=in_files(settings.lb_method),
        zone=_zone(name, settings, several=several, resolved=resolved or backup.named),
        sticky=cookie_words(service, params) if env.capabilities.sticky else None,
        keepalive=_keepalive(settings, env),
        kept=_kept(settings),
        live=live,
    )


def external_servers(name: str, backend: Backend, env: Environment) -> tuple[ObjectRef | None, Quoted | None]:
    """Return the ExternalName whose name nginx resolves as it loads, and the file with the servers of upstream *name*.

    Both are ``None`` for addresses, and where nginx resolves names while it runs.
    """
    if not backend.endpoints.named or env.resolves:
        return None, None
    external = ObjectRef("Service", backend.namespace, backend.service)
    return external, Quoted(f"{env.layout.conf}/{naming.external_file(external, name)}")


def external_file(
    upstream: Upstream, service: ObjectRef, env: Environment, socket: str = NO_ENDPOINTS_SOCKET
) -> HttpConfig:
    """Return the file of the servers of *upstream*, an ExternalName that nginx may be unable to resolve at any time.

    *socket* is as for ``unreachable``.
    """
    standby = unreachable(upstream.name, upstream.origin, upstream.service, env, socket)
    file = naming.external_file(service, upstream.name)
    return HttpConfig(file=file, origin=service, members=upstream, standby=standby)


def unreachable(
    name: str, origin: ObjectRef, service: str, env: Environment, socket: str = NO_ENDPOINTS_SOCKET
) -> Upstream:
    """Return an upstream that leads to *socket*: by default to the one that answers 502."""
    servers = (Quoted(f"unix:{env.layout.socket(socket)}"),)
    return Upstream(name=name, servers=servers, origin=origin, service=service)


def _keepalive(settings: UpstreamSettings, env: Environment) -> int | None:
    """Return how many connections to keep; an nginx that keeps none by itself does not understand 0."""
    return settings.keepalive or (0 if settings.keepalive == 0 and env.capabilities.keepalive_by_default else None)


def _kept(settings: UpstreamSettings) -> tuple[Line, ...]:
    """Return for how long connections are kept, where a setting says it."""
    found = {
        "keepalive_requests": settings.upstream_keepalive_requests,
        "keepalive_time": settings.upstream_keepalive_time,
        "keepalive_timeout": settings.upstream_keepalive_timeout,
    }
    return tuple((name, Words((str(value),))) for name, value in found.items() if value and settings.keepalive != 0)


def warn_of_unshared_limit(draft: Draft, place: Place, upstream: Upstream) -> None:
    """Warn where each worker counts for itself what ``max-conns`` limits, because somebody wants no zone."""
    limit, workers = place.params.upstream.max_conns, draft.env.params.main.worker_processes
    if upstream.live or upstream.zone or not upstream.parameters or not limit or workers == "1":
        return
    explicit = any("upstream_zone_size" in layer.overrides for layer in place.layers)
    size = place.key("upstream_zone_size") if explicit else "the ConfigMap's upstream-zone-size"
    reason = f"is enforced by each worker separately while {size} is 0; set a size to enforce it across workers"
    many = "each worker" if workers == "auto" else f"each of {workers} workers"
    draft.warn(place.origin, place.key("max_conns"), str(limit), (reason, f"{many} allows this many connections"))


def _zone(name: str, settings: UpstreamSettings, *, several: bool, resolved: bool) -> Words | None:
    """Return the zone where there is something to share, or a size is given; a name can only be resolved into one."""
    size = settings.upstream_zone_size
    if size is None or (resolved and not size.bytes):
        return Words((name, str(ZONE))) if several or resolved or settings.max_conns else None
    return Words((name, str(size))) if size.bytes else None


def _parameters(settings: UpstreamSettings, *, resolved: bool) -> Words:
    return parameters(settings.max_fails, settings.fail_timeout, settings.max_conns or 0, resolved=resolved)


def parameters(max_fails: int, fail_timeout: str | Seconds, max_conns: int, *, resolved: bool) -> Words:
    """Return what differs from nginx's own defaults (max_fails=1 fail_timeout=10s max_conns=0)."""
    words = [f"max_fails={max_fails}"] if max_fails != 1 else []
    words += [f"fail_timeout={fail_timeout}"] if fail_timeout != "10s" else []
    words += [f"max_conns={max_conns}"] if max_conns else []
    return Words([*words, *(["resolve"] if resolved else [])])
