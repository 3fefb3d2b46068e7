"""The interface of the API server that reporting needs, as a protocol, so that it does not import the client."""

from __future__ import annotations

import http
import logging
from collections.abc import Callable
from typing import Any, Protocol

from headgate.api.base import Kind


class ApiWriter(Protocol):
    """Writes to the API server.

    A failed call raises a ``failure``. Where the server answered, it carries the HTTP code in an attribute
    ``status``; without one the call may be tried again. Any other exception is a bug.
    """

    @property
    def failure(self) -> type[Exception]:
        """The root of the client's own exceptions."""
        ...

    async def create(self, kind: Kind, namespace: str, body: dict[str, Any]) -> dict[str, Any]:
        """POST *body* and return the object as stored."""
        ...

    async def patch(self, kind: Kind, namespace: str, name: str, body: dict[str, Any]) -> dict[str, Any]:
        """Send a JSON merge patch and return the object as stored."""
        ...

    async def update_status(
        self, kind: Kind, namespace: str, name: str, change: Callable[[dict[str, Any]], dict[str, Any] | None]
    ) -> None:
        """GET the object, pass it to *change* and PUT the result to ``…/status``; repeated on a conflict.

        If *change* returns ``None`` nothing is written.
        """
        ...


def status_code(error: Exception) -> int:
    """Return the HTTP code that the API server answered, 0 if it did not answer."""
    return int(getattr(error, "status", 0) or 0)


class Denials:
    """Namespaces whose writes RBAC denies: the first denial is a warning, later ones are not until a write succeeds."""

    def __init__(self) -> None:
        """Begin without any."""
        self._namespaces: set[str] = set()

    def level(self, namespace: str, error: Exception) -> int:
        """Return the log level of *error*, and remember a denial."""
        if status_code(error) != http.HTTPStatus.FORBIDDEN:
            return logging.WARNING
        known = namespace in self._namespaces
        self._namespaces.add(namespace)
        return logging.DEBUG if known else logging.WARNING

    def over(self, namespace: str) -> None:
        """Forget the denial: a write in *namespace* succeeded."""
        self._namespaces.discard(namespace)


def may_heal(error: Exception) -> bool:
    """Whether the same write may succeed later: there was no answer, or a missing permission may still be granted."""
    return not is_final(error) or status_code(error) == http.HTTPStatus.FORBIDDEN


def is_final(error: Exception) -> bool:
    """Whether an immediate retry cannot help: the server answered and refused."""
    code = status_code(error)
    temporary = {http.HTTPStatus.REQUEST_TIMEOUT, http.HTTPStatus.CONFLICT, http.HTTPStatus.TOO_MANY_REQUESTS}
    return http.HTTPStatus.BAD_REQUEST <= code < http.HTTPStatus.INTERNAL_SERVER_ERROR and code not in temporary
