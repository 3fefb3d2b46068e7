"""Clients that a limit does not count."""

from __future__ import annotations

from headgate.ir.http import VariableMap
from headgate.problems import ObjectRef
from headgate.settings import Quoted
from headgate.translate.draft import Draft

EXEMPT, COUNTED = "1", "0"


def counted(draft: Draft, origin: ObjectRef, key: str, exempt: tuple[str, ...]) -> str:
    """Return *key*, or a variable that is empty for clients who are *exempt*: nginx counts no empty key."""
    if not exempt:
        return key
    found, name = draft.variable(origin, "exempt"), draft.variable(origin, "limited")
    networks = tuple((Quoted(network), Quoted(EXEMPT)) for network in exempt)
    others = (Quoted("default"), Quoted(COUNTED))
    draft.maps[found] = VariableMap(Quoted("$remote_addr"), found, (others, *networks), origin, networks=True)
    lines = ((Quoted(EXEMPT), Quoted("")), (Quoted("default"), Quoted(key)))
    draft.maps[name] = VariableMap(Quoted(f"${found}"), name, lines, origin)
    return f"${name}"
