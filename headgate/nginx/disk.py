"""Files under nginx's configuration directory: replaced whole, or not at all.

A Transaction writes every new content beside its target first and renames only when all of it fits, so a
full disk is noticed before anything changed. What a rename replaces is kept under a second name (a hard
link, which needs no space) until the Transaction is sealed; undoing it therefore works on a full disk too.

No fsync: after a power cut the controller starts again and writes everything. Files that a crash left
under their second names are swept by ``Disk.sweep`` at start, where everything is rewritten and tested anyway.
"""

# ruff: noqa: PTH103, PTH105, PTH108 - ten thousand Path objects cost as much as the system calls they stand for

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Final, NamedTuple, Self

from headgate.ir import File, FileSet
from headgate.ir.layout import (
    ATTACHED_FOLDER,
    EXTERNAL_FOLDER,
    HTTP_FOLDER,
    MAIN,
    OWN_REVOCATIONS,
    REVOCATIONS,
    SECRETS_FOLDER,
    STREAM_FOLDER,
)
from headgate.nginx.errors import DiskError
from headgate.nginx.plan import Plan

FOLDERS: Final = (HTTP_FOLDER, ATTACHED_FOLDER, EXTERNAL_FOLDER, STREAM_FOLDER, SECRETS_FOLDER)
"""Folders in which every file is ours."""
NEW: Final = ".headgate-new"
OLD: Final = ".headgate-old"


class Disk:
    """The configuration directory of one nginx."""

    def __init__(self, root: str, group: int | None = None) -> None:
        """Stand on *root*; files that are not world readable are given to *group*, the workers' one, to read."""
        self._root = Path(root)
        self._group = group

    def sweep(self) -> None:
        """Remove what an unfinished Transaction left beside the files (names that nginx never includes)."""
        for suffix in (NEW, OLD):
            for path in self._root.rglob(f".*{suffix}"):
                with contextlib.suppress(OSError):
                    path.unlink()

    def scan(self, wanted: Iterable[str] = ()) -> FileSet:
        """Return the files that are there: all in our folders, and those outside them that *wanted* names.

        Raises:
            DiskError: a file cannot be read.
        """
        names = set(wanted)
        folders = {*FOLDERS, *(name.partition("/")[0] for name in names if "/" in name)}
        inside = (path for folder in folders for path in (self._root / folder).rglob("*"))
        outside = (self._root / name for name in {MAIN, *names} if "/" not in name)
        with _explained("read the files of", self._root):
            found = (path for path in (*inside, *outside) if not self._of_others(path))
            return FileSet(self._read(path) for path in found if path.is_file() or path.is_symlink())

    def _of_others(self, path: Path) -> bool:
        """Whether it is a revocation list that somebody put into the directory of Secrets for a Policy to name."""
        inside = path.parent == self._root / SECRETS_FOLDER
        return inside and path.name.endswith(REVOCATIONS) and not path.name.endswith(OWN_REVOCATIONS)

    def begin(self) -> Transaction:
        """Start a Transaction; use it in a ``with`` statement."""
        return Transaction(self._root, self._group)

    def _read(self, path: Path) -> File:
        name = str(path.relative_to(self._root))
        if path.is_symlink():  # whatever it points at, it is not a file of ours: never equal to a wanted one
            return File(name, b"", mode=0)
        return File(name, path.read_bytes(), mode=path.stat().st_mode & 0o777)


class _Paths(NamedTuple):
    real: str
    new: str
    """The new content, until it is renamed to ``real``."""
    old: str
    """What ``real`` was before."""


