"""Whether an Ingress of ingress-nginx keeps clients out, so that its paths must not be answered by another one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from headgate.settings.community.annotations import GUARDS, CommunityAnnotations
from headgate.settings.community.reading import FIELDS, GUARDING, SNIPPETS, ReadAnnotations
from headgate.settings.community.shared import SHARED
from headgate.settings.dialect import COMMUNITY

_COMMENT: Final = re.compile(r"#[^\n]*")
_UNGUARDED: Final = CommunityAnnotations()


def keeps_out(annotations: Mapping[str, str], read: ReadAnnotations) -> bool:
    """Whether *annotations*, which say *read*, keep clients out.

    That is a guard of their own or of the ConfigMap, one that cannot be used, or a directive in a snippet.
    """
    if read.closed:
        return True
    guards = (field.name for name, field in FIELDS.items() if name in GUARDS)
    if any(getattr(read.own, name) != getattr(_UNGUARDED, name) for name in guards):
        return True
    return any(guards_by_snippet(text) for key, text in annotations.items() if _is_snippet(key))


def guards_by_snippet(text: str) -> bool:
    """Whether *text*, directives of nginx, has one that keeps clients out."""
    return bool(GUARDING.search(_COMMENT.sub("", text)))


def _is_snippet(key: str) -> bool:
    name = key.removeprefix(COMMUNITY.prefix)
    if not key.startswith(COMMUNITY.prefix):
        return False
    field, shared = FIELDS.get(name), SHARED.get(name)
    return SNIPPETS in {field.spec.gate if field else "", shared.gate if shared else ""}
