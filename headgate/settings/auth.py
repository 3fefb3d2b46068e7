"""Who may ask."""

from __future__ import annotations

from typing import Annotated

from headgate.settings.parsers import dns_name
from headgate.settings.registry import Scope, Settings, Where, knob
from headgate.settings.values import Quoted, plain_text


class AuthSettings(Settings):
    """HTTP basic authentication (RFC 7617)."""

    basic_auth_secret: Annotated[
        str | None,
        knob(
            "basic-auth-secret",
            "Secret of type nginx.org/htpasswd, in the namespace of the Ingress.",
            Scope.OWN,
            Where.ANNOTATION,
            parse=dns_name,
        ),
    ] = None
    basic_auth_realm: Annotated[
        Quoted,
        knob(
            "basic-auth-realm",
            "What the browser shows when it asks.",
            Scope.OWN,
            Where.ANNOTATION,
            requires="basic-auth-secret",
            parse=plain_text,
        ),
    ] = Quoted("")
