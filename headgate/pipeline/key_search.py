"""Which keys of a ConfigMap nginx refuses: sets of keys are tried, by halves, until each is accepted or left out."""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Iterable, Mapping

import msgspec

Keys = tuple[str, ...]
_QUOTED = re.compile(r'"([^"]+)"')
_PORT = re.compile(r"^port (\d+) cannot be used")
"""How an apply that failed for a port in use is reported."""


class FoundKeys(msgspec.Struct, frozen=True):
    """The result for each key; the last two with nginx's error.

    Attributes:
        accepted: those that nginx accepts together.
        refused: those that it refuses beside them.
        untried: those that were not tried each: it refuses at least one of them, or one that is refused.
    """

    accepted: frozenset[str] = frozenset()
    refused: Mapping[str, str] = {}
    untried: Mapping[str, str] = {}


Search = Generator[frozenset[str], str | None, FoundKeys]
"""Yields sets of keys to try; is sent nginx's error for each, ``""`` if it accepts it, ``None`` to end."""


class _Group(msgspec.Struct, frozen=True):
    """Undecided keys; *words* is nginx's error for them if all keys *beside* are accepted too."""

    keys: Keys
    words: str
    beside: frozenset[str] = frozenset()


def search_keys(texts: Mapping[str, str], words: str, expired: Callable[[], bool]) -> Search:
    """Search for the keys that nginx refuses.

    A key that is refused because another one is missing is retried when more keys are accepted.

    Args:
        texts: the keys that nginx refuses together, those first that others may need, with their values.
        words: nginx's error for all of them.
        expired: whether no further set may be tried.
    """
    accepted: frozenset[str] = frozenset()
    refused: dict[str, tuple[str, frozenset[str]]] = {}
    groups = [_Group(tuple(texts), words)] if texts else []
    while groups and not expired():
        group = groups.pop()
        error: str | None = group.words if group.beside <= accepted else ""
        if not error:
            error = yield accepted.union(group.keys)
        if error is None:
            groups.append(group)
            break
        if not error:
            accepted = accepted.union(group.keys)
        elif len(group.keys) == 1:
            refused[group.keys[0]] = error, accepted
        else:
            first, rest = _halves(group.keys, error, texts)
            groups += [_Group(rest, error, accepted.union(first)), _Group(first, "")]
    untried = {key: group.words or words for group in groups for key in group.keys}
    for key, (_, before) in tuple(refused.items()):
        if before == accepted or groups or expired():
            continue
        error = yield accepted | {key}
        if error is None:
            break
        if error:
            refused[key] = error, accepted
        else:
            accepted |= {key}
            del refused[key]
    return FoundKeys(accepted, {key: error for key, (error, _) in refused.items()}, untried)


def mentions(words: str, text: str) -> bool:
    """Whether nginx's error *words* quotes a part of *text*, or is about a port on which it listens."""
    if port := _PORT.search(words):
        return re.search(rf"\blisten\b[^;]*\b{port[1]}\b", text) is not None
    return any(quoted in text for quoted in _QUOTED.findall(words))


def unresolved(words: str) -> bool:
    """Whether nginx's error *words* is about the name of a backend, which no ConfigMap resolves."""
    return words.startswith("host not found in upstream")


def _halves(keys: Keys, words: str, texts: Mapping[str, str]) -> tuple[Keys, Keys]:
    """Split *keys*: into those that nginx's *words* do not mention and those that they do, else in the middle."""
    mentioned = {key for key in keys if mentions(words, texts[key])}
    if mentioned and len(mentioned) < len(keys):
        return _of(keys, lambda key: key not in mentioned), _of(keys, mentioned.__contains__)
    middle = len(keys) // 2
    return keys[:middle], keys[middle:]


def _of(keys: Iterable[str], wanted: Callable[[str], bool]) -> Keys:
    return tuple(filter(wanted, keys))
