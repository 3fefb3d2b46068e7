"""Errors of Unix sockets; every message says what was found at the address and what to do.

::

    UdsError
    ├── AddressError      the address cannot be used: too long, no directory, another kind of file, no permission
    ├── InUseError        another process listens there
    ├── NotListeningError no process listens there
    ├── FramingError      a message does not fit the framing or the type of socket
    └── NoAnswerError     no answer in time, or the other side closed the connection
"""

from __future__ import annotations


class UdsError(Exception):
    """A Unix socket cannot be used as asked."""


class AddressError(UdsError):
    """The address cannot be bound or connected to."""


class InUseError(UdsError):
    """Another process listens at this address; the message names it if the kernel tells its pid."""


class NotListeningError(UdsError):
    """No process listens at this address."""


class FramingError(UdsError):
    """A message cannot be sent, or what arrived is not a message."""


class NoAnswerError(UdsError):
    """The other side did not answer in time, or closed the connection."""
