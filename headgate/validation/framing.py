"""Headers that routes set and that nginx sets itself, which are left out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from headgate.api.nginx_org.actions import Action
from headgate.api.nginx_org.virtualserver import Route
from headgate.problems import ObjectRef, Problem
from headgate.settings.framing import NGINX_SETS, OF_REQUESTS, OF_RESPONSES
from headgate.validation.custom_settings import actions_of


def framing_problems(ref: ObjectRef, routes: Iterable[Route], field: str) -> Iterator[Problem]:
    """Yield a Problem for each of these headers of *routes*, at *field* of *ref*."""
    for index, route in enumerate(routes):
        path = f"{field}[{index}]"
        lists = [found for action, where in actions_of(route, path) for found in _lists(action, where)]
        for number, page in enumerate(route.error_pages or ()):
            answer = page.return_
            names = [header.name for header in (answer.headers if answer else None) or ()]
            lists.append((f"{path}.errorPages[{number}].return.headers", names, OF_RESPONSES))
        for where, names, those in lists:
            for place, name in enumerate(names):
                if name.lower() in those:
                    yield Problem(ref, f"{where}[{place}].name", name, f"{NGINX_SETS}; remove it", "it is left out")


def _lists(action: Action, path: str) -> Iterator[tuple[str, list[str], frozenset[str]]]:
    """Yield the lists of headers of *action*: where it is, the names, and which of them are nginx's."""
    if action.return_:
        yield f"{path}.return.headers", [header.name for header in action.return_.headers or ()], OF_RESPONSES
    requests = action.proxy.request_headers if action.proxy else None
    responses = action.proxy.response_headers if action.proxy else None
    if requests:
        yield f"{path}.proxy.requestHeaders.set", [header.name for header in requests.set or ()], OF_REQUESTS
    if responses:
        yield f"{path}.proxy.responseHeaders.add", [header.name for header in responses.add or ()], OF_RESPONSES
