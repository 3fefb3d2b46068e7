"""Where a request goes that a route sends on to other routes of its host: by its share, or by its properties."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from msgspec import structs

from headgate.explain.answer import Step
from headgate.explain.context import RequestContext
from headgate.routes import Action, Backend, Case, Choice, Condition, Forward, Route, Split
from headgate.routes.backends import EMPTY, REPLACED
from headgate.settings import COMMUNITY


def followed(context: RequestContext) -> tuple[RequestContext, tuple[Step, ...]]:
    """Return *context* at the location that answers in the end, or divides the requests; and the way there."""
    steps: list[Step] = []
    while (route := context.route) and isinstance(route.action, Choice | Split):
        if isinstance(route.action, Choice):
            case = next((case for case in route.action.cases if _meets(context, case)), None)
            condition = " and ".join(_doubts(context, route.action, case))
            context = _at(context, case.target if case else route.action.otherwise)
            steps.append(Step(_taken(case), _because(context, route), condition=condition))
            continue
        because = _of_canary(route.action) or (f"{route.origin}: {route.field.removesuffix('.splits')}.splits",)
        steps.append(Step(f"the requests are divided: {', '.join(_shares(context, route.action))}", because))
        whole = next((target for weight, target in route.action.shares if weight == WHOLE), "")
        if not whole:
            break
        context = _at(context, whole)
    return context, tuple(steps)


def _doubts(context: RequestContext, choice: Choice, taken: Case | None) -> Iterator[str]:
    """Yield what must be true for no match before *taken* to be met, where variables are not known here."""
    for case in choice.cases:
        if case is taken:
            return
        unknown = [each for each in case.conditions if not _is_given(context, each.variable)]
        if unknown and all(is_met(context, each) for each in case.conditions if each not in unknown):
            yield " or ".join(
                f"{each.variable} {'is' if each.negated else 'is not'} {each.value!r}" for each in unknown
            )


def _taken(case: Case | None) -> str:
    if case is None:
        return "no condition is met, so the action of the route applies"
    words = (f"{each.variable} {'is not' if each.negated else 'is'} {each.value!r}" for each in case.conditions)
    return f"the first match whose conditions are met: {' and '.join(words)}"


def _because(context: RequestContext, chooser: Route) -> tuple[str, ...]:
    """Return the field of the route to which *chooser* led, at *context*."""
    found = context.route
    if found is None:
        return ()
    if canary := _of_canary(chooser.action):
        return canary
    part = "splits" if isinstance(found.action, Split) else "action"
    return (f"{found.origin}: {found.field}{f'.{part}' if found.field == chooser.field else ''}",)


def _of_canary(action: Action) -> tuple[str, ...]:
    """Return the canary that asks for *action*, if one does."""
    by = action.by if isinstance(action, Choice | Split) else None
    return (f"{by}: {COMMUNITY.prefix}canary",) if by else ()


def _at(context: RequestContext, target: str) -> RequestContext:
    """Return the context at the internal location *target*."""
    found = next(each for each in context.server.server.locations if each.internal and str(each.path) == target)
    return structs.replace(context, location=found)


WHOLE: Final = 100
"""The weight of a share to which all requests go."""


def _shares(context: RequestContext, split: Split) -> Iterator[str]:
    routes = {route.match.path: route for route in (context.host.routes if context.host else ())}
    for weight, target in split.shares:
        yield f"{weight:g} % {_goal(routes[target])}"


def _goal(route: Route) -> str:
    if isinstance(route.action, Forward):
        backend = route.action.backend
        empty = not (backend.endpoints.servers or backend.backup)
        why = f" (no endpoints: {refusal_of(backend)})" if empty else ""
        return f"Service {backend.namespace}/{backend.service}{why}"
    return f"the {type(route.action).__name__.lower()} of {route.field}"


def refusal_of(backend: Backend) -> int:
    """Return what is answered while *backend* has no endpoints, unless an error page does."""
    return EMPTY if backend.unserved == REPLACED else backend.unserved


# --- conditions ---------------------------------------------------------------------------------------


def _meets(context: RequestContext, case: Case) -> bool:
    """Whether all conditions of *case* are met; one on a variable that is not known here is not."""
    return all(_is_given(context, each.variable) and is_met(context, each) for each in case.conditions)


def _is_given(context: RequestContext, variable: str) -> bool:
    if variable == "$remote_addr":
        return context.question.address is not None
    return is_known(variable) or variable in _fixed(context)


def is_met(context: RequestContext, condition: Condition) -> bool:
    """Whether a map of nginx finds the value: regardless of case, or by a regular expression after ``~``."""
    value, wanted = value_of(context, condition.variable), condition.value
    if wanted.startswith("~"):
        folds = wanted.startswith("~*")
        found = re.search(wanted[2:] if folds else wanted[1:], value, re.IGNORECASE if folds else 0) is not None
    else:
        found = value.lower() == wanted.lower()
    return found != condition.negated


def is_known(variable: str) -> bool:
    """Whether the value of *variable* follows from what is asked."""
    return variable == "$request_method" or variable.startswith(("$http_", "$cookie_", "$arg_"))


def value_of(context: RequestContext, variable: str) -> str:
    """Return the value of a variable for this request, which has no body."""
    question = context.question
    kind, _, name = variable.removeprefix("$").partition("_")
    if kind == "http":
        return question.headers.get(name.replace("_", "-"), "")
    if kind == "cookie":
        return _cookie(question.headers.get("cookie", ""), name)
    if kind == "arg":
        return _argument(question.query or "", name)
    return _fixed(context).get(variable, "")


def _fixed(context: RequestContext) -> dict[str, str]:
    """Return the variables that follow from the request as a whole."""
    question = context.question
    return {
        "$args": question.query or "",
        "$query_string": question.query or "",
        "$https": "on" if question.secure else "",
        "$request_uri": context.target,
        "$request_method": question.method,
        "$scheme": question.scheme,
        "$request": f"{question.method} {context.target} HTTP/1.1",
        "$remote_addr": str(question.address or ""),
    }


def _argument(query: str, name: str) -> str:
    """Return the first argument *name*, in any case and without decoding it (``ngx_http_arg``)."""
    found = re.search(rf"(?:^|&){re.escape(name)}=([^&]*)", query, re.IGNORECASE)
    return found[1] if found else ""


def _cookie(header: str, name: str) -> str:
    """Return the cookie *name*, in any case and with its quotation marks (``ngx_http_parse_multi_header_lines``)."""
    found = re.search(rf"(?:^|[;,]) *{re.escape(name)} *= *([^;]*)", header, re.IGNORECASE)
    return found[1] if found else ""
