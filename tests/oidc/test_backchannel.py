"""What is asked of a provider, and how long it is remembered."""

from __future__ import annotations

import pytest
from showcase.identity_provider import IdentityProvider

from headgate.oidc import Provider
from headgate.oidc.backchannel import KEPT_S, REST_S, Backchannel, ProviderError
from headgate.problems import ObjectRef
from headgate.routes.policies import Oidc

POLICY = ObjectRef("Policy", "default", "login", "k8s.nginx.org")


def of(issuer: str) -> Provider:
    return Provider(policy=Oidc(policy=POLICY, client="cafe", issuer=issuer))


async def test_endpoints_that_a_provider_names_are_held_against_the_same_rule(provider: IdentityProvider) -> None:
    async with Backchannel(allow_loopback=True) as backchannel:
        assert (await backchannel.endpoints(of(provider.issuer))).token == f"{provider.issuer}/token"
    async with Backchannel(allow_loopback=False) as backchannel:
        with pytest.raises(ProviderError, match=r"/token, and its host .* loopback"):
            await backchannel.endpoints(of(provider.issuer))


async def test_what_no_policy_has_any_more_is_forgotten(provider: IdentityProvider) -> None:
    now = 0.0
    async with Backchannel(lambda: now, allow_loopback=True) as backchannel:
        await backchannel.endpoints(of(provider.issuer))
        with pytest.raises(ProviderError):
            await backchannel.endpoints(of("http://127.0.0.1:1"))
        assert len(backchannel.remembered) == 2
        now = REST_S
        with pytest.raises(ProviderError):
            await backchannel.endpoints(of("http://127.0.0.1:2"))
        assert len(backchannel.remembered) == 2
        now = 2 * KEPT_S
        await backchannel.endpoints(of(provider.issuer))
        assert len(backchannel.remembered) == 1
