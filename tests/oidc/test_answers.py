"""Answers to requests that no browser sends: what is in them becomes no part of a URL or a header."""

from __future__ import annotations

import time

import pytest
from aiohttp.test_utils import make_mocked_request

from headgate.oidc import Keyring, Provider, Providers
from headgate.oidc.backchannel import Backchannel
from headgate.oidc.login import Logins
from headgate.oidc.server import asked
from headgate.oidc.turn import Asked
from headgate.problems import ObjectRef
from headgate.routes.policies import Oidc


def provider(name: str) -> Provider:
    policy = ObjectRef("Policy", "default", name, "k8s.nginx.org")
    return Provider(policy=Oidc(policy=policy, client="cafe", issuer="https://login.test", path=f"/{name}"))


async def test_only_known_names_are_passed_on_in_a_logout() -> None:
    one, two = provider("one"), provider("two")
    keyring = Keyring.first(int(time.time()))
    logins = Logins(
        lambda: Providers.of([("cafe", one), ("cafe", two)]), lambda: keyring, Backchannel(allow_loopback=False)
    )
    for rest in (f"{two.identity},x\r\nSet-Cookie: a=b", f"x&to=y,{two.identity}", f"{two.identity},{two.identity},,"):
        query = {"logout": f"{one.identity},{rest}"}
        answer = await logins.answer(
            Asked(server="cafe", host="cafe.test", netloc="cafe.test", secure=True, path="/one", query=query)
        )
        assert (answer.status, answer.location) == (302, f"/two?logout={two.identity}")


@pytest.mark.parametrize(
    ("host", "sent", "netloc"),
    [
        ("cafe.test", "cafe.test", "cafe.test"), ("cafe.test", "CAFE.test:8443", "cafe.test:8443"),
        ("cafe.test", "cafe.test.:80", "cafe.test.:80"), ("cafe.test", "cafe.test:80@evil.test", "cafe.test"),
        ("cafe.test", "cafe.test:", "cafe.test"), ("cafe.test", "cafe.test:123456", "cafe.test"),
        ("cafe.test", "cafe.test:80/x", "cafe.test"), ("cafe.test", "[::1]@evil.test", "cafe.test"),
        ("cafe.test", "[::1]:80", "cafe.test"), ("cafe.test", "", "cafe.test"), ("[::1]", "[::1]:80", "[::1]:80"),
        ("[::1]", "[::1].evil.test", "[::1]"), ("cafe.test", "other.test", "cafe.test"),
    ],
)  # fmt: skip
def test_the_host_of_urls_is_that_of_the_server_with_a_port(host: str, sent: str, netloc: str) -> None:
    request = make_mocked_request("GET", "/_codexch", headers={"Host": sent, "X-Headgate-Host": host})
    assert asked(request).netloc == netloc
