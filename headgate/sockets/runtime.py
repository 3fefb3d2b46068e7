"""What a container runtime reports about itself, and the error if it does not."""

from __future__ import annotations

import msgspec


class CriError(Exception):
    """A runtime did not answer as the CRI demands; the text says what it did, and what to do."""


class Condition(msgspec.Struct, frozen=True):
    """One condition that a runtime reports.

    Attributes:
        type: ``RuntimeReady``, ``NetworkReady`` or one of the runtime's own.
        ready: whether it holds.
        reason: why it does not hold, in one word.
        message: why it does not hold, in a sentence.
    """

    type: str
    ready: bool
    reason: str = ""
    message: str = ""


class Runtime(msgspec.Struct, frozen=True):
    """The answers of a runtime.

    Attributes:
        name: as it reports it, ``containerd``.
        version: its own version.
        api: the version of the CRI that it supports, ``v1``.
        conditions: of ``Status``; empty if only ``Version`` was answered.
        status_error: why ``Status`` was not answered, else empty.
    """

    name: str
    version: str
    api: str
    conditions: tuple[Condition, ...] = ()
    status_error: str = ""
