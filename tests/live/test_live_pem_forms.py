"""Each form of a chain and its key is served whole, or its owner is told; no handshake fails in silence."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from cryptography import x509

from tests.live.json_objects import Json, ingress, secret
from tests.live.pem_forms import ROOT, SERVED, TOLD
from tests.live.settings.serving_nginx import ServingNginx, served

pytestmark = pytest.mark.asyncio(loop_scope="module")

FORMS = SERVED | TOLD


def objects() -> list[Json]:
    secrets = [
        secret(name, kind="kubernetes.io/tls", tls_crt=form.crt, tls_key=form.key) for name, form in FORMS.items()
    ]
    return secrets + [ingress(name, f"{name}.test", tls={name: [f"{name}.test"]}) for name in FORMS]


def trusting_the_root() -> ssl.SSLContext:
    """A client that knows no intermediate authority: it must be shown it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.load_verify_locations(cadata=ROOT.decode())
    return context


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def nginx(nginx_binary: str) -> AsyncIterator[ServingNginx]:
    async with served(objects(), binary=nginx_binary, problems=[form.told for form in TOLD.values()]) as nginx:
        yield nginx


@pytest.mark.parametrize("name", SERVED)
async def test_the_whole_chain_is_shown(nginx: ServingNginx, name: str) -> None:
    agreed = await nginx.handshake(f"{name}.test", trusting_the_root())
    certificate = x509.load_der_x509_certificate(agreed.getpeercert(binary_form=True))
    assert certificate.subject.rfc4514_string() == "CN=leaf.test"


@pytest.mark.parametrize("name", TOLD)
async def test_a_refused_chain_is_reported_with_its_reason(nginx: ServingNginx, name: str) -> None:
    (problem,) = (text for text in nginx.problems if f"'{name}'" in text)
    assert TOLD[name].told in problem
    with pytest.raises(ssl.SSLError, match=r"(?i)unrecognized.name"):
        await nginx.handshake(f"{name}.test")
