"""How nginx reads the host and the path of a request before it compares them with anything.

The rules are those of nginx's parser (``ngx_http_validate_host``, ``ngx_http_parse_complex_uri``) with
``merge_slashes`` on, which is the default. What it refuses, it answers with 400.
"""

from __future__ import annotations

import re

_ESCAPED = re.compile(rb"%([0-9A-Fa-f]{2})")
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


def path_of(target: str) -> str | None:
    """Return the path that locations are compared with, given the path of a URL; ``None`` if nginx refuses it.

    Escapes are decoded once, ``//`` is one slash, ``.`` and ``..`` are resolved. Bytes that are not UTF-8 are
    kept as Python keeps them in file names (``surrogateescape``).
    """
    raw = target.encode("utf-8", "surrogateescape")
    if re.search(rb"%(?![0-9A-Fa-f]{2})|%00|[\x00-\x20\x7f]", raw):
        return None
    path = _resolved(_decoded(raw))
    return None if path is None else path.decode("utf-8", "surrogateescape")


def _decoded(raw: bytes) -> list[bytes]:
    """Return the decoded parts between slashes; an escaped slash is a slash like any other."""
    return _ESCAPED.sub(lambda found: bytes([int(found[1], 16)]), raw).split(b"/")


def _resolved(parts: list[bytes]) -> bytes | None:
    kept: list[bytes] = []
    for part in parts:
        if part == b"..":
            if not kept:
                return None
            kept.pop()
        elif part not in {b"", b"."}:
            kept.append(part)
    ends = b"/" if kept and parts[-1] in {b"", b".", b".."} else b""
    return b"/" + b"/".join(kept) + ends
