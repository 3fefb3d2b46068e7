"""What must not take traffic down: dead processes, taken ports, full disks, left-overs of a crash."""

import asyncio
import ctypes
import os
import resource
import signal
import socket
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from msgspec import structs
from showcase.ports import free_port

from headgate.ir import File, FileSet, Outcome
from headgate.nginx import Binary, LayoutError, ManagerOptions, procfs
from headgate.nginx.process import Master
from tests.nginx.nginx_under_test import FileManager, NginxUnderTest, both_workers, origin
from tests.waiting import eventually, wait_until

PR_SET_CHILD_SUBREAPER = 36
BRIEF_S = 6.0
"""Seconds until a reload that does not end is given up: enough for one that does, on a busy machine."""

pytestmark = pytest.mark.skipif(not procfs.readable(), reason="no /proc")


@pytest.fixture
async def restarts(manager: FileManager) -> AsyncIterator[list[str]]:
    """Messages of restarts, while the Manager's supervision runs."""
    messages: list[str] = []
    manager._on_restart = messages.append
    supervision = asyncio.create_task(manager.run())
    yield messages
    supervision.cancel()
    await asyncio.gather(supervision, return_exceptions=True)


@pytest.fixture
def first_process() -> Iterator[None]:
    """Have this process inherit orphans as process 1 does in a container (prctl(2), PR_SET_CHILD_SUBREAPER)."""
    libc = ctypes.CDLL(None)
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1)
    yield
    libc.prctl(PR_SET_CHILD_SUBREAPER, 0)


@pytest.fixture
def taken() -> Iterator[socket.socket]:
    """A socket that listens on a port of 127.0.0.1."""
    with socket.create_server(("127.0.0.1", free_port())) as server:
        yield server


async def test_a_killed_master_is_restarted_with_the_last_good_files(
    nginx: NginxUnderTest, manager: FileManager, restarts: list[str]
) -> None:
    await manager.start(nginx.files(nginx.server("tea")))
    orphans = await both_workers(manager.master_pid)
    os.kill(manager.master_pid or 0, signal.SIGKILL)
    await eventually(lambda: restarts)
    assert "signal SIGKILL" in restarts[0]
    assert await nginx.get("tea") == "tea"
    await eventually(lambda: not any(map(procfs.title, orphans)))
    assert (await manager.apply(nginx.files(nginx.server("coffee")))).ok
    assert await nginx.get("coffee") == "coffee"


async def test_the_workers_of_a_killed_master_leave_no_zombies(
    nginx: NginxUnderTest, manager: FileManager, restarts: list[str], first_process: None
) -> None:
    await manager.start(nginx.files(nginx.server("tea")))
    orphans = await both_workers(manager.master_pid)
    os.kill(manager.master_pid or 0, signal.SIGKILL)
    await eventually(lambda: restarts)
    await eventually(lambda: not any(map(procfs.parent, orphans)))


async def test_an_object_that_no_longer_works_does_not_keep_a_killed_master_from_coming_back(
    nginx: NginxUnderTest, manager: FileManager, restarts: list[str], prefix: Path
) -> None:
    """As with a name that no longer resolves: the restart must not depend on what any object names."""
    outside = prefix / "x.inc"
    outside.write_text("return 200 included;")
    wanted = nginx.files(nginx.server("tea"), nginx.server("x", f"include {outside};"))
    assert (await manager.start(wanted)).refused == {}
    outside.unlink()
    os.kill(manager.master_pid or 0, signal.SIGKILL)
    await eventually(lambda: restarts)
    assert (await nginx.get("tea"), await nginx.get("x")) == ("tea", "default")
    result = await manager.apply(wanted)
    assert (list(result.refused), result.retry, result.kept) == ([origin("x")], {origin("x")}, frozenset())
    outside.write_text("return 200 included;")
    healed = await manager.apply(wanted, retry=result.retry)
    assert (healed.refused, await nginx.get("x")) == ({}, "included")


async def test_a_killed_worker_is_replaced(nginx: NginxUnderTest, manager: FileManager) -> None:
    await manager.start(nginx.files(nginx.server("tea")))
    first = await both_workers(manager.master_pid)
    os.kill(min(first), signal.SIGKILL)
    await eventually(lambda: len(procfs.workers(manager.master_pid or 0) - {min(first)}) == 2)
    assert await nginx.get("tea") == "tea"
    assert (await manager.reload()).ok


async def test_a_port_in_use_at_the_start_is_named_and_can_be_tried_again(
    nginx: NginxUnderTest, manager: FileManager, taken: socket.socket
) -> None:
    nginx.port = taken.getsockname()[1]
    result = await manager.start(nginx.files(nginx.server("tea")))
    assert (result.outcome, result.refused) == (Outcome.FAILED, {})
    assert f"port {nginx.port} cannot be used" in result.error
    assert not manager.alive
    taken.close()
    assert (await manager.start(nginx.files(nginx.server("tea")))).ok
    assert await nginx.get("tea") == "tea"


