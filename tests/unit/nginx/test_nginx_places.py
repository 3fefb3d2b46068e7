import grp
import os
import pwd
from collections.abc import Iterator
from pathlib import Path

import pytest

from headgate.ir import Layout
from headgate.nginx import LayoutError, prepare, process, worker_user
from headgate.nginx.directories import USERS, worker_group
from tests.directories import short_directory

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root's workers become another user")


@pytest.fixture
def strict_umask() -> Iterator[None]:
    before = os.umask(0o077)
    yield
    os.umask(before)


@pytest.fixture
def passable() -> Iterator[Path]:
    """A directory that everybody may pass, which pytest's own are not."""
    with short_directory() as path:
        yield path


@pytest.mark.usefixtures("strict_umask")
def test_directories_can_be_passed_whatever_the_umask(tmp_path: Path) -> None:
    layout = Layout.under(str(tmp_path / "a" / "b"))
    prepare(layout)
    modes = {path: Path(path).stat().st_mode & 0o777 for path in (str(tmp_path / "a"), layout.conf, layout.run)}
    assert set(modes.values()) == {0o755}
    assert Path(layout.secrets).stat().st_mode & 0o777 == 0o750


@root_only
def test_workers_of_root_run_as_a_user_that_can_reach_the_directories(passable: Path) -> None:
    layout = Layout.under(str(passable / "site"))
    before = worker_user(layout)
    prepare(layout)
    assert worker_user(layout) == before
    assert before in USERS
    assert Path(layout.secrets).stat().st_gid == worker_group(before)
    passable.chmod(0o700)
    assert worker_user(layout) == "root"
    assert worker_group("root") is None


@root_only
def test_a_user_without_a_group_of_the_same_name_is_passed_over(
    passable: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    layout = Layout.under(str(passable / "site"))
    first, *_ = found = [name for name in USERS if is_user(name)]
    monkeypatch.setattr("headgate.nginx.directories.USERS", (*found, "root"))
    assert worker_user(layout) == first

    def missing(name: str) -> grp.struct_group:
        if name == first:
            raise KeyError(name)
        return getgrnam("root")

    getgrnam = grp.getgrnam
    monkeypatch.setattr(grp, "getgrnam", missing)
    assert worker_user(layout) == (found[1] if found[1:] else "root")


def is_user(name: str) -> bool:
    return any(entry.pw_name == name for entry in pwd.getpwall())


def test_without_root_workers_run_as_the_same_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert worker_user(Layout.under(str(tmp_path))) is None
    assert worker_group(None) is None


def test_a_path_too_long_for_a_socket_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    layout = Layout.under(str(tmp_path / ("x" * 120)))
    with pytest.raises(LayoutError, match="107 at most"):
        prepare(layout)
    assert not list(tmp_path.iterdir())


def test_the_error_log_is_read_from_the_mark(tmp_path: Path) -> None:
    path = tmp_path / "error.log"
    log = process.ErrorLog(str(path))
    assert (log.mark(), log.since(0)) == (0, "")
    path.write_text("before\n")
    mark = log.mark()
    assert log.since(mark) == ""
    with path.open("a") as stream:
        stream.write("after\n")
    assert log.since(mark) == "after\n"
    path.write_text("new\n")
    assert log.since(mark) == "new\n", "somebody emptied it: all of it is new"


def test_an_error_log_that_grew_too_large_is_emptied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "LOG_LIMIT", 10)
    path = tmp_path / "error.log"
    path.write_text("a long line of some length\n")
    assert process.ErrorLog(str(path)).mark() == 0
    assert path.read_text() == ""


def test_an_error_log_that_is_no_file_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "error.log"
    path.symlink_to("/dev/null")
    log = process.ErrorLog(str(path))
    assert (log.mark(), log.since(0)) == (0, "")
