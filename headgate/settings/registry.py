"""One declaration per setting: the field's annotation says its key, its meaning and its rules.

From the declarations follow the parsers of ConfigMap and annotations, the Problems, the overlay
order, the inheritance of mergeable Ingresses and the reference tables. A group is a frozen struct
whose field names are nginx's directive names where there is one, so that templates read
``{% if s.proxy_read_timeout %}``.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, dataclass_transform, get_args, get_origin, get_type_hints

import msgspec

from headgate.settings.dialect import INCUMBENT, Scope
from headgate.settings.parsers import Parser, number, switch
from headgate.settings.values import parser_of


class Where(enum.Flag):
    """Where users of the incumbent may write a setting."""

    NOWHERE = 0
    """Another dialect says it."""
    CONFIGMAP = enum.auto()
    ANNOTATION = enum.auto()
    BOTH = CONFIGMAP | ANNOTATION


class SettingSpec(msgspec.Struct, frozen=True, kw_only=True):
    """The declaration of a setting, beside its field.

    Attributes:
        key: the ConfigMap key; ``nginx.org/key`` is the annotation.
        doc: one sentence for the reference page.
        scope: see Scope.
        where: ConfigMap, annotation or both.
        parse: the parser, if it does not follow from the field's type.
        annotation: the whole annotation key, where it is not ``nginx.org/key``.
        requires: another key, or several separated by ``, ``, that must be present in the same place.
        gate: the flag without which the setting is refused in the places *gated*.
        gated: where the gate stands; a user who may write the ConfigMap may write snippets.
        empty: whether an empty text is a value; elsewhere it is refused.
        yields_to: another key that wins where both are set, unless its own value is false; a whole annotation key
            where it is another spelling of the same setting.
        deprecated: whether *yields_to* is recommended instead.
        directive: nginx's directives that say it; ``None``: the field is called so, ``""``: there is none.
        context: nginx's blocks where they stand, if these do not follow from *scope* and *where*; ``""``: none.
        unit: what a bare number counts, if it does not follow from the parser.
        example: a value worth copying, if it does not follow from the parser.
        differs: where and why Headgate does otherwise than the incumbent; a sentence or two.
        secret: whether the value is confidential, and is left out where settings are shown to others.
        narrow: whether *differs* is only about values that one of the two refuses or that hardly anybody writes.
    """

    key: str
    doc: str
    scope: Scope = Scope.INHERITED
    where: Where = Where.BOTH
    parse: Parser[Any] | None = None
    annotation: str = ""
    requires: str = ""
    gate: str = ""
    gated: Where = Where.ANNOTATION
    empty: bool = False
    yields_to: str = ""
    deprecated: bool = False
    directive: str | None = None
    context: str | None = None
    unit: str = ""
    example: str = ""
    differs: str = ""
    narrow: bool = False
    secret: bool = False


def setting(key: str, doc: str, scope: Scope = Scope.INHERITED, where: Where = Where.BOTH, **more: Any) -> SettingSpec:
    """Declare a setting; *more* are the remaining attributes of SettingSpec."""
    return SettingSpec(key=key, doc=doc, scope=scope, where=where, **more)


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(msgspec.field,))
class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Base of the groups."""


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """A setting found in a group."""

    group: str
    name: str
    default: Any
    kind: Any
    spec: SettingSpec
    parse: Parser[Any]

    @property
    def annotation(self) -> str:
        """The whole annotation key, or ``""``."""
        if Where.ANNOTATION not in self.spec.where:
            return ""
        return self.spec.annotation or INCUMBENT.prefix + self.spec.key

    @property
    def usual(self) -> str:
        """The default as users would write it, on one line; ``""`` where nginx's own holds or there is nothing."""
        if isinstance(self.default, bool):
            return "true" if self.default else "false"
        if isinstance(self.default, tuple):
            return " ".join(" ".join(map(str, self.default)).split())
        return "" if self.default is None else str(self.default)

    @property
    def directive(self) -> str:
        """The directives of nginx that say it; ``""`` if there is none."""
        return self.name if self.spec.directive is None else self.spec.directive

    @property
    def context(self) -> str:
        """The blocks of nginx where the directives stand: http for the ConfigMap, then as far in as users may write."""
        spec = self.spec
        inner = Where.ANNOTATION in spec.where
        blocks = {
            "http": Where.CONFIGMAP in spec.where,
            "server": inner and spec.scope is not Scope.LOCATION,
            "location": inner and spec.scope is not Scope.SERVER,
        }
        return ", ".join(block for block, used in blocks.items() if used) if spec.context is None else spec.context

    @property
    def unit(self) -> str:
        """What a bare number counts, ``""`` where there is nothing to count."""
        return self.spec.unit or self.parse.unit

    @property
    def example(self) -> str:
        """A value worth copying, other than the default."""
        if isinstance(self.default, bool) and not self.spec.example:
            return "false" if self.default else "true"
        return self.spec.example or self.parse.example