async def test_a_port_in_use_at_a_reload_leaves_out_only_its_object(
    nginx: NginxUnderTest, manager: FileManager, taken: socket.socket
) -> None:
    await manager.start(nginx.files(nginx.server("tea")))
    greedy = nginx.server("greedy", listen=taken.getsockname()[1])
    result = await manager.apply(nginx.files(nginx.server("tea"), greedy, nginx.server("coffee")))
    assert list(result.refused) == [origin("greedy")]
    assert "bind() to 127.0.0.1" in result.refused[origin("greedy")]
    assert (await nginx.get("tea"), await nginx.get("coffee")) == ("tea", "coffee")


async def test_a_port_of_the_main_file_in_use_fails_the_apply_and_the_old_configuration_serves(
    nginx: NginxUnderTest, manager: FileManager, taken: socket.socket
) -> None:
    await manager.start(nginx.files(nginx.server("tea")))
    port = taken.getsockname()[1]
    result = await manager.apply(nginx.files(extra=f"server {{ listen 127.0.0.1:{port}; }}"))
    assert (result.outcome, result.version) == (Outcome.FAILED, 1)
    assert f"port {port} cannot be used" in result.error
    assert nginx.read_file("conf.d/default-tea.conf") is not None
    assert await nginx.get("tea") == "tea"


async def test_a_master_that_does_not_answer_fails_the_reload(nginx: NginxUnderTest, binary: Binary) -> None:
    options = ManagerOptions(layout=nginx.layout, binary=binary, reload_timeout_s=BRIEF_S, min_spacing_s=0)
    manager = FileManager(options)
    await manager.start(nginx.files(nginx.server("tea")))
    os.kill(manager.master_pid or 0, signal.SIGSTOP)
    result = await manager.apply(nginx.files(nginx.server("coffee")))
    assert (result.outcome, result.version) == (Outcome.FAILED, 1)
    assert "did not answer" in result.error
    assert nginx.read_file("conf.d/default-coffee.conf") is None
    os.kill(manager.master_pid or 0, signal.SIGCONT)
    assert await nginx.get("tea") == "tea"
    await manager.quit(2)


async def test_a_refused_set_does_not_hide_that_a_reload_is_still_open(nginx: NginxUnderTest, binary: Binary) -> None:
    options = ManagerOptions(layout=nginx.layout, binary=binary, reload_timeout_s=BRIEF_S, min_spacing_s=0)
    manager = FileManager(options)
    good = nginx.files(nginx.server("tea"))
    await manager.start(good)
    os.kill(manager.master_pid or 0, signal.SIGSTOP)
    try:
        assert (await manager.apply(nginx.files(nginx.server("coffee")))).outcome is Outcome.FAILED
        main = structs.replace(good["nginx.conf"], data=b"nonsense;")
        assert (await manager.apply(FileSet({**good, "nginx.conf": main}.values()))).outcome is Outcome.REFUSED
    finally:
        os.kill(manager.master_pid or 0, signal.SIGCONT)
    assert (await manager.apply(good)).reloaded, "it is not known what the master has loaded"
    await manager.quit(2)


async def test_an_old_worker_that_hangs_does_not_undo_what_the_new_ones_serve(
    nginx: NginxUnderTest, binary: Binary, caplog: pytest.LogCaptureFixture
) -> None:
    options = ManagerOptions(layout=nginx.layout, binary=binary, reload_timeout_s=BRIEF_S, min_spacing_s=0)
    manager = FileManager(options)
    await manager.start(nginx.files(nginx.server("tea")))
    stuck = min(await both_workers(manager.master_pid))
    os.kill(stuck, signal.SIGSTOP)
    try:
        result = await manager.apply(nginx.files(nginx.server("coffee")))
        assert (result.outcome, result.version) == (Outcome.APPLIED, 2)
        assert "old workers still accept connections" in caplog.messages
        assert nginx.conf_d() == ["default-coffee.conf"]
    finally:
        os.kill(stuck, signal.SIGCONT)
        await manager.quit(2)


async def test_a_master_that_cannot_be_restarted_is_tried_until_it_can(
    nginx: NginxUnderTest, binary: Binary, prefix: Path
) -> None:
    program = prefix / "nginx"
    program.symlink_to(binary.path)
    options = ManagerOptions(layout=nginx.layout, binary=Binary(str(program), binary.capabilities), min_spacing_s=0)
    restarts: list[str] = []
    manager = FileManager(options, restarts.append)
    supervision = asyncio.create_task(manager.run())
    await manager.start(nginx.files(nginx.server("tea")))
    program.unlink()
    os.kill(manager.master_pid or 0, signal.SIGKILL)
    await eventually(lambda: manager.stats.errors)
    assert restarts == []
    program.symlink_to(binary.path)
    await eventually(lambda: restarts)
    assert await nginx.get("tea") == "tea"
    await manager.quit(1)
    await supervision


