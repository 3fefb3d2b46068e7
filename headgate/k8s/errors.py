"""Errors of the connection to an API server; exceptions of libraries do not leave this package.

::

    K8sError
    ├── ConfigError            the kubeconfig, the service account or the folder cannot be used
    ├── AuthError              there are no credentials, or the server does not accept them
    ├── Unreachable            no answer, or 429 or 5xx: a repetition may help
    ├── BadAnswer              the answer is not that of a Kubernetes API (such as HTML)
    ├── Gone                   410: the resource version or the page is too old; list again
    └── ApiError               any other 4xx: a repetition will not help
        ├── Forbidden          403
        ├── NotFound           404
        ├── Conflict           409
        └── Invalid            422
"""

# ruff: noqa: N818 - the condition is the name: Gone, NotFound, Conflict

from __future__ import annotations


class K8sError(Exception):
    """An error of the connection to the API server; its text is one line for the operator."""


class ConfigError(K8sError):
    """The configuration of the connection is missing, contradictory or unreadable."""


class Outage:
    """A time without answers: every watch meets it, and one log line is enough."""

    def __init__(self, text: str) -> None:
        """Begin with what the first request met."""
        self.text = text
        self._told = False

    def tell(self) -> bool:
        """Return whether it has not been logged yet; the caller then logs it."""
        told, self._told = self._told, True
        return not told


class Unreachable(K8sError):
    """There was no usable answer; a repetition may help."""

    def __init__(self, message: str, retry_after: float | None = None) -> None:
        """Keep the seconds of the header Retry-After, if there was one."""
        super().__init__(message)
        self.retry_after = retry_after
        self.outage = Outage(message)
        """What all requests share that fail in the same way, until one is answered."""


class AuthError(K8sError):
    """There are no credentials, or the server refused them twice."""

    def __init__(self, message: str) -> None:
        """Begin an Outage, as for ``Unreachable``: without credentials no request is answered."""
        super().__init__(message)
        self.outage = Outage(message)


def is_news(error: BaseException) -> bool:
    """Whether *error* is to be logged, which the caller then does: of an Outage only the first error is."""
    return not isinstance(error, AuthError | Unreachable) or error.outage.tell()


class BadAnswer(K8sError):
    """The answer is not that of a Kubernetes API."""


class Gone(K8sError):
    """The server no longer has the version or the page (410)."""


class ApiError(K8sError):
    """The server understood and declined."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        """Keep the HTTP status, the machine-readable reason and the server's message."""
        super().__init__(f"{status} {reason}: {message}")
        self.status = status
        self.reason = reason
        self.message = message


class Forbidden(ApiError):
    """The role lacks a rule (403)."""


class NotFound(ApiError):
    """There is no such object or no such kind (404)."""


class Conflict(ApiError):
    """The object exists already, or was changed since it was read (409)."""


class Invalid(ApiError):
    """The object breaks a rule of its schema (422)."""
