"""Fragments become a section of the changelog, once, and a misnamed one is refused."""

from pathlib import Path

import changelog
import pytest


@pytest.fixture
def changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "changes"
    folder.mkdir()
    (folder / "README.md").write_text("how")
    (tmp_path / "CHANGELOG.md").write_text(f"# Changelog\n\n{changelog.MARK}\n## 0.1.0\n")
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