async def test_after_quit_nothing_starts_nginx_again(
    nginx: NginxUnderTest, manager: FileManager, restarts: list[str]
) -> None:
    await manager.start(nginx.files(nginx.server("tea")))
    await manager.quit(1)
    result = await manager.apply(nginx.files(nginx.server("coffee")))
    assert (result.outcome, result.error) == (Outcome.FAILED, "nginx is being stopped")
    assert not procfs.of_run(nginx.layout.run)
    assert restarts == []


async def test_a_file_too_large_for_the_disk_changes_nothing(nginx: NginxUnderTest, manager: FileManager) -> None:
    """RLIMIT_FSIZE makes write(2) fail half-way like a full disk does, for any user."""
    await manager.start(nginx.files(nginx.server("tea")))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    big = File("conf.d/zz.conf", b"# a comment\n" * 200_000)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, hard))
    try:
        result = await manager.apply(nginx.files(nginx.server("tea", "return 200 green;"), big))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert (result.outcome, result.version) == (Outcome.FAILED, 1)
    assert f"cannot write {nginx.layout.conf}/conf.d/zz.conf" in result.error
    assert b"return 200 tea;" in (nginx.read_file("conf.d/default-tea.conf") or b"")
    assert nginx.conf_d() == ["default-tea.conf"]
    assert (await manager.apply(nginx.files(nginx.server("tea", "return 200 green;"), big))).ok
    assert await nginx.get("tea") == "green"


@pytest.fixture
def small_disk(nginx: NginxUnderTest) -> Iterator[None]:
    """A file system of 64 KiB where the configuration is."""
    Path(nginx.layout.conf).mkdir(parents=True)
    command = ["mount", "-t", "tmpfs", "-o", "size=64k,mode=755", "tmpfs", nginx.layout.conf]
    if os.geteuid() != 0 or subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("only a root that may mount can make a small file system")
    yield
    subprocess.run(["umount", "-l", nginx.layout.conf], check=True)


@pytest.mark.usefixtures("small_disk")
async def test_a_full_disk_changes_nothing_and_the_error_says_what_to_do(
    nginx: NginxUnderTest, manager: FileManager
) -> None:
    await manager.start(nginx.files(nginx.server("tea")))
    servers = [nginx.server(f"s{n}", before="#" * 5000) for n in range(12)]
    result = await manager.apply(nginx.files(nginx.server("tea", "nonsense on;"), *servers))
    assert (result.outcome, result.version) == (Outcome.FAILED, 1)
    assert "No space left on device; free some space" in result.error
    assert nginx.conf_d() == ["default-tea.conf"]
    assert (await manager.reload()).ok
    assert await nginx.get("tea") == "tea"


async def test_stale_sockets_do_not_keep_nginx_from_starting(
    nginx: NginxUnderTest, manager: FileManager, run: Path
) -> None:
    for name in ("nginx-config-version.sock", "nginx-status.sock"):
        with socket.socket(socket.AF_UNIX) as stale:
            stale.bind(str(run / name))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as used:
        used.bind(str(run / "nginx-syslog.sock"))
        assert (await manager.start(nginx.files(nginx.server("tea")))).ok
        assert (run / "nginx-syslog.sock").exists(), "somebody listens there"
    assert not (run / "nginx-status.sock").exists()


