"""Starting, applying, and leaving out what nginx refuses."""

import asyncio
import os
from pathlib import Path

import pytest
from msgspec import structs
from showcase.ports import free_port

from headgate.ir import File, FileSet, Outcome
from headgate.nginx import Binary, ManagerOptions
from headgate.problems import ObjectRef
from tests.nginx.nginx_under_test import FileManager, NginxUnderTest, origin
from tests.waiting import DEADLINE_S


async def test_start_serves_and_is_verified(nginx: NginxUnderTest, manager: FileManager) -> None:
    result = await manager.start(nginx.files(nginx.server("tea")))
    assert (result.outcome, result.version, result.reloaded) == (Outcome.APPLIED, 1, True), result
    assert await nginx.get("tea") == "tea"
    assert (manager.stats.other, manager.stats.endpoints, manager.stats.last_ok) == (1, 0, True)


async def test_a_change_is_live_when_apply_returns(nginx: NginxUnderTest, manager: FileManager) -> None:
    await manager.start(nginx.files(nginx.server("tea")))
    changed = nginx.files(nginx.server("tea", "return 200 green;"), nginx.server("coffee"))
    result = await manager.apply(changed, reason="endpoints")
    assert (result.outcome, result.version, result.written, result.deleted) == (Outcome.APPLIED, 2, 2, 0)
    assert [await nginx.get("tea") for _ in range(8)] == ["green"] * 8
    assert await nginx.get("coffee") == "coffee"
    assert (manager.stats.other, manager.stats.endpoints) == (1, 1)
    assert manager.stats.last_ms > 0


async def test_removed_files_leave_the_disk_and_the_host(nginx: NginxUnderTest, manager: FileManager) -> None:
    await manager.start(nginx.files(nginx.server("tea"), nginx.server("coffee")))
    result = await manager.apply(nginx.files(nginx.server("coffee")))
    assert (result.written, result.deleted) == (0, 1)
    assert await nginx.get("tea") == "default"
    assert nginx.read_file("conf.d/default-tea.conf") is None


async def test_equal_files_cause_no_reload(nginx: NginxUnderTest, manager: FileManager) -> None:
    await manager.start(nginx.files(nginx.server("tea")))
    result = await manager.apply(nginx.files(nginx.server("tea")))
    assert (result.outcome, result.version, result.reloaded) == (Outcome.UNCHANGED, 1, False)
    assert manager.stats.other == 1


async def test_starting_twice_is_an_apply(nginx: NginxUnderTest, manager: FileManager) -> None:
    await manager.start(nginx.files())
    pid = manager.master_pid
    assert (await manager.start(nginx.files(nginx.server("tea")))).ok
    assert (manager.master_pid, await nginx.get("tea")) == (pid, "tea")


async def test_reload_without_a_change_is_verified_too(nginx: NginxUnderTest, manager: FileManager) -> None:
    await manager.start(nginx.files(nginx.server("tea")))
    assert (await manager.reload()).reloaded
    assert (manager.version, manager.stats.other) == (2, 2)


async def test_a_reload_waits_until_the_one_before_is_long_enough_ago(nginx: NginxUnderTest, binary: Binary) -> None:
    manager = FileManager(ManagerOptions(layout=nginx.layout, binary=binary, min_spacing_s=1.0))
    await manager.start(nginx.files())
    less = asyncio.create_task(asyncio.sleep(0.9))
    await manager.apply(nginx.files(nginx.server("tea")))
    assert less.done()
    await manager.quit(1)


async def test_what_stands_in_for_a_bad_file_is_left_out_if_nginx_refuses_that_too(
    nginx: NginxUnderTest, manager: FileManager
) -> None:
    bad, shell = nginx.server("tea", "nonsense on;"), nginx.server("tea", "return 200 shell;").data
    closed = nginx.server("tea", "return 500;").data
    fine = structs.replace(bad, partial=shell, closed=closed)
    result = await manager.start(nginx.files(fine, nginx.server("coffee")))
    assert (list(result.refused), result.closed) == ([origin("tea")], frozenset([origin("tea")]))
    assert (await nginx.get("tea"), await nginx.get("coffee")) == ("shell", "coffee")
    worse = structs.replace(bad, partial=bad.data, closed=closed)
    result = await manager.apply(nginx.files(worse, nginx.server("coffee", "return 200 black;")))
    assert result.outcome is Outcome.APPLIED
    assert nginx.read_file("conf.d/default-tea.conf") == closed
    assert await nginx.get("coffee") == "black"
    result = await manager.apply(nginx.files(worse, nginx.server("coffee", "return 200 green;")))
    assert (list(result.refused), await nginx.get("coffee")) == ([origin("tea")], "green")


