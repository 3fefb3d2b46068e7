"""What users do to objects while traffic flows: mistakes, renewals, deletions, bursts."""

from __future__ import annotations

import asyncio

from cryptography import x509

from tests.e2e.objects import Object, config_map, tls_secret
from tests.e2e.place import Place
from tests.e2e.replica import Answer
from tests.k8s.certificates import Authority
from tests.waiting import eventually

EDITS = 20


async def test_an_ingress_that_turns_invalid_is_withdrawn_with_an_event(place: Place, echo: None) -> None:
    replica = await place.start("-report-ingress-status", f"-nginx-configmaps={place.name}/settings")
    await place.cluster.apply(config_map(place.name, "settings", {"external-status-address": "203.0.113.7"}))
    await place.add_ingress("good")
    await place.add_ingress("shop")
    await eventually(lambda: replica.get("shop.test"), lambda answer: answer.status == 200)
    await eventually(lambda: place.cluster.addresses(place.name, "shop"))

    await place.add_ingress("shop", lb_method="by dice")
    await eventually(lambda: replica.get("shop.test"), lambda answer: answer.status == 404)
    assert replica.file(f"conf.d/{place.name}-shop.conf") == ""
    assert (await replica.get("good.test")).status == 200
    rejected = (await eventually(lambda: _events(place, "shop", "Rejected")))[0]
    assert rejected["type"] == "Warning"
    assert rejected["message"].startswith(f"{place.name}/shop was rejected: with error: ")
    assert "nginx.org/lb-method" in rejected["message"]
    await eventually(lambda: place.cluster.addresses(place.name, "shop"), lambda found: not found)

    await place.add_ingress("shop", lb_method="least_conn")
    await eventually(lambda: replica.get("shop.test"), lambda answer: answer.status == 200)


async def _events(place: Place, name: str, reason: str) -> list[Object]:
    return [event for event in await place.cluster.events(place.name, name) if event["reason"] == reason]


async def test_a_renewed_certificate_is_served_without_a_reload(place: Place, echo: None, authority: Authority) -> None:
    old, new = authority.issue("shop.test"), authority.issue("shop.test")
    await place.cluster.kubectl_apply(tls_secret(place.name, "shop-tls", *old))
    await place.add_ingress("shop", tls="shop-tls")
    replica = await place.start()
    assert await replica.certificate("shop.test") == serial(old)
    reloads, batches = await replica.reloads(), await replica.batches()

    await place.cluster.kubectl_apply(tls_secret(place.name, "shop-tls", *new))
    await eventually(lambda: replica.certificate("shop.test"), lambda found: found == serial(new))
    await eventually(replica.batches, lambda count: count > batches)
    assert (await replica.get("shop.test", tls=True)).status == 200
    assert await replica.reloads() == reloads


def serial(issued: tuple[bytes, bytes]) -> int:
    return x509.load_pem_x509_certificate(issued[0]).serial_number


async def test_a_deleted_secret_rejects_handshakes_until_it_is_back(
    place: Place, echo: None, authority: Authority
) -> None:
    secret = tls_secret(place.name, "shop-tls", *authority.issue("shop.test"))
    await place.cluster.apply(secret)
    await place.add_ingress("shop", tls="shop-tls")
    await place.add_ingress("plain")
    replica = await place.start()
    await eventually(lambda: replica.certificate("shop.test"))

    await place.cluster.delete("Secret", place.name, "shop-tls")
    await eventually(lambda: replica.certificate("shop.test"), lambda found: found is None)
    warned = await eventually(lambda: _events(place, "shop", "AddedOrUpdatedWithWarning"))
    assert "shop-tls" in warned[-1]["message"]
    assert replica.file(f"secrets/{place.name}-shop-tls") == ""
    assert (await replica.get("plain.test")).status == 200

    await place.cluster.apply(secret)
    await eventually(lambda: replica.certificate("shop.test"))
    assert (await replica.get("shop.test", tls=True)).status == 200


async def test_of_a_burst_of_edits_the_last_wins_with_few_reloads(place: Place, echo: None) -> None:
    await place.add_ingress("shop")
    await place.cluster.apply(config_map(place.name, "settings", {}))
    replica = await place.start(f"-nginx-configmaps={place.name}/settings")
    before = await replica.reloads()
    body = b"x" * 2048
    assert (await replica.get("shop.test", body=body)).status == 200

    for size in range(EDITS, 0, -1):
        await place.cluster.apply(config_map(place.name, "settings", {"client-max-body-size": f"{size}k"}))
    await eventually(lambda: replica.get("shop.test", body=body), lambda answer: answer.status == 413)
    await eventually(lambda: _text(replica.file("nginx.conf")), lambda text: "client_max_body_size 1k;" in text)
    assert await replica.reloads() - before <= EDITS / 2
    assert len(await _events(place, "settings", "Updated")) == 1


async def _text(text: str) -> str:
    return text


async def test_ten_ingresses_made_at_once_cost_at_most_six_reloads(place: Place, echo: None) -> None:
    replica = await place.start()
    before = await replica.reloads()
    names = [f"shop{number}" for number in range(10)]
    await asyncio.gather(*map(place.add_ingress, names))
    for name in names:
        served = await eventually(lambda host=f"{name}.test": replica.get(host), lambda answer: answer.status == 200)
        assert served == Answer(200, "GET /")
    assert await eventually(replica.reloads, lambda count: count > before) - before <= 6


async def test_the_start_is_one_reload_however_many_ingresses(place: Place, echo: None) -> None:
    for number in range(5):
        await place.add_ingress(f"shop{number}")
    replica = await place.start()
    for number in range(5):
        assert (await replica.get(f"shop{number}.test")).status == 200
    assert await replica.reloads() == 1
