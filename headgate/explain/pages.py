"""What clients get in place of errors, and who asks for that."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import structs

from headgate.explain import guarding
from headgate.explain.answer import Answer, ErrorPageAnswer
from headgate.explain.context import RequestContext
from headgate.problems import show
from headgate.routes import Redirect
from headgate.routes.actions import Answer as Returned
from headgate.routes.actions import ServicePage
from headgate.routes.backends import EMPTY, REPLACED


def error_pages(context: RequestContext) -> Iterator[ErrorPageAnswer]:
    """Yield the error pages at *context*, its own or those that it inherits, in their order; none for a refusal."""
    route = None if guarding.policies_of(context).refused else context.route
    for index, page in enumerate(route.error_pages if route else ()):
        assert route is not None  # noqa: S101 - it has pages
        yield ErrorPageAnswer(
            codes=tuple(EMPTY if code == REPLACED else code for code in page.codes),
            what=_what(page.page),
            object=str(route.pages_of or route.origin),
            field=route.pages_field if isinstance(page.page, ServicePage) else f"{route.pages_field}[{index}]",
        )


def _what(page: Returned | Redirect | ServicePage) -> str:
    if isinstance(page, ServicePage):
        return f"the response of Service {page.backend.namespace}/{page.backend.service}"
    if isinstance(page, Redirect):
        return f"a redirect ({page.code}) to {page.url}"
    return f"{page.code or 'the same status'}, body {show(page.body)} ({page.media_type})"


def replaced(context: RequestContext, answer: Answer) -> Answer:
    """Return *answer* with what clients get in place of its status."""
    pages = context.route.error_pages if context.route and answer.error_pages else ()
    found = next((page.page for page in pages if answer.status in page.codes), None)
    if found is None:
        return answer
    if isinstance(found, ServicePage):
        code = EMPTY if answer.status == REPLACED else answer.status
        summary = f"{answer.summary} An error page replaces {code} with {_what(found)}."
        return structs.replace(answer, summary=summary, status=None)
    summary = f"{answer.summary} An error page replaces {answer.status} with {_what(found)}."
    target = context.filled(found.url.replace("${", "$").replace("}", "")) if isinstance(found, Redirect) else None
    return structs.replace(answer, summary=summary, status=found.code or answer.status, target=target)
