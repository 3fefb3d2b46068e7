"""Paths as nginx compares them: decoded and resolved, while users write them as they stand in a URL.

nginx decodes the path of a request once, makes ``//`` one slash and resolves ``.`` and ``..`` before it looks for a
location (``ngx_http_parse_complex_uri``, with ``merge_slashes`` on, which is the default). The Kubernetes API says that
a path is compared with that of the URL, and so ``/my%20app`` means what nginx calls ``/my app``.
"""

from __future__ import annotations

import re
from urllib.parse import quote, unquote_to_bytes

_ESCAPED = re.compile(rb"%([0-9A-Fa-f]{2})")
ESCAPE = re.compile("%[0-9A-Fa-f]{2}")
"""One byte as URLs write it (RFC 3986 §2.1)."""
_LOOSE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_PLAIN = "/:@!$&'()*+,=-._~"
"""What may stand in a path of an Ingress unescaped (RFC 3986 §3.3), but for ``;``."""
_RESOLVED = re.compile(r"/|(?:/[^/.%\x00-\x20\x7f][^/%\x00-\x20\x7f]*)+/?")
"""Paths in which there is nothing to decode or resolve: nearly all."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def path_of(target: str) -> str | None:
    """Return the path that locations are compared with, given the path of a URL; ``None`` if nginx refuses it.

    Bytes that are not UTF-8 are kept as Python keeps them in file names (``surrogateescape``).
    """
    raw = target.encode("utf-8", "surrogateescape")
    if re.search(rb"%(?![0-9A-Fa-f]{2})|%00|[\x00-\x20\x7f]", raw):
        return None
    path = _resolved(_decoded(raw))
    return None if path is None else path.decode("utf-8", "surrogateescape")


def decoded(path: str, kind: str) -> str:
    """Return what nginx compares for *path*, whose pathType is *kind*; one that is ``unreachable`` stays as it is.

    A ``%`` that no two hexadecimal digits follow stands for itself.
    """
    return path if "%" not in path or unreachable(path, kind) else unquote_to_bytes(path).decode()


def unreachable(path: str, kind: str) -> str:
    """Return why no request can match *path*, whose pathType is *kind*, or ``""``."""
    if _RESOLVED.fullmatch(path):
        return ""
    asked = _LOOSE.sub("%25", path)
    try:
        plain = unquote_to_bytes(path).decode()
    except UnicodeDecodeError:
        return "can never match: it is not UTF-8 once it is decoded, and cannot be written as a location"
    if _CONTROL.search(plain):
        return "can never match: it has a control character once it is decoded, which no location may have"
    # A prefix of nginx's own may end anywhere, also in front of the rest of a name: /. is one of /.well-known
    rest = "x" if kind == "ImplementationSpecific" else ""
    found = path_of(asked.replace(" ", "%20") + rest)
    if found is None:
        return "can never match: nginx refuses such a request"
    found = found.removesuffix(rest)
    if kind == "Prefix":
        found, plain = found.rstrip("/"), plain.rstrip("/")
    if found == plain:
        return ""
    return f"can never match: nginx resolves it to {quote(found, safe=_PLAIN) or '/'} before it compares; write that"


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
