"""Authentication."""

from __future__ import annotations

import re
from typing import Annotated

from headgate.settings.dialect import Scope
from headgate.settings.parsers import Unfit, accepts, dns_name, listed
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


@accepts("name of a Policy, perhaps with its namespace and a slash in front", example="office")
def policy_name(text: str) -> str:
    """Parse ``[namespace/]name``."""
    namespace, slash, name = text.rpartition("/")
    return f"{dns_name(namespace)}/{dns_name(name)}" if slash else dns_name(name)


class AuthSettings(Settings):
    """HTTP basic authentication (RFC 7617), and Policies."""

    policies: Annotated[
        tuple[str, ...],
        setting(
            "policies",
            "Policies of the Ingress; those of a minion go before those of its master. One of another namespace is "
            "named with it: `shared/office`. While one cannot be used, requests are answered 500.",
            Scope.OWN,
            Where.ANNOTATION,
            parse=listed(policy_name, "names of Policies"),
            directive="allow, deny, auth_request",
            example="office,shared/cors",
        ),
    ] = ()
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
