"""Assemble the fragments of ``changes/`` into a section of CHANGELOG.md.

``changelog.py`` prints the section of the next release; ``changelog.py 1.2.0`` writes it below the heading of
CHANGELOG.md and removes the fragments. ``changes/README.md`` explains how to write one, and the introduction of a
release (``changes/1.2.0.md``).
"""

from __future__ import annotations

import argparse
import datetime as dt
import re
import sys
import textwrap
from pathlib import Path
from typing import NamedTuple

from headgate import __version__

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
NAME = re.compile(r"(?P<stem>(?P<number>\d{4})-[a-z0-9-]+)\.(?P<category>[a-z]+)\.md")
RELEASE = re.compile(r"\d+\.\d+\.\d+")
INTRODUCTION = re.compile(rf"{RELEASE.pattern}\.md")
OMIT = re.compile(r"<!-- omit:(?P<what>[^>]*?)-->\s*")
SECTION = re.compile(rf"^## (?P<version>{RELEASE.pattern}) \((?P<date>\d{{4}}-\d\d-\d\d)\)\n", re.MULTILINE)


class Section(NamedTuple):
    """The section of a release in CHANGELOG.md; *text* is what follows its heading."""

    version: str
    date: dt.date
    text: str


def sections(text: str) -> list[Section]:
    """Return the sections of a changelog, in their order."""
    pieces = SECTION.split(text)[1:]
    rows = zip(pieces[::3], pieces[1::3], pieces[2::3], strict=True)
    return [Section(version, dt.date.fromisoformat(date), body.strip()) for version, date, body in rows]


def fragments() -> dict[str, list[Path]]:
    """Sort the fragments by category; raises ValueError with the name of a file that is none."""
    found: dict[str, list[Path]] = {category: [] for category in CATEGORIES}
    for path in sorted(CHANGES.glob("*.md")):
        if path.name == "README.md" or INTRODUCTION.fullmatch(path.name):
            continue
        match = NAME.fullmatch(path.name)
        if match is None or match["category"] not in CATEGORIES:
            raise ValueError(f"{path.name}: name it NNNN-words.CATEGORY.md with one of {', '.join(CATEGORIES)}")
        found[match["category"]].append(path)
    return found


def entry(path: Path) -> str:
    """Return one fragment as an item of a list."""
    return "- " + textwrap.indent(path.read_text().strip(), "  ").lstrip()


def section(heading: str, found: dict[str, list[Path]], introduction: str = "") -> str:
    """Return the section: its introduction, then a list per category, one entry per fragment."""
    parts = [f"## {heading}", "", *([introduction, ""] if introduction else [])]
    for category, paths in found.items():
        if paths:
            parts += [f"### {CATEGORIES[category]}", "", *map(entry, paths), ""]
    return "\n".join(parts)


def introduced(version: str, found: dict[str, list[Path]]) -> tuple[str, dict[str, list[Path]]]:
    """Return the introduction of *version*, ``""`` if there is none, and the fragments that it does not omit.

    Raises:
        ValueError: it omits something that is neither a category nor a fragment.
    """
    path = CHANGES / f"{version}.md"
    if not path.exists():
        return "", found
    text = path.read_text()
    words = {word for match in OMIT.finditer(text) for word in re.split(r"[,\s]+", match["what"]) if word}
    stems = {path: path.name.split(".")[0] for paths in found.values() for path in paths}
    if unknown := sorted(words - set(CATEGORIES) - set(stems.values())):
        raise ValueError(f"{path.name}: omits {', '.join(unknown)}, which is neither a category nor a fragment")
    kept = {
        category: [path for path in paths if category not in words and stems[path] not in words]
        for category, paths in found.items()
    }
    return OMIT.sub("", text).strip(), kept


def release(version: str, found: dict[str, list[Path]]) -> None:
    """Write the section of *version* into CHANGELOG.md and remove the fragments; raises ValueError if it cannot."""
    if not RELEASE.fullmatch(version):
        raise ValueError(f"{version} is not MAJOR.MINOR.PATCH")
    if not any(found.values()):
        raise ValueError("changes/ contains no fragment; there is nothing to release")
    today = dt.datetime.now(dt.UTC).date()
    text = CHANGELOG.read_text()
    if MARK not in text:
        raise ValueError(f"CHANGELOG.md has no line {MARK.strip()}")
    if any(section.version == version for section in sections(text)):
        raise ValueError(f"CHANGELOG.md has a section {version}; raise the version")
    introduction, kept = introduced(version, found)
    CHANGELOG.write_text(text.replace(MARK, f"{MARK}\n{section(f'{version} ({today})', kept, introduction)}", 1))
    for path in (path for paths in found.values() for path in paths):
        path.unlink()
    (CHANGES / f"{version}.md").unlink(missing_ok=True)


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
            introduction, kept = introduced(__version__, found)
            print(section("Unreleased", kept, introduction))
    except ValueError as error:
        print(f"changelog: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
