"""Where a request goes that a route sends on to other routes of its host: by its share, or by its properties."""

from __future__ import annotations

import re
from collections.abc import Iterator
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qsl

from msgspec import structs

from headgate.explain.answer import Step
from headgate.explain.context import RequestContext
from headgate.routes import Case, Choice, Condition, Forward, Route, Split


def followed(context: RequestContext) -> tuple[RequestContext, tuple[Step, ...]]:
    """Return *context* at the location that answers in the end, or divides the requests; and the way there."""
    steps: list[Step] = []
    while (route := context.route) and isinstance(route.action, Choice):
        case = next((case for case in route.action.cases if _meets(context, case)), None)
        target = case.target if case else route.action.otherwise
        context = _at(context, target)
        steps.append(Step(_taken(case), _because(context, route)))
    if route and isinstance(route.action, Split):
        because = (f"{route.origin}: {route.field.removesuffix('.splits')}.splits",)
        steps.append(Step(f"the requests are divided: {', '.join(_shares(context, route.action))}", because))
    return context, tuple(steps)


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
    part = "splits" if isinstance(found.action, Split) else "action"
    return (f"{found.origin}: {found.field}{f'.{part}' if found.field == chooser.field else ''}",)


def _at(context: RequestContext, target: str) -> RequestContext:
    """Return the context at the internal location *target*."""
    found = next(each for each in context.server.server.locations if each.internal and str(each.path) == target)
    return structs.replace(context, location=found)


def _shares(context: RequestContext, split: Split) -> Iterator[str]:
    routes = {route.match.path: route for route in (context.host.routes if context.host else ())}
    for weight, target in split.shares:
        yield f"{weight} % {_goal(routes[target])}"


def _goal(route: Route) -> str:
    if isinstance(route.action, Forward):
        backend = route.action.backend
        return f"Service {backend.namespace}/{backend.service}"
    return f"the {type(route.action).__name__.lower()} of {route.field}"


# --- conditions ---------------------------------------------------------------------------------------


def _meets(context: RequestContext, case: Case) -> bool:
    return all(is_met(context, condition) for condition in case.conditions)


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
        return _cookies(question.headers.get("cookie", "")).get(name, "")
    if kind == "arg":
        return dict(reversed(parse_qsl(question.query or "", keep_blank_values=True))).get(name, "")
    return {
        "$args": question.query or "",
        "$query_string": question.query or "",
        "$https": "on" if question.secure else "",
        "$request_uri": context.target,
        "$request_method": question.method,
        "$scheme": question.scheme,
        "$request": f"{question.method} {context.target} HTTP/1.1",
    }.get(variable, "")


def _cookies(header: str) -> dict[str, str]:
    try:
        return {name: morsel.value for name, morsel in SimpleCookie(header).items()}
    except CookieError:
        return {}
