"""Which location answers: the Lua modules against a reference of a few lines, for generated hosts and paths.

That nginx means the same is shown with nginx itself (``test_like_server_blocks``), with fewer pairs.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import re
from collections.abc import AsyncIterator, Mapping

import msgspec
import pytest

from headgate.ir.live import LiveHost, LiveObjects, LivePath, LiveUpstream
from headgate.nginx import Binary, ManagerOptions, probe
from headgate.nginx.live import LiveState, Memory
from tests.directories import short_directory
from tests.examples import examples
from tests.nginx.live_plane import TEA, Plane, upstream
from tests.nginx.nginx_under_test import FileManager, NginxUnderTest
from tests.nginx_binaries import LUA

STATES, PAIRS = examples(10), 1000
CHANGES = examples(200)
PROFILE = "@p_1"
ASK = """
client_body_buffer_size 1m;
server_rewrite_by_lua_block { return headgate.route("p_1") }
location @p_1 { return 200; }
location = /match {
    content_by_lua_block {
        local find_host, find = require "headgate.names", require("headgate.locations").find
        local cjson = require "cjson"
        ngx.req.read_body()
        require("headgate.state").sync()
        local found = {}
        for i, pair in ipairs(cjson.decode(ngx.req.get_body_data())) do
            local host = find_host("r", pair[1])
            local action = host and find(host.locations, pair[2])
            found[i] = host and (action and action.upstream or "no location") or "no host"
        end
        ngx.print(cjson.encode(found))
    }
}
location = /dump {
    content_by_lua_block {
        local found = {}
        for _, key in ipairs(ngx.shared.headgate:get_keys(0)) do
            if key:find("^[ru]:") then found[key] = ngx.shared.headgate:get(key) end
        end
        ngx.print(require("cjson").encode(found))
    }
}"""
NAMES = ["a.test", "b.test", "w.test", "*.w.test", "*.a.test", "a.w.test", "*.b.w.test"]
ASKED = [
    *(name for name in NAMES if "*" not in name),
    "x.w.test",
    "x.y.w.test",
    "x.a.test",
    "x.b.w.test",
    ".w.test",
    "w",
]
PARTS = ["a", "b", "ab", "A", "", "a.b", "ä", "%41", "a b"]
EXPRESSIONS = ["^/a", "/b$", "b", "^/a/.*b", "\\.b$", "^/(a|ab)/?$", "^/[ab]+/", "a b"]


def some_path(chance: random.Random) -> str:
    path = "".join(f"/{chance.choice(PARTS)}" for _ in range(chance.randint(1, 4)))
    return path + chance.choice(("", "/"))


def some_host(chance: random.Random, name: str, least: int = 0) -> LiveHost:
    """A host whose locations are told apart by their upstreams; two prefixes differ, as nginx demands."""
    keys = {("=" if chance.random() < 0.3 else "", some_path(chance)) for _ in range(chance.randint(least, 9))}
    final = {path for kind, path in keys if not kind and chance.random() < 0.2}
    places = [("^~" if not kind and path in final else kind, path) for kind, path in sorted(keys)]
    count = chance.choice((0, 0, 1, 3))
    places += [(chance.choice(("~", "~*")), expression) for expression in chance.sample(EXPRESSIONS, count)]
    paths = (LivePath(kind, path, PROFILE, f"{name} {kind} {path}") for kind, path in places)
    return LiveHost(paths=tuple(paths))


def expected(hosts: Mapping[str, LiveHost], name: str, path: str) -> str:
    """The reference: an exact host or the wildcard of its first label; then nginx's order of locations."""
    label, dot, rest = name.partition(".")
    host = hosts.get(name) or (hosts.get(f"*.{rest}") if label and dot else None)
    if not host:
        return "no host"
    if exact := [place for place in host.paths if (place.modifier, place.path) == ("=", path)]:
        return exact[0].upstream
    prefixes = [place for place in host.paths if place.modifier in {"", "^~"} and path.startswith(place.path)]
    longest = max(prefixes, key=lambda place: len(place.path.encode()), default=None)
    if not longest or not longest.modifier:
        for place in host.paths:
            flags = re.IGNORECASE if place.modifier == "~*" else 0
            if "~" in place.modifier and place.modifier != "^~" and re.search(place.path, path, flags):
                return place.upstream
    return longest.upstream if longest else "no location"


