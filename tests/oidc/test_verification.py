"""Whether the certificate of a provider is verified."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
from showcase.identity_provider import Client, IdentityProvider, providing

from tests.k8s.certificates import Authority
from tests.live.headgate_process import LOOPBACK
from tests.live.json_objects import secret
from tests.oidc.browser import Browser
from tests.oidc.conftest import Place
from tests.oidc.objects import SECRET, policy, virtual_server


@pytest.fixture
def authority() -> Authority:
    return Authority()


@pytest.fixture
def context(authority: Authority, tmp_path: Path) -> ssl.SSLContext:
    return authority.server_context(tmp_path, LOOPBACK)


def test_the_certificate_of_a_provider(
    place: Place, provider: IdentityProvider, authority: Authority, context: ssl.SSLContext
) -> None:
    with providing(LOOPBACK, 0, Client("cafe", SECRET), tls=context) as secure:
        found = {"issuer": secure.issuer, "authEndpoint": None, "tokenEndpoint": None, "jwksURI": None}
        place.manifests.put(
            secret("authority", kind="nginx.org/ca", ca_crt=authority.pem),
            secret("another", kind="nginx.org/ca", ca_crt=Authority().pem),
            policy("trusted", secure, **found, sslVerify=True, trustedCertSecret="authority"),
            policy("foreign", secure, **found, sslVerify=True, trustedCertSecret="another"),
            policy("unknown", secure, **found, sslVerify=True),
            policy("careless", secure, **found),
            *(virtual_server(name, f"{name}.test", name) for name in ("trusted", "foreign", "unknown", "careless")),
        )
        headgate = place.serve()
        answers = {name: Browser().open(f"http://{name}.test:{headgate.http}/", until=secure.issuer).status
                   for name in ("trusted", "foreign", "unknown", "careless")}  # fmt: skip
        assert answers == {"trusted": 302, "foreign": 503, "unknown": 503, "careless": 302}
        assert Browser().log_in(f"http://trusted.test:{headgate.http}/").status == 200
        assert "CERTIFICATE_VERIFY_FAILED" in headgate.log_text()
