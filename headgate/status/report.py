"""The shape of a status. ``headgate status -o json`` prints it as it stands: fields are added, never renamed."""

from __future__ import annotations

import enum
from datetime import datetime

import msgspec


class Health(enum.Enum):
    """The state of an endpoint, from the conditions in its EndpointSlice (Kubernetes API, ``EndpointConditions``)."""

    READY = "ready"
    TERMINATING = "terminating"
    """It ends, and still serves requests."""
    NOT_READY = "not ready"
    UNKNOWN = "unknown"
    """Kubernetes has no condition of it: a name, or the cluster IP of a Service."""


class Serving(enum.Enum):
    """Which version of an object nginx serves."""

    CURRENT = "current"
    PREVIOUS = "previous"
    """The current version was refused; the last valid one is served."""
    NONE = "none"
    """The object was refused, and there is no earlier version; or no listener of the host can be used."""


class EndpointStatus(msgspec.Struct, frozen=True):
    """An address of a Service.

    Attributes:
        address: with the port, ``10.0.0.7:8080``.
        pod: the Pod that has it, if known.
        health: its condition.
        used: whether requests are sent there.
        check: what health checks found (``up``, ``checking``, ``unhealthy``), empty if there are none.
    """

    address: str
    pod: str
    health: Health
    used: bool
    check: str = ""


class BackendStatus(msgspec.Struct, frozen=True):
    """A port of a Service, ``default/tea``, and its endpoints; *weight* is its share among those of a route.

    While none of *endpoints* gets requests, the addresses in *backup* do, if there are some.
    """

    service: str
    port: str
    endpoints: tuple[EndpointStatus, ...]
    weight: int = 1
    backup: tuple[str, ...] = ()


class RouteStatus(msgspec.Struct, frozen=True):
    """Requests that match *path*, by *type* (``Prefix``), and their backends; *object* asks for it."""

    path: str
    type: str
    object: str
    backends: tuple[BackendStatus, ...]


class CertificateStatus(msgspec.Struct, frozen=True):
    """The certificate of a host.

    Attributes:
        secret: the Secret, ``default/cafe-secret``; empty if the host has TLS and no Secret is named.
        expires: when it ends, if it can be used.
        error: why it cannot be used; TLS handshakes for the host are then rejected.
        default: whether the certificate of the default server is shown in its place.
    """

    secret: str
    expires: datetime | None = None
    error: str = ""
    default: bool = False


class HostStatus(msgspec.Struct, frozen=True, kw_only=True):
    """A host.

    Attributes:
        host: its name, empty for every host that no other object has.
        object: the object that holds it, ``Ingress default/cafe``.
        created: when that was created, if the source knows.
        serving: which version of it nginx serves; in a folder, or before nginx was asked, which would be.
        ports: where it answers: ``http 80``, ``https 443``.
        certificate: ``None`` without TLS.
        routes: by path, in the order of the objects.
        default: what answers if no route matches.
        routed: whether it is routed at run time, without a server block.
        dedicated: why it is not; empty if it is, and without ``-live-routes``.
    """

    host: str
    object: str
    created: datetime | None
    serving: Serving
    ports: tuple[str, ...]
    certificate: CertificateStatus | None
    routes: tuple[RouteStatus, ...]
    default: BackendStatus | None = None
    routed: bool = False
    dedicated: str = ""


class StreamStatus(msgspec.Struct, frozen=True, kw_only=True):
    """TCP connections, UDP datagrams, or TLS connections that are passed on.

    Attributes:
        listener: the name of the listener.
        port: where it is; with TLS passthrough the port of ``-tls-passthrough-port``.
        protocol: ``TCP``, ``UDP`` or ``TLS_PASSTHROUGH``.
        host: the server name of TLS, empty for every connection.
        object: the object that holds it, ``TransportServer default/dns``.
        created: when that was created, if the source knows.
        serving: as of a host.
        certificate: ``None`` where TLS is not terminated.
        backend: who gets the connections.
        in_files: why its endpoints change by reloads though those of HTTP do not; empty if they do not, and without the
            live data plane.
    """

    listener: str
    port: int
    protocol: str
    host: str
    object: str
    created: datetime | None
    serving: Serving
    certificate: CertificateStatus | None
    backend: BackendStatus
    in_files: str = ""