async def matched(port: int, pairs: list[tuple[str, str]]) -> list[str]:
    """What the Lua modules say."""
    body = json.dumps(pairs).encode()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"POST /match HTTP/1.0\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
    head, _, answer = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    assert head.startswith(b"HTTP/1.1 200"), head
    found: list[str] = json.loads(answer)
    return found


@pytest.fixture
async def nginx() -> AsyncIterator[NginxUnderTest]:
    with short_directory() as path:
        yield NginxUnderTest(path)


@pytest.fixture
async def binary() -> Binary:
    return await probe(LUA or "")


@contextlib.asynccontextmanager
async def live_state(nginx: NginxUnderTest, binary: Binary) -> AsyncIterator[LiveState]:
    """An nginx that serves ASK, and what pushes to its workers."""
    manager = FileManager(ManagerOptions(layout=nginx.layout, binary=binary, min_spacing_s=0))
    plane = Plane(nginx, binary, workers=1)
    try:
        assert (await manager.start(plane.release({"tea": upstream(80, TEA)}, plane.server(extra=ASK)))).ok
        live = LiveState(Memory.of_http(nginx.layout))
        await live.resume()
        yield live
    finally:
        await manager.quit(0.2)


async def test_the_location_of_every_host_and_path_is_that_of_the_reference(
    nginx: NginxUnderTest, binary: Binary
) -> None:
    seed = random.randrange(1 << 32)
    chance = random.Random(seed)
    async with live_state(nginx, binary) as live:
        answered = set[str]()
        for number in range(STATES):
            hosts = {name: some_host(chance, name) for name in chance.sample(NAMES, chance.randint(1, len(NAMES)))}
            await live.push(LiveObjects(hosts=hosts), [PROFILE])
            pairs = [(chance.choice(ASKED), some_path(chance)) for _ in range(PAIRS)]
            found = await matched(nginx.port, pairs)
            wrong = [
                (*pair, said, wanted)
                for pair, said in zip(pairs, found, strict=True)
                if said != (wanted := expected(hosts, *pair))
            ]
            assert wrong == [], f"seed {seed}, state {number}"
            answered.update(found)
    assert len(answered) > 30
    assert {"no host", "no location"} <= answered


async def test_after_any_sequence_of_changes_the_memory_is_that_of_the_last_state(
    nginx: NginxUnderTest, binary: Binary
) -> None:
    seed = random.randrange(1 << 32)
    chance = random.Random(seed)
    hosts: dict[str, LiveHost] = {}
    upstreams = {"tea": upstream(80, TEA)}
    async with live_state(nginx, binary) as live:
        for number in range(CHANGES):
            for _ in range(chance.choice((1, 1, 1, 5))):
                change(chance, hosts, upstreams)
            await live.push(LiveObjects(hosts=dict(hosts), upstreams=dict(upstreams)), [PROFILE])
            if number % 50 == 49:
                wanted = {f"u:{name}": each for name, each in upstreams.items()}
                wanted |= {f"r:{name}": {"now": each} for name, each in hosts.items()}
                found = json.loads(await nginx.get("any", "/dump"))
                found = {key: json.loads(text) for key, text in found.items()}
                assert found == json.loads(msgspec.json.encode(wanted)), f"seed {seed}, change {number}"


def change(chance: random.Random, hosts: dict[str, LiveHost], upstreams: dict[str, LiveUpstream]) -> None:
    """Add, replace or remove a host or an upstream."""
    name = chance.choice(NAMES)
    if chance.random() < 0.5:
        hosts[name] = some_host(chance, name, 1)
    elif chance.random() < 0.3:
        hosts.pop(name, None)
    elif chance.random() < 0.7:
        upstreams[f"tea-{chance.randrange(40)}"] = upstream(chance.randint(1, 9), TEA, max_fails=chance.randint(0, 3))
    elif len(upstreams) > 1:
        del upstreams[chance.choice(sorted(upstreams.keys() - {"tea"}))]
