"""ConfigParams: every group together, and the overlay of what users say over what stands already."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Self

import msgspec

from headgate.problems import ObjectRef, Problem, Severity
from headgate.settings.auth import AuthSettings
from headgate.settings.buffers import BufferSettings
from headgate.settings.client import ClientSettings
from headgate.settings.declined import declined
from headgate.settings.headers import HeaderSettings
from headgate.settings.limits import LimitSettings
from headgate.settings.logging import LogSettings
from headgate.settings.main import MainSettings
from headgate.settings.proxy import ProxySettings
from headgate.settings.registry import PREFIX, Delta, Field, Registry, Role, Scope, Settings
from headgate.settings.routing import RoutingSettings
from headgate.settings.snippets import SnippetSettings
from headgate.settings.tls import TlsSettings
from headgate.settings.upstream import ServiceSettings, UpstreamSettings
from headgate.settings.values import Unfit


class ConfigParams(Settings):
    """The effective value of every knob at one place: the whole, a host or a location."""

    proxy: ProxySettings = ProxySettings()
    buffers: BufferSettings = BufferSettings()
    tls: TlsSettings = TlsSettings()
    headers: HeaderSettings = HeaderSettings()
    upstream: UpstreamSettings = UpstreamSettings()
    services: ServiceSettings = ServiceSettings()
    routing: RoutingSettings = RoutingSettings()
    auth: AuthSettings = AuthSettings()
    limits: LimitSettings = LimitSettings()
    logging: LogSettings = LogSettings()
    client: ClientSettings = ClientSettings()
    main: MainSettings = MainSettings()
    snippets: SnippetSettings = SnippetSettings()

    def replaced(self, said: Mapping[str, Mapping[str, Any]]) -> Self:
        """Return a copy with *said* (group → field → value); ``self`` when nothing is said."""
        if not said:
            return self
        groups = {name: msgspec.structs.replace(getattr(self, name), **values) for name, values in said.items()}
        return msgspec.structs.replace(self, **groups)

    def delta(self, around: ConfigParams) -> Delta:
        """Return the values that differ from those *around* this place."""
        said = {
            field: getattr(own, field)
            for name in GROUPS
            if (own := getattr(self, name)) is not (outer := getattr(around, name))
            for field in own.__struct_fields__
            if getattr(own, field) != getattr(outer, field)
        }
        return Delta(said, REGISTRY.names) if said else NOTHING

    def everything(self) -> Delta:
        """Return every value, for the outermost block."""
        groups = [getattr(self, name) for name in GROUPS]
        return Delta({f: getattr(group, f) for group in groups for f in group.__struct_fields__}, REGISTRY.names)


GROUPS: Mapping[str, type[Settings]] = {
    field.name: type(field.default) for field in msgspec.structs.fields(ConfigParams)
}
REGISTRY = Registry(GROUPS)
NOTHING = Delta({}, REGISTRY.names)
_SCOPES = {field.name: field.setting.scope for field in REGISTRY.fields}

Said = dict[str, dict[str, Any]]
"""What somebody said, already typed: group → field → value."""

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
    said: Said = {}
    problems: list[Problem] = []
    for key, text in sorted(data.items()):
        field = REGISTRY.keys.get(key)
        if field is None:
            reason = declined("configmap", key) or f"not a key of this ConfigMap{_guess(key, REGISTRY.keys)}"
            problems.append(_invalid(origin, key, text, reason, "it has no effect"))
        elif fault := _missing(field, data, "", gates) or _put(said, field, text):
            problems.append(_invalid(origin, key, text, fault, f"{_spoken(field.default)} stays in force"))
    params = ConfigParams().replaced(said)
    if conflict := params.buffers.conflict():
        params, kept = _mend_buffers(params, ConfigParams(), gates)
        problems.append(_invalid(origin, "proxy-buffers", str(params.buffers.proxy_buffers or ""), conflict, kept))
    return params, problems


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
        elif fault := _missing(field, annotations, PREFIX, gates) or _put(said, field, text):
            problems.append(Problem(origin, key, text, f"is {fault}", "the Ingress is refused", Severity.ERROR))
    problems.extend(_pairs(annotations, said, origin))
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


def inherited(said: Said) -> Said:
    """Return the part of a master's words that its minions take where they say nothing."""
    kept = {
        group: {name: value for name, value in values.items() if _SCOPES[name] is Scope.INHERITED}
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
        said.setdefault(field.group, {})[field.name] = field.parse(text)
    except Unfit as unfit:
        return str(unfit)
    return ""


def _missing(field: Field, present: Mapping[str, str], prefix: str, gates: frozenset[str]) -> str:
    """Return which flag or companion the knob lacks, or ``""``."""
    if field.setting.gate and field.setting.gate not in gates:
        return f"not permitted; start Headgate with -{field.setting.gate}"
    if field.setting.requires and prefix + field.setting.requires not in present:
        return f"without meaning unless {prefix}{field.setting.requires} is set too"
    return ""


def _pairs(annotations: Mapping[str, str], said: Said, origin: ObjectRef) -> Iterator[Problem]:
    """Check annotations that only make sense together."""
    redirect = said.get("proxy", {}).get("proxy_redirect_from")
    keyword = redirect in {"off", "default"}
    key = PREFIX + "proxy-redirect-from"
    has_target = PREFIX + "proxy-redirect-to" in annotations
    if redirect and keyword and has_target:
        reason = "is a keyword that takes no proxy-redirect-to"
        yield Problem(origin, key, redirect, reason, "the Ingress is refused", Severity.ERROR)
    if redirect and not keyword and not has_target:
        reason = f"is without meaning unless {PREFIX}proxy-redirect-to is set too"
        yield Problem(origin, key, redirect, reason, "the Ingress is refused", Severity.ERROR)


def _mend_buffers(params: ConfigParams, base: ConfigParams, gates: frozenset[str]) -> tuple[ConfigParams, str]:
    """Make buffer sizes fit together: adjusted where the flag allows it, else those of *base*."""
    if "enable-directive-autoadjust" in gates:
        buffers = params.buffers.adjusted()
        kept = f"adjusted to proxy-buffers {buffers.proxy_buffers}, proxy-buffer-size {buffers.proxy_buffer_size}"
        kept += f", proxy-busy-buffers-size {buffers.proxy_busy_buffers_size}"
        return msgspec.structs.replace(params, buffers=buffers), kept
    buffers = msgspec.structs.replace(
        params.buffers,
        proxy_buffers=base.buffers.proxy_buffers,
        proxy_buffer_size=base.buffers.proxy_buffer_size,
        proxy_busy_buffers_size=base.buffers.proxy_busy_buffers_size,
    )
    return msgspec.structs.replace(params, buffers=buffers), "the three buffer sizes are left out"


def _unknown(key: str, text: str, origin: ObjectRef) -> Problem | None:
    """Say that an annotation in our dialect does nothing; other people's annotations are theirs."""
    if not key.startswith(FOREIGN) or key in STRUCTURAL:
        return None
    reason = declined("annotation", key) or f"not an annotation of Headgate{_guess(key, REGISTRY.annotations)}"
    return Problem(origin, key, text, f"is {reason}", "it has no effect")


STRUCTURAL = frozenset({"nginx.org/mergeable-ingress-type"})
"""Annotations that decide what an Ingress is; ``configuration`` reads them."""


def _invalid(origin: ObjectRef, key: str, text: str, reason: str, effect: str) -> Problem:
    return Problem(origin, key, text, f"is {reason}", effect, code="InvalidValue")


def _spoken(value: Any) -> str:
    """Name a default in a message."""
    if value is None or value in ("", ()):
        return "the default"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return repr(" ".join(map(str, value)))
    return str(value)


def _guess(key: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(key, list(known), n=1, cutoff=0.8)
    return f"; did you mean {near[0]}?" if near else ""
