"""Password files, held against what nginx reads (ngx_http_auth_basic_module), and written so that it reads every line.

nginx divides lines at LF alone, ends a password at CR, and takes a byte order mark for a part of the first user's name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from headgate.api import Secret
from headgate.resolve.contents import Content

KEY = "htpasswd"
AUTH = "auth"
BOM = b"\xef\xbb\xbf"
PLAIN = "{PLAIN}"
SHOWN = 3
"""Doubtful lines that are named one by one."""
_HASH = re.compile(
    r"\$(?:apr1|1|5|6|2[abxy]|y|gy)\$\S+"  # Apache's MD5, then those of crypt(5)
    r"|\{PLAIN\}.*|\{SHA\}[A-Za-z0-9+/]+=*|\{SSHA\}[A-Za-z0-9+/]+=*"
    r"|[./0-9A-Za-z]{13}"  # the old crypt(3)
)


def check_htpasswd(secret: Secret) -> Content:
    """Check a Secret of type nginx.org/htpasswd; a line that nginx cannot use lets nobody in, so it is a warning."""
    return _checked(secret, KEY)


def check_auth_file(secret: Secret) -> Content:
    """Check the passwords of an Ingress of ingress-nginx (``auth-secret-type: auth-file``)."""
    return _checked(secret, AUTH)


def check_auth_map(secret: Secret) -> Content:
    """Check them where each key is a user, and its value the hash (``auth-secret-type: auth-map``)."""
    users = {name: secret.value(name) for name in sorted({**(secret.data or {}), **(secret.string_data or {})})}
    lines = [name.encode() + b":" + (value or b"").strip() for name, value in users.items()]
    written = b"\n".join(lines) + b"\n"
    if any(b"\n" in line or b"\0" in line for line in lines):
        return Content(error="has a hash with a line break or a NUL character")
    return Content(files=(("", written),), warnings=tuple(_warnings(written.decode("utf-8", "replace"), "its users")))


def _checked(secret: Secret, key: str) -> Content:
    value = secret.value(key)
    if value is None:
        return Content(error=f"has no {key}, or it is not base64")
    if b"\0" in value:
        return Content(error=f"has a NUL character in {key}, and nginx reads no further than that")
    written = value.removeprefix(BOM).replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return Content(files=(("", written),), warnings=tuple(_warnings(written.decode("utf-8", "replace"), key)))


def _warnings(text: str, key: str) -> Iterator[str]:
    """Yield what is doubtful, by line number: the lines themselves are secret."""
    lines = [(i, line) for i, line in enumerate(text.split("\n"), 1) if line.strip() and not line.startswith("#")]
    if not lines:
        yield f"has an empty {key}, so that no user can log in"
    faults = [f"has in line {number} of {key} {fault}" for number, line in lines if (fault := _fault(line))]
    yield from faults[:SHOWN]
    if len(faults) > SHOWN:
        yield f"has {len(faults) - SHOWN} more lines like these in {key}"


def _fault(line: str) -> str:
    """Return why no user can log in by a line as intended, or ``""``; after a second colon there may be a comment."""
    user, colon, rest = line.partition(":")
    if not colon or not user:
        return "no user:hash"
    if user != user.strip():
        return "a space before or behind the name of the user, which counts as a part of it"
    secret = rest.partition(":")[0]
    if secret.startswith(PLAIN) and secret != secret.rstrip():
        return "a space at the end of the password, which counts as a part of it"
    return "" if _HASH.fullmatch(secret) else "a hash format that nginx does not support"
