"""The secret by which a client of OpenID Connect proves itself to its provider; only the controller reads its file."""

from __future__ import annotations

import re

from headgate.api import Secret
from headgate.resolve.contents import Content

CLIENT_SECRET = "client-secret"  # noqa: S105 - the name of the entry
CLIENT_FILE = "-oidc"
_SECRET = re.compile(r"[\x21-\x7e]{1,1024}")
"""What the incumbent accepts, and $, \\ and ", which it cannot write into its configuration."""


def check_oidc_client(secret: Secret) -> Content:
    """Check a Secret of type nginx.org/oidc."""
    value = secret.value(CLIENT_SECRET)
    if value is None:
        return Content(error=f"has no {CLIENT_SECRET}, or it is not base64")
    text = value.decode("latin-1")
    if not _SECRET.fullmatch(text):
        end = ", such as the line break of echo" if text.strip() != text else ""
        return Content(error=f"has a {CLIENT_SECRET} that is empty, too long, or has spaces or characters that are not "
                             f"ASCII{end}")  # fmt: skip
    return Content(files=((CLIENT_FILE, value),))
