"""Headgate in a Pod, under the incumbent's role and arguments, behind a NodePort Service."""

from __future__ import annotations

from tests.e2e.node.installation import Installation


async def test_an_ingress_is_served_through_the_node_port(installation: Installation) -> None:
    await installation.install()
    await installation.add_backend()
    await installation.env.add_ingress("shop")
    answer = await installation.serves("shop.test", "/x")
    (pod,) = await installation.pods("echo")
    assert answer.text == f"{pod['metadata']['name']} GET /x"
    assert "listen 80;" in await installation.execute(
        await installation.pod(), "cat", f"/etc/nginx/conf.d/{installation.namespace}-shop.conf"
    )
    assert await installation.reloads() == 2
