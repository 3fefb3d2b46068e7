"""ConfigMaps and annotations become Overrides, read against the registry; Overrides are laid over ConfigParams."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from headgate.problems import ObjectRef, Problem, Severity
from headgate.settings.config_params import REGISTRY, ConfigParams
from headgate.settings.declined import declined, guards
from headgate.settings.dialect import INCUMBENT, Dialect, Role
from headgate.settings.foreign import foreign
from headgate.settings.overrides import Overrides
from headgate.settings.parsers import Unfit, guess
from headgate.settings.registry import Setting, Where
from headgate.settings.values import Quoted

LONGEST = 4000
"""Bytes of one argument that nginx takes for sure: its lexer's buffer (NGX_CONF_BUFFER) has 4096."""

DEPRECATED = {key: field for key, field in REGISTRY.annotations.items() if field.spec.deprecated}


def read_configmap(
    data: Mapping[str, str], origin: ObjectRef, gates: frozenset[str] = frozenset()
) -> tuple[ConfigParams, list[Problem]]:
    """Read the ConfigMap over the built-in defaults.

    A key that cannot be used keeps its default and never spoils the others. *gates* are the flags
    that are on (``enable-snippets``, ``enable-directive-autoadjust``).

    Returns:
        the values that hold everywhere, and a Problem (event reason InvalidValue) for each wrong key.
    """
    overrides, problems = read_keys(data, origin, gates)
    params = overrides.values
    if conflict := params.buffers.conflict():
        params, kept = _mend_buffers(params, ConfigParams(), gates)
        problems.append(Problem(origin, "proxy-buffers", "", conflict, kept, code="InvalidValue"))
    return params, problems


def read_keys(
    data: Mapping[str, str], origin: ObjectRef, gates: frozenset[str] = frozenset()
) -> tuple[Overrides, list[Problem]]:
    """Read each key of the ConfigMap by itself: what it says, and a Problem for each that cannot be used."""
    read = _Reading(data, Where.CONFIGMAP, gates)
    problems: list[Problem] = []
    for key, text in sorted(data.items()):
        field = REGISTRY.keys.get(key)
        if field is None:
            reason = declined("configmap", key) or f"not a key of this ConfigMap{guess(key, REGISTRY.keys)}"
            problems.append(_invalid(origin, key, text, reason, "it has no effect"))
        elif fault := read.take(field, key, text):
            problems.append(_invalid(origin, key, text, fault, f"{field.usual or 'the default'} stays in force"))
    if name := _unknown_format(read.explicit):
        del read.explicit["access_log"], read.keys["access_log"]
        reason = f"a target with the format {name}, which is neither main nor combined nor defined in http-snippets"
        problems.append(_invalid(origin, "access-log", data["access-log"], reason, "the default stays in force"))
    for key, winner in read.overruled():
        problems.append(_invalid(origin, key, data[key], f"overruled by {winner}", "it has no effect"))
    return Overrides(read.explicit, read.keys, None), problems


def read_annotations(
    annotations: Mapping[str, str],
    origin: ObjectRef,
    role: Role = Role.REGULAR,
    gates: frozenset[str] = frozenset(),
    dialect: Dialect = INCUMBENT,
) -> tuple[Overrides, list[Problem]]:
    """Read the annotations of an Ingress of *role*.

    Returns:
        what they say, for ``overlay``, and Problems: an ERROR for each value that cannot be used (the
        Ingress is refused, as the incumbent does), a WARNING for each that has no effect.
    """
    read = _Reading(annotations, Where.ANNOTATION, gates)
    problems: list[Problem] = []
    for key, text in _known_first(annotations, dialect):
        field = REGISTRY.annotations.get(key)
        if field is None:
            if problem := _unknown(key, annotations, origin, dialect):
                problems.append(problem)
        elif not role.takes(field.spec.scope):
            reason = f"has no effect on a {role.value} of a mergeable set"
            problems.append(Problem(origin, key, text, reason, "it is left out"))
        elif fault := read.take(field, key, text):
            problems.append(Problem(origin, key, text, f"is {fault}", "the Ingress is refused", Severity.ERROR))
    overrides = Overrides(read.explicit, read.keys, dialect)
    problems.extend(_pairs(annotations, overrides, origin))
    for key, winner in read.overruled():
        problems.append(Problem(origin, key, annotations[key], f"is overruled by {winner}", "it has no effect"))
    problems.extend(_old_spellings(annotations, overrides, origin))
    return overrides, problems


