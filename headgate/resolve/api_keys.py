"""Keys of clients: each entry of the Secret is a client with its key; the file is what a ``map`` of nginx includes.

``map`` compares text regardless of case, so that each key is a regular expression that matches it alone.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping

from headgate.api import Secret
from headgate.resolve.contents import Content
from headgate.settings import Quoted

KEYS_FILE = "-apikey"
_CLIENT = re.compile(r"[-._A-Za-z0-9]+")
_KEY = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?")
"""Characters of a header that arrive as they were sent (RFC 9110 §5.5)."""


def check_api_keys(secret: Secret) -> Content:
    """Check a Secret of type nginx.org/apikey; an entry that no client can send is left out with a warning."""
    found: dict[str, str] = {}
    warnings: list[str] = []
    for client in sorted({*(secret.data or {}), *(secret.string_data or {})}):
        value = secret.value(client)
        if value is None:
            return Content(error=f"has an entry {client!r} that is not base64")
        text = value.decode("latin-1")
        if not _CLIENT.fullmatch(client):
            return Content(error=f"has an entry {client!r}, whose name is not of letters, digits, -, _ and .")
        if not _KEY.fullmatch(text):
            end = ", such as the line break of echo" if text.strip() != text else ""
            warnings.append(f"has a key of client {client} that no client can send: it is empty or has characters "
                            f"that a header cannot have{end}")  # fmt: skip
            continue
        found[client] = text
    if shared := next((key for key, count in Counter(found.values()).items() if count > 1), None):
        clients = ", ".join(client for client, key in found.items() if key == shared)
        return Content(error=f"has one key for several clients: {clients}")
    if not found:
        warnings.append("has no key that a client can send, so that all requests are denied")
    return Content(files=((KEYS_FILE, _lines(found).encode()),), warnings=tuple(warnings))


def _lines(keys: Mapping[str, str]) -> str:
    patterns = ((client, Quoted("~^" + _literal(key) + "\\z")) for client, key in keys.items())
    return "".join(f"{pattern.spelled} {client};\n" for client, pattern in patterns)


def _literal(key: str) -> str:
    """Return the regular expression of *key*; nothing in it means anything to nginx's lexer or to PCRE."""
    return "".join(char if char.isalnum() else f"\\x{ord(char):02x}" for char in key)
