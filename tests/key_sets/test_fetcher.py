"""The Fetcher with a real server: what it keeps while that fails, and for how long."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from msgspec import structs

from headgate.key_sets import Fetcher
from headgate.problems import ObjectRef
from headgate.resolve.key_sets import FetchedKeys, KeySets, KeySource, key_set_ref
from tests.tokens import key, key_set
from tests.waiting import eventually

POLICY = ObjectRef("Policy", "default", "token", "k8s.nginx.org")
REF = key_set_ref(POLICY)
GOOD = key_set(key("ES256"))


class Server:
    """Answers each request with ``status`` and ``body``."""

    def __init__(self) -> None:
        self.status, self.body, self.url = 200, GOOD, ""

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"HTTP/1.1 {self.status} x\r\nContent-Length: {len(self.body)}\r\n\r\n".encode() + self.body)
        await writer.drain()
        writer.close()


@contextlib.asynccontextmanager
async def serving() -> AsyncIterator[Server]:
    found = Server()
    async with await asyncio.start_server(found.answer, "127.0.0.1", 0) as listening:
        found.url = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}/keys"
        yield found


@contextlib.asynccontextmanager
async def fetching(source: KeySource, kept_s: float) -> AsyncIterator[tuple[Fetcher, list[ObjectRef]]]:
    changed: list[ObjectRef] = []
    fetcher = Fetcher(changed.append, kept_s)
    fetcher.want({REF: source})
    task = asyncio.create_task(fetcher.run())
    try:
        yield fetcher, changed
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_the_last_good_set_stays_for_its_time() -> None:
    async with serving() as server:
        source = KeySource(server.url, 1)
        async with fetching(source, 3600) as (fetcher, changed):
            await eventually(lambda: REF in fetcher.fetched)
            assert (fetcher.fetched[REF].data, changed) == (GOOD, [REF])
            server.status = 503
            found = await eventually(lambda: fetcher.fetched[REF], lambda found: found.fault)
            assert (found.data, found.fault, changed) == (GOOD, "the server answered 503", [REF, REF])
        server.status = 200
        async with fetching(source, 0) as (fetcher, _):
            await eventually(lambda: REF in fetcher.fetched)
            server.status = 503
            found = await eventually(lambda: fetcher.fetched[REF], lambda found: found.fault)
            assert found.data is None


async def test_an_answer_without_keys_is_a_failure_that_is_tried_again() -> None:
    async with serving() as server, fetching(KeySource(server.url, 2), 0) as (fetcher, _):
        await eventually(lambda: REF in fetcher.fetched)
        server.body = b'{"keys": []}'
        found = await eventually(lambda: fetcher.fetched[REF], lambda found: found.fault)
        assert (found.data, found.fault) == (None, "the answer has a key set without a usable key")
        server.body = GOOD
        await eventually(lambda: fetcher.fetched[REF], lambda found: found.data)


async def test_an_answer_without_keys_is_asked_for_again_before_the_period_ends() -> None:
    async with serving() as server:
        server.body = b"<html>"
        async with fetching(KeySource(server.url, 3600), 3600) as (fetcher, _):
            await eventually(lambda: REF in fetcher.fetched)
            server.body = GOOD
            await eventually(lambda: fetcher.fetched[REF], lambda found: found.data)


async def test_keys_stay_when_only_the_period_changes() -> None:
    async with serving() as server:
        source = KeySource(server.url, 3600)
        async with fetching(source, 3600) as (fetcher, _):
            await eventually(lambda: REF in fetcher.fetched)
            server.status = 503
            fetcher.want({REF: structs.replace(source, period=60)})
            found = await eventually(lambda: fetcher.fetched[REF], lambda found: found.fault)
            assert (found.data, found.source.period) == (GOOD, 60)
            fetcher.want({REF: structs.replace(source, verify=True)})
            found = await eventually(lambda: fetcher.fetched[REF], lambda found: found.source.verify)
            assert found.data is None


async def test_what_is_not_wanted_any_more_is_forgotten() -> None:
    async with serving() as server, fetching(KeySource(server.url, 3600), 3600) as (fetcher, _):
        await eventually(lambda: REF in fetcher.fetched)
        fetcher.want({})
        await eventually(lambda: not fetcher.fetched)


def test_keys_of_another_address_are_not_used() -> None:
    sets, source = KeySets(), KeySource("http://a.test/keys", 60)
    assert sets.want(REF, source) is None
    before = sets.wanted
    assert before == {REF: source}
    sets.take({REF: FetchedKeys(source, GOOD)})
    found = sets.want(REF, KeySource("http://a.test/keys", 120))
    assert found
    assert found.data == GOOD
    assert sets.want(REF, KeySource("http://b.test/keys", 60)) is None
    assert sets.wanted is not before
    sets.forget(REF)
    assert sets.wanted == {}
