"""Validation of regular expressions by nginx, without a port, a name or another file."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from headgate.ir import Layout
from headgate.nginx.bare import bare
from headgate.nginx.blame import blame
from headgate.nginx.directories import prepare
from headgate.nginx.process import test
from headgate.settings import Quoted

PATIENCE_S: Final = 60.0
_PLACE: Final = re.compile(r" in /\S+:[0-9]+$")


async def refused(binary: str, patterns: Sequence[str]) -> Mapping[str, str]:
    """Return those of *patterns* that the nginx at *binary* does not take, each with its words.

    It is run once, and again for each error, since it stops at the first. Files are made below a
    temporary directory and are gone afterwards, also if this is cancelled.

    Raises:
        NginxError: nginx cannot be run, or did not end in time.
    """
    found: dict[str, str] = {}
    with tempfile.TemporaryDirectory(prefix="headgate") as folder:
        layout = Layout.under(folder)
        prepare(layout)
        while left := [pattern for pattern in dict.fromkeys(patterns) if pattern not in found]:
            _write(layout, left)
            tested = await test(binary, layout, PATIENCE_S)
            reason = blame(tested.failure, layout.conf)
            if not 0 < reason.line <= len(left):
                break
            found[left[reason.line - 1]] = _PLACE.sub("", reason.message)
    return found


def _write(layout: Layout, patterns: Sequence[str]) -> None:
    """Write a configuration in which line N is a location of the Nth pattern; it listens on an unused socket."""
    locations = [f"location ~ {Quoted(pattern).spelled} {{ return 204; }}" for pattern in patterns]
    server = f"server {{ listen unix:{layout.run}/nobody; " + "\n".join(locations)
    Path(layout.main).write_text(bare(layout, f"{server}\n}}"))
