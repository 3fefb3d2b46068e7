"""Parses YAML and JSON documents as the tools of Kubernetes do.

There are four differences to a YAML library, all for compatibility with ``kubectl``: times are strings, ``12:30`` is
not a number in base 60, keys are always strings, and a duplicate key is an error. Aliases are supported, but a document
that they enlarge too much is refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import msgspec
import yaml

try:
    from yaml import CSafeLoader as Loader
except ImportError:  # PyYAML built without libyaml: slower, the same result
    from yaml import SafeLoader as Loader  # type: ignore[assignment]

MAX_BYTES = 16 * 1024 * 1024
"""Size of the largest file that is read, in bytes."""
MAX_ALIASED = 100_000
"""Limit of the nodes that the aliases of one file may add."""
MAX_DEPTH = 100
"""Limit of nesting; Kubernetes objects have fewer than 20 levels."""


class ManifestError(Exception):
    """A file that is not valid YAML or JSON."""

    def __init__(self, reason: str, line: int = 0, column: int = 0) -> None:
        """Keep the reason and the position (both from 1; 0 is unknown)."""
        super().__init__(reason)
        self.reason = reason
        self.line = line
        self.column = column

    @property
    def where(self) -> str:
        """``line 3, column 7``, as far as known."""
        return ", ".join(f"{word} {at}" for word, at in (("line", self.line), ("column", self.column)) if at)


class Document(msgspec.Struct, frozen=True):
    """One document of a file: its first line (from 1), and its value of dicts, lists and scalars."""

    line: int
    value: Any


def read(data: bytes, *, json: bool) -> list[Document]:
    """Return the documents of one file, without empty ones.

    Raises:
        ManifestError: it is too large, not well-formed, or enlarged too much by aliases.
    """
    if len(data) > MAX_BYTES:
        raise ManifestError(f"is {len(data)} bytes long; at most {MAX_BYTES} are read")
    return _read_json(data) if json else _read_yaml(data)


def _read_json(data: bytes) -> list[Document]:
    text = data.removeprefix(b"\xef\xbb\xbf")
    if not text.strip():
        return []
    try:
        return [Document(1, msgspec.json.decode(text))]
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ManifestError(f"is not JSON: {error}", *_position(text, str(error))) from None
    except RecursionError:
        raise ManifestError("is nested too deeply") from None


def _position(text: bytes, message: str) -> tuple[int, int]:
    """Return line and column of the byte in the message of msgspec."""
    found = re.search(r"byte (\d+)", message)
    if found is None:
        return text.count(b"\n") + 1, 0
    before = text[: int(found[1])]
    return before.count(b"\n") + 1, len(before) - before.rfind(b"\n")


def _read_yaml(data: bytes) -> list[Document]:
    try:
        return _Composer(events(data)).documents()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        reason = error.problem or error.context or "is not YAML"
        raise ManifestError(f"is not YAML: {reason}", *((mark.line + 1, mark.column + 1) if mark else ())) from None
    except yaml.YAMLError as error:
        raise ManifestError(f"is not YAML: {' '.join(str(error).split())}") from None


def events(data: bytes) -> Callable[[], Any]:
    """Return what gives the next event of the parser at each call (yaml.YAMLError where there is none)."""
    following: Callable[[], Any] = Loader(data).get_event
    return following


class _Composer:
    """Builds values directly from the events of the parser; trees of nodes would double the time."""

    def __init__(self, following: Callable[[], Any]) -> None:
        self._next = following
        self._anchors: dict[str, tuple[Any, int]] = {}
        self._nodes = 0
        self._aliased = 0

    def documents(self) -> list[Document]:
        found = []
        while not isinstance(event := self._next(), yaml.StreamEndEvent):
            if isinstance(event, yaml.DocumentStartEvent):
                self._anchors.clear()
                first = self._next()
                value = self._node(first, 0)
                if value is not None:
                    found.append(Document(first.start_mark.line + 1, value))
        return found

    def _node(self, event: Any, depth: int) -> Any:
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event)
        before = self._nodes
        self._nodes += 1
        if isinstance(event, yaml.ScalarEvent):
            value = _scalar(event)
        elif depth >= MAX_DEPTH:
            raise _error(event, f"is nested more than {MAX_DEPTH} levels deep")
        elif isinstance(event, yaml.SequenceStartEvent):
            value = self._sequence(depth)
        else:
            value = self._mapping(depth)
        if event.anchor is not None:
            self._anchors[event.anchor] = value, self._nodes - before
        return value

    def _sequence(self, depth: int) -> list[Any]:
        items = []
        while not isinstance(event := self._next(), yaml.SequenceEndEvent):
            items.append(self._node(event, depth + 1))
        return items

    def _mapping(self, depth: int) -> dict[str, Any]:
        items: dict[str, Any] = {}
        merged: list[Any] = []
        while not isinstance(key := self._next(), yaml.MappingEndEvent):
            if not isinstance(key, yaml.ScalarEvent):
                raise _error(key, "has a key that is not plain text")
            value = self._node(self._next(), depth + 1)
            if key.value == "<<" and key.implicit[0]:
                merged.extend(value if isinstance(value, list) else [value])
            elif key.value in items:
                raise _error(key, f"has the key {key.value!r} twice")
            else:
                items[key.value] = value
        for other in merged:
            if isinstance(other, dict):
                items = other | items
        return items

    def _alias(self, event: Any) -> Any:
        if event.anchor not in self._anchors:
            raise _error(event, f"uses the alias *{event.anchor} before (or inside) what it names")
        value, nodes = self._anchors[event.anchor]
        self._nodes += nodes
        self._aliased += nodes
        if self._aliased > MAX_ALIASED:
            raise _error(event, f"grows by more than {MAX_ALIASED} nodes through aliases; write it out, or shorter")
        return value


def _error(event: Any, reason: str) -> ManifestError:
    return ManifestError(reason, event.start_mark.line + 1, event.start_mark.column + 1)


_TAG = "tag:yaml.org,2002:"
_TEXT = frozenset((f"{_TAG}str", f"{_TAG}binary", f"{_TAG}timestamp", "!"))
_RESOLVED = frozenset(f"{_TAG}{name}" for name in ("int", "float", "bool", "null"))


def _scalar(event: Any) -> Any:
    """Resolve a scalar: a quoted one is a string, a plain one is resolved by its form, unless a tag says otherwise."""
    if event.implicit[0] or event.tag in _RESOLVED:
        return _plain(event.value)
    if event.implicit[1] or event.tag in _TEXT:
        return event.value
    raise _error(event, f"has the tag {event.tag}, which Kubernetes does not know")


def _spellings(*words: str) -> tuple[str, ...]:
    return tuple(form for word in words for form in (word, word.capitalize(), word.upper()))


_CONSTANTS: dict[str, Any] = {
    "": None,
    "~": None,
    **dict.fromkeys(_spellings("null")),
    **dict.fromkeys(_spellings("true", "yes", "on"), True),
    **dict.fromkeys(_spellings("false", "no", "off"), False),
    **dict.fromkeys(_spellings(".inf", "+.inf"), float("inf")),
    **dict.fromkeys(_spellings("-.inf"), float("-inf")),
    **dict.fromkeys(_spellings(".nan"), float("nan")),
}
_INTEGER = re.compile(r"[-+]?(?:0b[01_]+|0x[0-9a-fA-F_]+|0o?[0-7_]+|[1-9][0-9_]*|0)")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_LONGEST_NUMBER = 40


def _plain(text: str) -> Any:
    """Resolve a plain scalar by the rules of YAML 1.1 as implemented by go-yaml (no times, no base 60)."""
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if text[0] not in "+-.0123456789" or len(text) > _LONGEST_NUMBER:
        return text
    if _INTEGER.fullmatch(text):
        return _integer(text)
    return float(text) if _FLOAT.fullmatch(text) else text


def _integer(text: str) -> int:
    digits = text.lstrip("+-").replace("_", "")
    if digits[:2] in {"0b", "0x", "0o"}:
        number = int(digits, 0)
    else:
        number = int(digits, 8 if len(digits) > 1 and digits[0] == "0" else 10)
    return -number if text[0] == "-" else number
