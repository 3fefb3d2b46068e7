"""Two controllers on the same directories: the second one ends, and the first one does not notice."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from headgate.nginx import procfs
from tests.live.headgate_process import HeadgateProcess, StartHeadgate
from tests.live.json_objects import ManifestFolder, ingress
from tests.waiting import wait_until


def lock_file(headgate: HeadgateProcess) -> Path:
    return headgate.prefix / "run" / "headgate.lock"


@contextmanager
def held(path: Path, text: str) -> Iterator[None]:
    """Hold the lock as another controller would that wrote *text*."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        stream.write(text)
        stream.flush()
        yield


def refusal(headgate: HeadgateProcess) -> str:
    """Start *headgate*, which must end by itself, and return the one line that says why."""
    before = len(headgate.log_records("Headgate ends"))
    headgate.start()
    assert headgate.wait_ended() == 1
    assert len(headgate.log_records("Headgate ends")) == before + 1
    return headgate.last_words()


@pytest.mark.parametrize("flags", [(), ("-enable-latency-metrics",)])
def test_a_second_controller_on_the_same_directories_names_the_first_and_ends(
    serve_manifests: StartHeadgate, new_headgate: StartHeadgate, manifests: ManifestFolder, flags: tuple[str, ...]
) -> None:
    manifests.put(ingress("tea", "tea.test"))
    first = serve_manifests(*flags)
    master, reloads = first.master, first.reloads()
    second = new_headgate(f"--manifests={manifests.path}", f"--prefix={first.prefix}", *flags, under="second")
    assert refusal(second) == (
        f"headgate: {first.prefix}/run is in use by another `headgate run`, process {first.pid}; "
        "stop that process, or choose another directory with --prefix"
    )
    assert (first.master, first.reloads(), first.get("tea.test").status) == (master, reloads, 200)
    first.terminate()
    assert first.wait_ended() == 0
    assert lock_file(first).read_text() == ""
    second.start_ready()
    assert second.get("tea.test").status == 200


def test_of_two_controllers_that_start_at_the_same_time_one_serves(
    new_headgate: StartHeadgate, manifests: ManifestFolder
) -> None:
    one = new_headgate(f"--manifests={manifests.path}")
    other = new_headgate(f"--manifests={manifests.path}", f"--prefix={one.prefix}", under="other")
    one.start()
    other.start()
    wait_until(lambda: not (one.is_alive and other.is_alive))
    (rest,) = [headgate for headgate in (one, other) if headgate.is_alive]
    rest.wait_ready()


def test_the_lock_of_a_killed_controller_is_free(serve_manifests: StartHeadgate) -> None:
    headgate = serve_manifests()
    headgate.kill()
    assert lock_file(headgate).read_text().splitlines()[0] == str(headgate.pid)
    assert procfs.is_master(headgate.master), "nginx goes on, and does not hold the lock"
    headgate.start_ready()


def test_a_lock_file_that_names_a_living_process_does_not_prevent_a_start(
    new_headgate: StartHeadgate, manifests: ManifestFolder
) -> None:
    """After the restart of a container the pid in the file is often that of the new controller."""
    headgate = new_headgate(f"--manifests={manifests.path}")
    lock_file(headgate).parent.mkdir(parents=True)
    lock_file(headgate).write_text(f"{os.getpid()}\n")
    headgate.start_ready()


@pytest.mark.usefixtures("whole_program")
def test_nginx_does_not_inherit_the_lock(serve_manifests: StartHeadgate) -> None:
    headgate = serve_manifests()

    def opened(pid: int) -> list[str]:
        found = []
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(FileNotFoundError):  # it was closed in the meantime
                found.append(str(entry.readlink()))
        return found

    path = str(lock_file(headgate))
    assert path in opened(headgate.pid)
    for pid in (headgate.master, *procfs.workers(headgate.master)):
        assert path not in opened(pid)


def test_nothing_is_written_without_the_lock(new_headgate: StartHeadgate, manifests: ManifestFolder) -> None:
    headgate = new_headgate(f"--manifests={manifests.path}")
    with held(lock_file(headgate), ""):
        assert "in use by another `headgate run`;" in refusal(headgate)
    assert [path for path in headgate.prefix.rglob("*") if not path.is_dir()] == [lock_file(headgate)]
    assert [path.name for path in headgate.prefix.iterdir()] == ["run"]


def test_an_orphaned_nginx_is_not_ended_without_the_lock(serve_manifests: StartHeadgate) -> None:
    headgate = serve_manifests()
    master = headgate.master
    headgate.kill()
    with held(lock_file(headgate), f"{headgate.pid}\n"):
        assert "in use by another `headgate run`;" in refusal(headgate), "the pid in the file is of a dead process"
        assert procfs.is_master(master)
    headgate.start_ready()
    wait_until(lambda: not procfs.is_master(master))


def test_the_holder_in_another_container_is_named_as_such(
    new_headgate: StartHeadgate, manifests: ManifestFolder
) -> None:
    headgate = new_headgate(f"--manifests={manifests.path}")
    with held(lock_file(headgate), "1\npid:[1]\nheadgate-7f\n"):
        assert "process 1 of another container (host name 'headgate-7f'); stop" in refusal(headgate)


def test_a_lock_file_that_cannot_be_opened_is_named(new_headgate: StartHeadgate, manifests: ManifestFolder) -> None:
    headgate = new_headgate(f"--manifests={manifests.path}")
    lock_file(headgate).mkdir(parents=True)
    line = refusal(headgate)
    assert line.startswith(f"headgate: cannot lock {lock_file(headgate)}: Is a directory; ")
    assert "--prefix" in line


@pytest.mark.usefixtures("whole_program")
def test_nohup_keeps_headgate_from_ending_with_its_terminal(
    new_headgate: StartHeadgate, manifests: ManifestFolder
) -> None:
    headgate = new_headgate(f"--manifests={manifests.path}")
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        headgate.start_ready()
    finally:
        signal.signal(signal.SIGHUP, before)
    os.kill(headgate.pid, signal.SIGHUP)
    manifests.put(ingress("tea", "tea.test"))
    wait_until(lambda: headgate.get("tea.test").status == 200)
