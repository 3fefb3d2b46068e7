"""What can go wrong with a Unix socket; every message says what was found there and what to do.

::

    UdsError
    ├── AddressError      the address cannot be used: too long, no directory, another kind of file, no permission
    ├── InUseError        somebody listens there already
    ├── NobodyError       nobody listens there
    ├── FramingError      a message does not fit the framing or the type of socket
    └── SilentError       no answer in time, or the other side hung up
"""

from __future__ import annotations


class UdsError(Exception):
    """A Unix socket cannot be used as asked."""


class AddressError(UdsError):
    """Nobody could listen or connect at this address."""


class InUseError(UdsError):
    """Somebody listens at this address; the message names the process where the kernel tells it."""


class NobodyError(UdsError):
    """Nobody listens at this address."""


class FramingError(UdsError):
    """A message cannot be sent, or what arrived is not a message."""


class SilentError(UdsError):
    """The other side did not answer in time, or closed the connection."""
