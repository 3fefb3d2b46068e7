"""Who is asked about clients: a Policy of type oidc as the controller uses it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import msgspec

from headgate.routes.policies import Oidc


class Limits(msgspec.Struct, frozen=True):
    """How long things are good, in seconds (the ConfigMap's ``oidc-…-timeout``)."""

    login: int = 90
    id_token: int = 3600
    access_token: int = 3600
    refresh: int = 8 * 3600


class Provider(msgspec.Struct, frozen=True, kw_only=True):
    """A Policy, with the files of its Secrets.

    Attributes:
        policy: what it says.
        secret: path of the file with the client's secret, empty for a public client.
        authority: path of the file with the provider's authority, empty for those of the system.
        limits: how long things are good.
    """

    policy: Oidc
    secret: str = ""
    authority: str = ""
    limits: Limits = Limits()

    @property
    def identity(self) -> str:
        """The name in cookies and URLs."""
        return self.policy.identity


class Providers(msgspec.Struct, frozen=True):
    """The Providers of each server of nginx, by its name and their identities."""

    by_server: Mapping[str, Mapping[str, Provider]] = {}

    @classmethod
    def of(cls, found: Iterable[tuple[str, Provider]]) -> Providers:
        """Gather pairs of the name of a server and a Provider that it has."""
        servers: dict[str, dict[str, Provider]] = {}
        for server, provider in found:
            servers.setdefault(server, {})[provider.identity] = provider
        return cls(servers)

    def at(self, server: str) -> Mapping[str, Provider]:
        """Return the Providers of *server*, none if there is no such server."""
        return self.by_server.get(server, {})


Current = Callable[[], Providers]
"""Returns the present Providers."""
