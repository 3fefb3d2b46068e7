"""The reference pages of annotations and ConfigMap keys, written from the registry."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from headgate.settings.config_params import GROUPS, REGISTRY
from headgate.settings.declined import absences
from headgate.settings.dialect import INCUMBENT, Scope
from headgate.settings.foreign import FOREIGN
from headgate.settings.registry import Setting, Where

PREFIX = INCUMBENT.prefix

SETS = {
    Scope.SERVER: "master",
    Scope.LOCATION: "minion",
    Scope.INHERITED: "master and minion, inherited",
    Scope.JOINED: "master and minion, joined",
    Scope.OWN: "master and minion, each its own",
}
LONGEST = 200
"""Characters of a default or an example that fit into a cell."""
_TITLES = {"tls": "TLS", "limits": "Rate limits", "auth": "Authentication", "errors": "Error pages", "main": "Process"}

_ANNOTATIONS = f"""# Annotations

Annotations of an Ingress. An Ingress with an invalid value is refused, and an event has the reason. If the
default is *ConfigMap*, the default is the key of the same name without `{PREFIX}` (see [configmap.md](configmap.md)).

*In a set* lists which Ingresses of a mergeable set (`{PREFIX}mergeable-ingress-type`) may have the annotation; on the
others it has no effect and a warning is reported. *Inherited* means that the value of the master is the default of
its minions.

An annotation of the incumbent that Headgate does not support has no effect, and a warning is reported. If it restricts
access (policies, JWT, App Protect), the Ingress is refused, so that it is not served without the restriction.

