"""The links between the Markdown files hold, and those that do not are found."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import links
import pytest


def test_the_links_of_the_repository_hold() -> None:
    done = subprocess.run([sys.executable, links.__file__], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("heading", "anchor"),
    [
        ("What `serve` does, and who the clients are", "what-serve-does-and-who-the-clients-are"),
        ("1. The image", "1-the-image"),
        ("Known and not there", "known-and-not-there"),
        ("502 / 504: no answer", "502--504-no-answer"),
        ("keepalive_min_timeout", "keepalive_min_timeout"),
    ],
)
def test_anchors_are_those_of_github(heading: str, anchor: str) -> None:
    assert links.anchors(f"# {heading}\n") == {anchor}


def test_links_in_code_are_no_links() -> None:
    text = "`[a](b)` and ``[a](`b`)``\n\n```\n[a](b)\n```\n\n[two\nlines](c.md#d) ![an image](e.png) [`code`](f)\n"
    assert list(links.links(text)) == [(7, "c.md#d"), (8, "e.png"), (8, "f")]


def test_the_links_of_a_fragment_are_those_of_the_changelog(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(links, "ROOT", tmp_path)
    (tmp_path / "a.md").write_text("")
    assert links.wrong(tmp_path / "changes" / "0001-a.added.md", links.Link(1, "a.md")) is None
    assert links.wrong(tmp_path / "changes" / "README.md", links.Link(1, "a.md")) == "does not exist"


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("b.md", None),
        ("b.md#here", None),
        ("#there", None),
        ("folder/", None),
        ("https://example.com/nothing", None),
        ("c.md", "does not exist"),
        ("b.md#there", "has no heading (or several) for #there"),
        ("b.md#twice", "has no heading (or several) for #twice"),
        ("text.txt#there", "has no heading (or several) for #there"),
        ("../../b.md", "is outside of the repository"),
    ],
)
def test_a_link_leads_to_a_file_and_a_heading(
    target: str, reason: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(links, "ROOT", tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "a.md").write_text("# There\n")
    (tmp_path / "b.md").write_text("# Here\n\n```\n# There\n```\n\n# Twice\n\n# Twice\n")
    (tmp_path / "text.txt").write_text("# There\n")
    assert links.wrong(tmp_path / "a.md", links.Link(1, target)) == reason
