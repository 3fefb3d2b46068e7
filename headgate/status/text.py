"""A status as text: columns like those of ``kubectl get``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta

from headgate.problems import EACH, some
from headgate.status.report import (
    BackendStatus,
    CertificateStatus,
    ConfigurationStatus,
    ControllerStatus,
    EndpointStatus,
    HostStatus,
    ObjectStatus,
    Push,
    Reload,
    RouteStatus,
    Serving,
    Status,
)

HEADER = ("HOST", "PATH", "SERVICE", "ENDPOINTS", "TLS", "OBJECT", "AGE")
WIDE = ("TYPE", "ADDRESSES", "PORTS", "SECRET", "EXPIRES")
STREAMS = ("LISTENER", "PORT", "HOST", "SERVICE", "ENDPOINTS", "TLS", "OBJECT", "AGE")
STREAMS_WIDE = ("ADDRESSES",)
ANY = "*"
"""Stands for a host or a path that is empty."""
UNKNOWN = "<unknown>"
"""What kubectl prints; a column with nothing else is left out, such as the age of objects in a folder."""
NOTHING = "No host is served."
_SERVING = {Serving.CURRENT: "", Serving.PREVIOUS: " (previous version)", Serving.NONE: " (not served)"}
_COUNTED = {"refused": "refused", "warning": "with warnings", "ignored": "ignored"}
_UNITS = ((86400, "d"), (3600, "h"), (60, "m"), (1, "s"))
_SMALLER = {"d": (3600, "h"), "h": (60, "m"), "m": (1, "s")}
_LARGE = 10
"""From so many units on, the next smaller unit is left out."""


def text(status: Status, *, wide: bool = False) -> str:
    """Return the state of the controller, the routes as a table, then what is wrong; ends with a newline."""
    parts = [_controller(status.controller, status)] if status.controller else []
    if status.hosts or not status.streams:
        parts.append(_table(list(_rows(status, wide=wide))) if status.hosts else [NOTHING])
    if status.streams:
        parts.append(_table(list(_stream_rows(status, wide=wide))))
    dedicated = {host.host or ANY: host.dedicated for host in status.hosts if host.dedicated}
    if wide and dedicated:
        parts.append(["Not routed at run time", *_alike(dedicated.items())])
    if in_files := {each.object: each.in_files for each in status.streams if each.in_files}:
        parts.append(["Endpoints that change by reloads", *_alike(in_files.items())])
    parts += [_objects(state, status.objects) for state in dict.fromkeys(item.state for item in status.objects)]
    return "\n\n".join("\n".join(lines) for lines in parts) + "\n"


def age(since: datetime | None, now: datetime) -> str:
    """Return the time since *since* in its largest unit, or in two if that is small: ``2d``, ``5m30s``; as kubectl."""
    return _span(now - since) if since else UNKNOWN


def _span(span: timedelta) -> str:
    seconds = max(0, int(span.total_seconds()))
    size, unit = next(((size, unit) for size, unit in _UNITS if seconds >= size), _UNITS[-1])
    number, rest = divmod(seconds, size)
    smaller = _SMALLER.get(unit)
    if smaller is None or number >= _LARGE or not rest // smaller[0]:
        return f"{number}{unit}"
    return f"{number}{unit}{rest // smaller[0]}{smaller[1]}"


# --- routes -------------------------------------------------------------------------------------------


def _rows(status: Status, *, wide: bool) -> Iterator[tuple[str, ...]]:
    yield (*HEADER, *WIDE) if wide else HEADER
    for host in status.hosts:
        for route in host.routes:
            yield _row(host, route, route.backends, status.now, wide=wide)
        if host.default or not host.routes:
            backends = (host.default,) if host.default else ()
            yield _row(host, RouteStatus("", "default", host.object, backends), backends, status.now, wide=wide)


def _row(
    host: HostStatus, route: RouteStatus, backends: Sequence[BackendStatus], now: datetime, *, wide: bool
) -> tuple[str, ...]:
    row = (
        host.host or ANY,
        route.path or ANY,
        ",".join(f"{backend.service}:{backend.port}" for backend in backends) or "<none>",
        ",".join(map(_ready, backends)) or "<none>",
        _tls(host.certificate, now),
        route.object + _SERVING[host.serving],
        age(host.created, now),
    )
    return (*row, *_more(host, route, backends)) if wide else row


def _stream_rows(status: Status, *, wide: bool) -> Iterator[tuple[str, ...]]:
    yield (*STREAMS, *STREAMS_WIDE) if wide else STREAMS
    for each in status.streams:
        row = (
            each.listener,
            f"{each.port}/{'TLS' if each.protocol == 'TLS_PASSTHROUGH' else each.protocol}",
            each.host or ANY,
            f"{each.backend.service}:{each.backend.port}",
            _ready(each.backend),
            _tls(each.certificate, status.now),
            each.object + _SERVING[each.serving],
            age(each.created, status.now),
        )
        yield (*row, _addresses((each.backend,))) if wide else row


def _ready(backend: BackendStatus) -> str:
    """Return how many endpoints get requests, of how many: ``2/3``; ``0/3 (backup)`` if a backup gets them."""
    used = sum(each.used for each in backend.endpoints)
    return f"{used}/{len(backend.endpoints)}{_BACKUP if _on(backend) else ''}"


def _on(backend: BackendStatus) -> tuple[str, ...]:
    """Return the addresses of the backup, if requests go there."""
    return () if any(each.used for each in backend.endpoints) else backend.backup


def _tls(certificate: CertificateStatus | None, now: datetime) -> str:
    """Return how long the certificate is still valid, or what is wrong with it."""
    if certificate is None:
        return "-"
    if certificate.default:
        return "default"
    if certificate.expires is None:
        return "rejected"
    return f"valid {_span(certificate.expires - now)}" if certificate.expires > now else "expired"


def _more(host: HostStatus, route: RouteStatus, backends: Iterable[BackendStatus]) -> tuple[str, ...]:
    certificate = host.certificate
    expires = certificate.expires if certificate else None
    return (
        route.type,
        _addresses(backends),
        ",".join(host.ports),
        (certificate.secret if certificate else "") or "-",
        f"{expires:%Y-%m-%d %H:%M}" if expires else "-",
    )


def _addresses(backends: Iterable[BackendStatus]) -> str:
    found: list[str] = []
    for backend in backends:
        found += map(_address, backend.endpoints)
        found += (f"{address}{_BACKUP}" for address in _on(backend))
    return ",".join(found) or "<none>"


def _address(endpoint: EndpointStatus) -> str:
    """Return the address, with the reason if it gets no requests."""
    return endpoint.address if endpoint.used else f"{endpoint.address} ({endpoint.check or endpoint.health.value})"


def _table(rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    shown = [index for index, column in enumerate(zip(*rows, strict=True)) if set(column[1:]) != {UNKNOWN}]
    return ["   ".join(row[index].ljust(widths[index]) for index in shown).rstrip() for row in rows]


# --- objects ------------------------------------------------------------------------------------------


def _objects(state: str, objects: Iterable[ObjectStatus]) -> list[str]:
    title = {"refused": "Refused", "warning": "Warnings", "ignored": "Ignored"}[state]
    return [title, *_alike((item.object, item.message) for item in objects if item.state == state)]


def _alike(found: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Yield lines for names with their messages; many with the same message share one."""
    alike: dict[str, list[str]] = {}
    for name, message in found:
        alike.setdefault(message, []).append(name)
    yield from (f"  {line}" for message, names in alike.items() for line in _lines(message, names))


