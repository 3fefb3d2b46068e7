"""What users do to Secrets and ConfigMaps costs no request."""

from __future__ import annotations

import operator
from collections.abc import Callable
from functools import partial

import pytest

from tests.e2e.handshake import serial_number
from tests.e2e.node.installation import Installation
from tests.e2e.node.load import load
from tests.e2e.objects import config_map, tls_secret
from tests.k8s.certificates import Authority
from tests.waiting import eventually

HOST = "shop.test"
EDITS = 50
Note = Callable[[str, object], None]


@pytest.fixture
async def shop(installation: Installation, authority: Authority) -> Installation:
    """Headgate with a host that has TLS and one that has none."""
    await installation.cluster.apply(
        tls_secret(installation.namespace, "shop-tls", *authority.issue(HOST)),
        config_map(installation.namespace, "settings", {}),
    )
    await installation.env.add_ingress("shop", tls="shop-tls")
    await installation.env.add_ingress("plain")
    await installation.install("-nginx-configmaps=$(POD_NAMESPACE)/settings")
    await installation.add_backend()
    await installation.serves(HOST, tls=True)
    return installation


async def test_a_renewed_certificate_is_served_without_a_reload(
    shop: Installation, authority: Authority, record_property: Note
) -> None:
    async with load(shop.plan(HOST, tls=True, methods=("GET", "POST"))) as traffic:
        reloads = await shop.reloads()
        for _ in range(3):
            renewed = authority.issue(HOST)
            await shop.cluster.kubectl_apply(tls_secret(shop.namespace, "shop-tls", *renewed))
            await eventually(partial(_serial, shop), partial(operator.eq, serial_number(renewed)))
            await traffic.more()
        assert await shop.reloads() == reloads
    record_property("requests", len(traffic.requests))
    assert traffic.failures() == []


async def _serial(shop: Installation) -> int:
    """The serial number of the certificate that a new connection gets, 0 if it gets none."""
    found = await shop.handshake(HOST)
    return found.serial if found else 0


async def test_a_deleted_secret_affects_no_other_host_and_is_used_when_recreated(
    shop: Installation, authority: Authority
) -> None:
    async with load(shop.plan("plain.test", methods=("GET", "POST"))) as traffic:
        await shop.cluster.delete("Secret", shop.namespace, "shop-tls")
        await eventually(lambda: shop.handshake(HOST), lambda found: found is None)
        await traffic.more()
        await shop.cluster.apply(tls_secret(shop.namespace, "shop-tls", *authority.issue(HOST)))
        await eventually(lambda: shop.handshake(HOST))
        await traffic.more()
    assert traffic.failures() == []
    assert (await shop.get(HOST, tls=True)).status == 200


async def test_of_a_burst_of_edits_the_last_applies_and_no_request_fails(
    shop: Installation, record_property: Note
) -> None:
    before, pod = await shop.reloads(), await shop.pod()
    async with load(shop.plan("plain.test", methods=("GET", "POST"))) as traffic:
        for size in range(EDITS, 0, -1):
            await shop.cluster.apply(config_map(shop.namespace, "settings", {"client-max-body-size": f"{size + 1}m"}))
        await eventually(
            lambda: shop.execute(pod, "cat", "/etc/nginx/nginx.conf"), lambda text: "client_max_body_size 2m;" in text
        )
        await traffic.more()
    reloads = await shop.reloads() - before
    record_property("reloads", f"{reloads:g} of {EDITS} edits, {len(traffic.requests)} requests")
    assert traffic.failures() == []
    assert reloads <= EDITS / 2
