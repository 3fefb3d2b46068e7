"""Logins with OpenID Connect: how long what they leave behind is good."""

from __future__ import annotations

from typing import Annotated

from headgate.settings.dialect import Scope
from headgate.settings.registry import Settings, SettingSpec, Where, setting
from headgate.settings.values import Seconds

SEALED = "The incumbent keeps it in memory of NGINX Plus; here the browser has it, in a sealed cookie. "


def _timeout(name: str, doc: str) -> SettingSpec:
    return setting(name, doc, Scope.SERVER, Where.CONFIGMAP, directive="", differs=SEALED)


class SessionSettings(Settings):
    """What Policies of type oidc have in common; ``-enable-oidc`` turns them on."""

    oidc_pkce_timeout: Annotated[
        Seconds,
        _timeout(
            "oidc-pkce-timeout",
            "How long a login may take, from the redirect to the provider until its answer; a later answer begins "
            "another login.",
        ),
    ] = Seconds("90s")
    oidc_id_tokens_timeout: Annotated[
        Seconds,
        _timeout(
            "oidc-id-tokens-timeout",
            "Longest time until a session is refreshed; it is never longer than the ID token is valid.",
        ),
    ] = Seconds("1h")
    oidc_access_tokens_timeout: Annotated[
        Seconds,
        _timeout(
            "oidc-access-tokens-timeout",
            "The same for sessions whose access token is passed to endpoints (accessTokenEnable).",
        ),
    ] = Seconds("1h")
    oidc_refresh_tokens_timeout: Annotated[
        Seconds,
        _timeout(
            "oidc-refresh-tokens-timeout",
            "How long after the last login or refresh a session can be refreshed.",
        ),
    ] = Seconds("8h")
