"""How nginx reads the host of a request before it compares it with anything (``ngx_http_validate_host``).

What it refuses, it answers with 400; for the path see ``headgate.validation.uri``.
"""

from __future__ import annotations

import re

_HOST = re.compile(r"[^\x00-\x20\x7f/]+")


def host_of(header: str) -> str | None:
    """Return the name that nginx looks for, given the ``Host`` header; ``None`` if it refuses the header.

    The name is in lower case, without port and without one final dot.
    """
    if header.startswith("["):
        name, bracket, _ = header.partition("]")
        name += bracket
    else:
        name = header.partition(":")[0]
    name = name.removesuffix(".").lower()
    return name if _HOST.fullmatch(header) and name and ".." not in name else None
