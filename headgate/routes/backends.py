"""Where requests go: a port of a Service with the addresses behind it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import msgspec

from headgate.problems import ObjectRef
from headgate.routes.checks import Check
from headgate.settings import Quoted

NOBODY, EMPTY, REPLACED = 502, 503, 598
"""What is answered while a Service has no endpoints; nothing else answers the last one, in place of which an error page
answers."""


class Endpoints(msgspec.Struct, frozen=True, gc=False):
    """The addresses behind a Service port, sorted and without doubles.

    ``10.0.0.7:8080``, ``[fd00::7]:8080`` or, for an ExternalName, ``host.example.com:80``; ``pods`` names the Pod
    of each address that has one, for the labels of metrics; ``named`` says that they are names to be resolved.
    ``draining`` are addresses that terminate beside those and still serve: for sessions that began there.
    """

    servers: tuple[str, ...] = ()
    pods: Mapping[str, str] = {}
    named: bool = False
    draining: tuple[str, ...] = ()


class Backup(msgspec.Struct, frozen=True, gc=False):
    """Where requests go while no server of a backend can take them.

    It is the *port* of the Service *service*, ``default/spare``; *field* is where the object names it.
    """

    endpoints: Endpoints
    field: str
    service: str
    port: str


class Queue(msgspec.Struct, frozen=True, gc=False):
    """Requests that wait while no server can take them: at most *size*, for *timeout* seconds; *field* asks for it."""

    field: str
    size: int
    timeout: float = 60


class FastCgi(msgspec.Struct, frozen=True, gc=False):
    """That a backend speaks FastCGI: *params* are parameters beside the usual ones.

    *index* is the file that a path names that ends with a slash; empty for none.
    """

    params: tuple[tuple[str, Quoted], ...] = ()
    index: str = ""


class Backend(msgspec.Struct, frozen=True, gc=False):
    """A port of a Service.

    Attributes:
        service: the Service, in *namespace*.
        port: its port, by number or name, as the object writes it.
        endpoints: the addresses behind it, perhaps none.
        weight: its share of the requests, among the backends of one action.
        upstream: the name of its upstream in nginx, where the object names it.
        grpc: whether it speaks gRPC; ``tls`` whether over TLS; ``websocket`` whether connections may be upgraded. The
            settings may say so, too.
        fastcgi: how it speaks FastCGI, ``None`` if it does not.
        as_client: whether TLS is used where the client uses TLS, whatever ``tls`` says.
        check: how its servers are checked, if they are.
        backup: where requests go while no endpoint can take them.
        queue: how requests wait while none can, if they do.
        unserved: the status of requests while there are no endpoints: ``NOBODY``, ``EMPTY`` or ``REPLACED``.
    """

    service: str
    port: str
    namespace: str
    endpoints: Endpoints = Endpoints()
    weight: int = 1
    upstream: str = ""
    grpc: bool = False
    tls: bool = False
    websocket: bool = False
    fastcgi: FastCgi | None = None
    as_client: bool = False
    check: Check | None = None
    backup: Backup | None = None
    queue: Queue | None = None
    unserved: int = NOBODY


class SecretReference(msgspec.Struct, frozen=True, gc=False):
    """A Secret as the configuration refers to it.

    Attributes:
        ref: the Secret.
        file: its file's name relative to the configuration directory (``secrets/default-cafe``).
        error: why it cannot be used, empty if it can.
        expires: when its certificate ends, with a time zone; ``None`` if it is not used or holds none.
        others: the names of its other files (the revocation list of an authority).
        algorithm: what its key is of, ``RSA`` or ``ECDSA`` for example; empty if it is not used or has none.
    """

    ref: ObjectRef
    file: str
    error: str = ""
    expires: datetime | None = None
    others: tuple[str, ...] = ()
    algorithm: str = ""
