"""The community's annotations become Overrides and CommunityAnnotations."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from headgate.problems import ObjectRef, Problem, Severity
from headgate.settings.buffers import PAGE
from headgate.settings.community.absent import ABSENT, CLOSING
from headgate.settings.community.annotations import GUARDS, CommunityAnnotations
from headgate.settings.community.log_variables import IN_ANNOTATIONS, replaced_variables
from headgate.settings.community.risks import RISKS, is_above
from headgate.settings.community.shared import SHARED, Shared
from headgate.settings.dialect import COMMUNITY, INCUMBENT
from headgate.settings.overrides import Overrides
from headgate.settings.parsers import Unfit, guess
from headgate.settings.registry import Setting, fields
from headgate.settings.values import Buffers
from headgate.settings.variables import read_by, unknown_variable

FIELDS: Mapping[str, Setting] = {field.spec.key: field for field in fields("community", CommunityAnnotations)}
"""The annotations that are fields of CommunityAnnotations, by the name that follows the prefix."""
_NAMES = (*FIELDS, *SHARED, *ABSENT)
SNIPPETS = "enable-snippets"
PASSTHROUGH = "enable-tls-passthrough"
REFUSED = "the Ingress is refused, not served unguarded"
CLOSED = "its requests are answered 500, not served unguarded"
TEXTS = frozenset((
    "auth-cache-key", "auth-request-redirect", "auth-signin", "auth-url", "proxy-redirect-from", "proxy-redirect-to",
    "upstream-hash-by",
))  # fmt: skip
"""Annotations in which variables of nginx may stand."""
DEFAULT = "it has no effect"
USUAL_BUFFERS = 4
"""Their number in ingress-nginx."""
OFF = frozenset({"false", "f", "0"})


class CommunityRules(msgspec.Struct, frozen=True):
    """What the ConfigMap of ingress-nginx says of annotations.

    Attributes:
        own: what holds without an annotation: field of CommunityAnnotations to value.
        auth: the same for Ingresses that do not say themselves who decides about requests (``auth-url``).
        snippets: whether annotations with raw directives count; ``None`` to go by ``-enable-snippets`` alone.
        risk: the highest risk that is accepted, ``""`` for any.
        blocked: words that no annotation may have.
        refused: why no Ingress is served, ``""`` if they are.
        defined: variables that snippets of the ConfigMap may define.
    """

    own: Mapping[str, Any] = {}
    auth: Mapping[str, Any] = {}
    snippets: bool | None = None
    risk: str = ""
    blocked: tuple[str, ...] = ()
    refused: str = ""
    defined: frozenset[str] = frozenset()

    def gates(self, gates: frozenset[str]) -> frozenset[str]:
        """Return *gates* with that of snippets, if they are permitted."""
        return gates | {SNIPPETS} if self.snippets else gates

    def fault(self, name: str, text: str) -> str:
        """Return why no Ingress may have the annotation *name*, or ``""``."""
        if self.risk and is_above(name, self.risk):
            return f"is of the risk {RISKS[name]}, and annotations-risk-level of the ConfigMap is {self.risk}"
        if word := next((word for word in self.blocked if word in text), ""):
            return f"has {word!r}, which annotation-value-word-blocklist of the ConfigMap has"
        return ""

    def defaults(self, annotations: Mapping[str, str], own: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return what holds of CommunityAnnotations without *annotations*, which say *own*."""
        alone = annotations.get(f"{COMMUNITY.prefix}enable-global-auth", "").strip().lower() in OFF
        return self.own if alone or "auth_url" in own else {**self.own, **self.auth}


NO_RULES = CommunityRules()


class ReadAnnotations(msgspec.Struct, frozen=True):
    """What the annotations of one Ingress say: settings, and the rest.

    *closed* is why its requests are answered 500, empty if they are not: what would keep clients out cannot be used.
    """

    overrides: Overrides
    own: CommunityAnnotations
    closed: str = ""


