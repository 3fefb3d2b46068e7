"""Headgate in a Pod, under the incumbent's role and arguments, behind a NodePort Service."""

from __future__ import annotations

from tests.e2e.node.installation import Installation


async def test_an_ingress_is_served_through_the_node_port(installation: Installation) -> None:
    await installation.install("-live-routes")
    await installation.add_backend()
    await installation.env.add_ingress("shop")
    answer = await installation.serves("shop.test", "/x")
    (pod,) = await installation.pods("echo")
    assert answer.text == f"{pod['metadata']['name']} GET /x"
    pod = await installation.pod()
    assert "listen 80 default_server;" in await installation.execute(
        pod, "cat", "/etc/nginx/conf.d/_default-server.conf"
    )
    assert "location @p_" in await installation.execute(pod, "cat", "/etc/nginx/attached/_routes.locations")
    assert "1 of 1 hosts are routed at run time" in await installation.execute(pod, "headgate", "status")
    assert await installation.reloads() == 2


async def test_with_the_arguments_of_the_incumbent_a_host_has_a_file(installation: Installation) -> None:
    await installation.install()
    await installation.add_backend()
    await installation.env.add_ingress("shop")
    await installation.serves("shop.test", "/x")
    assert "listen 80;" in await installation.execute(
        await installation.pod(), "cat", f"/etc/nginx/conf.d/{installation.namespace}-shop.conf"
    )
    assert await installation.reloads() == 2
