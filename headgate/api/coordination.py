"""coordination.k8s.io/v1: Lease."""

from __future__ import annotations

from typing import ClassVar

from headgate.api.base import Kind, Model, TopLevel


class LeaseSpec(Model):
    """Who leads, since when, and until when if unrenewed; times are RFC 3339 with microseconds."""

    holder_identity: str | None = None
    lease_duration_seconds: int | None = None
    acquire_time: str | None = None
    renew_time: str | None = None
    lease_transitions: int | None = None


class Lease(TopLevel):
    """The lock of leader election."""

    KIND: ClassVar[Kind] = Kind("Lease", "leases", group="coordination.k8s.io")

    spec: LeaseSpec | None = None
