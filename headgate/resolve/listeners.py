"""Listeners as resources name them: looked up in the GlobalConfiguration that is in force."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from headgate.api import GlobalConfiguration
from headgate.problems import ObjectRef, meant
from headgate.routes import Listener

LISTENERS: Final = GlobalConfiguration.KIND.ref("", "")
"""What a resource refers to that names a listener: the GlobalConfiguration in force, whichever that is."""


class Listeners(msgspec.Struct, frozen=True):
    """The listeners of the GlobalConfiguration *ref*, by name; ``None`` if none is in use, and it may not exist."""

    ref: ObjectRef | None = None
    found: Mapping[str, Listener] = {}
    exists: bool = False

    def absence(self, name: str) -> str:
        """Return why there is no listener *name*, in one clause."""
        if self.ref is None:
            instead = "make one with this listener (in a cluster, -global-configuration names it)"
            return f"no GlobalConfiguration is in use; {instead}"
        if not self.exists:
            return f"there is no valid {self.ref}"
        if other := self.found.get(name):
            return f"{self.ref} has it with the protocol {other.protocol.value}"
        near = meant(name, self.found)
        return f"{self.ref} has {', '.join(sorted(self.found)) or 'no listeners that can be used'}{near}"
