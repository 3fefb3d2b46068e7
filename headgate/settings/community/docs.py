"""The reference page of the community's annotations, written from their declarations."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from headgate.settings.community.absent import ABSENT, CLOSING
from headgate.settings.community.annotations import GUARDS
from headgate.settings.community.defaults import DEFAULTS
from headgate.settings.community.reading import FIELDS
from headgate.settings.community.shared import SHARED
from headgate.settings.config_params import REGISTRY
from headgate.settings.dialect import COMMUNITY
from headgate.settings.docs import cell, code, table
from headgate.settings.overrides import BUILT_IN

_PAGE = f"""# Annotations of ingress-nginx

Annotations of an Ingress whose class has the dialect of ingress-nginx ([ingress-nginx.md](../ingress-nginx.md)). All
begin with `{COMMUNITY.prefix}`.

A value that cannot be used has no effect, and a warning is reported. If the annotation keeps clients out (*guards*),
requests for the paths of the Ingress are answered 500 instead.
"""


def community_annotations_markdown() -> str:
    """Return the reference page of all annotations of ingress-nginx, those that are not served included."""
    served = table(("Annotation", "Meaning", "Value", "Default", "Guards"), sorted(_rows()))
    absent = table(
        ("Annotation", "Reason", "An Ingress with it"),
        (
            (
                code(name),
                cell(absence.reason),
                "its requests are answered 500" if name in CLOSING else "is served without it",
            )
            for name, absence in sorted(ABSENT.items())
        ),
    )
    return "\n".join([_PAGE, "## Served", "", *served, "", "## Not served", "", *absent, ""])


def _rows() -> Iterator[tuple[str, ...]]:
    for name, field in FIELDS.items():
        guards = "yes" if name in GUARDS else ""
        gate = f" Needs `-{field.spec.gate}`." if field.spec.gate else ""
        yield code(name), cell(field.spec.doc) + gate, cell(field.parse.words), code(field.usual), guards
    settings = {field.name: field for field in reversed(REGISTRY.fields)}
    for name, shared in SHARED.items():
        gate = f"; needs `-{shared.gate}`" if shared.gate else ""
        default = code(_spelled(_default(shared.field, settings[shared.field].group)))
        meaning = cell(settings[shared.field].spec.doc.removesuffix(".")) + gate
        yield code(name), meaning, cell(shared.parse.words), default, ""


def _default(name: str, group: str) -> Any:
    return DEFAULTS.explicit[name] if name in DEFAULTS.explicit else getattr(getattr(BUILT_IN, group), name)


def _spelled(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else " ".join(map(str, value)) if isinstance(value, tuple) else str(value)
