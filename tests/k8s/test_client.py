"""Requests: every kind of answer becomes bytes or one of our errors."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest

from headgate.api import ConfigMap, Event, Ingress, Pod
from headgate.k8s import (
    ApiError,
    AuthError,
    BadAnswer,
    Client,
    ClusterConfig,
    Conflict,
    Forbidden,
    Gone,
    Invalid,
    K8sError,
    NotFound,
    Unreachable,
)
from tests.k8s.apiserver import ApiServer
from tests.k8s.json_objects import config_map, ingress


async def test_objects_are_created_read_replaced_patched_and_deleted(client: Client) -> None:
    made = await client.create(ConfigMap.KIND, "shop", config_map("menu", "shop", tea="1"))
    assert made["metadata"]["namespace"] == "shop"
    made["data"]["tea"] = "2"
    await client.replace(ConfigMap.KIND, "shop", "menu", made)
    await client.patch(ConfigMap.KIND, "shop", "menu", {"data": {"milk": "3", "tea": None}})
    assert (await client.get(ConfigMap.KIND, "shop", "menu"))["data"] == {"milk": "3"}
    await client.delete(ConfigMap.KIND, "shop", "menu")
    with pytest.raises(NotFound):
        await client.get(ConfigMap.KIND, "shop", "menu")


async def test_events_are_created_and_counted_up(server: ApiServer, client: Client) -> None:
    body = {"apiVersion": "v1", "kind": "Event", "metadata": {"name": "a.1"}, "reason": "Rejected", "count": 1}
    await client.create(Event.KIND, "default", body)
    await client.patch(Event.KIND, "default", "a.1", {"count": 2})
    assert [event["count"] for event in server.all("Event")] == [2]


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, ApiError),
        (401, AuthError),
        (403, Forbidden),
        (404, NotFound),
        (409, Conflict),
        (410, Gone),
        (422, Invalid),
        (429, Unreachable),
        (500, Unreachable),
        (503, Unreachable),
    ],
)
async def test_each_status_is_one_error(server: ApiServer, client: Client, status: int, error: type[K8sError]) -> None:
    server.fail("GET", "ingresses", status=status, reason="Because", message="it is so", times=2)
    with pytest.raises(error, match="it is so") as caught:
        await client.request("GET", "/apis/networking.k8s.io/v1/ingresses")
    assert type(caught.value) is error


async def test_retry_after_is_kept(server: ApiServer, client: Client) -> None:
    server.fail("GET", "ingresses", status=429, headers={"Retry-After": "7"})
    with pytest.raises(Unreachable) as caught:
        await client.request("GET", "/apis/networking.k8s.io/v1/ingresses")
    assert caught.value.retry_after == 7.0


LOGIN = b"<html><body>\n  Please <b>log in</b>\n</body></html>"
ELSEWHERE = {"Location": "/api/v1/namespaces/default/configmaps/menu"}


@pytest.mark.parametrize("status", [200, 302, 403, 404])
async def test_html_is_no_api_server(server: ApiServer, client: Client, status: int) -> None:
    server.put(config_map("menu"))
    server.fail("GET", "ingresses", status=status, body=LOGIN, content_type="text/html", headers=ELSEWHERE)
    with pytest.raises(BadAnswer, match="not a Kubernetes API server: <html><body> Please"):
        await client.get(Ingress.KIND, "default", "cafe")


@pytest.mark.parametrize("garbage", [b"", b"\xff\xfe", b"[]", b"42", b'{"a":'])
async def test_garbage_is_no_api_server(server: ApiServer, client: Client, garbage: bytes) -> None:
    server.fail("GET", "ingresses", status=200, body=garbage)
    with pytest.raises(BadAnswer):
        await client.get(Ingress.KIND, "default", "cafe")


async def test_what_does_not_speak_http_is_reported() -> None:
    async def shout(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example.com ESMTP\r\n")
        writer.close()

    listener = await asyncio.start_server(shout, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    async with listener, Client(ClusterConfig(server=f"http://127.0.0.1:{port}")) as client:
        with pytest.raises((BadAnswer, Unreachable), match=f"127.0.0.1:{port}"):
            await client.get(Ingress.KIND, "default", "cafe")


async def test_nobody_listening_is_unreachable() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        server = f"http://127.0.0.1:{taken.getsockname()[1]}"
        async with Client(ClusterConfig(server=server)) as client:
            with pytest.raises(Unreachable, match="cannot be reached"):
                await client.get(Ingress.KIND, "default", "cafe")


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_an_outage_is_described_in_the_systems_words_and_recognized_the_second_time(scheme: str) -> None:
    """No ``repr`` of a TLS context, and no address twice."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    async with Client(ClusterConfig(server=f"{scheme}://127.0.0.1:{port}")) as client:
        for news in (True, False):
            with pytest.raises(Unreachable) as caught:
                await client.request("GET", "/version")
            assert str(caught.value) == f"{scheme}://127.0.0.1:{port} cannot be reached: Connection refused"
            assert caught.value.outage.tell() == news


