"""Files that the server of another object includes, and files with something to fall back to: each is refused alone."""

import asyncio
import os
import signal
from pathlib import Path

import pytest
from msgspec import structs

from headgate.ir import File
from headgate.nginx import Binary, ManagerOptions
from tests.nginx.nginx_under_test import FileManager, NginxUnderTest, origin
from tests.unresolved_names import UnresolvedNames
from tests.waiting import eventually

BROKEN = "nonsense on;"
NOWHERE = "x" * 64 + ".test"
"""A name that no resolver asks anybody for: a label has 63 characters at most (RFC 1035)."""


def server(nginx: NginxUnderTest, body: str = "", *, claims: str = "attached shop.test") -> File:
    """A server called shop.test that includes what others attach, but for the files that are not there."""
    folder = f"{nginx.layout.conf}/conf.d"
    names = [f"include {folder}/{name}.location[s];" for name in "abc"]
    file = nginx.server("shop", f"{body} location / {{ return 200 shop; }} {' '.join(names)}")
    return structs.replace(file, claims=frozenset({"server shop.test", claims}))


def attached(name: str, body: str = "", *, path: str = "") -> File:
    """The location of an object in that server; it answers the object's name."""
    where = path or f"/{name}"
    text = f"location {where} {{ {body or f'return 200 {name};'} }}"
    claims = frozenset({f"location shop.test  {where}"})
    return File(f"conf.d/{name}.locations", text.encode(), origin(name), claims=claims, within="attached shop.test")


async def asked(nginx: NginxUnderTest, *paths: str) -> list[str]:
    return [await nginx.get("shop", path) for path in paths]


async def test_of_those_who_attach_only_the_bad_one_is_left_out(nginx: NginxUnderTest, manager: FileManager) -> None:
    result = await manager.start(nginx.files(server(nginx), attached("a"), attached("b", BROKEN), attached("c")))
    assert (list(result.refused), result.kept, result.idle) == ([origin("b")], frozenset(), frozenset())
    assert await asked(nginx, "/", "/a", "/b", "/c") == ["shop", "a", "shop", "c"]


async def test_a_bad_update_of_one_who_attaches_keeps_its_last_good_files(
    nginx: NginxUnderTest, manager: FileManager
) -> None:
    await manager.start(nginx.files(server(nginx), attached("a"), attached("b")))
    result = await manager.apply(
        nginx.files(server(nginx), attached("a", "return 200 new;"), attached("b", BROKEN), attached("c"))
    )
    assert (list(result.refused), result.kept) == ([origin("b")], {origin("b")})
    assert await asked(nginx, "/a", "/b", "/c") == ["new", "b", "c"]


async def test_what_one_who_is_refused_had_goes_to_its_new_holder(nginx: NginxUnderTest, manager: FileManager) -> None:
    await manager.start(nginx.files(server(nginx), attached("b", path="/x")))
    refused = attached("b", BROKEN)
    result = await manager.apply(nginx.files(server(nginx), refused))
    assert (result.kept, await asked(nginx, "/x")) == ({origin("b")}, ["b"])
    result = await manager.apply(nginx.files(server(nginx), refused, attached("a", path="/x")))
    assert (list(result.refused), result.kept) == ([origin("b")], frozenset())
    assert await asked(nginx, "/x") == ["a"]


async def test_last_good_files_that_nobody_includes_any_more_are_not_kept(
    nginx: NginxUnderTest, manager: FileManager
) -> None:
    await manager.start(nginx.files(server(nginx), attached("b"), attached("a")))
    moved = File("conf.d/default-b.conf", BROKEN.encode(), origin("b"))
    result = await manager.apply(nginx.files(server(nginx), moved, attached("a")))
    assert (list(result.refused), result.kept) == ([origin("b")], frozenset())
    assert nginx.read_file("conf.d/b.locations") is None


async def test_those_who_attach_to_one_that_is_left_out_are_idle_and_tested_when_it_is_back(
    nginx: NginxUnderTest, manager: FileManager
) -> None:
    those = [attached("a"), attached("b", BROKEN)]
    result = await manager.start(nginx.files(server(nginx, BROKEN), *those))
    assert (list(result.refused), result.idle) == ([origin("shop")], {origin("a"), origin("b")})
    result = await manager.apply(nginx.files(server(nginx), *those))
    assert (list(result.refused), result.idle) == ([origin("b")], frozenset())
    assert await asked(nginx, "/a", "/b") == ["a", "shop"]


async def test_those_who_attach_to_an_earlier_server_that_includes_nobody_are_idle(
    nginx: NginxUnderTest, manager: FileManager
) -> None:
    await manager.start(nginx.files(structs.replace(nginx.server("shop"), claims=frozenset({"server shop.test"}))))
    result = await manager.apply(nginx.files(server(nginx, BROKEN), attached("a", BROKEN)))
    assert (list(result.refused), result.kept, result.idle) == ([origin("shop")], {origin("shop")}, {origin("a")})
    result = await manager.apply(nginx.files(server(nginx), attached("a", BROKEN)))
    assert (list(result.refused), await asked(nginx, "/a")) == ([origin("a")], ["shop"])


async def test_others_change_while_the_server_that_includes_them_keeps_its_last_good_file(
    nginx: NginxUnderTest, manager: FileManager
) -> None:
    await manager.start(nginx.files(server(nginx), attached("a")))
    result = await manager.apply(nginx.files(server(nginx, BROKEN), attached("a", "return 200 new;"), attached("b")))
    assert (list(result.refused), result.kept, result.idle) == ([origin("shop")], {origin("shop")}, frozenset())
    assert await asked(nginx, "/a", "/b") == ["new", "b"]