class Transaction:
    """Changes to files that can be taken back until they are sealed.

    Leaving the ``with`` block without ``seal`` takes them back.
    """

    def __init__(self, root: Path, group: int | None) -> None:
        """Stand on *root*; nothing is touched yet."""
        self._root = root
        self._group = group
        self._touched: dict[str, bool] = {}
        """Name → whether a file of that name existed before."""
        self._leavings: dict[str, None] = {}
        self._known: dict[str, _Paths] = {}
        self._folders: set[str] = set()

    def __enter__(self) -> Self:
        """Enter; nothing is touched yet."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take back whatever was not sealed."""
        self.undo()

    async def carry_out(self, plan: Plan) -> None:
        """Write and remove what *plan* says, except its leavings, which wait for ``seal``.

        The work is done in a thread; cancellation waits for its end, so that ``undo`` finds a quiet disk.

        Raises:
            DiskError: nothing of *plan* was done, or what was done is taken back by ``undo``.
        """
        work = asyncio.ensure_future(asyncio.to_thread(self._carry_out, plan))
        try:
            await asyncio.shield(work)
        except asyncio.CancelledError:
            await asyncio.wait({work})
            raise

    def _carry_out(self, plan: Plan) -> None:
        staged: list[File] = []
        try:
            for file in plan.writes:
                self._stage(file)
                staged.append(file)
        except BaseException:
            for file in (*staged, *plan.writes[len(staged) : len(staged) + 1]):
                with contextlib.suppress(OSError):
                    os.unlink(self._paths(file.name).new)
            raise
        for file in staged:
            self._swap(file.name)
        for name in plan.removals:
            self._remove(name)
        for name in plan.leavings:
            self._leavings[name] = None
        for file in plan.writes:
            self._leavings.pop(file.name, None)

    def undo(self) -> None:
        """Put back every file as it was when the Transaction began."""
        for name, existed in self._touched.items():
            paths = self._paths(name)
            with _explained("put back", paths.real):
                if existed:
                    os.replace(paths.old, paths.real)
                else:
                    _remove(paths.real)
        self._forget()

    def seal(self) -> None:
        """Keep the changes; remove the leavings and what the files were before.

        What cannot be removed now is removed at the next start; nginx includes none of it.
        """
        earlier = [self._paths(name).old for name, existed in self._touched.items() if existed]
        for path in (*earlier, *(self._paths(name).real for name in self._leavings)):
            with contextlib.suppress(OSError):
                os.unlink(path)
        self._forget()

    def _forget(self) -> None:
        """Remove the folders of hosts that are empty now, and reset."""
        for folder in {Path(self._paths(name).real).parent for name in self._touched if name.count("/") > 1}:
            with contextlib.suppress(OSError):  # something is in it
                folder.rmdir()
        self._touched.clear()
        self._leavings.clear()

    def _stage(self, file: File) -> None:
        paths = self._paths(file.name)
        with _explained("write", paths.real):
            descriptor = os.open(paths.new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(file.data)
                self._permit(descriptor, file.mode)

    def _permit(self, descriptor: int, mode: int) -> None:
        """Set the mode; a private file becomes readable for the workers' group, if they are another user."""
        if self._group is not None and not mode & 0o004:
            os.fchown(descriptor, -1, self._group)
            mode |= 0o040
        os.fchmod(descriptor, mode)

    def _swap(self, name: str) -> None:
        paths = self._paths(name)
        with _explained("replace", paths.real):
            self._keep(name)
            os.replace(paths.new, paths.real)

    def _remove(self, name: str) -> None:
        paths = self._paths(name)
        with _explained("remove", paths.real):
            self._keep(name)
            _remove(paths.real)

    def _keep(self, name: str) -> None:
        """Keep what *name* holds now under its second name, unless an earlier plan did."""
        if name in self._touched:
            return
        paths = self._paths(name)
        try:
            os.link(paths.real, paths.old, follow_symlinks=False)
        except FileNotFoundError:
            self._touched[name] = False
        else:
            self._touched[name] = True

    def _paths(self, name: str) -> _Paths:
        """Return the three paths of *name*; the folder is made when it is first asked for."""
        if name not in self._known:
            folder, base = os.path.split(f"{self._root}/{name}")
            if folder not in self._folders:
                with _explained("make", folder):
                    os.makedirs(folder, exist_ok=True)
                self._folders.add(folder)
            self._known[name] = _Paths(f"{folder}/{base}", f"{folder}/.{base}{NEW}", f"{folder}/.{base}{OLD}")
        return self._known[name]


def _remove(path: str) -> None:
    """Remove a file that need not be there."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)


@contextlib.contextmanager
def _explained(action: str, path: str | Path) -> Iterator[None]:
    """Turn an OSError into a DiskError that says what to do."""
    try:
        yield
    except OSError as error:
        advice = _ADVICE.get(error.errno or 0, "")
        raise DiskError(f"cannot {action} {path}: {error.strerror or error}{advice}") from error


_ADVICE: Final = {
    errno.ENOSPC: "; free some space or enlarge the volume; the previous files stay in place",
    errno.EDQUOT: "; the quota of this user is used up; the previous files stay in place",
    errno.EFBIG: "; the file is larger than this process may write; the previous files stay in place",
    errno.EACCES: "; give this user the right to write there",
    errno.EROFS: "; mount a writable volume (an emptyDir will do) there",
}