class ObjectStatus(msgspec.Struct, frozen=True):
    """An object about which there is something to report.

    Attributes:
        object: ``Ingress default/cafe``.
        state: ``refused``, ``warning`` or ``ignored``.
        message: why, with the words of nginx if it refused the object.
        serving: which version of it is served.
    """

    object: str
    state: str
    message: str
    serving: Serving


class Reload(msgspec.Struct, frozen=True, kw_only=True):
    """A reload of nginx that was verified.

    Attributes:
        at: when it ended.
        reason: ``start``, ``endpoints``, or ``configuration``.
        objects: what had changed, at most ``SHOWN`` of them.
        others: how many more had changed.
        test_ms: milliseconds that ``nginx -t`` took.
        reload_ms: milliseconds until nginx answered with the new version.
        version: that version.
    """

    at: datetime
    reason: str
    objects: tuple[str, ...]
    others: int
    test_ms: float
    reload_ms: float
    version: int


class Push(msgspec.Struct, frozen=True, kw_only=True):
    """A change that reached nginx's workers without a reload.

    Attributes:
        at: when they had it.
        objects: what had changed, at most ``SHOWN`` of them.
        others: how many more had changed.
        upstreams: how many upstreams had other servers; ``hosts`` is how many hosts came, changed or went.
        took_ms: milliseconds from the change to the answer of nginx.
    """

    at: datetime
    objects: tuple[str, ...]
    others: int
    upstreams: int
    took_ms: float
    hosts: int = 0


class ConfigurationStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What nginx serves.

    Attributes:
        version: the version of the configuration that nginx answers with; 0 before the first.
        applied: when the wanted configuration was last found to be served, ``None`` before.
        pending: the changes that wait for the next batch, those that wait for a retry included.
        busy_seconds: for how long the current batch has been in progress; 0 if there is none.
        error: why the wanted configuration is not served, empty if it is.
        last_reload: ``None`` before the first.
        reloads: verified reloads since the start.
        reload_errors: applies that nginx refused or that failed.
        last_push: ``None`` before the first, and with the data plane ``files``.
    """

    version: int
    applied: datetime | None
    pending: int
    busy_seconds: float
    error: str
    last_reload: Reload | None
    reloads: int
    reload_errors: int
    last_push: Push | None = None


class WatchStatus(msgspec.Struct, frozen=True):
    """One watch of the API server, or of a folder.

    Attributes:
        name: ``ingresses in default``.
        synced: whether all objects were read once.
        objects: how many there are.
        error: what fails at present, empty if nothing does.
    """

    name: str
    synced: bool
    objects: int
    error: str


class ControllerStatus(msgspec.Struct, frozen=True, kw_only=True):
    """A running controller.

    Attributes:
        version: of Headgate, with the commit.
        pid: of its process.
        started: when it started.
        source: the folder, or the cluster, that it serves.
        nginx: the version and path of the nginx binary.
        nginx_pid: of the nginx master, ``None`` while there is none.
        unready: why the readiness probe fails, empty if it succeeds.
        leader: whether it writes statuses and events; ``None`` for a folder.
        configuration: what nginx serves.
        watches: what is watched.
        data_plane: ``live`` if endpoints reach nginx without a reload, else ``files``.
        njs: version of the module by which those of TCP and UDP do, empty if they do not.
        http3: where HTTP/3 is served, or why it is not, in words; empty if it is not wanted.
        drained: the names of endpoints, Pods and nodes that ``headgate drain`` took out of service.
    """

    version: str
    pid: int
    started: datetime
    source: str
    nginx: str
    nginx_pid: int | None
    unready: str
    leader: bool | None
    configuration: ConfigurationStatus
    watches: tuple[WatchStatus, ...]
    data_plane: str = "files"
    njs: str = ""
    http3: str = ""
    drained: tuple[str, ...] = ()


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that is served, and what is wrong.

    Attributes:
        now: when this was so.
        hosts: by name.
        streams: by listener and host.
        objects: those that are refused, then those with a warning, then those that are ignored.
        controller: the running controller; ``None`` if a folder or a cluster was read instead.
    """

    now: datetime
    hosts: tuple[HostStatus, ...]
    objects: tuple[ObjectStatus, ...]
    streams: tuple[StreamStatus, ...] = ()
    controller: ControllerStatus | None = None