_PARSERS: Mapping[Any, Parser[Any]] = {bool: switch, int: number()}


def _parser(kind: Any) -> Parser[Any]:
    """Find the parser of a field's type: its own, or that of a built-in type."""
    for part in (kind, *get_args(kind)):
        if parse := _PARSERS.get(part) or parser_of(part):
            return parse
    raise TypeError(f"no parser for {kind}; give the setting one")


def fields(group: str, model: type[Settings]) -> Iterator[Setting]:
    """Yield every setting that *model* declares; two Settings on a field are two spellings of one setting."""
    defaults = {field.name: field.default for field in msgspec.structs.fields(model)}
    for name, hint in get_type_hints(model, include_extras=True).items():
        if get_origin(hint) is not Annotated:
            continue
        kind, *extras = get_args(hint)
        for spec in extras:
            if isinstance(spec, SettingSpec):
                parse = spec.parse or _parser(kind)
                yield Setting(group=group, name=name, default=defaults[name], kind=kind, spec=spec, parse=parse)


class Registry:
    """Every setting, by annotation and by ConfigMap key."""

    def __init__(self, groups: Mapping[str, type[Settings]]) -> None:
        """Collect the settings of *groups*; a key or field name declared twice is a bug (ValueError)."""
        self.fields = tuple(field for name, model in groups.items() for field in fields(name, model))
        self.annotations = {field.annotation: field for field in self.fields if field.annotation}
        self.keys = {field.spec.key: field for field in self.fields if Where.CONFIGMAP in field.spec.where}
        self.groups: dict[str, str] = {}
        for field in self.fields:
            if self.groups.setdefault(field.name, field.group) != field.group:
                raise ValueError(f"two groups have a field {field.name}")
        self.names = frozenset(self.groups)
        self._spelled = {field.spec.key: field.annotation for field in self.fields if field.annotation}

    def annotation_of(self, key: str) -> str:
        """Return the whole annotation of the setting *key*."""
        return self._spelled.get(key, INCUMBENT.prefix + key)


class Delta:
    """What a block must say because the block around it says otherwise; every other setting reads as ``None``."""

    __slots__ = ("_names", "_values")

    def __init__(self, values: Mapping[str, Any], names: frozenset[str]) -> None:
        """Hold the *values* values; *names* are all that may be asked for."""
        self._values = values
        self._names = names

    def __getattr__(self, name: str) -> Any:
        """Return the value to print or ``None`` (AttributeError for a name that no setting has)."""
        if name not in self._names:
            raise AttributeError(name)
        return self._values.get(name)

    def __bool__(self) -> bool:
        return bool(self._values)

    def without(self, name: str) -> Delta:
        """Return what it says besides *name*."""
        if name not in self._values:
            return self
        return Delta({key: value for key, value in self._values.items() if key != name}, self._names)

    def joined(self, other: Delta) -> Delta:
        """Return what either says; where both do, what this one says."""
        return Delta({**other._values, **self._values}, self._names) if other else self

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Delta) and self._values == other._values

    def __hash__(self) -> int:
        return hash(tuple(self._values))
