"""Assemble the fragments of ``changes/`` into a section of CHANGELOG.md.

``changelog.py`` prints the section of the next release; ``changelog.py 1.2.0`` writes it below the heading of
CHANGELOG.md and removes the fragments. ``changes/README.md`` explains how to write one.
"""

from __future__ import annotations

import argparse
import datetime as dt
import re
import sys
import textwrap
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CHANGES, CHANGELOG = ROOT / "changes", ROOT / "CHANGELOG.md"
CATEGORIES = {
    "security": "Security",
    "removed": "Removed",
    "changed": "Changed",
    "added": "Added",
    "fixed": "Fixed",
}
"""Category in a fragment's name → heading, in the order of the section."""
MARK = "<!-- releases -->\n"
NAME = re.compile(r"(?P<number>\d{4})-[a-z0-9-]+\.(?P<category>[a-z]+)\.md")


def fragments() -> dict[str, list[Path]]:
    """Sort the fragments by category; raises ValueError with the name of a file that is none."""
    found: dict[str, list[Path]] = {category: [] for category in CATEGORIES}
    for path in sorted(CHANGES.glob("*.md")):
        if path.name == "README.md":
            continue
        match = NAME.fullmatch(path.name)
        if match is None or match["category"] not in CATEGORIES:
            raise ValueError(f"{path.name}: name it NNNN-words.CATEGORY.md with one of {', '.join(CATEGORIES)}")
        found[match["category"]].append(path)
    return found


def entry(path: Path) -> str:
    """Return one fragment as an item of a list."""
    return "- " + textwrap.indent(path.read_text().strip(), "  ").lstrip()


def section(heading: str, found: dict[str, list[Path]]) -> str:
    """Return the section: a list per category, one entry per fragment, its lines indented under it."""
    parts = [f"## {heading}", ""]
    for category, paths in found.items():
        if paths:
            parts += [f"### {CATEGORIES[category]}", "", *map(entry, paths), ""]
    return "\n".join(parts)


def release(version: str, found: dict[str, list[Path]]) -> None:
    """Write the section of *version* into CHANGELOG.md and remove the fragments; raises ValueError if it cannot."""
    if not any(found.values()):
        raise ValueError("changes/ contains no fragment; there is nothing to release")
    today = dt.datetime.now(dt.UTC).date()
    text = CHANGELOG.read_text()
    if MARK not in text:
        raise ValueError(f"CHANGELOG.md has no line {MARK.strip()}")
    CHANGELOG.write_text(text.replace(MARK, f"{MARK}\n{section(f'{version} ({today})', found)}", 1))
    for path in (path for paths in found.values() for path in paths):
        path.unlink()


def main() -> int:
    """Read the command line and run; return the exit code."""
    parser = argparse.ArgumentParser(prog="changelog.py", description="Assemble the fragments of changes/.")
    parser.add_argument("version", nargs="?", help="the release to write into CHANGELOG.md; without it, print only")
    arguments = parser.parse_args()
    try:
        found = fragments()
        if arguments.version:
            release(arguments.version, found)
        else:
            print(section("Unreleased", found))
    except ValueError as error:
        print(f"changelog: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
