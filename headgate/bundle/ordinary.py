"""Which values of Secrets are not removed: words that every report has, and names of objects."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from typing import Any, Final

import msgspec

from headgate.options import DECLARED
from headgate.settings import REGISTRY
from headgate.watch import WATCHED

_USUAL: Final = """
alert crit debug default development emerg error errors example false headgate host http https info ingress
ingress-nginx kube-system kubernetes local localhost message nginx none notice null opaque Opaque password path port
prod production reason removed root secret Secret secrets server service staging status stderr stdout test token trace
true type user username value warn warning
"""
_NAMING: Final = frozenset({"host", "hosts", "ingressClassName", "name", "namespace", "secretName", "serviceName"})
_WORD: Final = re.compile(r"[A-Za-z][\w./-]*")
_JINJA: Final = re.compile(r"\{[{%#].*?[}%#]\}", re.DOTALL)


@cache
def ordinary_words() -> frozenset[str]:
    """Return the words of templates, fields of objects, annotations, keys and flags, and what often stands there."""
    templates = (_JINJA.sub(" ", text) for text in _texts(resources.files("headgate.render") / "templates"))
    found = {word for text in templates for word in _WORD.findall(text)}
    _, components = msgspec.json.schema_components([row.model for row in WATCHED])
    return frozenset(_USUAL.split()).union(
        found, _fields(components), REGISTRY.keys, REGISTRY.annotations, REGISTRY.names, DECLARED
    )


def _texts(folder: Traversable) -> Iterator[str]:
    for each in folder.iterdir():
        if each.is_dir():
            yield from _texts(each)
        elif each.name.endswith(".j2"):
            yield each.read_text()


def _fields(schema: Any) -> Iterator[str]:
    """Yield the names of fields, and the values that a field may have, in a JSON schema."""
    if isinstance(schema, Mapping):
        yield from schema.get("properties", {})
        yield from (each for each in schema.get("enum", ()) if isinstance(each, str))
        schema = list(schema.values())
    for each in schema if isinstance(schema, list) else ():
        yield from _fields(each)


def names(value: Mapping[str, Any], *, whole: bool) -> Iterator[str]:
    """Yield the name and namespace of an object, and if it is written *whole* also the names and hosts inside it."""
    yield from _named(value.get("metadata") if not whole else value, deep=whole)


def _named(value: Any, *, deep: bool) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            if key in _NAMING:
                yield from (each for each in (item if isinstance(item, list) else [item]) if isinstance(each, str))
    if deep:
        for item in value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ():
            yield from _named(item, deep=True)
