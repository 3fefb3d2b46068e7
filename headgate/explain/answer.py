"""The shape of an answer. ``headgate explain -o json`` prints it as it stands: fields are added, never renamed."""

from __future__ import annotations

import enum

import msgspec


class RequestOutcome(enum.Enum):
    """What becomes of the request."""

    PROXIED = "proxied"
    """A Service gets it."""
    ANSWERED = "answered"
    """nginx answers by itself, with ``status``."""
    REFUSED = "refused"
    """The TLS handshake fails; there is no HTTP answer."""
    UNREACHABLE = "unreachable"
    """Nothing listens on that port."""


class Origin(msgspec.Struct, frozen=True):
    """Where a value comes from.

    Attributes:
        kind: ``default``, ``configmap``, ``annotation`` (of an Ingress that stands alone), ``master``, ``minion`` or
            ``field`` (of a custom resource).
        object: ``namespace/name``, empty for a default.
        key: the ConfigMap key, the annotation or the path of the field.
        object_kind: the kind of the object, empty for a default.
    """

    kind: str
    object: str = ""
    key: str = ""
    object_kind: str = ""


class InForce(msgspec.Struct, frozen=True):
    """The value of a setting where the request is answered.

    Attributes:
        name: the ConfigMap key, which is the annotation without its prefix.
        value: as users write it, empty where nginx's own default holds.
        origins: the objects with an explicit value; several if lists were joined.
        annotation: by which an Ingress may say it, empty if only the ConfigMap can.
    """

    name: str
    value: str
    origins: tuple[Origin, ...]
    annotation: str = ""

    @property
    def chosen(self) -> bool:
        """Whether it has an explicit value."""
        return any(origin.kind != "default" for origin in self.origins)


class RejectedMatch(msgspec.Struct, frozen=True):
    """Something else that matches and does not answer."""

    name: str
    why: str


class ListenerAnswer(msgspec.Struct, frozen=True):
    """The port that takes the connection; *protocol* is what is spoken there if it is not HTTP or HTTPS.

    *http3*: whether HTTP/3 is spoken there, too, by UDP.
    """

    port: int
    tls: bool
    why: str
    proxy_protocol: bool = False
    protocol: str = ""
    http3: bool = False


class TlsAnswer(msgspec.Struct, frozen=True):
    """The handshake; ``secret`` is ``namespace/name``, or a flag's certificate, empty if there is none."""

    accepted: bool
    secret: str
    why: str


class ServerAnswer(msgspec.Struct, frozen=True):
    """The virtual server.

    Attributes:
        host: empty for one that answers whatever no other does.
        file: where it is in nginx's configuration, empty if the host is routed at run time.
        object: that it was made from.
        why: it answers.
        others: that match too.
        dedicated: why it is not routed at run time; empty if it is, and without ``-live-routes``.
    """

    host: str
    file: str
    object: str
    why: str
    others: tuple[RejectedMatch, ...] = ()
    dedicated: str = ""


class LocationAnswer(msgspec.Struct, frozen=True):
    """The location, and the path of an Ingress that it was made from (``rule``, empty for none)."""

    name: str
    why: str
    object: str = ""
    rule: str = ""
    others: tuple[RejectedMatch, ...] = ()


class Step(msgspec.Struct, frozen=True):
    """Something that nginx does before a backend is asked, in order.

    Attributes:
        what: in words.
        because: the settings that want it, each with its origin.
        redirects: a redirect of the whole host, before any location.
        status: where it ends this very request: what nginx answers then.
        condition: what must be true for the request to go on, where that is not known; empty if it goes on in any case.
        otherwise: what the client gets where the condition is not met, if nginx answers then.
    """

    what: str
    because: tuple[str, ...] = ()
    redirects: bool = False
    status: int | None = None
    condition: str = ""
    otherwise: str = ""


class EndpointAnswer(msgspec.Struct, frozen=True):
    """An address that may be asked; ``pod`` if it is known; a *backup* is asked while no other one can be."""

    address: str
    pod: str = ""
    backup: bool = False


class UpstreamAnswer(msgspec.Struct, frozen=True):
    """The Service that is asked: ``service`` is ``namespace/name``; without endpoints of its own ``why_none`` says why.

    ``backup`` and ``backup_port`` are the Service that is asked while no endpoint can be; empty if there is none.
    ``refusal`` is what nginx answers without endpoints.
    """

    name: str
    service: str
    port: str
    url: str
    method: str
    path: str
    endpoints: tuple[EndpointAnswer, ...] = ()
    why_none: str = ""
    backup: str = ""
    backup_port: str = ""
    refusal: int = 502


class ErrorPageAnswer(msgspec.Struct, frozen=True):
    """What clients get in place of errors: the statuses, what it is, and the object and field that ask for it."""

    codes: tuple[int, ...]
    what: str
    object: str
    field: str


class Nearby(msgspec.Struct, frozen=True):
    """Something that is wrong with an object that has to do with the question."""

    object: str
    severity: str
    text: str


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What nginx does with a request, and why.

    Attributes:
        url: as it was asked.
        outcome: what becomes of it.
        summary: the same in one sentence.
        status: where nginx answers by itself.
        target: where a redirect leads.
        steps: what happens before a backend is asked, in order.
        error_pages: what clients get in place of errors of nginx and of the backend.
        settings: every setting in force where the request is answered.
        nearby: what is wrong with the Ingresses of that host, and with the ConfigMap.
        hints: what may have been meant, and what this answer cannot know.
    """

    url: str
    outcome: RequestOutcome
    summary: str
    status: int | None = None
    target: str | None = None
    listener: ListenerAnswer | None = None
    tls: TlsAnswer | None = None
    server: ServerAnswer | None = None
    location: LocationAnswer | None = None
    steps: tuple[Step, ...] = ()
    upstream: UpstreamAnswer | None = None
    error_pages: tuple[ErrorPageAnswer, ...] = ()
    settings: tuple[InForce, ...] = ()
    nearby: tuple[Nearby, ...] = ()
    hints: tuple[str, ...] = ()
