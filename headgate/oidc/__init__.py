"""Logins with OpenID Connect: what the controller answers on its private socket, and asks of providers.

A request of a route comes here only if it has no session: nginx's workers open sessions by themselves
(``nginx/lua/headgate/sessions.lua``).
"""

from headgate.oidc.keyring import Keyring, SealKey
from headgate.oidc.provider import Provider, Providers
from headgate.oidc.server import serving_logins

__all__ = ["Keyring", "Provider", "Providers", "SealKey", "serving_logins"]
