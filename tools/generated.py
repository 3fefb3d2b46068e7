"""Files that are written from code: write them, or compare them with ``--check``."""

from __future__ import annotations

import argparse
import difflib
import sys
from collections.abc import Callable, Mapping
from pathlib import Path


def write_or_compare(what: str, folder: Path, files: Mapping[str, Callable[[], str]]) -> int:
    """Do what the command line asks for; *what* describes the tool, *files* names each file below *folder*.

    Returns:
        1 if ``--check`` was asked for and a file is out of date, else 0.
    """
    parser = argparse.ArgumentParser(description=what)
    parser.add_argument("--check", action="store_true", help="compare only, and print what differs")
    parser.add_argument("--into", type=Path, default=folder, help="where the files are (%(default)s)")
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
    """Return how *path* differs from what is *wanted*, ``""`` if it does not; a missing file is an empty one."""
    there = path.read_text() if path.exists() else ""
    lines = difflib.unified_diff(there.splitlines(True), wanted.splitlines(True), str(path), "generated")
    return "".join(lines)