EARLIER = """
import asyncio, os, signal, sys
from headgate.ir import File, FileSet, Layout, Release
from headgate.nginx import LocalManager, ManagerOptions, probe

async def main():
    prefix, binary, main = sys.argv[1:]
    manager = LocalManager(ManagerOptions(layout=Layout.under(prefix), binary=await probe(binary)))
    result = await manager.start(Release(FileSet([File("nginx.conf", main.encode())])))
    print(manager.master_pid if result.ok else result.error, flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.fixture
def earlier(nginx: NginxUnderTest, binary: Binary, prefix: Path) -> Iterator[int]:
    """The pid of an nginx master whose controller was killed."""
    main = nginx.main().data.decode()
    command = [sys.executable, "-c", textwrap.dedent(EARLIER), str(prefix), binary.path, main]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as controller:
        assert controller.stdout is not None
        pid = int(controller.stdout.readline())
        controller.kill()
    yield pid
    for left in procfs.of_run(nginx.layout.run):
        os.kill(left, signal.SIGKILL)


async def test_an_orphaned_master_is_ended_before_a_new_one_starts(
    nginx: NginxUnderTest, earlier: int, manager: FileManager
) -> None:
    assert await nginx.get("tea") == "default"
    orphans = {earlier, *await both_workers(earlier)}
    result = await manager.start(nginx.files(nginx.server("tea")))
    assert result.ok, result
    assert await nginx.get("tea") == "tea"
    assert not any(map(procfs.title, orphans))


async def test_orphaned_workers_whose_master_died_are_ended_too(
    nginx: NginxUnderTest, earlier: int, manager: FileManager
) -> None:
    workers = await both_workers(earlier)
    os.kill(earlier, signal.SIGKILL)
    await eventually(lambda: not procfs.is_master(earlier))
    assert await nginx.get("tea") == "default", "they hold the port"
    assert (await manager.start(nginx.files(nginx.server("tea")))).ok
    assert await nginx.get("tea") == "tea"
    await eventually(lambda: not any(map(procfs.title, workers)))


ELSEWHERE = """
mount --bind {other} {run} && cd {run} && echo $$ && exec -a 'nginx: master process nginx -c {main}' sleep 1000
"""


@pytest.fixture
def elsewhere(nginx: NginxUnderTest, run: Path, prefix: Path) -> Iterator[int]:
    """The pid of what looks like our nginx, in another container: its directory has the same name, and is another."""
    (prefix / "other").mkdir()
    script = ELSEWHERE.format(other=prefix / "other", run=run, main=nginx.layout.main)
    with subprocess.Popen(["unshare", "--mount", "bash", "-c", script], stdout=subprocess.PIPE, text=True) as foreign:
        assert foreign.stdout is not None
        pid = foreign.stdout.readline().strip()
        if not pid:
            pytest.skip("no right to mount")
        wait_until(lambda: procfs.is_master(int(pid)))
        (run / "nginx.pid").write_text(pid)
        yield int(pid)
        foreign.kill()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")
async def test_an_nginx_in_a_directory_of_the_same_name_in_another_container_is_not_ended(
    nginx: NginxUnderTest, elsewhere: int, manager: FileManager
) -> None:
    """Containers of one Pod may see each other's processes (shareProcessNamespace)."""
    assert (await manager.start(nginx.files())).ok
    assert procfs.is_master(elsewhere)


async def test_files_of_a_crash_between_write_and_reload_are_repaired_at_the_start(
    nginx: NginxUnderTest, manager: FileManager
) -> None:
    """The disk as a controller leaves it that dies after writing: new files, kept old ones, half-written ones."""
    nginx.write_file("conf.d/default-tea.conf", "nonsense on;")
    nginx.write_file("conf.d/.default-tea.conf.headgate-old", nginx.server("tea").data)
    nginx.write_file("conf.d/.default-coffee.conf.headgate-new", "server {")
    nginx.write_file("nginx.conf", "nonsense on;")
    result = await manager.start(nginx.files(nginx.server("tea"), nginx.server("coffee")))
    assert (result.outcome, result.refused) == (Outcome.APPLIED, {})
    assert (await nginx.get("tea"), await nginx.get("coffee")) == ("tea", "coffee")
    assert nginx.conf_d() == ["default-coffee.conf", "default-tea.conf"]


async def test_cancelling_an_apply_puts_the_files_back(
    nginx: NginxUnderTest, manager: FileManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    await manager.start(nginx.files(nginx.server("tea")))
    signalled = asyncio.Event()
    monkeypatch.setattr(Master, "hang_up", lambda _self: signalled.set())
    task = asyncio.create_task(manager.apply(nginx.files(nginx.server("coffee"))))
    await signalled.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    monkeypatch.undo()
    assert nginx.conf_d() == ["default-tea.conf"]
    assert (await manager.apply(nginx.files(nginx.server("tea")))).reloaded, "nobody knows what nginx took"
    assert (await manager.apply(nginx.files(nginx.server("coffee")))).ok
    assert await nginx.get("coffee") == "coffee"


async def test_a_directory_with_a_name_too_long_for_sockets_is_refused(nginx: NginxUnderTest, binary: Binary) -> None:
    deep = structs.replace(nginx.layout, run=f"{nginx.layout.run}/{'x' * 100}")
    with pytest.raises(LayoutError, match=r"no Unix socket can have that name .*--prefix"):
        await FileManager(ManagerOptions(layout=deep, binary=binary)).start(nginx.files())


async def test_a_directory_that_cannot_be_created_is_refused(
    nginx: NginxUnderTest, binary: Binary, prefix: Path
) -> None:
    (prefix / "etc").write_text("a file")
    with pytest.raises(LayoutError, match=r"/etc is not a directory; .*--prefix"):
        await FileManager(ManagerOptions(layout=nginx.layout, binary=binary)).start(nginx.files())
