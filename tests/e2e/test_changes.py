"""What users do to objects while traffic flows: mistakes, renewals, deletions, bursts."""

from __future__ import annotations

import asyncio

from tests.e2e.environment import Environment
from tests.e2e.handshake import serial_number
from tests.e2e.objects import Object, config_map, tls_secret
from tests.e2e.replica import Answer
from tests.k8s.certificates import Authority
from tests.waiting import eventually

EDITS = 20


async def test_an_ingress_that_turns_invalid_is_withdrawn_with_an_event(env: Environment, echo: None) -> None:
    replica = await env.start("-report-ingress-status", f"-nginx-configmaps={env.name}/settings")
    await env.cluster.apply(config_map(env.name, "settings", {"external-status-address": "203.0.113.7"}))
    await env.add_ingress("good")
    await env.add_ingress("shop")
    await eventually(lambda: replica.get("shop.test"), lambda answer: answer.status == 200)
    await eventually(lambda: env.cluster.addresses(env.name, "shop"))

    await env.add_ingress("shop", lb_method="by dice")
    await eventually(lambda: replica.get("shop.test"), lambda answer: answer.status == 404)
    assert replica.file(f"conf.d/{env.name}-shop.conf") == ""
    assert (await replica.get("good.test")).status == 200
    rejected = (await eventually(lambda: _events(env, "shop", "Rejected")))[0]
    assert rejected["type"] == "Warning"
    assert rejected["message"].startswith(f"{env.name}/shop was rejected: with error: ")
    assert "nginx.org/lb-method" in rejected["message"]
    await eventually(lambda: env.cluster.addresses(env.name, "shop"), lambda found: not found)

    await env.add_ingress("shop", lb_method="least_conn")
    await eventually(lambda: replica.get("shop.test"), lambda answer: answer.status == 200)


async def _events(env: Environment, name: str, reason: str) -> list[Object]:
    return [event for event in await env.cluster.events(env.name, name) if event["reason"] == reason]


async def test_a_renewed_certificate_is_served_without_a_reload(
    env: Environment, echo: None, authority: Authority
) -> None:
    old, new = authority.issue("shop.test"), authority.issue("shop.test")
    await env.cluster.kubectl_apply(tls_secret(env.name, "shop-tls", *old))
    await env.add_ingress("shop", tls="shop-tls")
    replica = await env.start()
    assert await replica.certificate("shop.test") == serial_number(old)
    reloads, batches = await replica.reloads(), await replica.batches()

    await env.cluster.kubectl_apply(tls_secret(env.name, "shop-tls", *new))
    await eventually(lambda: replica.certificate("shop.test"), lambda found: found == serial_number(new))
    await eventually(replica.batches, lambda count: count > batches)
    assert (await replica.get("shop.test", tls=True)).status == 200
    assert await replica.reloads() == reloads


async def test_a_deleted_secret_rejects_handshakes_until_it_is_back(
    env: Environment, echo: None, authority: Authority
) -> None:
    secret = tls_secret(env.name, "shop-tls", *authority.issue("shop.test"))
    await env.cluster.apply(secret)
    await env.add_ingress("shop", tls="shop-tls")
    await env.add_ingress("plain")
    replica = await env.start()
    await eventually(lambda: replica.certificate("shop.test"))

    await env.cluster.delete("Secret", env.name, "shop-tls")
    await eventually(lambda: replica.certificate("shop.test"), lambda found: found is None)
    warned = await eventually(lambda: _events(env, "shop", "AddedOrUpdatedWithWarning"))
    assert "shop-tls" in warned[-1]["message"]
    assert replica.file(f"secrets/{env.name}-shop-tls") == ""
    assert (await replica.get("plain.test")).status == 200

    await env.cluster.apply(secret)
    # nginx's old workers, which reject, accept for a moment after the new ones answered.
    await eventually(lambda: replica.get("shop.test", tls=True), lambda answer: answer.status == 200)


async def test_of_a_burst_of_edits_the_last_applies_with_few_reloads(env: Environment, echo: None) -> None:
    await env.add_ingress("shop")
    await env.cluster.apply(config_map(env.name, "settings", {}))
    replica = await env.start(f"-nginx-configmaps={env.name}/settings")
    before = await replica.reloads()
    body = b"x" * 2048
    assert (await replica.get("shop.test", body=body)).status == 200

    for size in range(EDITS, 0, -1):
        await env.cluster.apply(config_map(env.name, "settings", {"client-max-body-size": f"{size}k"}))
    await eventually(lambda: replica.get("shop.test", body=body), lambda answer: answer.status == 413)
    await eventually(lambda: _text(replica.file("nginx.conf")), lambda text: "client_max_body_size 1k;" in text)
    assert await replica.reloads() - before <= EDITS / 2
    assert len(await _events(env, "settings", "Updated")) == 1


async def _text(text: str) -> str:
    return text


async def test_ten_ingresses_created_at_once_cost_at_most_six_reloads(env: Environment, echo: None) -> None:
    replica = await env.start()
    before = await replica.reloads()
    names = [f"shop{number}" for number in range(10)]
    await asyncio.gather(*map(env.add_ingress, names))
    for name in names:
        served = await eventually(lambda host=f"{name}.test": replica.get(host), lambda answer: answer.status == 200)
        assert served == Answer(200, "GET /")
    assert await eventually(replica.reloads, lambda count: count > before) - before <= 6


async def test_the_start_is_one_reload_however_many_ingresses(env: Environment, echo: None) -> None:
    for number in range(5):
        await env.add_ingress(f"shop{number}")
    replica = await env.start()
    for number in range(5):
        assert (await replica.get(f"shop{number}.test")).status == 200
    assert await replica.reloads() == 1
