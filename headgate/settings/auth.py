"""Who may ask."""

from __future__ import annotations

import re
from typing import Annotated

from headgate.settings.dialect import Scope
from headgate.settings.parsers import Unfit, accepts, dns_name
from headgate.settings.registry import Settings, Where, setting
from headgate.settings.values import Quoted, plain_text

_QUOTABLE = re.compile(r'["\\]')


@accepts(plain_text.words)
def realm(text: str) -> Quoted:
    """Parse a realm; ``off`` would turn the authentication off (ngx_http_auth_basic_module).

    nginx prints it between double quotes as it is, so it is written as a quoted-string (RFC 9110 §5.6.4).
    """
    found = plain_text(text)
    if found == "off":
        raise Unfit("a realm that would turn the authentication off; remove basic-auth-secret if that is meant")
    return Quoted(_QUOTABLE.sub(r"\\\g<0>", found))


class AuthSettings(Settings):
    """HTTP basic authentication (RFC 7617)."""

    basic_auth_secret: Annotated[
        str | None,
        setting(
            "basic-auth-secret",
            "Secret of type nginx.org/htpasswd, in the namespace of the Ingress.",
            Scope.OWN,
            Where.ANNOTATION,
            parse=dns_name,
            directive="auth_basic_user_file",
            example="cafe-passwords",
        ),
    ] = None
    basic_auth_realm: Annotated[
        Quoted,
        setting(
            "basic-auth-realm",
            "What the browser shows when it asks.",
            Scope.OWN,
            Where.ANNOTATION,
            requires="basic-auth-secret",
            parse=realm,
            empty=True,
            directive="auth_basic",
            example="Staff only",
            narrow=True,
            differs="`off` is refused, because it would disable authentication. Quotes and backslashes are "
            "escaped in the header.",
        ),
    ] = Quoted("")