async def test_an_outage_is_news_again_after_an_answer(server: ApiServer, client: Client) -> None:
    news = []
    for status in (503, 503, 200, 503):
        if status != 200:
            server.fail("GET", "/pods", status=status)
        try:
            await client.get(Pod.KIND, "ours", "x")
        except Unreachable as error:
            news.append(error.outage.tell())
        except NotFound:
            await client.request("GET", Pod.KIND.path("ours"))
    assert news == [True, False, True]


async def test_a_cut_connection_is_unreachable(server: ApiServer, client: Client) -> None:
    server.fail("GET", "ingresses", cut=True, times=9)
    with pytest.raises(Unreachable):
        await client.get(Ingress.KIND, "default", "cafe")


def _accept(item: dict[str, Any]) -> dict[str, Any]:
    return {**item, "status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}}}


async def test_a_status_is_read_changed_and_put(server: ApiServer, client: Client) -> None:
    server.put({**ingress("cafe"), "extra": {"kept": True}})
    await client.update_status(Ingress.KIND, "default", "cafe", _accept)
    stored = server.get("Ingress", "default", "cafe")
    assert stored["status"] == {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}}
    assert stored["extra"] == {"kept": True}
    assert [(method, path.rsplit("/", 1)[1]) for method, path, _ in server.requests] == [
        ("GET", "cafe"),
        ("PUT", "status"),
    ]


async def test_a_conflicting_status_is_read_again(server: ApiServer, client: Client) -> None:
    server.put(ingress("cafe"))
    seen = []

    def change(item: dict[str, Any]) -> dict[str, Any]:
        seen.append(item["metadata"]["resourceVersion"])
        if len(seen) == 1:
            server.put(ingress("cafe", host="other.example.com"))
        return _accept(item)

    await client.update_status(Ingress.KIND, "default", "cafe", change)
    stored = server.get("Ingress", "default", "cafe")
    assert len(seen) == 2
    assert stored["spec"]["rules"][0]["host"] == "other.example.com"
    assert stored["status"]


async def test_repeated_conflicts_are_given_up(server: ApiServer, client: Client) -> None:
    server.put(ingress("cafe"))
    server.fail("PUT", "status", status=409, times=100)
    with pytest.raises(Conflict):
        await client.update_status(Ingress.KIND, "default", "cafe", _accept)
    assert server.count("PUT", "status") == 5


async def test_nothing_to_change_writes_nothing(server: ApiServer, client: Client) -> None:
    server.put(ingress("cafe"))
    await client.update_status(Ingress.KIND, "default", "cafe", lambda item: None)
    assert server.count("PUT", "status") == 0


async def test_a_read_only_client_sends_nothing_but_get(server: ApiServer) -> None:
    server.put(config_map("menu", "shop", tea="1"))
    async with Client(ClusterConfig(server=server.url), read_only=True) as client:
        assert (await client.get(ConfigMap.KIND, "shop", "menu"))["data"] == {"tea": "1"}
        for write in (
            client.create(ConfigMap.KIND, "shop", config_map("other", "shop")),
            client.replace(ConfigMap.KIND, "shop", "menu", {}),
            client.patch(ConfigMap.KIND, "shop", "menu", {}),
            client.delete(ConfigMap.KIND, "shop", "menu"),
        ):
            with pytest.raises(RuntimeError, match="may only read"):
                await write
    assert {method for method, _, _ in server.requests} == {"GET"}
