"""Generated files: write them, or compare them with ``--check``."""

from __future__ import annotations

import argparse
import difflib
import sys
from collections.abc import Callable, Mapping
from pathlib import Path


def write_or_compare(what: str, folder: Path, files: Mapping[str, Callable[[], str]]) -> int:
    """Run as the command line says; *what* describes the tool, *files* has each file relative to *folder*.

    Returns:
        1 if ``--check`` was given and a file is out of date, else 0.
    """
    parser = argparse.ArgumentParser(description=what)
    parser.add_argument("--check", action="store_true", help="compare only, and print what differs")
    parser.add_argument("--into", type=Path, default=folder, help="folder of the files (%(default)s)")
    options = parser.parse_args()
    texts = {options.into / name: write() for name, write in files.items()}
    if options.check:
        return _compare(texts)
    for path, text in texts.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return 0


def _compare(texts: Mapping[Path, str]) -> int:
    differences = {path: diff(path, text) for path, text in texts.items()}
    sys.stdout.writelines(differences.values())
    stale = [path.name for path, text in differences.items() if text]
    if stale:
        print(f"out of date: {', '.join(stale)}; run `make generate`", file=sys.stderr)
    return 1 if stale else 0


def diff(path: Path, wanted: str) -> str:
    """Return the difference between *path* and *wanted*, ``""`` if there is none; a missing file counts as empty."""
    present = path.read_text() if path.exists() else ""
    lines = difflib.unified_diff(present.splitlines(True), wanted.splitlines(True), str(path), "generated")
    return "".join(lines)
