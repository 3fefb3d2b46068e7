"""Removes what is confidential: from objects by their kind, from texts by the data of Secrets and by known forms.

Both are needed. An object is written without its data, and what repeats that data elsewhere (a snippet, a Problem, a
line of a log) is removed from each text.
"""

from __future__ import annotations

import base64
import binascii
import bisect
import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

from headgate.api import ConfigMap, Pod, Secret
from headgate.bundle.forms import ESCAPED_START, REMOVED, SECRET_KEYS, names_a_password, without_forms
from headgate.bundle.ordinary import names, ordinary_words
from headgate.watch import WATCHED

KEPT: Final = frozenset(row.model.KIND.name for row in WATCHED if row.model not in {Secret, ConfigMap, Pod})
"""The kinds that are written whole; of others there is only what identifies them."""
APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"
SHORTEST: Final = 4
"""Characters of the shortest value of a Secret that is searched for; shorter ones are in any text."""
_WHOLE: Final = 8
"""Characters below which a value is only searched for as a whole word: ``http`` is in many others."""
SHORTEST_LINE: Final = 8
"""Likewise for a line of a value with several lines."""
_HEAD: Final = 16
"""Characters by which a value is recognized that a message has cut off."""

_WORD: Final = re.compile(r"[^\s\"']+")


def redacted(value: Any, kept_config_map: Callable[[str, str], bool]) -> Any:
    """Return a document as it may be shown.

    Args:
        value: the document, an object or a List of objects.
        kept_config_map: whether the ConfigMap with this namespace and name may be shown; of others the keys are.
    """
    if not isinstance(value, Mapping):
        return f"{REMOVED}: this is not an object"
    if isinstance(value.get("items"), list):
        return {**_identity(value), "items": [redacted(item, kept_config_map) for item in value["items"]]}
    kind, metadata = value.get("kind"), _metadata(value)
    if kind in KEPT:
        return {**value, "metadata": metadata}
    if kind == "ConfigMap" and kept_config_map(str(metadata.get("namespace") or "default"), str(metadata.get("name"))):
        return {**value, "metadata": metadata, **_settings(value)}
    shown = {**_identity(value), "metadata": {key: metadata[key] for key in ("name", "namespace") if key in metadata}}
    if kind in {"Secret", "ConfigMap"}:
        if kind == "Secret" and "type" in value:
            shown["type"] = value["type"]
        shown |= {field: _sizes(value[field]) for field in ("data", "stringData", "binaryData") if field in value}
    else:
        shown["headgate"] = "is not read, so the other fields are left out"
    return shown


def _identity(value: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value[key] for key in ("apiVersion", "kind") if key in value}


def _metadata(value: Mapping[str, Any]) -> dict[str, Any]:
    """Return the metadata without what repeats the object."""
    metadata = value.get("metadata")
    found = dict(metadata) if isinstance(metadata, Mapping) else {}
    found.pop("managedFields", None)
    if isinstance(found.get("annotations"), Mapping):
        found["annotations"] = {key: text for key, text in found["annotations"].items() if key != APPLIED}
    return found


def _settings(value: Mapping[str, Any]) -> dict[str, Any]:
    """Return the data of a ConfigMap with settings, with sizes instead of what is confidential."""
    data = value.get("data")
    if not isinstance(data, Mapping):
        return {}
    return {"data": {**data, **_sizes({key: text for key, text in data.items() if key in SECRET_KEYS})}}


def _sizes(data: Any) -> Any:
    if not isinstance(data, Mapping):
        return f"{REMOVED}: is not a mapping"
    return {key: f"{REMOVED}: {len(str(value))} characters" for key, value in data.items()}


