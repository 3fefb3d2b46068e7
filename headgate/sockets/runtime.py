"""What a container runtime says about itself, and the ways in which it may not."""

from __future__ import annotations

import msgspec


class CriError(Exception):
    """A runtime did not answer as the CRI says; the text is what it said, and what to do."""


class Condition(msgspec.Struct, frozen=True):
    """One thing that a runtime says about itself.

    Attributes:
        type: ``RuntimeReady``, ``NetworkReady`` or one of the runtime's own.
        ready: whether it holds.
        reason: one word for why not.
        message: a sentence for why not.
    """

    type: str
    ready: bool
    reason: str = ""
    message: str = ""


class Runtime(msgspec.Struct, frozen=True):
    """What a runtime answers.

    Attributes:
        name: as it calls itself, ``containerd``.
        version: its own version.
        api: the version of the CRI that it speaks, ``v1``.
        conditions: what ``Status`` says; empty if only ``Version`` was answered.
        silence: why ``Status`` was not answered, else empty.
    """

    name: str
    version: str
    api: str
    conditions: tuple[Condition, ...] = ()
    silence: str = ""