async def test_a_bad_update_keeps_the_last_good_file_and_applies_the_others(
    nginx: NginxUnderTest, manager: FileManager
) -> None:
    good = nginx.server("tea")
    await manager.start(nginx.files(good))
    result = await manager.apply(nginx.files(nginx.server("tea", "nonsense on;"), nginx.server("coffee")))
    assert result.outcome is Outcome.APPLIED
    assert list(result.refused) == [origin("tea")]
    assert 'unknown directive "nonsense" in' in result.refused[origin("tea")]
    assert (await nginx.get("tea"), await nginx.get("coffee")) == ("tea", "coffee")
    assert nginx.read_file(good.name) == good.data
    assert manager.stats.errors == 1


async def test_all_files_of_a_refused_origin_go_together(nginx: NginxUnderTest, manager: FileManager) -> None:
    await manager.start(nginx.files())
    page = File("conf.d/default-tea-more.conf", b"map $host $tea_more { default 1; }", origin=origin("tea"))
    result = await manager.apply(nginx.files(nginx.server("tea", "nonsense on;"), page, nginx.server("coffee")))
    assert list(result.refused) == [origin("tea")]
    assert nginx.read_file(page.name) is None


async def test_a_refused_file_is_not_tried_again_until_it_changes(nginx: NginxUnderTest, manager: FileManager) -> None:
    await manager.start(nginx.files())
    bad = nginx.server("tea", "nonsense on;")
    assert list((await manager.apply(nginx.files(bad))).refused) == [origin("tea")]
    again = await manager.apply(nginx.files(bad))
    assert (list(again.refused), again.outcome, again.test_ms) == ([origin("tea")], Outcome.UNCHANGED, 0)
    beside = await manager.apply(nginx.files(bad, nginx.server("coffee")))
    assert (list(beside.refused), beside.outcome) == ([origin("tea")], Outcome.APPLIED)
    mended = await manager.apply(nginx.files(nginx.server("tea"), nginx.server("coffee")))
    assert (mended.refused, await nginx.get("tea")) == ({}, "tea")


async def test_a_refused_file_is_tried_again_on_demand(nginx: NginxUnderTest, manager: FileManager) -> None:
    await manager.start(nginx.files(nginx.server("a", before="upstream shared { server 127.0.0.1:1; }")))
    second = nginx.server("b", before="upstream shared { server 127.0.0.1:2; }")
    both = nginx.files(nginx.server("a", before="upstream shared { server 127.0.0.1:1; }"), second)
    assert list((await manager.apply(both)).refused) == [origin("b")]
    alone = await manager.apply(nginx.files(second), retry=[origin("b")])
    assert (alone.refused, await nginx.get("b"), await nginx.get("a")) == ({}, "b", "default")


async def test_an_error_that_names_no_file_is_found_by_bisection(nginx: NginxUnderTest, manager: FileManager) -> None:
    """The names hash is built after all files were read, so nginx cannot say which one was too much for it."""
    extra = "server_names_hash_bucket_size 64;"
    await manager.start(nginx.files(nginx.server("a"), extra=extra))
    long = structs.replace(
        nginx.server("long"), data=nginx.server("long").data.replace(b"long.test", b"x" * 60 + b".long.test")
    )
    servers = [nginx.server(name) for name in ("b", "c", "d", "e")]
    result = await manager.apply(nginx.files(nginx.server("a"), long, *servers, extra=extra))
    assert result.outcome is Outcome.APPLIED
    assert list(result.refused) == [origin("long")]
    assert "server_names_hash" in result.refused[origin("long")]
    assert [await nginx.get(name) for name in "abcde"] == list("abcde")


