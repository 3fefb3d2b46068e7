"""Servers that are pushed again and again, with reloads in between: what workers know, and their memory."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec import structs
from showcase.ports import free_port

from headgate.ir.live import LiveUpstream
from headgate.nginx import Binary, probe, procfs
from tests.examples import FACTOR, examples
from tests.k8s.certificates import Authority
from tests.nginx.live_plane import COFFEE, MILK, TEA, Plane, upstream
from tests.nginx.nginx_under_test import FileManager, NginxUnderTest, both_workers
from tests.nginx_binaries import LUA
from tests.waiting import eventually

DUMP = """
location = /dump {
    content_by_lua_block {
        local found = {}
        for _, key in ipairs(ngx.shared.headgate:get_keys(0)) do
            if key:sub(1, 2) == "u:" then found[key:sub(3)] = ngx.shared.headgate:get(key) end
        end
        ngx.print(require("cjson").encode(found))
    }
}"""
PUSHES, RELOADS = 100_000, 1_000


@pytest.fixture
async def binary() -> Binary:
    if not LUA:
        pytest.skip("no nginx with Lua (tools/lua_nginx.sh)")
    return await probe(LUA)


def some(chance: random.Random, port: int) -> dict[str, LiveUpstream]:
    """Any upstreams; ``tea`` is always among them, because a file names it."""
    names = {"tea", *(f"tea-{number}" for number in chance.sample(range(600), chance.choice((0, 3, 40, 500))))}
    servers = (TEA, COFFEE, MILK)
    return {name: upstream(port, *chance.sample(servers, chance.randint(1, 3)), **settings(chance)) for name in names}


def settings(chance: random.Random) -> dict[str, Any]:
    method = chance.choice(("round_robin", "least_conn", "hash", "consistent_hash"))
    key = ("", "request_uri") if "hash" in method else None
    return {"method": method, "key": key, "max_conns": chance.choice((None, 7)), "max_fails": chance.randint(0, 3)}


async def known(nginx: NginxUnderTest) -> dict[str, Any]:
    """What is in the memory of the workers."""
    return {name: json.loads(text) for name, text in json.loads(await nginx.get("any", "/dump")).items()}


async def test_after_any_changes_workers_know_what_the_last_one_said(
    plane: Plane, nginx: NginxUnderTest, manager: FileManager, port: int
) -> None:
    seed = random.randrange(1 << 32)
    chance, wanted = random.Random(seed), some(random.Random(seed), port)
    file = plane.server(extra=DUMP)
    assert (await manager.start(plane.release(wanted, file))).ok
    for number in range(examples(60)):
        if chance.random() < 0.5:
            wanted = some(chance, port)
        else:
            name = chance.choice(sorted(wanted))
            wanted = {**wanted, name: upstream(port, chance.choice((TEA, COFFEE)), **settings(chance))}
        assert (await manager.apply(plane.release(wanted, file))).ok
        if number % 20 == 19:
            assert await known(nginx) == json.loads(msgspec.json.encode(wanted)), f"seed {seed}, change {number}"


@pytest.mark.skipif(FACTOR <= 1, reason="takes minutes (make nightly)")
async def test_memory_does_not_grow_with_pushes_and_reloads(
    plane: Plane, manager: FileManager, nginx: NginxUnderTest, port: int
) -> None:
    releases = [plane.tea(port, *servers) for servers in ((TEA, COFFEE), (MILK,), (TEA, MILK), (COFFEE,))]
    assert (await manager.start(releases[0])).ok
    seen: list[float] = []
    for turn in range(RELOADS):
        for number in range(PUSHES // RELOADS):
            assert (await manager.apply(releases[(turn + number) % 4])).ok
            if number % 10 == 0:
                await nginx.get("any")
        assert (await manager.reload()).reloaded
        seen.append(memory_mib(await alone(manager.master_pid)))
    first = seen[len(seen) // 4]
    series = " ".join(f"{each:.1f}" for each in seen[:: max(1, len(seen) // 10)])
    figures = (
        f"{PUSHES} pushes, {RELOADS} reloads: {first:.1f} MiB after a quarter, {seen[-1]:.1f} at the end ({series})"
    )
    print(figures)  # noqa: T201 - for PERFORMANCE.md, with pytest -s
    assert seen[-1] < first + 2, figures


async def alone(master: int | None) -> list[int]:
    """The pids of *master* and its two workers, once those of before the reload have ended: they share pages."""
    assert master is not None
    await both_workers(master)
    await eventually(lambda: len(children(master)) == 2)
    return [master, *children(master)]


def children(pid: int) -> list[int]:
    return [*map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())]


def memory_mib(pids: Iterable[int]) -> float:
    """MiB of nginx, with pages that its processes share counted once."""
    return sum(map(share_kib, pids)) / 1024


def share_kib(pid: int) -> int:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))


HANDSHAKES = """
location = /handshakes {{
    content_by_lua_block {{
        local tls, passed = require "headgate.tls", 0
        for number = 1, tonumber(ngx.var.arg_count) do
            local socket = ngx.socket.tcp()
            socket:connect("127.0.0.1", {port})
            local context = tls.context {{
                verify = true, ca = "{ca}", depth = 1, name = number % 2 == 0 and "tea.test" or "other.test",
            }}
            local connection = tls.connect(context, socket)
            if connection then
                connection:send("GET / HTTP/1.0\\r\\n\\r\\n")
                passed = passed + (connection:receiveany() and 1 or 0)
            end
            (connection or socket):close()
        end
        ngx.print(passed)
    }}
}}"""


def certify(folder: Path) -> None:
    authority = Authority()
    certificate, key = authority.issue("tea.test", "tea.test")
    folder.chmod(0o755)
    for name, data in (("pair.pem", certificate + key), ("ca.pem", authority.pem)):
        (folder / name).write_bytes(data)
        (folder / name).chmod(0o644)


@pytest.mark.skipif(FACTOR <= 1, reason="takes half a minute (make nightly)")
async def test_memory_does_not_grow_with_checks_over_tls(
    nginx: NginxUnderTest, binary: Binary, manager: FileManager, port: int, prefix: Path
) -> None:
    """Half of the servers have another name than the one that is expected."""
    tls_port = free_port()
    certify(prefix)
    plane = Plane(nginx, binary, workers=1)
    file = plane.server(extra=HANDSHAKES.format(port=tls_port, ca=prefix / "ca.pem"))
    pair = f"ssl_certificate {prefix}/pair.pem; ssl_certificate_key {prefix}/pair.pem;"
    server = f"server {{ listen 127.0.0.1:{tls_port} ssl; {pair} return 200 tea; }}\n"
    file = structs.replace(file, data=file.data + server.encode())
    assert (await manager.start(plane.release({"tea": upstream(port, TEA)}, file))).ok
    seen: list[int] = []
    for _ in range(6):
        assert await nginx.get("any", "/handshakes?count=1000") == "500"
        (worker,) = procfs.workers(manager.master_pid or 0)
        pages = int(Path(f"/proc/{worker}/statm").read_text().split()[1])  # noqa: ASYNC240 - not on a disk
        seen.append(pages * os.sysconf("SC_PAGESIZE") >> 10)
    assert max(seen[3:]) - max(seen[:3]) < 1024, (
        f"KiB after each thousand, before and after garbage collections: {seen}"
    )
