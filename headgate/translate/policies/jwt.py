"""jwt: a handler of Lua in every location, and variables for the members of the token that texts of users read."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, Final

from headgate.ir.http import Claim
from headgate.ir.snippets import read
from headgate.routes import Answer, Choice, Forward, Redirect, Route
from headgate.routes.policies import LimitCondition
from headgate.translate import naming
from headgate.translate.draft import Draft, Place
from headgate.translate.policies.parts import Site

CLAIMS, HEADER = "claims", "header"
_READ: Final = re.compile(r"\$\{?(jwt_(?:claim|header)_\w+)", re.ASCII)
_NAME: Final = re.compile(r"[A-Za-z0-9_]+", re.ASCII)
ACCESS, _REWRITE = re.compile(r"\baccess_by_lua"), re.compile(r"\brewrite_by_lua")
HANDLED: Final = (
    "has handlers of Lua for the access phase and for the rewrite phase, and a Policy of type jwt needs one of them",
    "requests are answered 500",
)


def jwt_parts(draft: Draft, place: Place) -> dict[str, Any]:
    """Return the attributes of a location that the JSON Web Tokens of its Policies ask for.

    Without Lua, or where snippets have the handlers, the location is closed. Where one of several checks is enough, and
    where a snippet has a handler for the access phase, tokens are checked before.
    """
    found = place.policies.jwt
    if found is None or place.policies.refused:
        return {}
    if not draft.env.checks_tokens:  # the Policy was lowered when there was Lua
        return {"refused": True}
    texts = tuple(_snippets(draft, place))
    taken = any(map(ACCESS.search, texts))
    if taken and any(map(_REWRITE.search, texts)):
        draft.warn(place.origin, "", "a snippet", HANDLED)
        return {"refused": True}
    any_lets_in = place.policies.any_lets_in or any(read(text).has("satisfy") for text in texts)
    return {"jwt": found.name, "jwt_first": taken or any_lets_in}


def handles_access(place: Place) -> bool:
    """Whether the snippet of a location has a handler of Lua for the access phase."""
    return bool(ACCESS.search(place.params.snippets.location_snippets or ""))


def server_jwt(draft: Draft, site: Site, place: Place) -> str:
    """Return the name of what guards the locations of the server's snippet, empty if it has none."""
    found = site.policies.jwt
    snippet = place.params.snippets.server_snippets or ""
    return found.name if found and draft.env.checks_tokens and read(snippet).locations else ""


def _snippets(draft: Draft, place: Place) -> Iterator[str]:
    own, common = place.params.snippets, draft.env.params.snippets
    yield from filter(None, (common.http_snippets, own.server_snippets, own.location_snippets))


def claim_variable(condition: LimitCondition) -> str:
    """Return the variable that holds the claim of *condition*."""
    path = condition.claim
    if len(path) == 1 and _NAME.fullmatch(path[0]):
        return f"jwt_claim_{path[0]}"
    words = "_".join(re.sub(r"\W", "_", name, flags=re.ASCII) for name in path)
    return f"jwt_claim_{words}_{naming.digest(path)[1:]}"


def claims(draft: Draft, place: Place, route: Route | None = None) -> tuple[Claim, ...]:
    """Return the variables with members of tokens that something at *place* reads."""
    policies = place.policies
    found = {claim_variable(each.condition): each.condition.claim for each in policies.limits
             if each.condition and each.condition.claim}  # fmt: skip
    wanted = {name.lower(): (CLAIMS, path) for name, path in found.items()}
    for name in _names(_texts(draft, place, route)):
        kind, _, member = name.removeprefix("jwt_").partition("_")
        wanted.setdefault(name.lower(), (CLAIMS if kind == "claim" else HEADER, (member,)))
    jwt = policies.jwt.name if policies.jwt and draft.env.checks_tokens and not policies.refused else ""
    return tuple(Claim(name, jwt, part, path) for name, (part, path) in sorted(wanted.items()))


def _names(texts: Iterable[str | None]) -> Iterator[str]:
    for text in texts:
        if text and "jwt_" in text:
            yield from _READ.findall(text)


def reads_claims(texts: Iterable[str | None]) -> tuple[str, ...]:
    """Return the variables with members of tokens that *texts* read, in lower case."""
    return tuple(sorted({name.lower() for name in _names(texts)}))


def _texts(draft: Draft, place: Place, route: Route | None) -> Iterator[str | None]:
    common, own = draft.env.params, place.params
    yield from (*common.logging.log_format, common.snippets.http_snippets)
    yield from (own.snippets.server_snippets, own.snippets.location_snippets, own.limits.limit_req_key)
    yield from own.upstream.lb_method or ()
    yield from place.policies.texts
    action = route.action if route else None
    if isinstance(action, Forward) and action.changes:
        changes = action.changes
        yield from (changes.path, *(header.value for header in (*changes.set_headers, *changes.add_headers)))
    elif isinstance(action, Answer):
        yield from (action.body, *(header.value for header in action.headers))
    elif isinstance(action, Redirect):
        yield action.url
    elif isinstance(action, Choice):
        yield from (condition.variable for case in action.cases for condition in case.conditions)
