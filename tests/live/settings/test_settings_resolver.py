"""Backends behind names: an ExternalName is resolved while nginx runs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple

import pytest
from showcase.ports import free_port

from tests.live.json_objects import Json, config_map, service
from tests.live.settings.backends import LOOPBACK, Backend
from tests.live.settings.hosts import A, B, host
from tests.live.settings.serving_nginx import WHEEL, ServingNginx, served
from tests.nginx_binaries import capabilities
from tests.waiting import eventually

pytestmark = pytest.mark.skipif(
    not (WHEEL and capabilities(WHEEL).upstream_resolve), reason="no nginx here resolves names while it runs"
)

NAME = "tea.inside.test"
A_RECORD, AAAA_RECORD = 1, 28
DAY = 86_400


class Question(NamedTuple):
    name: str
    kind: int


class NameServer(asyncio.DatagramProtocol):
    """Knows NAME, for a day; nobody else's question is answered (RFC 1035)."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.asked: list[Question] = []
        self.port = free_port()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, sender: tuple[str, int]) -> None:
        question, end = self._question(data)
        self.asked.append(question)
        if question.name != NAME:
            return
        found = question.kind == A_RECORD
        record = b"\xc0\x0c\0\1\0\1" + DAY.to_bytes(4, "big") + b"\0\4" + bytes(map(int, self.address.split(".")))
        head = data[:2] + b"\x81\x80\0\1" + (b"\0\1" if found else b"\0\0") + b"\0\0\0\0"
        self._transport.sendto(head + data[12:end] + (record if found else b""), sender)

    @staticmethod
    def _question(data: bytes) -> tuple[Question, int]:
        """Return the question, and where it ends."""
        labels, at = [], 12
        while size := data[at]:
            labels.append(data[at + 1 : at + 1 + size].decode())
            at += size + 1
        return Question(".".join(labels), int.from_bytes(data[at + 1 : at + 3], "big")), at + 5

    @asynccontextmanager
    async def running(self) -> AsyncIterator[NameServer]:
        transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: self, local_addr=(LOOPBACK, self.port)
        )
        try:
            yield self
        finally:
            transport.close()


@asynccontextmanager
async def external(
    name: str = NAME, address: str = B, **settings: str
) -> AsyncIterator[tuple[ServingNginx, NameServer]]:
    """Serve a host whose Service is another name for *name*; at B there is a backend, at A nobody."""
    backend, names = Backend("tea", free_port(), B), NameServer(address)
    ingress: Json = host("outside")
    ingress["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"]["port"]["number"] = backend.port
    objects = [
        ingress,
        service("outside", type="ExternalName", externalName=name),
        config_map(resolver_addresses=f"{LOOPBACK}:{names.port}", **settings),
    ]
    async with names.running(), served(objects, backends=[backend]) as nginx:
        yield nginx, names


async def answered(nginx: ServingNginx) -> None:
    await eventually(lambda: nginx.get("outside.test"), lambda answer: answer.text == "tea")


@pytest.mark.parametrize(
    ("settings", "kinds"), [({}, {A_RECORD, AAAA_RECORD}), ({"resolver_ipv6": "false"}, {A_RECORD})]
)
async def test_the_name_server_is_asked(settings: dict[str, str], kinds: set[int]) -> None:
    async with external(**settings) as (nginx, names):
        await answered(nginx)
        assert {question.kind for question in names.asked} == kinds, "resolver-addresses, resolver-ipv6"
        assert {question.name for question in names.asked} == {NAME}


async def test_a_name_is_resolved_again_after_resolver_valid() -> None:
    async with external(address=A, resolver_valid="1s", resolver_ipv6="false") as (nginx, names):
        await eventually(lambda: names.asked)
        names.address = B
        await answered(nginx)
        assert len(names.asked) > 1


async def test_a_name_server_that_does_not_answer_times_out() -> None:
    async with external("coffee.inside.test", resolver_timeout="100ms") as (nginx, names):
        assert "coffee.inside.test" in await nginx.logged("timed out", errors=True), "resolver-timeout"
        assert names.asked
        assert (await nginx.get("outside.test")).status == 502
