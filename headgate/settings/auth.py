"""Authentication."""

from __future__ import annotations

import re
from typing import Annotated

from headgate.settings.dialect import Scope
from headgate.settings.parsers import Unfit, accepts, dns_name, listed
from headgate.settings.registry import Settings, Where, setting
from headgate.settings.values import Quoted, plain_text

_TOKEN = re.compile(r"\$(?:http|arg|cookie)_[A-Za-z0-9_]+", re.ASCII)
_URL = re.compile(r"https?://[A-Za-z0-9\[][^\s;{}$`'\"\\#\x00-\x1f\x7f]*", re.ASCII)
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


@accepts(plain_text.words)
def token_realm(text: str) -> Quoted:
    """Parse the realm of JSON Web Tokens, likewise; ``off`` turns ``auth_jwt`` of NGINX Plus off."""
    if plain_text(text) == "off":
        raise Unfit("a realm that turns the authentication off in NGINX Plus; remove it if that is meant")
    return realm(text)


@accepts("name of a Policy, perhaps with its namespace and a slash in front", example="office")
def policy_name(text: str) -> str:
    """Parse ``[namespace/]name``."""
    namespace, slash, name = text.rpartition("/")
    return f"{dns_name(namespace)}/{dns_name(name)}" if slash else dns_name(name)


@accepts("$http_..., $arg_... or $cookie_...", example="$cookie_auth_token")
def token_variable(text: str) -> str:
    """Parse the variable that holds a token."""
    text = text.strip()
    if not _TOKEN.fullmatch(text):
        raise Unfit("not a variable of a header, an argument or a cookie; write $http_..., $arg_... or $cookie_...")
    return text


@accepts("URL", example="https://login.example.com")
def login_url(text: str) -> str:
    """Parse a URL with scheme and host that can stand in a header."""
    text = text.strip()
    if not _URL.fullmatch(text) or ".." in text.split("/"):
        raise Unfit("not a URL with http or https and a host, without spaces and quotes")
    return text


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
    jwt_key: Annotated[
        str | None,
        setting(
            "jwt-key",
            "Secret of type nginx.org/jwk, in the namespace of the Ingress. Requests need a JSON Web Token that one of"
            " its keys verifies; those of a minion go before those of its master.",
            Scope.OWN,
            Where.ANNOTATION,
            annotation="nginx.com/jwt-key",
            parse=dns_name,
            directive="",
            context="",
            example="cafe-keys",
        ),
    ] = None
    jwt_realm: Annotated[
        Quoted,
        setting(
            "jwt-realm",
            "Realm in the answer to requests without a token.",
            Scope.OWN,
            Where.ANNOTATION,
            requires="jwt-key",
            annotation="nginx.com/jwt-realm",
            parse=token_realm,
            directive="",
            context="",
            example="Cafe",
            narrow=True,
        ),
    ] = Quoted("")
    jwt_token: Annotated[
        str | None,
        setting(
            "jwt-token",
            "Variable that holds the token, by default the header Authorization with the scheme Bearer.",
            Scope.OWN,
            Where.ANNOTATION,
            requires="jwt-key",
            annotation="nginx.com/jwt-token",
            parse=token_variable,
            directive="",
            context="",
            example="$cookie_auth_token",
        ),
    ] = None
    jwt_login_url: Annotated[
        str | None,
        setting(
            "jwt-login-url",
            "URL to which clients without a valid token are redirected, instead of 401.",
            Scope.OWN,
            Where.ANNOTATION,
            requires="jwt-key",
            annotation="nginx.com/jwt-login-url",
            parse=login_url,
            directive="",
            context="",
            example="https://login.example.com",
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