def read_community_annotations(
    annotations: Mapping[str, str],
    origin: ObjectRef,
    gates: frozenset[str] = frozenset(),
    rules: CommunityRules = NO_RULES,
) -> tuple[ReadAnnotations, list[Problem]]:
    """Read the annotations of an Ingress of ingress-nginx.

    A value that cannot be used keeps its default, as in ingress-nginx; if it would keep clients out, the Ingress is
    closed: it keeps its paths, which no broader path of another Ingress may answer in its place. So it is with
    annotations that are not known, or not served.

    Returns:
        what they say, and Problems: an ERROR for each that refuses the Ingress, a WARNING for each without effect.
    """
    explicit: dict[str, Any] = {}
    own: dict[str, Any] = {}
    keys: dict[str, str] = {}
    problems: list[Problem] = []
    closed = ""
    if rules.refused:
        problems.append(
            Problem(origin, "", "", f"is not served: {rules.refused}", REFUSED, Severity.ERROR, elsewhere=True)
        )
    for key, text in sorted(annotations.items()):
        if not key.startswith((COMMUNITY.prefix, *INCUMBENT.related)):
            continue
        name = key.removeprefix(COMMUNITY.prefix)
        if key.startswith(COMMUNITY.prefix) and (fault := rules.fault(name, text)):
            problems.append(Problem(origin, key, text, fault, "the Ingress is refused", Severity.ERROR))
        shared, field = SHARED.get(name), FIELDS.get(name)
        values = explicit if shared else own
        known = shared or field
        if known is None and name in CLOSING and text.strip().lower() in OFF and key.startswith(COMMUNITY.prefix):
            continue  # as ingress-nginx is without it
        if known is None:
            problem = _unknown(key, text, origin)
            problems.append(problem)
            closed = closed or (f"{key} {problem.reason}" if problem.effect == CLOSED else "")
            continue
        target = shared.field if shared else field.name if field else ""
        try:
            values[target] = _parsed(known, _replaced(name, text, rules), rules.gates(gates), rules)
        except Unfit as unfit:
            reason, guards = f"is {unfit.about(text)}", name in GUARDS or _guards(known, text)
            closed = closed or (f"{key} {reason}" if guards else "")
            problems.append(Problem(origin, key, text, reason, CLOSED if guards else DEFAULT))
        else:
            keys[target] = key
    said = CommunityAnnotations(**{**rules.defaults(annotations, own), **own})
    if buffers := _buffers(explicit, said):
        explicit["proxy_buffers"] = buffers
        keys["proxy_buffers"] = keys.get("proxy_buffers_number") or keys["proxy_buffer_size"]
    return ReadAnnotations(Overrides(explicit, keys, COMMUNITY), said, closed), problems


def _replaced(name: str, text: str, rules: CommunityRules) -> str:
    """Return *text* with the variables of ingress-nginx in their names here (Unfit: it has one that nobody defines)."""
    if name not in TEXTS:
        return text
    found, missing = replaced_variables(text.replace("$escaped_request_uri", "$request_uri"), IN_ANNOTATIONS)
    if missing:
        raise Unfit(f"a text with the variable {missing[0]}, which is not there")
    own = rules.defined.union(read_by("$request_uri"))
    if not own.issuperset(read_by(found)) and (fault := unknown_variable(found)):
        raise Unfit(f"a text that {fault}")
    return found


def _buffers(explicit: Mapping[str, Any], said: CommunityAnnotations) -> Buffers | None:
    """Return the buffers of responses, which have the size of the first one."""
    size = explicit.get("proxy_buffer_size")
    if said.proxy_buffers_number is None and size is None:
        return None
    return Buffers(said.proxy_buffers_number or USUAL_BUFFERS, size or PAGE)


def _parsed(known: Shared | Setting, text: str, gates: frozenset[str], rules: CommunityRules) -> Any:
    gate = known.gate if isinstance(known, Shared) else known.spec.gate
    if gate == PASSTHROUGH and text.strip().lower() not in OFF and gate not in gates:
        raise Unfit("not permitted; start Headgate with --enable-ssl-passthrough")
    if gate == SNIPPETS and gate not in gates:
        key = "; set allow-snippet-annotations in the ConfigMap, or" if rules.snippets is not None else ";"
        raise Unfit(f"not permitted{key} start Headgate with -{gate}")
    if not text.strip():
        raise Unfit("empty; remove it or give it a value")
    return known.parse(text)


GUARDING = re.compile(
    r"(?:(?:^|[;{}])\s*[\"']?|\s)(?:allow|deny|auth_\w+|satisfy|limit_(?:req|conn|except)\w*|internal|valid_referers"
    r"|secure_link\w*|ssl_verify_client|modsecurity\w*|js_access|js_content|\w+_by_lua\w*|include"
    r"|return[\"']?\s+[\"']?[45][0-9]{2})(?=[\s;{'\"])"
)
"""Directives by which snippets keep clients out, or may do so; a name or status may be in quotes."""
_TOKEN = re.compile(
    r"(?P<comment>#[^\n]*)|\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*'|[\s;{}]|(?:\\.|\$\{|[^\s;{\\])+|.", re.DOTALL
)
"""What nginx reads as one: ``#`` and quotes count where a token begins, and a backslash takes the next character.

Lua has tokens of its own, but what comes before its block is read as it should be, and the block guards.
"""


def _guards(known: Shared | Setting, text: str) -> bool:
    """Whether *text*, of a snippet that has no effect, would keep clients out."""
    gate = known.gate if isinstance(known, Shared) else known.spec.gate
    return gate == SNIPPETS and bool(GUARDING.search(_TOKEN.sub(lambda one: "" if one["comment"] else one[0], text)))


def _unknown(key: str, text: str, origin: ObjectRef) -> Problem:
    """Report an annotation that is not served: one of ingress-nginx, or one of another dialect."""
    if not key.startswith(COMMUNITY.prefix):
        reason = f"is an annotation of the dialect {INCUMBENT.name}, and this Ingress is of {COMMUNITY.name}"
        return Problem(origin, key, text, reason, DEFAULT)
    name = key.removeprefix(COMMUNITY.prefix)
    absence = ABSENT.get(name)
    if name in CLOSING and text.strip().lower() not in OFF:
        return Problem(origin, key, text, f"is {ABSENT[name].reason}", CLOSED)
    if absence is None:
        return Problem(origin, key, text, f"is not an annotation of ingress-nginx{guess(name, _NAMES)}", DEFAULT)
    return Problem(origin, key, text, f"is {absence.reason}", DEFAULT)
