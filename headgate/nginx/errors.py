"""What can go wrong at this edge; a refused configuration is not among them, that is an ApplyResult.

::

    NginxError
    ├── NoBinaryError      no nginx that can serve was found
    ├── LayoutError   the directories cannot be made, written or used
    └── DiskError     a file could not be written; whatever had been written is undone
"""

from __future__ import annotations


class NginxError(Exception):
    """Something beyond the configuration keeps nginx from serving."""


class NoBinaryError(NginxError):
    """No nginx that can serve was found; the message says where it was sought and what to do."""


class LayoutError(NginxError):
    """The directories of the Layout cannot be used."""


class DiskError(NginxError):
    """A file could not be written or removed; the files are as they were before."""