Annotations of other ingress controllers are not read either; see the [last section](#annotations-of-other-controllers).

*nginx* is the directives that are generated, and their blocks. *Differs* describes differences to the incumbent;
[coming-from-nic.md](../coming-from-nic.md) lists all of them. Times have nginx's format: `30s`, `1h30m`, `500ms`; sizes
are bytes, or end in `k` or `m`.
"""

_FOREIGN = """## Annotations of other controllers

An annotation of another ingress controller has no effect on an Ingress that Headgate serves, and a warning is reported.
If its name begins as shown in *Restricts access*, the Ingress is refused, so that it is not served without the
restriction; likewise if it is a snippet with a directive that restricts access. Annotations that are not for an ingress
controller are not reported.
"""

_INSTEAD = """The closest that Headgate has; values may differ, see the row of that annotation. If an Ingress has both,
that of Headgate applies; basic authentication that is written for Headgate too does not refuse the Ingress.
"""

_KEYS = f"""# ConfigMap keys

Keys of the ConfigMap of `-nginx-configmaps`; they apply to all Ingresses. An invalid value is ignored, does not affect
other keys, and is reported in an event on the ConfigMap. *Annotation* is whether an Ingress can override the key with
the annotation `{PREFIX}` and the key (see [annotations.md](annotations.md)). Without the ConfigMap, and for a key
that is removed from it, the defaults apply; without a default, that of nginx applies.

*nginx* is the directives that are generated, and their blocks. *Differs* describes differences to the incumbent;
[coming-from-nic.md](../coming-from-nic.md) lists all of them. Times have nginx's format: `30s`, `1h30m`, `500ms`; sizes
are bytes, or end in `k` or `m`.
"""


def annotations_markdown() -> str:
    """Return the reference page of all annotations, those that are not there included."""
    titles = ("Annotation", "Meaning", "Value", "Default", "In a set", "nginx", "Example")

    def cells(key: str, field: Setting) -> tuple[str, ...]:
        default = "*ConfigMap*" if field.spec.key in REGISTRY.keys else code(field.usual)
        meaning, sets = _meaning(field, Where.ANNOTATION), SETS[field.spec.scope]
        return code(key), meaning, _value(field), default, sets, _nginx(field), code(field.example)

    tables = _by_group(REGISTRY.annotations, titles, cells)
    kinds = table(("Annotation", "Meaning"), ((code(key), cell(words)) for key, words in INCUMBENT.structural.items()))
    opening = ("## What an Ingress is", "", *kinds, "")
    return "\n".join([_ANNOTATIONS, *opening, *tables, *_absent("annotation", "Annotation"), "", *_foreign(), ""])


def configmap_markdown() -> str:
    """Return the reference page of all ConfigMap keys, those that are not there included."""
    titles = ("Key", "Meaning", "Value", "Default", "Annotation", "nginx", "Example")

    def cells(key: str, field: Setting) -> tuple[str, ...]:
        meaning, other = _meaning(field, Where.CONFIGMAP), "yes" if Where.ANNOTATION in field.spec.where else "no"
        return code(key), meaning, _value(field), code(field.usual), other, _nginx(field), code(field.example)

    tables = _by_group(REGISTRY.keys, titles, cells)
    return "\n".join([_KEYS, *tables, *_absent("configmap", "Key"), ""])


def differences(place: Where) -> Iterator[tuple[str, str]]:
    """Yield the key of each setting of *place* that differs from the incumbent's, and how."""
    known = REGISTRY.annotations if place is Where.ANNOTATION else REGISTRY.keys
    yield from ((key, field.spec.differs) for key, field in sorted(known.items()) if field.spec.differs)


def table(titles: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> list[str]:
    """Return the lines of a Markdown table."""
    lines = (f"| {' | '.join(row)} |" for row in rows)
    return [f"| {' | '.join(titles)} |", "|---" * len(titles) + "|", *lines]


def code(text: str) -> str:
    """Return *text* as code in a cell, cut where it is long, nothing for nothing."""
    return f"`{cell(text if len(text) <= LONGEST else text[:LONGEST] + '…')}`" if text else ""


def cell(text: str) -> str:
    """Return *text* on one line, without what would end a cell."""
    return text.strip().replace("|", "\\|").replace("\n", " ")


def _by_group(
    known: Mapping[str, Setting], titles: tuple[str, ...], cells: Callable[[str, Setting], tuple[str, ...]]
) -> Iterator[str]:
    """Yield a heading and a table for each group that has something in *known*."""
    for group, model in GROUPS.items():
        rows = [cells(key, field) for key, field in sorted(known.items()) if field.group == group]
        if rows:
            words = (model.__doc__ or "").partition("\n")[0].replace("``", "`")
            yield from (f"## {_TITLES.get(group, group.capitalize())}", "", words, "", *table(titles, rows), "")


def _absent(place: str, title: str) -> list[str]:
    rows = ((code(key), found.outlook.value, cell(found.reason)) for key, found in absences(place))
    return ["## Known and not there", "", *table((title, "Outlook", "Why"), rows)]


def _foreign() -> Iterator[str]:
    rows = (
        (
            code(row.prefix),
            cell(row.controller),
            ", ".join(code(name) for name in row.guards if name) or _all(row.guards),
        )
        for row in FOREIGN
    )
    yield from (_FOREIGN, *table(("Prefix", "Controller", "Restricts access"), rows), "")
    known: dict[tuple[str, str], tuple[str, ...]] = {}
    for row in FOREIGN:
        for name, words in sorted(row.instead.items()):
            known.setdefault((row.controller, name), (row.prefix + name, *words))
    instead = (
        (code(key), ", ".join(code(word) if "/" in word else word for word in words)) for key, *words in known.values()
    )
    yield from (_INSTEAD, *table(("Annotation", "Write"), instead))


def _all(guards: tuple[str, ...]) -> str:
    return "it always does" if guards else ""


def _value(field: Setting) -> str:
    unit = f" ({field.unit})" if field.unit else ""
    return f"{cell(field.parse.words)}{unit}"


def _nginx(field: Setting) -> str:
    if not field.directive:
        return field.context
    directives = ", ".join(code(word) for word in field.directive.split(", "))
    return f"{directives} in {field.context}"


def _meaning(field: Setting, place: Where) -> str:
    """Return what the setting does, what it needs at *place*, and where it differs."""
    setting, prefix = field.spec, PREFIX if place is Where.ANNOTATION else ""
    keys = [key for key in setting.requires.split(", ") if key]
    needs = [code(REGISTRY.annotation_of(key) if prefix else key) for key in keys]
    if setting.gate and place in setting.gated:
        needs.append(code(f"-{setting.gate}"))
    told = [cell(setting.doc)]
    if needs:
        told.append(f"Needs {' and '.join(needs)}.")
    if setting.yields_to:
        other = setting.yields_to if "/" in setting.yields_to else prefix + setting.yields_to
        told.append(f"{code(other)} wins over it.")
    if setting.differs:
        told.append(f"*Differs:* {cell(setting.differs)}")
    return " ".join(told)
