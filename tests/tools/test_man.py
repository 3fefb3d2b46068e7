"""The manual pages: each command has one, they are well-formed, and a wheel brings them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import zipfile
from importlib.util import find_spec
from pathlib import Path

import pytest

from headgate.cli import COMMANDS
from headgate.options import DECLARED
from man import MAN, escaped, pages, prose

ROOT = Path(__file__).parents[2]
PLAIN = {**os.environ, "LC_ALL": "C.UTF-8", "MANWIDTH": "120", "MAN_KEEP_FORMATTING": "", "MANROFFOPT": "-c"}


def test_every_command_has_a_page() -> None:
    named = {name.removesuffix(".1").removeprefix("headgate-") for name in pages() if "-" in name}
    commands = COMMANDS.keys() - {"routes", "version", "help", "uds", "migrate"} | {"migrate-audit", "migrate-convert"}
    assert {name for name in named if not name.startswith("uds-")} == commands
    assert any(name.startswith("uds-") for name in named)


def test_the_pages_are_those_that_are_generated() -> None:
    assert {path.name for path in MAN.glob("*.1")} == pages().keys()


@pytest.mark.skipif(not shutil.which("man"), reason="man is not installed (sudo apt-get install man-db)")
def test_man_prints_every_flag() -> None:
    done = subprocess.run(
        ["man", "--warnings", "-P", "cat", "-l", str(MAN / "headgate-run.1")],
        env=PLAIN, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stderr == ""
    shown = set(re.findall(r"^ +(?:-\w, )?(--?[\w-]+)(?: |$)", done.stdout, re.MULTILINE))
    assert shown >= {declared.spelling for declared in DECLARED.values()}
    assert "headgate run --manifests examples/cafe" in done.stdout


@pytest.mark.skipif(not shutil.which("groff"), reason="groff is not installed (sudo apt-get install groff)")
def test_groff_has_no_warnings() -> None:
    files = sorted(map(str, MAN.glob("*.1")))
    done = subprocess.run(["groff", "-ww", "-man", "-Tutf8", *files], capture_output=True, text=True, check=True)
    assert done.stderr == ""


@pytest.mark.skipif(not shutil.which("mandoc"), reason="mandoc is not installed (sudo apt-get install mandoc)")
def test_mandoc_has_no_warnings() -> None:
    files = sorted(map(str, MAN.glob("*.1")))
    done = subprocess.run(
        ["mandoc", "-T", "lint", "-W", "warning", *files], capture_output=True, text=True, check=False
    )
    # A date would change each page with each release.
    assert [line for line in done.stdout.splitlines() if "missing date" not in line] == []


@pytest.mark.skipif(not shutil.which("groff"), reason="groff is not installed (sudo apt-get install groff)")
@pytest.mark.parametrize("text", [".TH is text", "'br", r"a\n -b `c` ~d ^e", "--flag=a.b"])
def test_text_is_printed_as_it_is(text: str) -> None:
    source = f'.TH X 1 "" ""\n.SH A\n{escaped(text)}\n'
    done = subprocess.run(
        ["groff", "-ww", "-man", "-Tascii", "-P-c"], input=source, capture_output=True, text=True, check=True
    )
    assert (done.stderr, text in done.stdout) == ("", True)


def test_what_is_between_backquotes_is_bold() -> None:
    assert prose("Run `headgate -x`. Then end.") == "Run \\fBheadgate \\-x\\fR.\nThen end."


@pytest.mark.skipif(find_spec("setuptools") is None, reason="setuptools is not installed")
def test_a_wheel_brings_the_pages(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for name in ("headgate", "man"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    program = "import sys; from setuptools.build_meta import build_wheel; build_wheel(sys.argv[1])"
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], cwd=source, capture_output=True, check=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert {Path(name).name for name in names if "/data/share/man/man1/" in name} == pages().keys()
    assert any(name.endswith("headgate/completion/bash.py") for name in names)
