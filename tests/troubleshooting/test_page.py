"""What docs/troubleshooting.md shows is what the commands print; ``make update`` rewrites it."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from headgate.cli import run

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "troubleshooting.md"
SHOWN = re.compile(r"```\n\$ headgate (?P<command>(?:check|explain) .*-m shop.*|check shop)\n(?P<text>[^`]*)```\n")
LEFT_OUT = "…\n"


@pytest.fixture(autouse=True)
def _beside_the_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(__file__).parent)


def shown(block: re.Match[str], capsys: pytest.CaptureFixture[str]) -> str:
    """Return the block as it should be; of one that ends with an ellipsis only its number of lines."""
    run(shlex.split(block["command"]), {})
    text = capsys.readouterr().out
    if block["text"].endswith(LEFT_OUT):
        count = block["text"].count("\n") - 1
        text = "".join(text.splitlines(True)[:count]) + LEFT_OUT
    return f"```\n$ headgate {block['command']}\n{text}```\n"


def test_the_page_shows_what_is_printed(pytestconfig: pytest.Config, capsys: pytest.CaptureFixture[str]) -> None:
    page = PAGE.read_text()
    assert len(SHOWN.findall(page)) >= 5
    found = SHOWN.sub(lambda block: shown(block, capsys), page)
    if pytestconfig.getoption("--update"):
        PAGE.write_text(found)
    assert PAGE.read_text() == found, "docs/troubleshooting.md differs; run `make update` and read the diff"
