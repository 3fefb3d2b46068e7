"""The manifests of the F5 NGINX Ingress Controller, with nothing changed but the image."""

from __future__ import annotations

import re

import pytest
from cryptography import x509

from tests.e2e.node.incumbent import Incumbent
from tests.e2e.node.installation import Installation
from tests.e2e.objects import BALANCER, tls_secret
from tests.k8s.certificates import Authority
from tests.waiting import eventually

FIRST = re.compile(r"I\d{8} [\d:.]+ +1 \w+\.py:[1-9]\d*\] Headgate version=\S+ commit=\S+")
RELOADS = "nginx_ingress_controller_nginx_reloads_total"
TROUBLE = ("informer failed", "status not written", "event not sent", "leader election failed", "traceback=")


@pytest.fixture
def incumbent(installation: Installation) -> Incumbent:
    return Incumbent(installation.env, installation.image, installation.node)


@pytest.mark.parametrize(
    ("workload", "told"),
    [
        ("deployment", []),
        ("daemon-set", []),
        ("chart", ["-enable-telemetry-reporting"]),
    ],
)
async def test_the_incumbents_manifests_work_with_headgates_image(
    incumbent: Incumbent, authority: Authority, workload: str, told: list[str]
) -> None:
    await incumbent.apply(workload, authority)
    namespace, cluster = incumbent.namespace, incumbent.cluster
    issued = authority.issue("shop.test")
    await incumbent.add_backend()
    await cluster.kubectl_apply(tls_secret(namespace, "shop-tls", *issued))
    await incumbent.env.add_ingress("shop", tls="shop-tls")

    answer = await incumbent.serves("shop.test", "/x", tls=True)
    (backend,) = await incumbent.pods("echo")
    assert answer.text == f"{backend['metadata']['name']} GET /x"
    assert (await incumbent.get("shop.test", "/x")).status == 301
    shown = await incumbent.handshake("shop.test")
    assert shown is not None
    assert shown.serial == x509.load_pem_x509_certificate(issued[0]).serial_number
    await eventually(lambda: cluster.addresses(namespace, "shop"), lambda found: found == [BALANCER])
    await eventually(lambda: cluster.reasons(namespace, "shop"), lambda found: found == ["AddedOrUpdated"])
    await eventually(lambda: cluster.reasons(namespace, "nginx-config"), lambda found: found == ["Updated"])
    assert await incumbent.metric(RELOADS) >= 2
    # Debian's nginx has a page for whoever asks for none.
    assert (await incumbent.get("nobody.test", "/index.html")).status == 404
    # The default server has a certificate only where a flag names one.
    assert (await incumbent.handshake("nobody.test") is None) == (workload == "chart")

    log = await incumbent.log(await incumbent.pod())
    assert FIRST.match(log)
    assert f'"GET /x HTTP/1.1" 200 {namespace}/shop\n' in log
    assert re.findall(r'\] flag problem="(-\S+):', log) == told
    assert [word for word in TROUBLE if word in log] == []
