"""Fragments become a section of the changelog, once, and a misnamed one is refused."""

import datetime as dt
from pathlib import Path

import changelog
import pytest


@pytest.fixture
def changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "changes"
    folder.mkdir()
    (folder / "README.md").write_text("how")
    (tmp_path / "CHANGELOG.md").write_text(f"# Changelog\n\n{changelog.MARK}\n## 0.1.0 (2026-01-02)\n\nFirst.\n")
    monkeypatch.setattr(changelog, "CHANGES", folder)
    monkeypatch.setattr(changelog, "CHANGELOG", tmp_path / "CHANGELOG.md")
    return folder


def test_a_release_moves_the_fragments_above_the_last_one(changes: Path) -> None:
    (changes / "0002-b.fixed.md").write_text("Two\nlines.\n")
    (changes / "0001-a.added.md").write_text("One.\n")
    changelog.release("0.2.0", changelog.fragments())
    text = changelog.CHANGELOG.read_text()
    assert "### Added\n\n- One.\n\n### Fixed\n\n- Two\n  lines.\n" in text
    assert text.index("## 0.2.0 (") < text.index("## 0.1.0")
    assert [path.name for path in changes.iterdir()] == ["README.md"]


@pytest.mark.parametrize("name", ["1-a.added.md", "0001-a.improved.md", "0001-a.md"])
def test_a_fragment_with_another_name_is_refused(changes: Path, name: str) -> None:
    (changes / name).write_text("x")
    with pytest.raises(ValueError, match=f"{name}: name it NNNN-words.CATEGORY.md"):
        changelog.fragments()


def test_without_fragments_there_is_no_release(changes: Path) -> None:
    with pytest.raises(ValueError, match="nothing to release"):
        changelog.release("0.2.0", changelog.fragments())
    assert changes.exists()


def test_the_introduction_of_a_release_stands_first_and_omits_what_its_readers_do_not_need(changes: Path) -> None:
    for name in ("0001-a.added", "0002-b.added", "0003-c.fixed"):
        (changes / f"{name}.md").write_text(f"{name}.\n")
    (changes / "0.2.0.md").write_text("<!-- omit: fixed,\n     0002-b -->\nWhat it is about.\n")
    changelog.release("0.2.0", changelog.fragments())
    newest, first = changelog.sections(changelog.CHANGELOG.read_text())
    assert (newest.version, newest.text) == ("0.2.0", "What it is about.\n\n### Added\n\n- 0001-a.added.")
    assert first == changelog.Section("0.1.0", dt.date(2026, 1, 2), "First.")
    assert [path.name for path in changes.iterdir()] == ["README.md"]


def test_an_introduction_that_omits_something_unknown_is_refused(changes: Path) -> None:
    (changes / "0001-a.added.md").write_text("One.\n")
    (changes / "0.2.0.md").write_text("<!-- omit: 0001-b -->\n")
    with pytest.raises(ValueError, match="omits 0001-b, which is neither a category nor a fragment"):
        changelog.release("0.2.0", changelog.fragments())
    assert (changes / "0001-a.added.md").exists()


@pytest.mark.parametrize(
    ("version", "reason"), [("0.1.0", "has a section 0.1.0"), ("v0.2", "is not MAJOR.MINOR.PATCH")]
)
def test_a_version_that_cannot_be_released_is_refused(changes: Path, version: str, reason: str) -> None:
    (changes / "0001-a.added.md").write_text("One.\n")
    with pytest.raises(ValueError, match=reason):
        changelog.release(version, changelog.fragments())
