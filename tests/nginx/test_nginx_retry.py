"""What nginx refuses for a reason outside of the object is tried again when asked, and is served once that is over."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from showcase.ports import free_port

from headgate.ir import File, Outcome
from headgate.ir.apply import NOT_TRIED
from headgate.nginx import Binary, ManagerOptions
from tests.nginx.nginx_under_test import FileManager, NginxUnderTest, origin
from tests.waiting import DEADLINE_S


@pytest.fixture
def taken() -> Iterator[socket.socket]:
    """A port that another process has."""
    with socket.create_server(("127.0.0.1", free_port())) as other:
        yield other


def greedy(nginx: NginxUnderTest, taken: socket.socket) -> File:
    return nginx.server("greedy", listen=taken.getsockname()[1])


async def test_a_port_in_use_is_tried_again_and_heals(
    nginx: NginxUnderTest, manager: FileManager, taken: socket.socket
) -> None:
    wanted = nginx.files(nginx.server("tea"), greedy(nginx, taken))
    port = taken.getsockname()[1]
    result = await manager.start(wanted)
    assert (result.outcome, list(result.refused)) == (Outcome.APPLIED, [origin("greedy")])
    assert (result.retry, result.kept) == ({origin("greedy")}, frozenset())
    untouched = await manager.apply(wanted)
    assert (untouched.retry, untouched.test_ms) == ({origin("greedy")}, 0)
    errors = manager.stats.errors
    still = await manager.apply(wanted, retry=result.retry)
    assert (still.outcome, still.retry, await nginx.get("tea")) == (Outcome.UNCHANGED, {origin("greedy")}, "tea")
    assert manager.stats.errors == errors, "the same refusal is not another error"
    taken.close()
    healed = await manager.apply(wanted, retry=still.retry)
    assert (healed.outcome, healed.refused, healed.retry) == (Outcome.APPLIED, {}, frozenset())
    assert await nginx.get("greedy", port=port) == "greedy"


async def test_a_file_that_is_missing_is_tried_again_and_heals(
    nginx: NginxUnderTest, manager: FileManager, prefix: Path
) -> None:
    outside = prefix / "x.inc"
    good = nginx.server("tea")
    await manager.start(nginx.files(good))
    wanted = nginx.files(nginx.server("tea", f"include {outside};"))
    result = await manager.apply(wanted)
    assert (result.retry, result.kept) == ({origin("tea")}, {origin("tea")})
    outside.write_text("return 200 included;")
    healed = await manager.apply(wanted, retry=result.retry)
    assert (healed.refused, await nginx.get("tea")) == ({}, "included")


async def test_what_only_a_change_of_the_object_can_repair_is_not_retried(
    nginx: NginxUnderTest, manager: FileManager
) -> None:
    await manager.start(nginx.files())
    wanted = nginx.files(nginx.server("bad", "nonsense on;"), nginx.server("tea"))
    assert (await manager.apply(wanted)).retry == frozenset()


async def test_only_the_named_objects_are_tried_again(
    nginx: NginxUnderTest, manager: FileManager, prefix: Path
) -> None:
    await manager.start(nginx.files())
    files = [prefix / "a.inc", prefix / "b.inc"]
    wanted = nginx.files(*(nginx.server(name, f"include {file};") for name, file in zip("ab", files, strict=True)))
    assert (await manager.apply(wanted)).retry == {origin("a"), origin("b")}
    for file in files:
        file.write_text("return 200 included;")
    result = await manager.apply(wanted, retry=[origin("a")])
    assert (list(result.refused), await nginx.get("a"), await nginx.get("b")) == ([origin("b")], "included", "default")


async def test_a_new_main_file_is_a_reason_to_try_everybody_again(nginx: NginxUnderTest, manager: FileManager) -> None:
    """What an Ingress names may come with the ConfigMap, in whatever order the two are changed."""
    wanted = nginx.server("tea", "access_log /dev/null short; return 200 tea;")
    await manager.start(nginx.files())
    result = await manager.apply(nginx.files(wanted))
    assert (list(result.refused), result.retry) == ([origin("tea")], frozenset())
    result = await manager.apply(nginx.files(wanted, extra="log_format short '$uri';"))
    assert (result.refused, await nginx.get("tea")) == ({}, "tea")


async def test_an_object_in_the_way_of_another_is_followed_by_it(nginx: NginxUnderTest, manager: FileManager) -> None:
    first = nginx.server("a", before="upstream shared { server 127.0.0.1:1; }")
    second = nginx.server("b", before="upstream shared { server 127.0.0.1:2; }")
    await manager.start(nginx.files(first))
    result = await manager.apply(nginx.files(first, second))
    assert result.retry == {origin("b")}
    await manager.apply(nginx.files(second))
    assert (await manager.apply(nginx.files(second), retry=result.retry)).refused == {}
    assert await nginx.get("b") == "b"


async def test_untested_objects_are_reported_and_retried(nginx: NginxUnderTest, binary: Binary) -> None:
    manager = FileManager(ManagerOptions(layout=nginx.layout, binary=binary, min_spacing_s=0, isolate_s=0))
    wanted = nginx.files(nginx.server("tea", "nonsense on;"), nginx.server("coffee"))
    result = await manager.start(wanted)
    assert result.retry == {origin("tea"), origin("coffee")} == result.refused.keys()
    assert all(message.startswith(NOT_TRIED) for message in result.refused.values())
    await manager.quit(1)


# --- how long one apply may take --------------------------------------------------------------------------


def slow(prefix: Path, binary: Binary, wait: str) -> Binary:
    """An nginx that runs the shell command *wait* before ``-t``, as with a resolver that does not answer."""
    program = prefix / "slow-nginx"
    program.write_text(f'#!/bin/sh\ncase "$*" in *-t*) {wait};; esac\nexec {binary.path} "$@"\n')
    program.chmod(0o755)
    return Binary(str(program), binary.capabilities)


@pytest.fixture
async def hurried(nginx: NginxUnderTest, binary: Binary, prefix: Path) -> AsyncIterator[FileManager]:
    """A Manager whose nginx is slow to test, and which has little time."""
    options = ManagerOptions(
        layout=nginx.layout, binary=slow(prefix, binary, "sleep 0.2"), min_spacing_s=0, reload_timeout_s=60, apply_s=10
    )
    manager = FileManager(options)
    yield manager
    await manager.quit(0.2)


def nameless(nginx: NginxUnderTest, number: int) -> File:
    """A server whose name is too long for the hash table, which nginx builds when it no longer knows any file."""
    return nginx.server(f"n{number}", f"server_name {'x' * 60}{number}.test;")


async def test_a_bisection_ends_in_time_and_reports_what_it_did_not_reach(
    nginx: NginxUnderTest, hurried: FileManager
) -> None:
    """A quarter of the time is for the search: at 0.2 s a probe it cannot reach 40 objects, whatever the machine."""
    extra = "server_names_hash_bucket_size 64;"
    await hurried.start(nginx.files(nginx.server("tea"), extra=extra))
    many = [nameless(nginx, number) for number in range(40)]
    result = await hurried.apply(nginx.files(nginx.server("tea"), *many, extra=extra))
    assert result.ok
    assert result.refused.keys() == {file.origin for file in many}
    late = {o for o, message in result.refused.items() if message.startswith(NOT_TRIED)}
    assert late
    assert late <= result.retry
    assert await nginx.get("tea") == "tea"


async def test_an_nginx_that_never_ends_its_test_fails_the_apply_in_time(
    nginx: NginxUnderTest, binary: Binary, prefix: Path
) -> None:
    options = ManagerOptions(
        layout=nginx.layout, binary=slow(prefix, binary, "exec sleep 3600"), min_spacing_s=0, apply_s=1
    )
    manager = FileManager(options)
    async with asyncio.timeout(DEADLINE_S):
        result = await manager.start(nginx.files(nginx.server("tea")))
    assert (result.outcome, result.passing) == (Outcome.FAILED, True)
    assert "nginx -t did not end within" in result.error
    await manager.quit(0)
