"""docs/diff.md shows what ``headgate diff`` prints; ``make update`` rewrites it: read the diff."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest

from headgate.cli import run

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "diff.md"
SHOWN = re.compile(r"```\n\$ headgate (diff .*)\n(?P<text>[^`]*)```\n")


def test_the_page_shows_what_is_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pytestconfig: pytest.Config, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(Path(__file__).parent / "cafe", tmp_path / "cafe")
    for side, name in ((side, name) for side in ("before", "after") for name in ("secret.yaml", "services.yaml")):
        shutil.copy(ROOT / "examples" / "cafe" / name, tmp_path / "cafe" / side)
    monkeypatch.chdir(tmp_path / "cafe")

    def printed(shown: re.Match[str]) -> str:
        assert run(shlex.split(shown[1]), {}) == 1
        return f"```\n$ headgate {shown[1]}\n{capsys.readouterr().out}```\n"

    page = PAGE.read_text()
    assert SHOWN.search(page)
    found = SHOWN.sub(printed, page)
    if pytestconfig.getoption("--update"):
        PAGE.write_text(found)
    assert found == PAGE.read_text(), "docs/diff.md differs; run `make update` and read the diff"
