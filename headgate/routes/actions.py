"""What happens to the requests of a route."""

from __future__ import annotations

import msgspec

from headgate.problems import ObjectRef
from headgate.routes.backends import Backend
from headgate.settings import Header


class Changes(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What is changed between client and backend.

    Attributes:
        path: what replaces the path that matched; empty leaves it.
        pattern: the regular expression that *path* replaces instead, with captures, in the path of the client.
        pass_request_headers: whether headers of the client are passed.
        set_headers: headers of requests, in place of others of the same name.
        hide_headers: headers of responses that clients do not get; ``pass_headers`` those that nginx usually hides.
        ignore_headers: headers of responses that nginx does not act upon.
        add_headers: headers that are added to responses.
    """

    path: str = ""
    pattern: str = ""
    pass_request_headers: bool = True
    set_headers: tuple[Header, ...] = ()
    hide_headers: tuple[str, ...] = ()
    pass_headers: tuple[str, ...] = ()
    ignore_headers: tuple[str, ...] = ()
    add_headers: tuple[Header, ...] = ()


class Forward(msgspec.Struct, frozen=True, gc=False):
    """Send requests to backends, by weight."""

    backends: tuple[Backend, ...]
    changes: Changes | None = None

    @property
    def backend(self) -> Backend:
        """The first of the backends."""
        return self.backends[0]


class Redirect(msgspec.Struct, frozen=True, gc=False):
    """Redirect clients to *url*, in which variables may stand, with the status *code*."""

    url: str
    code: int


class Answer(msgspec.Struct, frozen=True, gc=False):
    """Answer with *body*, in which variables may stand."""

    code: int
    body: str
    media_type: str
    headers: tuple[Header, ...] = ()


class Split(msgspec.Struct, frozen=True, gc=False):
    """Divide the requests among internal routes of the same host: pairs of percents and their paths.

    *by* is the canary that asks for it, if it is one.
    """

    shares: tuple[tuple[float, str], ...]
    by: ObjectRef | None = None


class Condition(msgspec.Struct, frozen=True, gc=False):
    """Whether a variable of nginx has a value, regardless of case; or, if *negated*, has not."""

    variable: str
    value: str
    negated: bool = False


class Case(msgspec.Struct, frozen=True, gc=False):
    """Requests that meet all *conditions* go to the internal route *target*."""

    conditions: tuple[Condition, ...]
    target: str


class Choice(msgspec.Struct, frozen=True, gc=False):
    """Send each request to the internal route of the first case that it meets, else to *otherwise*; *by*: as above."""

    cases: tuple[Case, ...]
    otherwise: str
    by: ObjectRef | None = None


class ServicePage(msgspec.Struct, frozen=True, gc=False):
    """A *backend* is asked for ``/``, with *headers* in place of others of the same name."""

    backend: Backend
    headers: tuple[Header, ...] = ()

    def __hash__(self) -> int:
        return hash((self.backend.namespace, self.backend.service, self.headers))


class ErrorPage(msgspec.Struct, frozen=True, gc=False):
    """In place of errors with one of *codes*: an answer, with the code of the error if its own is 0, or a redirect.

    Or what a Service answers, with its status.
    """

    codes: tuple[int, ...]
    page: Answer | Redirect | ServicePage


Action = Forward | Redirect | Answer | Split | Choice
