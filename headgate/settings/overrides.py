"""Overrides: what one object or the ConfigMap says, to be laid over what holds without it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from headgate.settings.config_params import REGISTRY, ConfigParams
from headgate.settings.dialect import INCUMBENT, Dialect, Scope
from headgate.settings.registry import Setting

_FIELDS: Mapping[str, Setting] = {field.name: field for field in reversed(REGISTRY.fields)}
"""Each setting once; of two spellings the first declared, which is the proper one."""


BUILT_IN = ConfigParams()


class Overrides(msgspec.Struct, frozen=True, gc=False):
    """Typed values by the names of their fields, each with the key under which the user wrote it.

    Attributes:
        explicit: field name → value.
        keys: field name → annotation or ConfigMap key, as written.
        dialect: of the annotations; ``None`` for the ConfigMap.
        values: the explicit values, and the built-in defaults for the rest; follows from *explicit*.
    """

    explicit: Mapping[str, Any] = {}
    keys: Mapping[str, str] = {}
    dialect: Dialect | None = INCUMBENT
    values: ConfigParams = BUILT_IN

    def __post_init__(self) -> None:
        """Derive the values."""
        if self.explicit:
            msgspec.structs.force_setattr(self, "values", self.over(BUILT_IN))

    def __contains__(self, name: str) -> bool:
        """Whether the field *name* has an explicit value."""
        return name in self.explicit

    def __bool__(self) -> bool:
        return bool(self.explicit)

    def key(self, name: str) -> str:
        """Return the key of the field *name* as the user wrote it, else as the reference page has it."""
        if found := self.keys.get(name):
            return found
        spec, dialect = _FIELDS[name].spec, self.dialect
        if dialect is None:
            return spec.key
        return _FIELDS[name].annotation if dialect is INCUMBENT else dialect.prefix + dialect.names.get(name, spec.key)

    def over(self, base: ConfigParams) -> ConfigParams:
        """Lay the explicit values over *base*; a list that is JOINED follows that of *base*."""
        groups: dict[str, dict[str, Any]] = {}
        for name, value in self.explicit.items():
            field = _FIELDS[name]
            joined = field.spec.scope is Scope.JOINED
            whole = (*getattr(getattr(base, field.group), name), *value) if joined else value
            groups.setdefault(field.group, {})[name] = whole
        return base.replaced(groups)

    def part(self, *scopes: Scope) -> Overrides:
        """Return the explicit values of settings of *scopes*."""
        explicit = {name: value for name, value in self.explicit.items() if _FIELDS[name].spec.scope in scopes}
        return self if len(explicit) == len(self.explicit) else Overrides(explicit, self.keys, self.dialect)
