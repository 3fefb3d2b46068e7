"""The archive: a part is one file, and the list of parts is one too."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Sequence
from typing import Final

import msgspec

ROOT: Final = "headgate-report"
"""The folder in the archive."""
CONTENTS: Final = "CONTENTS.txt"


class Part(msgspec.Struct, frozen=True):
    """One file of the bundle.

    Attributes:
        name: path in the bundle.
        what: what it is, in a few words.
        text: the content; empty if it failed.
        failure: why the part is not there.
    """

    name: str
    what: str
    text: str = ""
    failure: str = ""

    @property
    def data(self) -> bytes:
        """The content as it is written."""
        return self.text.encode(errors="backslashreplace")


def listing(parts: Sequence[Part]) -> str:
    """Return a line for each part: size, name and what it is, or why it is not there."""
    width = max((len(part.name) for part in parts), default=0)
    return "".join(f"  {_size(part):>9}  {part.name:{width}}  {_about(part)}\n" for part in parts)


def _size(part: Part) -> str:
    return "-" if part.failure else f"{len(part.data):,} B"


def _about(part: Part) -> str:
    return f"left out: {part.failure}" if part.failure else part.what


def archive(parts: Sequence[Part], mtime: float) -> bytes:
    """Return the parts, and the list of them, as a gzipped tar archive.

    Args:
        parts: the files.
        mtime: the time of each file, in seconds since 1970.
    """
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as tar:
        for part in (Part(CONTENTS, "", listing(parts)), *parts):
            if part.failure:
                continue
            info = tarfile.TarInfo(f"{ROOT}/{part.name}")
            info.size, info.mtime, info.mode = len(part.data), int(mtime), 0o600
            tar.addfile(info, io.BytesIO(part.data))
    return out.getvalue()