def overlay(
    base: ConfigParams, overrides: Overrides, origin: ObjectRef, gates: frozenset[str] = frozenset()
) -> tuple[ConfigParams, list[Problem]]:
    """Lay what *origin* says over *base*; sizes that do not fit together are mended, with a Problem."""
    params = overrides.over(base)
    if params.buffers is base.buffers or not (conflict := params.buffers.conflict()):
        return params, []
    params, kept = _mend_buffers(params, base, gates)
    sizes = ("proxy_buffers", "proxy_buffer_size", "proxy_busy_buffers_size", "proxy_max_temp_file_size")
    name = next((name for name in sizes if name in overrides.keys), sizes[0])
    return params, [Problem(origin, overrides.key(name), "", conflict, kept)]


class _Reading:
    """The keys of one place as they are read."""

    def __init__(self, texts: Mapping[str, str], place: Where, gates: frozenset[str]) -> None:
        self.explicit: dict[str, Any] = {}
        self.keys: dict[str, str] = {}
        self._texts = texts
        self._place = place
        self._gates = gates

    def take(self, field: Setting, key: str, text: str) -> str:
        """Parse *text*; return why it cannot be used, or ``""``."""
        if fault := self._missing(field):
            return fault
        if not text.strip() and not field.spec.empty:
            return "empty; remove it or give it a value"
        try:
            value = field.parse(text)
        except Unfit as unfit:
            return unfit.about(text)
        if len(text) > LONGEST // 4 and field.group != "snippets" and _overlong(value):  # 4 bytes a character at most
            return f"longer than one argument of nginx may be ({LONGEST} bytes)"
        self.explicit[field.name] = value
        self.keys[field.name] = key
        return ""

    def overruled(self) -> Iterator[tuple[str, str]]:
        """Yield each key that loses to another one which is set too, and that one's key."""
        known = REGISTRY.annotations if self._place is Where.ANNOTATION else REGISTRY.keys
        for key in sorted(self._texts):
            field = known.get(key)
            if field is None or not (other := field.spec.yields_to):
                continue
            other = other if "/" in other else self._prefix + other
            winner = known[other]
            if other in self._texts and (winner.name == field.name or self.explicit.get(winner.name)):
                yield key, other

    @property
    def _prefix(self) -> str:
        return INCUMBENT.prefix if self._place is Where.ANNOTATION else ""

    def _missing(self, field: Setting) -> str:
        """Return which flag or companion the setting lacks, or ``""``."""
        setting = field.spec
        if setting.gate and self._place in setting.gated and setting.gate not in self._gates:
            return f"not permitted; start Headgate with -{setting.gate}"
        if not setting.requires:
            return ""
        keys = setting.requires.split(", ")
        needed = map(REGISTRY.annotation_of, keys) if self._place is Where.ANNOTATION else keys
        companion = next((key for key in needed if key not in self._texts), "")
        return f"not valid unless {companion} is set too" if companion else ""


def _known_first(annotations: Mapping[str, str], dialect: Dialect) -> Iterator[tuple[str, str]]:
    """Yield in order of keys, but deprecated spellings first, so that the proper ones win."""
    yield from sorted(annotations.items(), key=lambda item: (item[0].startswith(dialect.prefix), item[0]))


