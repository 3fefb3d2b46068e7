"""The changes in a folder, by the signature of each file; only changed files are read."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import msgspec

from headgate.api import TopLevel
from headgate.k8s.generators import chart, kustomization, template
from headgate.k8s.manifests import Document, ManifestError, read
from headgate.k8s.objects import FileContent, file_ref, read_objects
from headgate.problems import Problem, Severity

SUFFIXES = (".yaml", ".yml", ".json")
SETTLED = 0.1
"""Seconds without a change after which a file is read by a running Headgate: editors write in pieces."""
EMPTIED = 1.0
"""The same of a file that is empty and was not: most programs empty a file before they write it."""

Signature = tuple[int, int, int]
"""Modification time in ns, size in bytes and inode: at least one of them differs after an edit."""
UNSETTLED: Signature = (0, 0, 0)
"""The signature of a file that must be read again."""


class ReadFile(msgspec.Struct, frozen=True):
    """A file that was read: its content, or why it cannot be used at all."""

    signature: Signature
    content: FileContent | Problem


class Scan(msgspec.Struct, frozen=True):
    """The result of one scan of the folder.

    Attributes:
        read: relative path → new content.
        removed: relative paths of files that no longer exist.
        pending: whether a file is still being written; scan again soon.
        problem: why the folder itself cannot be read.
    """

    read: Mapping[str, ReadFile] = {}
    removed: tuple[str, ...] = ()
    pending: bool = False
    problem: Problem | None = None


def scan(
    root: Path, known: Mapping[str, Signature], models: Iterable[type[TopLevel]], *, settled: float = SETTLED
) -> Scan:
    """Compare the folder with *known* and read the files that differ. It blocks; call it in a thread.

    Args:
        root: the folder, or one single file.
        known: relative path → signature at the last scan.
        models: the kinds to decode.
        settled: files that were written less than this many seconds ago are not read yet; 0 reads all.
    """
    try:
        present = dict(signatures(root))
    except OSError as error:
        where = os.path.relpath(error.filename, root) if error.filename else "."
        return Scan(problem=unreadable(where, error, "its last good content stays in use"))
    changed = sorted(name for name, signature in present.items() if known.get(name) != signature)
    ready = [name for name in changed if not young(present[name], _patience(present[name], known.get(name), settled))]
    models = tuple(models)
    files = {name: read_file(root, name, present[name], models) for name in ready}
    if settled:
        files = {name: file for name, file in files.items() if _is_still(root, name, file.signature)}
    return Scan(
        read=files,
        removed=tuple(sorted(known.keys() - present.keys())),
        pending=len(files) < len(changed),
    )


def _patience(signature: Signature, before: Signature | None, settled: float) -> float:
    """Return for how many seconds a file must not have changed, if that is *settled* for others."""
    emptied = not signature[1] and before is not None and before[1]
    return max(settled, EMPTIED) if emptied and settled else settled


def _is_still(root: Path, name: str, signature: Signature) -> bool:
    """Whether the file that was read still has *signature*; else it may have been read between two writes."""
    path = _path(root, name)
    try:
        return _signature(path.stat(follow_symlinks=path == root or path.is_file())) == signature
    except OSError:
        return False


def signatures(root: Path) -> Iterator[tuple[str, Signature]]:
    """Yield the relative path and signature of each manifest; hidden files and folders are ignored.

    Raises:
        OSError: the folder, or one in it, cannot be read.
    """
    if not root.is_dir():
        yield root.name, _signature(root.stat())
        return
    folders = [""]
    while folders:
        folder = folders.pop()
        for entry in _entries(root / folder, required=not folder):
            if entry.name.startswith("."):
                continue
            name = f"{folder}{entry.name}"
            if entry.is_dir(follow_symlinks=False):
                folders.append(f"{name}/")
            elif entry.name.endswith(SUFFIXES) and (found := _stat(entry)):
                yield name, found


def _entries(folder: Path, *, required: bool) -> list[os.DirEntry[str]]:
    """List one folder; one below the root may have been removed in the meantime, but any other error is raised."""
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except FileNotFoundError:
        if required:
            raise
        return []


def _stat(entry: os.DirEntry[str]) -> Signature | None:
    """Return the signature of a file, links followed; ``None`` if it was removed or is a link to a folder.

    What cannot be read (a link to nothing, a pipe) has one too, and is reported when it is read.
    """
    try:
        return None if entry.is_dir() else _signature(entry.stat(follow_symlinks=entry.is_file()))
    except OSError:
        return None


def _signature(stat: os.stat_result) -> Signature:
    return stat.st_mtime_ns, stat.st_size, stat.st_ino


def young(signature: Signature, settled: float) -> bool:
    """Whether the file was just written; a time in the future (the clock of another machine) is ignored."""
    return 0 <= time.time() - signature[0] / 1e9 < settled


def read_file(root: Path, name: str, signature: Signature, models: Iterable[type[TopLevel]]) -> ReadFile:
    """Read and decode one file; one that cannot be used becomes a Problem, not an exception."""
    path = _path(root, name)
    data = content_of(path, name, named=path == root)
    found = documents_of(path, name, data) if isinstance(data, bytes) else data
    return ReadFile(signature, read_objects(name, found, models) if isinstance(found, list) else found)


def _path(root: Path, name: str) -> Path:
    return root / name if root.is_dir() else root


def content_of(path: Path, name: str, *, named: bool) -> bytes | Problem:
    """Return the content of the file at *path*, which messages call *name*, or why it cannot be read.

    Of what is not a regular file only one that the user *named* is read.
    """
    try:
        if not named and path.exists() and not path.is_file():  # a pipe would block
            return Problem(file_ref(name), "", "", "is not a regular file", "", Severity.ERROR)
        return path.read_bytes()
    except OSError as error:
        link = f"is a link to {path.readlink()} and " if path.is_symlink() else ""
        return unreadable(name, error, "", link)


def documents_of(path: Path, name: str, data: bytes) -> list[Document] | FileContent | Problem:
    """Return the documents of the file at *path*, which messages call *name*.

    Of a file of another tool there is the content without objects, of one that cannot be used the Problem.
    """
    origin = file_ref(name)
    if problem := kustomization(path, origin):
        return FileContent(problems=(problem,))
    try:
        documents = read(data, json=name.endswith(".json"))
    except ManifestError as error:
        return template(path, origin, data, error) or broken(name, error)
    if problem := template(path, origin, data):
        return problem
    if problem := chart(path, origin, documents):
        return FileContent(problems=(problem,))
    return documents


def broken(name: str, error: ManifestError) -> Problem:
    """Return the Problem of a file that is not YAML or JSON."""
    return Problem(file_ref(name), error.where, "", error.reason, "", Severity.ERROR)


def unreadable(name: str, error: OSError, effect: str, what: str = "") -> Problem:
    """Return the Problem of a file or folder that cannot be read."""
    reason = f"{what}cannot be read: {error.strerror or error}"
    return Problem(file_ref(name), "", "", reason, effect, Severity.ERROR)
