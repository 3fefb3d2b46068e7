"""What users say in ConfigMap and annotations, read against the registry and laid over what stands already."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from headgate.problems import ObjectRef, Problem, Severity
from headgate.settings.config_params import REGISTRY, ConfigParams
from headgate.settings.declined import declined, guards
from headgate.settings.parsers import Unfit
from headgate.settings.registry import PREFIX, Field, Role, Scope, Where
from headgate.settings.values import Quoted

Said = dict[str, dict[str, Any]]
"""What somebody said, already typed: group → field → value."""

LONGEST = 4000
"""Bytes of one argument that nginx takes for sure: its lexer's buffer (NGX_CONF_BUFFER) has 4096."""

_SCOPES = {field.name: field.setting.scope for field in REGISTRY.fields}

DEPRECATED = {key: field for key, field in REGISTRY.annotations.items() if field.setting.deprecated}

FOREIGN = ("nginx.org/", "nginx.com/", "appprotect.f5.com/", "appprotectdos.f5.com/")
"""Annotation prefixes that speak to an NGINX ingress controller; one of them that is unknown is said."""


def read_configmap(
    data: Mapping[str, str], origin: ObjectRef, gates: frozenset[str] = frozenset()
) -> tuple[ConfigParams, list[Problem]]:
    """Read the ConfigMap over the built-in defaults.

    A key that cannot be used keeps its default and never spoils the others. *gates* are the flags
    that are on (``enable-snippets``, ``enable-directive-autoadjust``).

    Returns:
        the values that hold everywhere, and a Problem (event reason InvalidValue) for each wrong key.
    """
    said, problems = read_keys(data, origin, gates)
    params = ConfigParams().replaced(said)
    if conflict := params.buffers.conflict():
        params, kept = _mend_buffers(params, ConfigParams(), gates)
        problems.append(Problem(origin, "proxy-buffers", "", conflict, kept, code="InvalidValue"))
    return params, problems


def read_keys(
    data: Mapping[str, str], origin: ObjectRef, gates: frozenset[str] = frozenset()
) -> tuple[Said, list[Problem]]:
    """Read each key of the ConfigMap by itself: what it says, and a Problem for each that cannot be used."""
    said: Said = {}
    problems: list[Problem] = []
    for key, text in sorted(data.items()):
        field = REGISTRY.keys.get(key)
        if field is None:
            reason = declined("configmap", key) or f"not a key of this ConfigMap{_guess(key, REGISTRY.keys)}"
            problems.append(_invalid(origin, key, text, reason, "it has no effect"))
        elif fault := _missing(field, data, Where.CONFIGMAP, gates) or _put(said, field, text):
            problems.append(_invalid(origin, key, text, fault, f"{field.usual or 'the default'} stays in force"))
    if name := _unknown_format(said):
        del said["logging"]["access_log"]
        reason = f"a target with the format {name}, which is neither main nor combined nor defined in http-snippets"
        problems.append(_invalid(origin, "access-log", data["access-log"], reason, "the default stays in force"))
    for key, winner in _overruled(data, said, Where.CONFIGMAP):
        problems.append(_invalid(origin, key, data[key], f"overruled by {winner}", "it has no effect"))
    return said, problems


def read_annotations(
    annotations: Mapping[str, str],
    origin: ObjectRef,
    role: Role = Role.REGULAR,
    gates: frozenset[str] = frozenset(),
) -> tuple[Said, list[Problem]]:
    """Read the annotations of an Ingress of *role*.

    Returns:
        what they say, for ``overlay``, and Problems: an ERROR for each value that cannot be used (the
        Ingress is refused, as the incumbent does), a WARNING for each that has no effect.
    """
    said: Said = {}
    problems: list[Problem] = []
    for key, text in _known_first(annotations):
        field = REGISTRY.annotations.get(key)
        if field is None:
            if problem := _unknown(key, text, origin):
                problems.append(problem)
        elif not role.takes(field.setting.scope):
            reason = f"has no effect on a {role.value} of a mergeable set"
            problems.append(Problem(origin, key, text, reason, "it is left out"))
        elif fault := _missing(field, annotations, Where.ANNOTATION, gates) or _put(said, field, text):
            problems.append(Problem(origin, key, text, f"is {fault}", "the Ingress is refused", Severity.ERROR))
    problems.extend(_pairs(annotations, said, origin))
    for key, winner in _overruled(annotations, said, Where.ANNOTATION):
        problems.append(Problem(origin, key, annotations[key], f"is overruled by {winner}", "it has no effect"))
    problems.extend(_old_spellings(annotations, said, origin))
    return said, problems