async def test_a_new_file_that_breaks_an_old_one_is_left_out(nginx: NginxUnderTest, manager: FileManager) -> None:
    """nginx names the second of two equal upstreams, here the old one: its file did not change."""
    old = nginx.server("z", before="upstream shared { server 127.0.0.1:1; }")
    await manager.start(nginx.files(old))
    new = nginx.server("a", before="upstream shared { server 127.0.0.1:2; }")
    result = await manager.apply(nginx.files(old, new, nginx.server("m")))
    assert list(result.refused) == [origin("a")]
    assert [await nginx.get(name) for name in ("z", "m", "a")] == ["z", "m", "default"]


async def test_a_zone_with_another_key_is_refused_by_the_master_and_reported(
    nginx: NginxUnderTest, binary: Binary
) -> None:
    def limited(key: str) -> File:
        return nginx.server("tea", before=f"limit_req_zone {key} zone=shop:64k rate=100r/s;")

    good = limited("$remote_addr")
    manager = FileManager(ManagerOptions(layout=nginx.layout, binary=binary, reload_timeout_s=3600, min_spacing_s=0))
    await manager.start(nginx.files(good))
    async with asyncio.timeout(DEADLINE_S):  # the error log tells long before the reload's own deadline
        result = await manager.apply(nginx.files(limited("$http_authorization"), nginx.server("coffee")))
    assert list(result.refused) == [origin("tea")]
    assert "previously it used" in result.refused[origin("tea")]
    assert (await nginx.get("tea"), await nginx.get("coffee")) == ("tea", "coffee")
    assert nginx.read_file(good.name) == good.data
    await manager.quit(1)


async def test_what_only_the_master_refuses_is_found_by_bisection_of_live_reloads(
    nginx: NginxUnderTest, manager: FileManager, prefix: Path
) -> None:
    """The zone stands in a file that is not ours, so nobody of ours mentions what nginx complains about."""

    def limited(key: str) -> File:
        outside = prefix / f"{key}.inc"
        outside.write_text(f"limit_req_zone ${key} zone=shop:64k rate=100r/s;")
        return nginx.server("tea", before=f"include {outside};")

    good = limited("remote_addr")
    await manager.start(nginx.files(good))
    others = [nginx.server(name) for name in ("a", "b", "z")]
    result = await manager.apply(nginx.files(limited("uri"), *others))
    assert (result.outcome, list(result.refused)) == (Outcome.APPLIED, [origin("tea")])
    assert [await nginx.get(name) for name in ("tea", "a", "b", "z")] == ["tea", "a", "b", "z"]
    assert nginx.read_file(good.name) == good.data


async def test_a_broken_main_file_changes_nothing(nginx: NginxUnderTest, manager: FileManager) -> None:
    await manager.start(nginx.files(nginx.server("tea")))
    before = nginx.read_file("nginx.conf")
    result = await manager.apply(nginx.files(nginx.server("tea"), nginx.server("coffee"), extra="nonsense on;"))
    assert (result.outcome, result.version, result.refused) == (Outcome.REFUSED, 1, {})
    assert 'unknown directive "nonsense"' in result.error
    assert nginx.read_file("nginx.conf") == before
    assert nginx.read_file("conf.d/default-coffee.conf") is None
    assert await nginx.get("tea") == "tea"
    assert (manager.stats.errors, manager.stats.last_ok) == (1, False)


async def test_a_last_good_file_that_no_longer_fits_is_left_out_too(
    nginx: NginxUnderTest, manager: FileManager
) -> None:
    good = nginx.server("tea", "access_log /dev/null short; return 200 tea;")
    await manager.start(nginx.files(good, extra="log_format short '$uri';"))
    result = await manager.apply(nginx.files(nginx.server("tea", "nonsense on;"), nginx.server("coffee")))
    assert (result.outcome, list(result.refused)) == (Outcome.APPLIED, [origin("tea")])
    assert (await nginx.get("tea"), await nginx.get("coffee")) == ("default", "coffee")
    assert nginx.read_file(good.name) is None


async def test_the_first_start_leaves_bad_files_out(nginx: NginxUnderTest, manager: FileManager) -> None:
    result = await manager.start(nginx.files(nginx.server("tea", "nonsense on;"), nginx.server("coffee")))
    assert (result.outcome, list(result.refused)) == (Outcome.APPLIED, [origin("tea")])
    assert (await nginx.get("tea"), await nginx.get("coffee")) == ("default", "coffee")
    assert nginx.read_file("conf.d/default-tea.conf") is None


