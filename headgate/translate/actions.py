"""What happens to requests that go to no backend at once: answers, redirects, splits, choices and error pages."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from headgate.ir.http import Line, Location, SplitClients, VariableMap
from headgate.problems import ObjectRef
from headgate.routes import Answer, Case, Changes, Choice, Condition, ErrorPage, Redirect, Route, Split
from headgate.routes.actions import ServicePage
from headgate.settings import NOTHING, Header, Quoted, Words
from headgate.translate.draft import Draft

_MAP_WORDS = frozenset({"default", "hostnames", "include", "volatile"})
MET, UNMET = "1", "0"


def action_parts(draft: Draft, route: Route) -> dict[str, Any]:
    """Return the attributes of the Location of *route*, whose action is no Forward; note its maps in *draft*."""
    match route.action:
        case Answer(code, body, media_type, headers):
            answer = Words((str(code), Quoted(body)))
            return {"answer": answer, "content_type": Quoted(media_type), "added": headers}
        case Redirect(url, code):
            return {"answer": Words((str(code), Quoted(url)))}
        case Split():
            return {"jump": _split(draft, route.origin, route.action)}
        case Choice():
            return {"jump": _choice(draft, route.origin, route.action)}
        case _:
            raise TypeError(route.action)


def _split(draft: Draft, origin: ObjectRef, split: Split) -> str:
    """Note the ``split_clients`` of *split* and return its variable."""
    name = draft.variable(origin, f"splits_{draft.count(origin, 'splits')}")
    *shares, (_, last) = [(weight, target) for weight, target in split.shares if weight]
    lines = (*((f"{weight:g}%", target) for weight, target in shares), ("*", last))
    draft.splits[name] = SplitClients(name, lines, origin)
    return f"${name}"


def _choice(draft: Draft, origin: ObjectRef, choice: Choice) -> str:
    """Note the maps of *choice*: one for each condition, and one from all of them to the target."""
    name = draft.variable(origin, f"matches_{draft.count(origin, 'matches')}")
    firsts = [_case(draft, origin, f"{name}_match_{index}", case) for index, case in enumerate(choice.cases)]
    keys = [f"~^{UNMET * index}{MET}" for index in range(len(choice.cases))]
    lines = [(Quoted(key), Quoted(case.target)) for key, case in zip(keys, choice.cases, strict=True)]
    source = Quoted("".join(f"${{{first}}}" for first in firsts))
    draft.maps[name] = VariableMap(source, name, (*lines, (Quoted("default"), Quoted(choice.otherwise))), origin)
    return f"${name}"


def _case(draft: Draft, origin: ObjectRef, name: str, case: Case) -> str:
    """Note a map for each condition, each leading to the next one; return the variable of the first."""
    names = [f"{name}_cond_{index}" for index in range(len(case.conditions))]
    for index, condition in enumerate(case.conditions):
        met = Quoted(f"${names[index + 1]}" if index + 1 < len(names) else MET)
        draft.maps[names[index]] = VariableMap(Quoted(condition.variable), names[index], _lines(condition, met), origin)
    return names[0]


def _lines(condition: Condition, met: Quoted) -> tuple[tuple[Quoted, Quoted], ...]:
    value = f"\\{condition.value}" if condition.value in _MAP_WORDS else condition.value
    unmet = Quoted(UNMET)
    hit, miss = (unmet, met) if condition.negated else (met, unmet)
    return (Quoted(value), hit), (Quoted("default"), miss)


# --- error pages --------------------------------------------------------------------------------------


def page_lines(prefix: str, pages: tuple[ErrorPage, ...]) -> Iterator[Words]:
    """Yield the arguments of each ``error_page``; *prefix* is the beginning of the names of their locations."""
    for index, page in enumerate(pages):
        codes = map(str, page.codes)
        if isinstance(page.page, Redirect):
            yield Words((*codes, f"={page.page.code}", Quoted(page.page.url)))
        elif isinstance(page.page, ServicePage):
            yield Words((*codes, "=", f"{prefix}_{index}"))
        else:
            own = (f"={page.page.code}",) if page.page.code else ()
            yield Words((*codes, *own, f"{prefix}_{index}"))


def page_locations(prefix: str, pages: tuple[ErrorPage, ...], origin: ObjectRef | None) -> Iterator[Location]:
    """Yield the named locations of the error pages that are answers; they keep the status of ``error_page``.

    *origin* is the object that they belong to, where that is another than the server's.
    """
    for index, page in enumerate(pages):
        if isinstance(page.page, Answer):
            yield Location(
                path=f"{prefix}_{index}",
                origin=origin,
                own=NOTHING,
                answer=Words(("0", Quoted(page.page.body))),
                content_type=Quoted(page.page.media_type),
                added=page.page.headers,
            )


# --- changes ------------------------------------------------------------------------------------------


def change_lines(changes: Changes, hidden: tuple[str, ...]) -> Iterator[Line]:
    """Yield the directives of *changes* that are no lists of request or added headers; *hidden* are those around."""
    if not changes.pass_request_headers:
        yield "proxy_pass_request_headers", Words(("off",))
    if changes.hide_headers:
        yield from (("proxy_hide_header", Words((name,))) for name in dict.fromkeys((*hidden, *changes.hide_headers)))
    yield from (("proxy_pass_header", Words((name,))) for name in changes.pass_headers)
    if changes.ignore_headers:
        yield "proxy_ignore_headers", Words(changes.ignore_headers)


def grpc_change_lines(changes: Changes) -> Iterator[Line]:
    """Yield the directives of *changes* as ``change_lines`` does; nginx always passes the headers of gRPC requests."""
    yield from (("grpc_hide_header", Words((name,))) for name in dict.fromkeys(changes.hide_headers))
    yield from (("grpc_pass_header", Words((name,))) for name in changes.pass_headers)
    if changes.ignore_headers:
        yield "grpc_ignore_headers", Words(changes.ignore_headers)


def set_headers(headers: tuple[Header, ...], changes: Changes) -> tuple[Header, ...]:
    """Return *headers* of requests with those of *changes* in place of others of the same name."""
    own = {header.name.lower() for header in changes.set_headers}
    return (*(header for header in headers if header.name.lower() not in own), *changes.set_headers)
