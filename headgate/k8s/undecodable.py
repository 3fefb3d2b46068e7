"""Why an object does not decode, and what is left of it without what does not."""

from __future__ import annotations

import re
from typing import Any, TypeVar

import msgspec

from headgate.api import Secret, TopLevel
from headgate.api.fields import known_fields
from headgate.problems import ObjectRef, Problem, Severity

M = TypeVar("M", bound=TopLevel)
NOT_USED = "the object is not used"

_WORDS = {
    "str": "a string",
    "int": "an integer",
    "float": "a number",
    "bool": "a boolean",
    "array": "an array",
    "object": "an object",
    "null": "null",
}
_PART = re.compile(r"\.([^.\[]+)|\[([^\]]*)\]")
MOST_FAULTS = 20
"""Fields of one object that are taken out before it is given up."""
_MESSAGE = re.compile(r"Expected `(?P<wanted>[^`]+)`, got `(?P<got>[^`]+)`(?: - at `(?P<path>[^`]+)`)?")


def undecodable(model: type[TopLevel], ref: ObjectRef, value: Any, error: msgspec.ValidationError) -> Problem:
    """Return the Problem of a field of the wrong type; its value is shown unless it may be a secret."""
    found = _MESSAGE.match(str(error))
    if found is None:
        return Problem(ref, "", "", str(error), NOT_USED, Severity.ERROR)
    wanted = found["wanted"].removesuffix(" | null")
    field, culprit = _locate(value, found["path"] or "$", wanted)
    shown = "" if issubclass(model, Secret) or isinstance(culprit, dict | list | None) else _text(culprit)
    there = "" if wanted == "int" and found["got"] == "float" and shown else f", not {_words(found['got'])}"
    reason = f"must be {_words(wanted)}{there}{_hint(model, field, wanted, culprit)}"
    return Problem(ref, field, shown, reason, NOT_USED, Severity.ERROR)


def _hint(model: type[TopLevel], field: str, wanted: str, culprit: Any) -> str:
    """Return what to write instead of *culprit*, where it was *wanted*, as a clause, or ``""``."""
    scalar = isinstance(culprit, str | int | float)
    if wanted == "str" and scalar:
        return "; put it in quotes"
    if wanted == "int" and isinstance(culprit, str):
        if culprit.isdecimal():
            return "; remove the quotes"
        return "; write the number of the port, not its name" if field.endswith(".port") else ""
    if wanted == "array":
        return "; begin each entry with -, also a single one" if scalar or isinstance(culprit, dict) else ""
    if wanted == "bool" and culprit in ("true", "false"):
        return "; remove the quotes"
    names = known_fields(model, field) if wanted == "object" and scalar else ()
    return f"; its fields are {', '.join(names)}" if names else ""


def remains(model: type[M], value: Any) -> M | None:
    """Return the object without what does not decode, ``None`` if too little is left; *value* is changed."""
    for _ in range(MOST_FAULTS):
        try:
            return model.convert(value)
        except msgspec.ValidationError as error:
            found = _MESSAGE.match(str(error))
            if found is None or not _take_out(value, found["path"] or "$", found["wanted"].removesuffix(" | null")):
                return None
    return None


def _take_out(value: Any, path: str, wanted: str) -> bool:
    """Remove what is at *path*; return whether there was anything."""
    names = _PART.findall(path)
    for place, (name, index) in enumerate(names, start=1):
        key: Any = name or (_culprit(value, wanted)[0] if index == "..." else int(index))
        known = key in value if isinstance(value, dict) else isinstance(value, list) and key < len(value)
        if not known:
            return False
        if place == len(names):
            del value[key]
            return True
        value = value[key]
    return False


def _words(types: str) -> str:
    return " or ".join(_WORDS.get(name, name) for name in types.split(" | "))


def _text(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def _locate(value: Any, path: str, wanted: str) -> tuple[str, Any]:
    """Return the field path and its value, with the key that msgspec writes as ``[...]``."""
    names = []
    for name, index in _PART.findall(path):
        if name:
            names.append(f".{name}")
            value = value.get(name) if isinstance(value, dict) else None
        elif index == "...":
            key, value = _culprit(value, wanted)
            names.append(f"[{key}]")
        else:
            names.append(f"[{index}]")
            value = value[int(index)] if isinstance(value, list) and int(index) < len(value) else None
    return "".join(names).removeprefix("."), value


def _culprit(value: Any, wanted: str) -> tuple[str, Any]:
    """Return the first entry of a mapping that is not what was *wanted*."""
    kinds = {"str": str, "int": int, "object": dict, "array": list}
    entries = value.items() if isinstance(value, dict) else ()
    wrong = ((key, item) for key, item in entries if not isinstance(item, kinds.get(wanted, str)))
    return next(wrong, ("...", None))
