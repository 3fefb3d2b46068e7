"""What the repository uses is declared where it is installed, and pages name the versions that the program requires."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from headgate.nginx.capabilities import OLDEST

ROOT = Path(__file__).resolve().parents[2]
NEEDED = re.compile(r"reason=.*\(sudo apt-get install ([\w -]+)\)")


PART_OF = {
    "google": "types-protobuf",
    "mkdocs": "mkdocs-material",
    "multidict": "aiohttp",
    "packageurl": "cyclonedx-python-lib",
    "packaging": "pytest",
    "yarl": "aiohttp",
}
"""Package → what is declared and always brings it."""


def imported(folder: str) -> Iterator[str]:
    """Yield the first part of the name of each module that the files of *folder* import."""
    for path in (ROOT / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                yield from (alias.name.partition(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module:
                yield node.module.partition(".")[0]


@cache
def distributions() -> dict[str, set[str]]:
    """Return what brings each package that is installed."""
    return {name: {one.lower().replace("_", "-") for one in found} for name, found in packages_distributions().items()}


def declared() -> set[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    return {re.split(r"[^\w.-]", line)[0].lower() for line in lines} | {"headgate"}


@pytest.mark.parametrize("folder", ["headgate", "tools", "tests", "benchmarks"])
def test_every_package_that_is_imported_is_declared(folder: str) -> None:
    known = distributions() | {name: {one} for name, one in PART_OF.items()}
    there = declared()
    missing = {name for name in imported(folder) if name in known and not known[name] & there}
    assert missing == set()


def test_ci_installs_the_programs_without_which_tests_are_skipped() -> None:
    script = (ROOT / ".ci" / "run").read_text()
    (installed,) = re.findall(r"apt_install (zsh [\w -]+);", script)
    texts = [path.read_text() for path in (ROOT / "tests" / "tools").glob("*.py")]
    needed = {word for text in texts for words in NEEDED.findall(text) for word in words.split()}
    assert {"man-db", "groff", "mandoc"} <= needed <= set(installed.split())


@pytest.mark.parametrize("page", ["upgrade.md", "platforms.md"])
def test_pages_name_the_oldest_nginx(page: str) -> None:
    text = (ROOT / "docs" / page).read_text()
    assert re.findall(r"nginx(?: \|)? (1\.[\d.]+)(?: and|  ?or) newer", text) == [".".join(map(str, OLDEST))]
