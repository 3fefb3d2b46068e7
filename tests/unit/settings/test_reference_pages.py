"""The reference pages name every setting, and the committed ones are up to date."""

import subprocess
import sys
from pathlib import Path

import pytest

from headgate.settings import REGISTRY
from headgate.settings.declined import absences
from headgate.settings.docs import annotations_markdown, configmap_markdown
from tests.waiting import DEADLINE_S

ROOT = Path(__file__).parents[3]
PAGES = {
    "annotation": (annotations_markdown(), REGISTRY.annotations),
    "configmap": (configmap_markdown(), REGISTRY.keys),
}


def cells(page: str, key: str) -> list[str]:
    (row,) = [line for line in page.splitlines() if line.startswith(f"| `{key}` |")]
    return [cell.strip() for cell in row.replace("\\|", "").strip("|").split("|")]


@pytest.mark.parametrize("place", PAGES)
def test_every_setting_has_a_full_row(place: str) -> None:
    page, settings = PAGES[place]
    assert all(len(cells(page, key)) == 7 for key in settings)
    assert all(len(cells(page, key)) == 3 for key, _ in absences(place))


def test_a_row_describes_its_setting() -> None:
    annotations, keys = PAGES["annotation"][0], PAGES["configmap"][0]
    row = cells(annotations, "nginx.org/limit-req-burst")
    assert row[2:] == [
        "number (requests)",
        "`0`",
        "master and minion, inherited",
        "`limit_req` in server, location",
        "`20`",
    ]
    assert "Needs `nginx.org/hsts`." in cells(annotations, "nginx.org/hsts-max-age")[1]
    assert cells(annotations, "nginx.org/server-snippets")[1].endswith("Needs `-enable-snippets`.")
    assert "`nginx.org/limit-req-no-delay` wins over it." in cells(annotations, "nginx.org/limit-req-delay")[1]
    assert cells(keys, "server-snippets")[1] == "Lines of every server."
    assert cells(keys, "proxy-read-timeout")[2:5] == ["time (seconds)", "`60s`", "yes"]


def docs(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "tools" / "docs.py"), *arguments]
    environment = {"PYTHONPATH": str(ROOT)}
    return subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE_S, check=False, env=environment)


def test_the_tool_reports_outdated_pages(tmp_path: Path) -> None:
    assert docs("--into", str(tmp_path)).returncode == 0
    assert docs("--into", str(tmp_path), "--check").returncode == 0
    (tmp_path / "reference" / "annotations.md").write_text("old\n")
    check = docs("--into", str(tmp_path), "--check")
    assert check.returncode == 1
    assert "-old" in check.stdout
    assert "annotations.md; run `make generate`" in check.stderr