def overlay(
    base: ConfigParams, said: Said, origin: ObjectRef, gates: frozenset[str] = frozenset()
) -> tuple[ConfigParams, list[Problem]]:
    """Lay what *origin* said over *base*; sizes that do not fit together are mended and said."""
    params = base.replaced(said)
    if "buffers" not in said or not (conflict := params.buffers.conflict()):
        return params, []
    params, kept = _mend_buffers(params, base, gates)
    return params, [Problem(origin, PREFIX + "proxy-buffers", "", conflict, kept)]


def scoped(said: Said, *scopes: Scope) -> Said:
    """Return the part of *said* whose knobs have one of *scopes*."""
    kept = {
        group: {name: value for name, value in values.items() if _SCOPES[name] in scopes}
        for group, values in said.items()
    }
    return {group: values for group, values in kept.items() if values}


def _known_first(annotations: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield in order of keys, but deprecated spellings first, so that the proper ones win."""
    yield from sorted(annotations.items(), key=lambda item: (item[0].startswith(PREFIX), item[0]))


def _put(said: Said, field: Field, text: str) -> str:
    """Parse *text* into *said*; return why it cannot be used, or ``""``."""
    if not text.strip() and not field.setting.empty:
        return "empty; remove it or give it a value"
    try:
        value = field.parse(text)
    except Unfit as unfit:
        return str(unfit)
    if len(text) > LONGEST // 4 and field.group != "snippets" and _overlong(value):  # no character takes more bytes
        return f"longer than one argument of nginx may be ({LONGEST} bytes)"
    said.setdefault(field.group, {})[field.name] = value
    return ""


def _overlong(value: Any) -> bool:
    """Whether nginx's lexer would give up on a part of *value*, which would spoil the whole file."""
    parts = value if isinstance(value, tuple) else (value,)
    spelled = (part.spelled if isinstance(part, Quoted) else str(part) for part in parts)
    return any(len(part.encode()) > LONGEST for part in spelled)


def _missing(field: Field, present: Mapping[str, str], place: Where, gates: frozenset[str]) -> str:
    """Return which flag or companion the knob lacks, or ``""``."""
    setting = field.setting
    if setting.gate and place in setting.gated and setting.gate not in gates:
        return f"not permitted; start Headgate with -{setting.gate}"
    if not setting.requires:
        return ""
    prefix = PREFIX if place is Where.ANNOTATION else ""
    missing = (prefix + key for key in setting.requires.split(", ") if prefix + key not in present)
    companion = next(missing, "")
    return f"without meaning unless {companion} is set too" if companion else ""


def _pairs(annotations: Mapping[str, str], said: Said, origin: ObjectRef) -> Iterator[Problem]:
    """Check annotations that only make sense together."""
    redirect = said.get("proxy", {}).get("proxy_redirect_from")
    keyword, target = redirect in {"off", "default"}, PREFIX + "proxy-redirect-to"
    if redirect and keyword == (target in annotations):
        reason = f"takes no {target}" if keyword else f"is without meaning unless {target} is set too"
        yield _refusal(origin, "proxy-redirect-from", redirect, reason)
    routing = said.get("routing", {})
    if twice := set(routing.get("listen_ports", ())) & set(routing.get("listen_ports_ssl", ())):
        reason = f"is also among {PREFIX}listen-ports, and a port speaks either HTTP or HTTPS"
        yield _refusal(origin, "listen-ports-ssl", str(min(twice)), reason)


def _unknown_format(said: Said) -> str:
    """Return the name of the access log's format if nginx will not know it, for which it would refuse everything."""
    name = next(iter(said.get("logging", {}).get("access_log", ())[1:]), "main")
    snippets = said.get("snippets", {})
    defined = re.search(rf"log_format\s+{re.escape(name)}\s", snippets.get("http_snippets") or "")
    return "" if name in {"main", "combined"} or defined or snippets.get("main_template") else name


def _overruled(present: Mapping[str, str], said: Said, place: Where) -> Iterator[tuple[str, str]]:
    """Yield each key that loses to another one which is set too, and that one's key."""
    known = REGISTRY.annotations if place is Where.ANNOTATION else REGISTRY.keys
    for key in sorted(present):
        field = known.get(key)
        if field is None or not (other := field.setting.yields_to):
            continue
        other = other if "/" in other or place is Where.CONFIGMAP else PREFIX + other
        winner = known[other]
        if other in present and (winner.name == field.name or said.get(winner.group, {}).get(winner.name)):
            yield key, other


def _old_spellings(annotations: Mapping[str, str], said: Said, origin: ObjectRef) -> Iterator[Problem]:
    """Tell whoever uses a deprecated spelling the one to write."""
    for key, field in DEPRECATED.items():
        proper = field.setting.yields_to
        if key in annotations and proper not in annotations and field.name in said.get(field.group, {}):
            reason = f"is a deprecated spelling; write {proper}"
            yield Problem(origin, key, annotations[key], reason, "it is used all the same")


def _refusal(origin: ObjectRef, key: str, text: str, reason: str) -> Problem:
    return Problem(origin, PREFIX + key, text, reason, "the Ingress is refused", Severity.ERROR)


def _mend_buffers(params: ConfigParams, base: ConfigParams, gates: frozenset[str]) -> tuple[ConfigParams, str]:
    """Make buffer sizes fit together: adjusted where the flag allows it, else those of *base*."""
    if "enable-directive-autoadjust" in gates:
        buffers = params.buffers.adjusted()
        kept = f"adjusted to proxy-buffers {buffers.proxy_buffers}, proxy-buffer-size {buffers.proxy_buffer_size}"
        kept += f", proxy-busy-buffers-size {buffers.proxy_busy_buffers_size}"
    else:
        buffers, kept = params.buffers.sized_as(base.buffers), "the sizes of buffers are left out"
    return msgspec.structs.replace(params, buffers=buffers), kept


def _unknown(key: str, text: str, origin: ObjectRef) -> Problem | None:
    """Say that an annotation in our dialect does nothing; other people's annotations are theirs."""
    if not key.startswith(FOREIGN) or key in STRUCTURAL:
        return None
    reason = declined("annotation", key) or f"not an annotation of Headgate{_guess(key, REGISTRY.annotations)}"
    if guards(key):
        return Problem(
            origin, key, text, f"is {reason}", "the Ingress is refused, not served unguarded", Severity.ERROR
        )
    return Problem(origin, key, text, f"is {reason}", "it has no effect")


STRUCTURAL: Mapping[str, str] = {
    "nginx.org/mergeable-ingress-type": "master or minion: a master holds a host, TLS and what is said for all of it; "
    "its minions, of any namespace, hold paths.",
    "kubernetes.io/ingress.class": "Class of the Ingress; where it is set, spec.ingressClassName does not count.",
}
"""Annotations that decide what an Ingress is and whose; ``configuration`` reads them."""


def _invalid(origin: ObjectRef, key: str, text: str, reason: str, effect: str) -> Problem:
    return Problem(origin, key, text, f"is {reason}", effect, code="InvalidValue")


def _guess(key: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(key, list(known), n=1, cutoff=0.8)
    return f"; did you mean {near[0]}?" if near else ""
