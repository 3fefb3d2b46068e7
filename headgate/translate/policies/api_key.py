"""apiKey: maps from what a client sends to the key, and from the key to the client.

nginx has no directive for keys. Without a further module they are compared by ``map``, whose lines are in a file of the
Secret that only nginx's user reads; ``auth_request`` asks an internal location, which answers by these variables.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec

from headgate.ir.http import VariableMap
from headgate.problems import ObjectRef
from headgate.routes.policies import ApiKeys
from headgate.settings import Quoted
from headgate.translate.draft import Draft

TOKEN, CLIENT = "apikey_auth_token", "apikey_client_name"
"""Variables of every location with keys: the key that was sent, and the client whose key it is."""
UNKNOWN, FORBIDDEN = 401, 403


class KeyVariables(msgspec.Struct, frozen=True):
    """The variables of one Policy: the key, and the client whose key it is; each empty if there is none."""

    key: str
    client: str

    @property
    def checks(self) -> tuple[tuple[str, int], ...]:
        """What is answered if one of them is empty."""
        return (f"${self.key}", UNKNOWN), (f"${self.client}", FORBIDDEN)

    @property
    def set(self) -> tuple[tuple[str, str], ...]:
        """Their values in the variables that others read.

        They must be evaluated in the request of the client: that of ``auth_request`` has no arguments.
        """
        return (TOKEN, f"${self.key}"), (CLIENT, f"${self.client}")


def reads_client(text: str) -> bool:
    """Whether *text* has one of the variables ``TOKEN`` and ``CLIENT``."""
    return any(name in (TOKEN, CLIENT) for name in re.findall(r"\$\{?(\w+)", text))


def key_variables(draft: Draft, origin: ObjectRef, keys: ApiKeys) -> KeyVariables:
    """Note the maps of *keys*."""
    policy, end = keys.policy, f"{keys.policy.namespace}_{keys.policy.name}"
    owner = f"{origin.namespace}_{origin.name}_{origin.kind.lower()}"
    key = draft.policy_variable(f"apikey_auth_token_{owner}_{end}", policy)
    client = draft.policy_variable(f"apikey_auth_client_name_{owner}_{end}", policy)
    sources = [f"$http_{name.lower().replace('-', '_')}" for name in keys.headers]
    sources += [f"$arg_{name}" for name in keys.query]
    _first_of(draft, origin, key, sources)
    file = Quoted(f"{draft.env.layout.conf}/{keys.secret.file}")
    nobody = ((Quoted("default"), Quoted("")),)
    draft.maps[client] = VariableMap(Quoted(f"${key}"), client, nobody, origin, file)
    return KeyVariables(key, client)


def _first_of(draft: Draft, origin: ObjectRef, name: str, sources: Sequence[str]) -> None:
    """Note the maps by which the variable *name* is the first of *sources* that is not empty."""
    names = [name, *(f"{name}_{number}" for number in range(1, len(sources)))]
    for number, (variable, source) in enumerate(zip(names, sources, strict=True)):
        after = f"${names[number + 1]}" if number + 1 < len(names) else ""
        lines = ((Quoted(""), Quoted(after)), (Quoted("default"), Quoted(source)))
        draft.maps[variable] = VariableMap(Quoted(source), variable, lines, origin)
