"""How a command that has the flags of ``headgate run`` ends: version and errors are the same for all of them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import TypeVar

from headgate.commit import version
from headgate.flags.command import FAILED, OK
from headgate.k8s import ConfigError, K8sError
from headgate.nginx.errors import NginxError
from headgate.options import Options
from headgate.render import BadTemplate
from headgate.reporting.http import ServeError

OPERATOR_ERRORS = (ConfigError, K8sError, NginxError, ServeError, BadTemplate, OSError)
"""What the operator must correct: one line each, without a traceback."""

OptionsT = TypeVar("OptionsT", bound=Options)


def printed(_options: Options, text: str) -> None:
    """Print why a command ends."""
    print(f"headgate: {text}", file=sys.stderr)


def reported(
    work: Callable[[OptionsT], int], tell: Callable[[OptionsT, str], None] = printed, failed: int = FAILED
) -> Callable[[OptionsT], int]:
    """Run *work*; print the version on request, and *tell* operator errors as lines; other exceptions are bugs.

    *failed* is the exit status after operator errors.
    """

    def run(options: OptionsT) -> int:
        if options.version:
            print(version())
            return OK
        try:
            return work(options)
        except BrokenPipeError:  # the output is no longer read, which the caller handles
            raise
        except OPERATOR_ERRORS as error:
            tell(options, _line(error))
        except BaseExceptionGroup as group:
            errors, bugs = group.split(OPERATOR_ERRORS)
            if bugs is not None or errors is None:
                raise
            for leaf in leaves(errors):
                tell(options, _line(leaf))
        return failed

    return run


def _line(error: BaseException) -> str:
    """Return the message; those of the system come without the number, and with the file first."""
    if not isinstance(error, OSError) or not error.strerror:
        return str(error)
    return f"{error.filename}: {error.strerror}" if error.filename else error.strerror


def leaves(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    """Yield the exceptions inside *group*, however deep."""
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from leaves(error)
        else:
            yield error