def _overlong(value: Any) -> bool:
    """Whether nginx's lexer would give up on a part of *value*, which would spoil the whole file."""
    parts = value if isinstance(value, tuple) else (value,)
    spelled = (part.spelled if isinstance(part, Quoted) else str(part) for part in parts)
    return any(len(part.encode()) > LONGEST for part in spelled)


def _pairs(annotations: Mapping[str, str], overrides: Overrides, origin: ObjectRef) -> Iterator[Problem]:
    """Check annotations that only make sense together."""
    proxy, routing = overrides.values.proxy, overrides.values.routing
    redirect, target = proxy.proxy_redirect_from, overrides.key("proxy_redirect_to")
    keyword = redirect in {"off", "default"}
    if redirect and keyword == (target in annotations):
        reason = f"takes no {target}" if keyword else f"is not valid unless {target} is set too"
        yield _refusal(origin, overrides.key("proxy_redirect_from"), str(redirect), reason)
    if twice := set(routing.listen_ports) & set(routing.listen_ports_ssl):
        reason = f"is also among {overrides.key('listen_ports')}, and a port speaks either HTTP or HTTPS"
        yield _refusal(origin, overrides.key("listen_ports_ssl"), str(min(twice)), reason)


def _unknown_format(explicit: Mapping[str, Any]) -> str:
    """Return the name of the access log's format if nginx will not know it, for which it would refuse everything."""
    name = next(iter(explicit.get("access_log", ())[1:]), "main")
    defined = re.search(rf"log_format\s+{re.escape(name)}\s", explicit.get("http_snippets") or "")
    return "" if name in {"main", "combined"} or defined or explicit.get("main_template") else name


def _old_spellings(annotations: Mapping[str, str], overrides: Overrides, origin: ObjectRef) -> Iterator[Problem]:
    """Report a deprecated spelling, with the one to write instead."""
    for key, field in DEPRECATED.items():
        proper = field.spec.yields_to
        if key in annotations and proper not in annotations and field.name in overrides:
            reason = f"is a deprecated spelling; write {proper}"
            yield Problem(origin, key, annotations[key], reason, "it is used anyway")


def _refusal(origin: ObjectRef, key: str, text: str, reason: str) -> Problem:
    return Problem(origin, key, text, reason, "the Ingress is refused", Severity.ERROR)


def _mend_buffers(params: ConfigParams, base: ConfigParams, gates: frozenset[str]) -> tuple[ConfigParams, str]:
    """Make buffer sizes fit together: adjusted where the flag allows it, else those of *base*."""
    if "enable-directive-autoadjust" in gates:
        buffers = params.buffers.adjusted()
        kept = f"adjusted to proxy-buffers {buffers.proxy_buffers}, proxy-buffer-size {buffers.proxy_buffer_size}"
        kept += f", proxy-busy-buffers-size {buffers.proxy_busy_buffers_size}"
    else:
        buffers, kept = params.buffers.sized_as(base.buffers), "the sizes of buffers are left out"
    return msgspec.structs.replace(params, buffers=buffers), kept


def _unknown(key: str, annotations: Mapping[str, str], origin: ObjectRef, dialect: Dialect) -> Problem | None:
    """Warn of an annotation that is meant for an ingress controller and has no effect."""
    if key in dialect.structural:
        return None
    text = annotations[key]
    if key.startswith(dialect.related):
        reason = declined("annotation", key) or f"not an annotation of Headgate{guess(key, REGISTRY.annotations)}"
        guarding = guards(key)
    elif row := foreign(key):
        reason, guarding = row.reason(key, text, annotations), row.protects(key, text, annotations)
    else:
        return None
    if guarding:
        return Problem(
            origin, key, text, f"is {reason}", "the Ingress is refused, not served unguarded", Severity.ERROR
        )
    return Problem(origin, key, text, f"is {reason}", "it has no effect")


def _invalid(origin: ObjectRef, key: str, text: str, reason: str, effect: str) -> Problem:
    return Problem(origin, key, text, f"is {reason}", effect, code="InvalidValue")