async def test_with_every_object_bad_the_default_server_still_serves(
    nginx: NginxUnderTest, manager: FileManager
) -> None:
    result = await manager.start(nginx.files(*(nginx.server(f"bad{n}", "nonsense on;") for n in range(12))))
    assert (result.outcome, len(result.refused)) == (Outcome.APPLIED, 12)
    assert await nginx.get("bad3") == "default"


async def test_files_not_tested_in_time_are_left_out_and_tried_again(nginx: NginxUnderTest, binary: Binary) -> None:
    options = ManagerOptions(layout=nginx.layout, binary=binary, min_spacing_s=0, isolate_s=0)
    manager = FileManager(options)
    files = nginx.files(nginx.server("tea", "nonsense on;"), nginx.server("coffee"))
    result = await manager.start(files)
    assert (result.outcome, set(result.refused)) == (Outcome.APPLIED, {origin("tea"), origin("coffee")})
    patient = await manager.apply(nginx.files(nginx.server("coffee")))
    assert (patient.refused, await nginx.get("coffee")) == ({}, "coffee")
    await manager.quit(1)


async def test_a_missing_certificate_is_attributed_to_the_file_that_names_it(
    nginx: NginxUnderTest, manager: FileManager
) -> None:
    await manager.start(nginx.files())
    gone = f"{nginx.layout.secrets}/gone"
    tls = nginx.server("tea", f"ssl_certificate {gone}; ssl_certificate_key {gone};", listen=free_port(), tls=True)
    result = await manager.apply(nginx.files(tls, nginx.server("coffee")))
    assert list(result.refused) == [origin("tea")]
    assert f'cannot load certificate "{gone}"' in result.refused[origin("tea")]
    assert await nginx.get("coffee") == "coffee"


async def test_foreign_files_in_our_folders_are_removed_at_the_start(
    nginx: NginxUnderTest, manager: FileManager
) -> None:
    nginx.write_file("conf.d/left-over.conf", "nonsense on;")
    nginx.write_file("conf.d/.hidden", "")
    result = await manager.start(nginx.files(nginx.server("tea")))
    assert (result.outcome, await nginx.get("tea")) == (Outcome.APPLIED, "tea")
    assert nginx.conf_d() == ["default-tea.conf"]


async def test_a_link_in_place_of_a_file_is_replaced_and_its_target_left_alone(
    nginx: NginxUnderTest, manager: FileManager, prefix: Path
) -> None:
    (prefix / "target").write_text("nonsense on;")
    nginx.write_file("conf.d/x", "")
    os.symlink(prefix / "target", f"{nginx.layout.conf}/conf.d/default-tea.conf")  # noqa: PTH211 Path is blocking as well
    assert (await manager.start(nginx.files(nginx.server("tea")))).ok
    assert await nginx.get("tea") == "tea"
    assert (prefix / "target").read_text() == "nonsense on;"


async def test_nothing_to_serve_is_refused_and_can_be_tried_again(nginx: NginxUnderTest, manager: FileManager) -> None:
    assert (await manager.start(FileSet())).outcome is Outcome.REFUSED
    assert not manager.alive
    assert (await manager.start(nginx.files(nginx.server("tea")))).ok
    assert await nginx.get("tea") == "tea"


@pytest.mark.parametrize("begun", [False, True])
async def test_secrets_are_there_while_an_object_is_looked_for_that_nginx_refuses_without_a_name(
    nginx: NginxUnderTest, manager: FileManager, begun: bool
) -> None:
    secret = File("secrets/keys", b"tea 1;", origin=ObjectRef("Secret", "default", "keys"))
    reads = f"map $arg_k $known {{ include {nginx.layout.conf}/secrets/keys; }}"
    # An unknown variable is reported without the file that has it.
    wanted = nginx.files(
        secret, nginx.server("odd", 'proxy_cache_key "${nosuch}"; return 200 odd;'), nginx.server("tea", before=reads),
        nginx.server("water"), nginx.server("wine"),
    )  # fmt: skip
    if begun:
        await manager.start(nginx.files())
        result = await manager.apply(wanted)
    else:
        result = await manager.start(wanted)
    assert set(result.refused) == {origin("odd")}
    assert await nginx.get("tea") == "tea"
