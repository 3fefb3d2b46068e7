"""Which GlobalConfiguration is in force, and its listeners."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

from headgate.api import GlobalConfiguration
from headgate.options import NamespacedName
from headgate.problems import ObjectRef

UNNAMED: Final = "no -global-configuration names one"
SEVERAL: Final = "there are several GlobalConfigurations; name one by -global-configuration"


class Choice:
    """Chooses the GlobalConfiguration that a flag names; in a folder without the flag, the only one there is."""

    def __init__(self, named: NamespacedName | None, *, standalone: bool) -> None:
        """Begin without objects; *standalone* says whether a folder is served."""
        self._named = GlobalConfiguration.KIND.ref(named.namespace, named.name) if named else None
        self._standalone = standalone
        self.chosen = self._named
        """The one that counts, there or not."""

    def choose(self, present: Collection[ObjectRef]) -> frozenset[ObjectRef]:
        """Choose among those *present*; return those whose part changed by it."""
        before = self.chosen
        if self._named is None and self._standalone:
            self.chosen = next(iter(present)) if len(present) == 1 else None
        return frozenset(ref for ref in {before, self.chosen} if ref) if self.chosen != before else frozenset()

    def others(self, present: Collection[ObjectRef]) -> Mapping[ObjectRef, str]:
        """Return the others among those *present*, and why they do not count."""
        unnamed = SEVERAL if self._standalone else UNNAMED
        reason = f"-global-configuration names {self._named.key}" if self._named else unnamed
        return {ref: reason for ref in present if ref != self.chosen}
