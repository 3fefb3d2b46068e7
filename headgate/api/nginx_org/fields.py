"""What a field of a custom resource may hold, as data.

The schema of the CustomResourceDefinition, the validation and the reference page follow from these declarations.
A field is declared as ``name: Annotated[str | None, Field(rule, doc)] = None``.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator
from typing import Any, get_args, get_type_hints

import msgspec

from headgate.api.base import Model


class Form(enum.Enum):
    """The forms of text; the value is what messages and the reference call it."""

    TIME = "time"
    SECONDS = "time in whole seconds"
    SIZE = "size"
    OFFSET = "size, also with g"
    ZONE = "size of shared memory"
    NAME = "name of an object"
    QUALIFIED = "[namespace/]name of an object"
    NAMESPACE = "name of a namespace"
    LABEL = "name that begins with a letter"
    """A DNS label of RFC 1035: the names of upstreams and listeners."""
    SERVICE = "[namespace/]name of a Service"
    OWN_SERVICE = "name of a Service"
    HOST = "host name, perhaps with *. in front"
    DOMAIN = "domain, perhaps with a dot in front"
    HEADER = "header name"
    COOKIE = "name of a cookie or argument"
    PATH = "path"
    COOKIE_PATH = "path of a cookie"
    """A path that can stand in a parameter of nginx as it is."""
    ROUTE = "path of a route"
    REWRITE = "path that replaces the one of the request"
    TEXT = "text"
    """Text that may contain the variables of ``Field.variables``."""
    CONDITION = "text, or a regular expression after ~"
    BODY = "text, perhaps of several lines"
    PLAIN = "text without $"
    CIPHERS = "OpenSSL cipher list"
    MEDIA_TYPE = "media type"
    URL = "URL"
    ADDRESS = "IP address or CIDR block"
    IPV4 = "IPv4 address"
    IPV6 = "IPv6 address"
    RATE = "rate, such as 10r/s"
    BALANCING = "load balancing method"
    STREAM_BALANCING = "load balancing method of TCP and UDP"
    FREE = "text of its own"
    """Anything: snippets, and what another controller reads."""


class Range(msgspec.Struct, frozen=True):
    """Whole numbers from *least* to *most*; ``None`` is no bound."""

    least: int = 0
    most: int | None = None


class OneOf(msgspec.Struct, frozen=True):
    """One of some words, or of some numbers; with *folds* the case of letters does not count.

    Words may also begin with one of *prefixes*, before letters, digits and ``_``.
    """

    words: tuple[str | int, ...]
    folds: bool = False
    prefixes: tuple[str, ...] = ()


class Codes(msgspec.Struct, frozen=True):
    """Status codes whose hundreds are among *classes*."""

    classes: tuple[int, ...]


class Listed(msgspec.Struct, frozen=True):
    """A text of words, separated by spaces, each at most once."""

    words: tuple[str, ...]


class Shape(msgspec.Struct, frozen=True):
    """A text that matches *pattern* as a whole; *words* complete "is not …"."""

    pattern: str
    words: str


Rule = Form | Range | OneOf | Codes | Listed | Shape


class Field(msgspec.Struct, frozen=True):
    """The declaration of a field, beside its type.

    Attributes:
        rule: what each of its values must be; ``None`` is for objects, lists of objects and truth values.
        doc: one sentence for the reference.
        required: whether the object that has the field cannot do without it.
        variables: names of variables that may stand in a text as ``${name}``; ``arg_*`` is any argument.
        default: what is in force without it, in words.
        schema: what the schema says besides, such as a CEL rule.
    """

    rule: Rule | None
    doc: str
    required: bool = False
    variables: tuple[str, ...] = ()
    default: str = ""
    schema: tuple[tuple[str, Any], ...] = ()


class Declared(msgspec.Struct, frozen=True):
    """A field as it was found.

    Attributes:
        attribute: its name in Python.
        name: its name in manifests.
        kind: the type of its value, without ``None``: a built-in type, a Model, or ``tuple`` or ``dict`` of those.
        field: its declaration.
    """

    attribute: str
    name: str
    kind: Any
    field: Field


def declared(model: type[Model]) -> Iterator[Declared]:
    """Yield the fields of *model* that have a declaration, in their order."""
    hints = get_type_hints(model, include_extras=True)
    for entry in msgspec.structs.fields(model):
        extras = get_args(hints[entry.name])[1:]
        field = next((extra for extra in extras if isinstance(extra, Field)), None)
        if field is not None:
            kinds = get_args(get_args(hints[entry.name])[0])
            kind = next((kind for kind in kinds if kind is not type(None)), None)
            yield Declared(entry.name, entry.encode_name, kind or get_args(hints[entry.name])[0], field)