class Concealment:
    """Removes the data of Secrets from texts."""

    def __init__(self) -> None:
        """Know of no Secret."""
        # A cluster has thousands of certificates, and a text few of their lines: those are found by how they begin.
        self._short: defaultdict[str, set[str]] = defaultdict(set)
        self._long: defaultdict[str, set[str]] = defaultdict(set)
        self._kept: set[str] = set(ordinary_words())

    def learn(self, value: Any) -> None:
        """Take the data of the Secrets in a document, and the confidential keys of ConfigMaps."""
        if not isinstance(value, Mapping):
            return
        items = value.get("items")
        for item in items if isinstance(items, list) else ():
            self.learn(item)
        self._kept.update(names(value, whole=value.get("kind") in KEPT))
        if value.get("kind") == "ConfigMap" and isinstance(data := value.get("data"), Mapping):
            for text in _texts({key: text for key, text in data.items() if key in SECRET_KEYS}):
                self._add(text)
        if value.get("kind") != "Secret":
            return
        for field in ("data", "stringData"):
            for text in _texts(value.get(field)):
                self._add(text)
        metadata = value.get("metadata")
        annotations = metadata.get("annotations") if isinstance(metadata, Mapping) else None
        if isinstance(annotations, Mapping) and isinstance(applied := annotations.get(APPLIED), str):
            self._add(applied)

    def _add(self, value: str) -> None:
        for text in _forms(value):
            if len(text) < _HEAD:
                self._short[text[:SHORTEST]].add(text)
            else:
                self._long[text[:_HEAD]].add(text)

    def clean(self, text: str) -> str:
        """Return *text* without data of Secrets, and without what has the form of a key or a password."""
        heads, beginnings = _windows(text, _HEAD) & self._long.keys(), _windows(text, SHORTEST) & self._short.keys()
        found = {secret for head in heads for secret in self._long[head]}
        found |= {secret for beginning in beginnings for secret in self._short[beginning]}
        for secret in sorted(found - self._kept, key=len, reverse=True):
            text = _without(text, secret)
        for head in heads:
            if cut_off := self._long[head] - self._kept:
                text = _without_cut_off(text, head, cut_off)
        return without_forms(text)

    def cleaned(self, value: Any) -> Any:
        """Return a document whose texts are cleaned, with its shape; what a key says is a password is removed whole."""
        if isinstance(value, str):
            return self.clean(value)
        if isinstance(value, Mapping):
            return {
                self.cleaned(key): REMOVED if names_a_password(key, item) else self.cleaned(item)
                for key, item in value.items()
            }
        return [self.cleaned(item) for item in value] if isinstance(value, list | tuple) else value


def _without(text: str, secret: str) -> str:
    """Remove *secret*; a short one, or one of letters as words are, where it is not a part of a longer word or name."""
    if secret in text and (len(secret) < _WHOLE or (len(secret) < _HEAD and secret.isalpha())):
        start = rf"(?:(?<![\w-])(?<!\w\.)|{ESCAPED_START})"
        return re.sub(rf"{start}{re.escape(secret)}(?!\.?[\w-])", REMOVED, text)
    return text.replace(secret, REMOVED)


def _without_cut_off(text: str, head: str, secrets: Iterable[str]) -> str:
    """Remove what is left of *secrets*, which all begin with *head*, where a message has cut them off."""
    ordered = sorted(secrets)
    kept, at = [], 0
    while (start := text.find(head, at)) >= 0:
        rest = text[start : start + len(max(ordered, key=len))]
        near = bisect.bisect(ordered, rest)
        same = max(_alike(rest, each) for each in ordered[max(0, near - 1) : near + 1])
        kept.append(text[at:start])
        word = _WORD.match(text, start + same)
        at = word.end() if word else start + same
    return REMOVED.join([*kept, text[at:]])


def _alike(one: str, other: str) -> int:
    """Return how many characters both begin with."""
    return next((at for at, (left, right) in enumerate(zip(one, other, strict=False)) if left != right),
                min(len(one), len(other)))  # fmt: skip


def _windows(text: str, size: int) -> set[str]:
    """Return every piece of *text* that has *size* characters."""
    return {text[at : at + size] for at in range(len(text) - size + 1)}


def _texts(data: Any) -> Iterator[str]:
    """Yield every scalar in *data*, as text; a wrong manifest may have anything there."""
    if isinstance(data, Mapping):
        for value in data.values():
            yield from _texts(value)
    elif isinstance(data, list):
        for value in data:
            yield from _texts(value)
    elif data is not None and not isinstance(data, bool):
        yield str(data)


def _forms(text: str) -> Iterator[str]:
    """Yield what a value of a Secret may look like in a text: as it is, encoded, decoded, and each line of these."""
    compact, on_one_line = "".join(text.split()), " ".join(text.split())
    yield from _lines(
        (text, compact, on_one_line, *_escaped(text.strip()), base64.b64encode(text.encode(errors="replace")).decode())
    )
    try:
        decoded = base64.b64decode(compact, validate=True)
    except (binascii.Error, ValueError):
        return
    plain = decoded.decode(errors="ignore")
    yield from _lines((plain, " ".join(plain.split()), *_escaped(plain.strip()), base64.b64encode(decoded).decode()))


def _escaped(text: str) -> Iterator[str]:
    """Yield *text*, and each of its lines, as it is between quotes in JSON and nginx, YAML and Python."""
    for each in dict.fromkeys((text, *text.splitlines())):
        yield json.dumps(each)[1:-1]
        yield json.dumps(each, ensure_ascii=False)[1:-1]
        yield each.replace("'", "''")
        yield repr(each)[1:-1]


def _lines(texts: Iterable[str]) -> Iterator[str]:
    for text in texts:
        if len(text.strip()) >= SHORTEST:
            yield text.strip()
        for line in text.splitlines():
            if len(line.strip()) >= SHORTEST_LINE and not line.startswith("-----"):
                yield line.strip()
        # user:password and user:hash, as in the files of basic authentication
        for line in text.splitlines():
            yield from (part.strip() for part in line.split(":")[1:2] if len(part.strip()) >= SHORTEST)
