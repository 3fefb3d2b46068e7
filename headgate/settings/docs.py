"""The reference pages of annotations and ConfigMap keys, written from the registry."""

from __future__ import annotations

from collections.abc import Iterable

from headgate.settings.config_params import REGISTRY
from headgate.settings.declined import declined_rows
from headgate.settings.registry import PREFIX, Field, Scope, Where

_SETS = {
    Scope.SERVER: "master",
    Scope.LOCATION: "minion",
    Scope.INHERITED: "master and minion, inherited",
    Scope.OWN: "master and minion, each its own",
}

_ANNOTATIONS = f"""# Annotations

Written on an Ingress. An annotation that cannot be read refuses the Ingress, with an event that says why. Where the
default is *ConfigMap*, the key of the same name without `{PREFIX}` decides (see [configmap.md](configmap.md)).

*In a set* says which Ingresses of a mergeable set (`{PREFIX}mergeable-ingress-type`) may carry the annotation; on the
others it has no effect and is reported. *Inherited* means that a minion without it takes the master's.

An annotation of the incumbent that Headgate does not have is reported and has no effect, except where it decides who
may ask (policies, JWT, App Protect): such an Ingress is refused, so that nothing is served unguarded.

Times are nginx's: `30s`, `1h30m`, `500ms`. Sizes are bytes, or end in `k` or `m`.
"""

_KEYS = f"""# ConfigMap keys

Keys of the ConfigMap that `-nginx-configmaps` names; they hold everywhere. A key that cannot be read keeps its
default, spoils no other, and is reported by an event on the ConfigMap. *Annotation* says whether an Ingress may say
otherwise with `{PREFIX}` and the key (see [annotations.md](annotations.md)).

Times are nginx's: `30s`, `1h30m`, `500ms`. Sizes are bytes, or end in `k` or `m`. No default means nginx's own.
"""


def annotations_markdown() -> str:
    """Return the reference page of all annotations, those that are not there included."""
    rows = (
        (_code(key), _cell(field.parse.words), _annotation_default(field), _SETS[field.setting.scope], _meaning(field))
        for key, field in sorted(REGISTRY.annotations.items())
    )
    table = _table(("Annotation", "Value", "Default", "In a set", "Meaning"), rows)
    return "\n".join([_ANNOTATIONS, *table, "", *_declined("annotation", "Annotation"), ""])


def configmap_markdown() -> str:
    """Return the reference page of all ConfigMap keys, those that are not there included."""
    rows = (
        (_code(key), _cell(field.parse.words), _code(field.usual), _yes(field), _meaning(field, Where.CONFIGMAP))
        for key, field in sorted(REGISTRY.keys.items())
    )
    table = _table(("Key", "Value", "Default", "Annotation", "Meaning"), rows)
    return "\n".join([_KEYS, *table, "", *_declined("configmap", "Key"), ""])


def _table(titles: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> list[str]:
    lines = (f"| {' | '.join(row)} |" for row in rows)
    return [f"| {' | '.join(titles)} |", "|---" * len(titles) + "|", *lines]


def _declined(place: str, title: str) -> list[str]:
    rows = ((_code(key), _cell(reason)) for key, reason in declined_rows(place))
    return ["## Known and not there", "", *_table((title, "Why"), rows)]


def _annotation_default(field: Field) -> str:
    return "*ConfigMap*" if field.setting.key in REGISTRY.keys else _code(field.usual)


def _yes(field: Field) -> str:
    return "yes" if Where.ANNOTATION in field.setting.where else "no"


def _meaning(field: Field, place: Where = Where.ANNOTATION) -> str:
    """Return what the knob does and, for *place*, what it needs."""
    setting, prefix = field.setting, PREFIX if place is Where.ANNOTATION else ""
    needs = [_code(prefix + setting.requires)] if setting.requires else []
    if setting.gate and place in setting.gated:
        needs.append(_code(f"-{setting.gate}"))
    return _cell(setting.doc) + (f" Needs {' and '.join(needs)}." if needs else "")


def _code(text: str) -> str:
    return f"`{_cell(text)}`" if text else ""


def _cell(text: str) -> str:
    return text.strip().replace("|", "\\|").replace("\n", " ")