async def test_one_in_the_way_of_its_server_is_tried_again_when_that_changes(
    nginx: NginxUnderTest, manager: FileManager
) -> None:
    taken = server(nginx, "location /a { return 200 mine; }")
    result = await manager.start(nginx.files(taken, attached("a")))
    assert list(result.refused) == [origin("a")]
    assert await asked(nginx, "/a") == ["mine"]
    untouched = await manager.apply(nginx.files(taken, attached("a"), attached("b")))
    assert (list(untouched.refused), await asked(nginx, "/b")) == ([origin("a")], ["b"])
    result = await manager.apply(nginx.files(server(nginx), attached("a"), attached("b")))
    assert (result.refused, await asked(nginx, "/a")) == ({}, ["a"])


async def test_a_retry_of_a_server_is_one_of_those_who_attach(nginx: NginxUnderTest, manager: FileManager) -> None:
    outside = nginx.layout.conf + "/outside.inc"
    wanted = nginx.files(server(nginx, f"include {outside};"), attached("a", "return 200 $given;"))
    await manager.start(nginx.files(server(nginx)))
    result = await manager.apply(wanted)
    assert (result.refused.keys(), result.retry) == ({origin("shop"), origin("a")}, {origin("shop")})
    nginx.write_file("outside.inc", "set $given yes;")
    result = await manager.apply(wanted, retry=result.retry)
    assert (result.refused, await asked(nginx, "/a")) == ({}, ["yes"])


# --- a name that does not resolve -------------------------------------------------------------------------


def named(name: str, *, number: str = "") -> File:
    """An upstream that nginx resolves as it loads, or that answers 502 in the meantime."""
    text = f"upstream legacy{number} {{ server %s; }}"
    file = f"conf.d/default-legacy@{number}.conf"
    standby = (text % "unix:/nowhere.sock").encode()
    return File(file, (text % f"{name}:1").encode(), origin("legacy", "Service"), fallback=standby)


def site(nginx: NginxUnderTest, answer: str = "site") -> File:
    return nginx.server("site", f"location / {{ return 200 {answer}; }} location /old {{ proxy_pass http://legacy; }}")


@pytest.mark.parametrize("number", ["", "2"])
async def test_a_name_that_does_not_resolve_costs_what_needs_it(
    nginx: NginxUnderTest, manager: FileManager, number: str
) -> None:
    several = [named("localhost"), *([named("localhost", number=number)] if number else [])]
    several[-1] = named(NOWHERE, number=number)
    result = await manager.start(nginx.files(site(nginx), *several))
    service = origin("legacy", "Service")
    assert result.refused[service].startswith(f'host not found in upstream "{NOWHERE}:1" in ')
    assert (result.refused.keys(), result.retry, result.kept) == ({service}, {service}, frozenset())
    assert await nginx.get("site") == "site"
    assert "502 Bad Gateway" in await nginx.get("site", "/old")


async def test_an_earlier_name_is_kept_while_a_new_one_does_not_resolve(
    nginx: NginxUnderTest, manager: FileManager
) -> None:
    await manager.start(nginx.files(site(nginx), named("localhost")))
    result = await manager.apply(nginx.files(site(nginx, "new"), named(NOWHERE)))
    assert (list(result.refused), result.kept) == ([origin("legacy", "Service")], {origin("legacy", "Service")})
    assert nginx.read_file("conf.d/default-legacy@.conf") == named("localhost").data
    assert await nginx.get("site") == "new"


async def test_unchanged_files_with_a_name_that_no_longer_resolves_hold_nobody_back(
    nginx: NginxUnderTest, binary: Binary, prefix: Path
) -> None:
    """What resolved before may fail at any later reload, and when a dead master is restarted."""
    names = UnresolvedNames(prefix, binary.path)
    options = ManagerOptions(layout=nginx.layout, binary=Binary(str(names.program), binary.capabilities))
    manager = FileManager(options)
    service, other = origin("legacy", "Service"), nginx.server("other")
    assert (await manager.start(nginx.files(site(nginx), named("localhost")))).refused == {}
    names.set("localhost")
    result = await manager.apply(nginx.files(site(nginx), named("localhost"), other))
    assert (list(result.refused), result.retry, result.kept) == ([service], {service}, frozenset())
    assert (await nginx.get("site"), await nginx.get("other")) == ("site", "other")
    assert "502 Bad Gateway" in await nginx.get("site", "/old")
    names.set()
    result = await manager.apply(nginx.files(site(nginx), named("localhost"), other), retry=result.retry)
    assert result.refused == {}
    assert nginx.read_file("conf.d/default-legacy@.conf") == named("localhost").data
    await manager.quit(1)


async def test_a_dead_master_is_restarted_though_a_name_no_longer_resolves(
    nginx: NginxUnderTest, binary: Binary, prefix: Path
) -> None:
    names = UnresolvedNames(prefix, binary.path)
    options = ManagerOptions(layout=nginx.layout, binary=Binary(str(names.program), binary.capabilities))
    restarts: list[str] = []
    manager = FileManager(options, restarts.append)
    await manager.start(nginx.files(site(nginx), named("localhost")))
    names.set("localhost")
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(manager.run())
        os.kill(manager.master_pid or 0, signal.SIGKILL)
        await eventually(lambda: restarts)
        assert await nginx.get("site") == "site"
        assert "502 Bad Gateway" in await nginx.get("site", "/old")
        running.cancel()
    await manager.quit(1)
