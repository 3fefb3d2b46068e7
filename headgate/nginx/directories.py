"""The directories that nginx lives in, and the user its workers become."""

from __future__ import annotations

import contextlib
import grp
import os
import pwd
from pathlib import Path
from typing import Final

from headgate.ir import Layout
from headgate.ir.layout import ATTACHED_FOLDER, EXTERNAL_FOLDER, HTTP_FOLDER, LIVE_FOLDER, STREAM_FOLDER
from headgate.nginx.errors import LayoutError

USERS: Final = ("nginx", "www-data", "nobody")
"""Who workers become when nginx is started by root, by preference."""


def prepare(layout: Layout) -> None:
    """Make the directories that are missing (nginx itself makes those below ``temp``).

    Raises:
        LayoutError: one cannot be made or written, or a path is too long for a Unix socket.
    """
    prepare_run(layout)
    below = (f"{layout.conf}/{folder}" for folder in (HTTP_FOLDER, ATTACHED_FOLDER, EXTERNAL_FOLDER, STREAM_FOLDER))
    for path in (layout.conf, *below, layout.temp, layout.logs):
        _make(Path(path), 0o755)
    _make(Path(layout.secrets), 0o750)
    if group := worker_group(worker_user(layout)):
        with contextlib.suppress(PermissionError):
            os.chown(layout.secrets, -1, group)
            os.chown(f"{layout.run}/{LIVE_FOLDER}", -1, group)
            Path(layout.run, LIVE_FOLDER).chmod(0o710)  # one worker tells all others of TCP what checks found


def prepare_run(layout: Layout) -> None:
    """Make the directory of sockets, which also contains the lock on all the others.

    Raises:
        LayoutError: it cannot be made or written, or a path is too long for a Unix socket.
    """
    if long := layout.too_long():
        raise LayoutError(
            f"{long} is {len(long.encode())} bytes long and no Unix socket can have that name (107 at most);"
            " choose a shorter directory with --prefix"
        )
    _make(Path(layout.run), 0o755)
    _make(Path(layout.run, LIVE_FOLDER), 0o700)


def worker_user(layout: Layout) -> str | None:
    """Return the user for nginx's ``user`` directive: ``None`` unless this process is root.

    It is the first of ``USERS`` who can reach the layout's directories (sockets, certificates, caches); if none
    can, ``root``. A user without a group of the same name, which nginx would look for, is passed over: ``nobody`` has
    one on Alpine and Fedora, on Debian it is called ``nogroup``.
    """
    if os.geteuid() != 0:
        return None
    known = [entry for name in USERS if (entry := _user(name)) is not None and _is_group(name)]
    for entry in known:
        if all(_reaches(entry, Path(path)) for path in (layout.conf, layout.run, layout.temp)):
            return entry.pw_name
    return "root"


def worker_group(user: str | None) -> int | None:
    """Return the group that secrets are given to for *user* to read, ``None`` if its owner reads them."""
    entry = _user(user) if user not in {None, "root"} else None
    return entry.pw_gid if entry else None


def _make(path: Path, mode: int) -> None:
    """Make *path* and what is missing above it, passable whatever the umask says."""
    try:
        for step in reversed([step for step in (path, *path.parents) if not step.exists()]):
            step.mkdir()
            step.chmod(mode if step == path else 0o755)
    except OSError as error:
        raise LayoutError(
            f"cannot make {path}: {error.strerror}; mount a writable volume there or choose another place with --prefix"
        ) from error
    if not path.is_dir():
        raise LayoutError(f"{path} is not a directory; remove it or choose another place with --prefix")
    if not os.access(path, os.W_OK | os.X_OK):
        raise LayoutError(
            f"cannot write in {path}: mount a writable volume there, let this user own it, or choose another place with"
            " --prefix"
        )


def _user(name: str | None) -> pwd.struct_passwd | None:
    try:
        return pwd.getpwnam(name) if name else None
    except KeyError:
        return None


def _is_group(name: str) -> bool:
    try:
        return bool(grp.getgrnam(name))
    except KeyError:
        return False


def _reaches(entry: pwd.struct_passwd, path: Path) -> bool:
    """Whether *entry* may pass every directory down to *path* (those that do not exist will be made passable)."""
    return all(_passable(entry, step) for step in (path, *path.parents) if step.exists())


def _passable(entry: pwd.struct_passwd, step: Path) -> bool:
    found = step.stat()
    if found.st_uid == entry.pw_uid:
        return bool(found.st_mode & 0o100)
    if found.st_gid in _groups(entry):
        return bool(found.st_mode & 0o010)
    return bool(found.st_mode & 0o001)


def _groups(entry: pwd.struct_passwd) -> set[int]:
    return {entry.pw_gid, *(group.gr_gid for group in grp.getgrall() if entry.pw_name in group.gr_mem)}
