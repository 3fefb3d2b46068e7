"""The reference entry of one annotation, ConfigMap key or flag, from the declarations of docs/reference."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from types import MappingProxyType

import msgspec

from headgate.declined_flags import DECLINED
from headgate.explain.question import BadQuestion
from headgate.flags import Declaration, printed
from headgate.options import DECLARED
from headgate.settings import INCUMBENT, REGISTRY, Setting, Where
from headgate.settings.declined import declined
from headgate.settings.docs import SETS
from headgate.settings.foreign import foreign

PLACES: Mapping[str, str] = MappingProxyType(
    {"annotation": "nginx.org/lb-method", "configmap": "proxy-read-timeout", "flag": "-ingress-class"}
)
"""Where names are declared, with an example each."""


class Entry(msgspec.Struct, frozen=True):
    """What the reference says: ``rows`` are label and text, ``known`` is false for what is not there, with a reason."""

    place: str
    name: str
    meaning: str
    rows: Mapping[str, str] = {}
    known: bool = True


def entry(place: str, name: str) -> Entry:
    """Return the entry of *name* in *place*: ``annotation``, ``configmap`` or ``flag``.

    An annotation may be named without its prefix, a flag with any number of dashes.

    Raises:
        BadQuestion: nobody knows that name; the text says which is like it.
    """
    if place == "flag":
        return _flag(name.lstrip("-").partition("=")[0])
    known = REGISTRY.annotations if place == "annotation" else REGISTRY.keys
    if place == "annotation" and "/" not in name:
        name = INCUMBENT.prefix + name
    if field := known.get(name):
        return Entry(place, name, field.spec.doc, dict(_rows(field, place)))
    if place == "annotation" and name in INCUMBENT.structural:
        return Entry(place, name, INCUMBENT.structural[name])
    if reason := declined(place, name):
        return Entry(place, name, f"Headgate ignores it: it is {reason}", known=False)
    if place == "annotation" and (row := foreign(name)):
        return Entry(place, name, f"Headgate ignores it: it is {row.reason(name, '', {})}", known=False)
    raise BadQuestion(f"there is no {_spoken(place)} {name!r}{_guess(name, known)}")


def names(place: str) -> tuple[str, ...]:
    """Return every name in *place* that ``entry`` knows and that has an effect; flags with their usual dashes."""
    if place == "flag":
        return tuple(found.spelling for found in DECLARED.values())
    known = REGISTRY.annotations if place == "annotation" else REGISTRY.keys
    return (*known, *(INCUMBENT.structural if place == "annotation" else ()))


def _spoken(place: str) -> str:
    return "ConfigMap key" if place == "configmap" else place


def _rows(field: Setting, place: str) -> Iterator[tuple[str, str]]:
    """Yield what is known of a setting, label by label."""
    setting = field.spec
    here = Where.CONFIGMAP if place == "configmap" else Where.ANNOTATION
    yield "value", field.parse.words.replace("`", "")
    if field.unit:
        yield "unit", field.unit
    yield "default", _default(field, place)
    if field.example:
        yield "example", _example(field, place)
    if field.directive:
        yield "nginx", f"{field.directive} in {field.context}"
    if place == "annotation":
        yield "in a set", SETS[setting.scope]
    prefix = INCUMBENT.prefix if place == "annotation" else ""
    keys = [key for key in setting.requires.split(", ") if key]
    needs = [REGISTRY.annotation_of(key) for key in keys] if prefix else keys
    if setting.gate and here in setting.gated:
        needs.append(f"-{setting.gate}")
    if needs:
        yield "needs", " and ".join(needs)
    if setting.yields_to:
        yield "overridden by", setting.yields_to if "/" in setting.yields_to else prefix + setting.yields_to
    if other := _elsewhere(field, place):
        yield "see also", other
    if setting.differs:
        yield "differs", setting.differs


def _default(field: Setting, place: str) -> str:
    if place == "annotation" and field.spec.key in REGISTRY.keys:
        return f"the value of the ConfigMap, otherwise {field.usual or 'the default of nginx'}"
    return field.usual or "the default of nginx, or none"


def _example(field: Setting, place: str) -> str:
    key = field.annotation if place == "annotation" else field.spec.key
    return f'{key}: "{field.example}"' if "\n" not in field.example else f"{key}: |\n{field.example}"


def _elsewhere(field: Setting, place: str) -> str:
    """Return where else the setting may stand."""
    if Where.BOTH not in field.spec.where:
        return ""
    return f"ConfigMap key {field.spec.key}" if place == "annotation" else f"annotation {field.annotation}"


def _flag(name: str) -> Entry:
    if found := DECLARED.get(name):
        return Entry("flag", found.spelling, found.flag.doc, dict(_flag_rows(found)))
    if gone := DECLINED.get(name):
        return Entry("flag", f"-{name}", f"Headgate ignores it: it {gone.reason}", known=False)
    raise BadQuestion(f"there is no flag -{name}{_guess(name, DECLARED)}")


def _flag_rows(found: Declaration) -> Iterator[tuple[str, str]]:
    yield "value", found.value.placeholder or "true or false"
    yield "default", printed(found.default) or "none"
    yield "example", found.example


def _guess(name: str, known: Mapping[str, object]) -> str:
    # Annotations share a prefix: with the usual 0.6 any short name would resemble another one.
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.8)
    return f"; did you mean {near[0]}?" if near else ""
