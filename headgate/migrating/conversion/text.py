"""A Conversion as YAML, with what was not carried over as comments, and as a summary."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from headgate.migrating.conversion.outcome import Conversion, Document, Loss

_PLAIN = re.compile(r"[A-Za-z/][A-Za-z0-9_./-]*")
_UNFIT = re.compile(r"[^A-Za-z0-9._-]")
_WORDS: Final = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})
MARKS: Final = {Loss.DIFFERS.value: "differs", Loss.LOST.value: "not carried over", Loss.CLOSED.value: "CLOSED"}


def as_yaml(found: Conversion) -> str:
    """Return all objects as one stream."""
    general = "".join(f"# {line}\n" for line in found.general) if found.documents else ""
    left_out = "".join(
        f"# not converted: {_line(key)}: {_line(why)}\n" for key, why in sorted(found.unconverted.items())
    )
    return f"{general}{left_out}" + "".join(map(document, found.documents))


def file_names(found: Conversion) -> dict[str, str]:
    """Return the same as files, by name; ``_``, which names of objects do not have, keeps these apart."""
    files: dict[str, str] = {}
    for each in found.documents:
        kind, namespace, name = each.ref
        files[_UNFIT.sub("_", f"{namespace}_{name}_{kind.lower()}.yaml")] = document(each)
    return files


def as_summary(found: Conversion) -> str:
    """Return the lines for people, which name each Ingress that is not the same."""
    return "\n".join(_summary(found))


def _summary(found: Conversion) -> Iterator[str]:
    yield (
        f"{len(found.whole):,} converted as they are, {len(found.noted):,} with comments,"
        f" {len(found.closed):,} closed because of a guard, {len(found.unconverted):,} not converted."
    )
    for each in found.documents:
        for note in each.notes:
            yield f"{MARKS[note.loss]}: {note}"
    yield from (f"not converted: {key}: {why}" for key, why in sorted(found.unconverted.items()))


def document(each: Document) -> str:
    """Return one object, with its comments, as a document of a stream."""
    comments = "".join(f"# {MARKS[note.loss]}: {_line(str(note))}\n" for note in each.notes)
    return f"---\n{comments}" + "\n".join(_lines(each.item)) + "\n"


def _line(text: str) -> str:
    """Return *text* as it may stand in a comment: what users write does not end it."""
    return "".join(char if char.isprintable() else "?" for char in text)


def _lines(value: Mapping[str, Any]) -> Iterator[str]:
    for key, each in value.items():
        if isinstance(each, Mapping) and each:
            yield f"{_scalar(key)}:"
            yield from (f"  {line}" for line in _lines(each))
        elif isinstance(each, Sequence) and not isinstance(each, str) and each:
            yield f"{_scalar(key)}:"
            for item in each:
                yield from _item(item)
        else:
            yield f"{_scalar(key)}: {_scalar(each)}"


def _item(item: Any) -> Iterator[str]:
    if not isinstance(item, Mapping):
        yield f"- {_scalar(item)}"
        return
    for i, line in enumerate(_lines(item)):
        yield f"{'  ' if i else '- '}{line}"


def _scalar(value: Any) -> str:
    """Return a scalar: JSON is YAML."""
    if isinstance(value, str) and _PLAIN.fullmatch(value) and value.lower() not in _WORDS:
        return value
    return json.dumps(value)
