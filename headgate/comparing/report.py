"""The shape of a comparison. ``headgate diff -o json`` prints it as it stands: fields are added, never renamed."""

from __future__ import annotations

import enum

import msgspec


class Operation(enum.Enum):
    """What happens to something between OLD and NEW."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


class Change(msgspec.Struct, frozen=True):
    """A field with its values, which are empty where there is none."""

    field: str
    old: str
    new: str


class HostChange(msgspec.Struct, frozen=True):
    """A host, empty for every host that no other object has, and its fields: object, ports, certificate, default."""

    operation: Operation
    host: str
    fields: tuple[Change, ...]


class RouteChange(msgspec.Struct, frozen=True):
    """A route of a host, by path and type (``/tea (Prefix)``), and its fields: object, action, what belongs to it."""

    operation: Operation
    host: str
    route: str
    fields: tuple[Change, ...]


class StreamChange(msgspec.Struct, frozen=True):
    """A route of TCP or UDP, by the name of its listener and the server name (empty for every connection).

    Its fields: object, port, service, certificate, session.
    """

    operation: Operation
    listener: str
    host: str
    fields: tuple[Change, ...]


class SettingChange(msgspec.Struct, frozen=True):
    """A setting that has another value.

    Attributes:
        host: where; ``None`` for everything that does not set it itself (the ConfigMap).
        route: the route of the host, empty for the whole host.
        name: the ConfigMap key or the annotation.
        old: the value in OLD, empty where nginx's own default holds.
        new: likewise.
        object: the object in NEW that sets it, else the one in OLD that did; empty if a flag does.
    """

    host: str | None
    route: str
    name: str
    old: str
    new: str
    object: str


class ProblemChange(msgspec.Struct, frozen=True):
    """A Problem that NEW has and OLD has not (``added``), or the other way round (``removed``)."""

    operation: Operation
    object: str
    field: str
    value: str
    reason: str
    effect: str
    severity: str
    message: str


class ObjectChange(msgspec.Struct, frozen=True):
    """An object that is refused or ignored on one side; a state is ``absent``, ``served``, ``refused`` or ``ignored``.

    ``reason`` is why it is ignored in NEW; for an object that is refused see the Problems.
    """

    object: str
    old: str
    new: str
    reason: str = ""


class SecretChange(msgspec.Struct, frozen=True):
    """A Secret whose data nginx reads, ``default/cafe-secret``, and its ``use``; never what is in it."""

    operation: Operation
    secret: str
    use: str


class FileChange(msgspec.Struct, frozen=True):
    """A file of nginx that differs, with a unified diff, empty if none is wanted."""

    operation: Operation
    name: str
    diff: str


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that differs; ``notes`` are about what was compared, and are no difference."""

    hosts: tuple[HostChange, ...] = ()
    routes: tuple[RouteChange, ...] = ()
    streams: tuple[StreamChange, ...] = ()
    settings: tuple[SettingChange, ...] = ()
    secrets: tuple[SecretChange, ...] = ()
    problems: tuple[ProblemChange, ...] = ()
    objects: tuple[ObjectChange, ...] = ()
    files: tuple[FileChange, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def differs(self) -> bool:
        """Whether there is any difference."""
        sections = (
            self.hosts,
            self.routes,
            self.streams,
            self.settings,
            self.secrets,
            self.problems,
            self.objects,
            self.files,
        )
        return any(sections)