def _lines(message: str, names: Sequence[str]) -> Iterator[str]:
    """Yield a line for each object, but one for many with the same message."""
    if len(names) > EACH:
        yield f"{some(names)}: {message}"
    else:
        yield from (f"{name}: {message}" for name in names)


# --- a terminal ---------------------------------------------------------------------------------------


def fitted(text: str, status: Status, columns: int, rows: int) -> str:
    """Return the first lines of *text* that fit a terminal, and as the last one how much is left out.

    Args:
        text: what ``text`` returned.
        status: of which.
        columns: characters of a line, after which the terminal breaks it.
        rows: lines of the terminal; one stays free for the cursor.
    """
    lines = text.splitlines()
    heights = [max(1, -(-len(line) // columns)) for line in lines]
    if sum(heights) < rows:
        return text
    kept, height = 0, 0
    while kept < len(lines) and height + heights[kept] <= rows - 2:
        height += heights[kept]
        kept += 1
    counts = Counter(item.state for item in status.objects)
    wrong = ", ".join(f"{counts[state]:,} {words}" for state, words in _COUNTED.items() if counts[state])
    rest = f"... {len(lines) - kept:,} more lines{f' ({wrong})' if wrong else ''}; without --watch all are printed"
    return "\n".join((*lines[:kept], rest[:columns])) + "\n"


# --- controller ---------------------------------------------------------------------------------------


_BACKUP = " (backup)"
_PLANES = {"live": "live: endpoints change without a reload", "files": "files: endpoints change by reloads"}


def _controller(controller: ControllerStatus, status: Status) -> list[str]:
    now = status.now
    master = f"pid {controller.nginx_pid}" if controller.nginx_pid else "is not running"
    failing = [watch for watch in controller.watches if watch.error or not watch.synced]
    synced = len(controller.watches) - len(failing)
    rows = [
        ("Controller", f"{controller.version}, pid {controller.pid}, started {age(controller.started, now)} ago"),
        ("Serves", controller.source + _leads(controller.leader)),
        ("nginx", f"{controller.nginx}, {master}"),
        ("Data plane", _plane(controller, status.hosts)),
        *([("HTTP/3", controller.http3)] if controller.http3 else []),
        ("Ready", f"no: {controller.unready}" if controller.unready else "yes"),
        ("Configuration", _configuration(controller.configuration, now)),
        ("Last reload", _reload(controller.configuration.last_reload, now)),
        *_push_row(controller, now),
        ("Reloads", f"{controller.configuration.reloads}, and {controller.configuration.reload_errors} refused"),
        *([("Drained", ", ".join(controller.drained))] if controller.drained else []),
        ("Watches", f"{synced} of {len(controller.watches)} are synced"),
        *(("", f"{watch.name}: {watch.error or 'not listed yet'}") for watch in failing),
    ]
    return [f"{name:<14} {value}".rstrip() for name, value in rows]


def _plane(controller: ControllerStatus, hosts: Sequence[HostStatus]) -> str:
    name, njs = controller.data_plane, controller.njs
    streams = f", those of TCP and UDP by njs {njs}" if njs else ""
    return _PLANES.get(name, name) + streams + _routed(hosts)


def _routed(hosts: Sequence[HostStatus]) -> str:
    """Say how many hosts are routed at run time, if ``-live-routes`` is on."""
    routed = sum(host.routed for host in hosts)
    reasons = {host.dedicated for host in hosts if host.dedicated}
    if not routed and len(reasons) == 1:
        return f"; no host is routed at run time: {min(reasons)}"
    why = " (-o wide says why not the others)" if reasons else ""
    return f"; {routed:,} of {len(hosts):,} hosts are routed at run time{why}" if routed or reasons else ""


def _leads(leader: bool | None) -> str:  # noqa: FBT001 - three answers
    if leader is None:
        return ""
    return ", as the leader" if leader else "; another replica is the leader"


def _configuration(configuration: ConfigurationStatus, now: datetime) -> str:
    parts = [f"version {configuration.version}"]
    if configuration.error:
        parts.append(f"the wanted one is not applied: {configuration.error}")
    elif configuration.applied:
        parts.append(f"applied {age(configuration.applied, now)} ago")
    if configuration.busy_seconds:
        parts.append(f"a change has been in progress for {configuration.busy_seconds:.1f} s")
    if configuration.pending:
        parts.append(f"{configuration.pending} changes are waiting")
    return ", ".join(parts)


def _push_row(controller: ControllerStatus, now: datetime) -> Iterator[tuple[str, str]]:
    push = controller.configuration.last_push
    if push:
        counts = [_counted(push.upstreams, "upstream")] if push.upstreams or not push.hosts else []
        counts += [_counted(push.hosts, "host")] if push.hosts else []
        took = f"{', '.join(counts)}, {push.took_ms:.0f} ms"
        yield "Last push", f"{age(push.at, now)} ago ({took}): {_what(push)}"
    elif controller.data_plane == "live":
        yield "Last push", "none"


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _what(change: Reload | Push) -> str:
    return ", ".join(change.objects) + (f" and {change.others} more" if change.others else "")


def _reload(reload: Reload | None, now: datetime) -> str:
    if reload is None:
        return "none"
    what = _what(reload)
    took = f"nginx -t {reload.test_ms:.0f} ms, reload {reload.reload_ms:.0f} ms"
    return f"{age(reload.at, now)} ago ({took}), {reload.reason}{f': {what}' if what else ''}"
