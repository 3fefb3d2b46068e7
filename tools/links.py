"""Check the links between the Markdown files of the repository: each file exists, and each heading is in it.

``links.py [FILE...]`` reads the given files, by default all that git tracks. Addresses with a scheme are not requested.
Anchors are those of GitHub; the site of the documentation uses the same function for its own (``tools/website.py``).
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
FENCE = re.compile(r"^ *(```|~~~)")
CODE = re.compile(r"(`+)(?!`).*?(?<!`)\1(?!`)")
LINK = re.compile(r"(?P<start>!?\[(?P<text>(?:[^\[\]]|\[[^\[\]]*\])*)\]\()(?P<target>[^()\s]+)\)")
SCHEME = re.compile(r"[a-z][a-z0-9+.-]*:", re.IGNORECASE)
HEADING = re.compile(r"^#{1,6} +(.*?) *#*$")


class Link(NamedTuple):
    """One link: its line (from 1), and its target as it is written."""

    line: int
    target: str


def slug(heading: str, separator: str = "-") -> str:
    """Return the anchor of *heading*, plain text or Markdown without links, as GitHub makes it."""
    words = re.sub(r"[^\w\- ]", "", heading.strip().lower())
    return words.replace(" ", separator)


def prose(text: str) -> list[str]:
    """Return the lines of *text*, with empty ones in place of fenced code."""
    lines, fenced = [], False
    for line in text.split("\n"):
        mark = bool(FENCE.match(line))
        lines.append("" if fenced or mark else line)
        fenced ^= mark
    return lines


def _filler(code: re.Match[str]) -> str:
    return "x" * len(code[0])


def masked(text: str) -> str:
    """Return *text* with other characters in place of code, so that what looks like a link there is none."""
    pairs = zip(text.split("\n"), prose(text), strict=True)
    lines = (CODE.sub(_filler, line) if line == real else "x" * len(line) for line, real in pairs)
    return "\n".join(lines)


def links(text: str) -> Iterator[Link]:
    """Yield the links of a Markdown text without those in code."""
    plain = masked(text)
    for match in LINK.finditer(plain):
        yield Link(plain.count("\n", 0, match.start()) + 1, match["target"])


def replaced(text: str, put: Callable[[str, str, str], str]) -> str:
    """Return *text* with ``put(start, words, target)`` in place of each link ``[words](target)`` outside of code.

    *start* is what comes before the target.
    """
    pieces, end = [], 0
    for match in LINK.finditer(masked(text)):
        start, words = text[slice(*match.span("start"))], text[slice(*match.span("text"))]
        pieces += [text[end : match.start()], put(start, words, match["target"])]
        end = match.end()
    return "".join([*pieces, text[end:]])


def anchors(text: str) -> set[str]:
    """Return the anchors of the headings, none for headings with equal texts: a new one would move it."""
    found = [HEADING.match(line) for line in prose(text)]
    counted = Counter(slug(LINK.sub(r"\g<text>", match[1])) for match in found if match)
    return {anchor for anchor, times in counted.items() if times == 1}


@cache
def _anchors(path: Path) -> set[str]:
    return anchors(path.read_text())


def wrong(path: Path, link: Link) -> str | None:
    """Return what is wrong with a *link* in the file *path*, None if nothing is."""
    if SCHEME.match(link.target):
        return None
    name, _, anchor = link.target.partition("#")
    goal = (base(path) / name).resolve() if name else path
    if not goal.is_relative_to(ROOT):
        return "is outside of the repository"
    if not goal.exists():
        return "does not exist"
    if anchor and (goal.suffix != ".md" or anchor not in _anchors(goal)):
        return f"has no heading (or several) for #{anchor}"
    return None


def base(path: Path) -> Path:
    """Return the folder from which the links of *path* lead; a change fragment becomes a part of CHANGELOG.md."""
    return ROOT if path.parent == ROOT / "changes" and path.name != "README.md" else path.parent


def tracked() -> list[Path]:
    """Return the Markdown files of the repository."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "*.md"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).exists()]


def main() -> int:
    """Print the wrong links; return 1 if there are any."""
    parser = argparse.ArgumentParser(prog="links.py", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("files", nargs="*", type=Path, help="Markdown files; all of the repository if none is given")
    files = [path.resolve() for path in parser.parse_args().files] or tracked()
    every = [(path, link) for path in files for link in links(path.read_text())]
    found = [(path, link, reason) for path, link in every if (reason := wrong(path, link))]
    for path, link, reason in found:
        print(f"{path.relative_to(ROOT)}:{link.line}: {link.target} {reason}", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
