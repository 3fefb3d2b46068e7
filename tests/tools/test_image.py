"""The image's tool and its pinned dependencies. What the image does is shown by the end-to-end tests."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from headgate import __version__

ROOT = Path(__file__).parents[2]
DOCKER = """#!/bin/sh
# Stands for a docker whose images hold what this machine holds.
case $1 in
info) exit 0 ;;
run) shift 4; [ "$1" = --entrypoint ] || exit 2; command=$2; shift 3; exec "$command" "$@" ;;
*) echo "$@" ;;
esac
"""


def image(*arguments: str, path: Path) -> subprocess.CompletedProcess[str]:
    environ = {**os.environ, "PATH": str(path), "IMAGE_TOOL": "", "HEADGATE_COMMIT": "abc1234"}
    command = [sys.executable, str(ROOT / "tools" / "image.py"), *arguments]
    return subprocess.run(command, env=environ, capture_output=True, text=True, check=False)


@pytest.fixture
def docker(tmp_path: Path) -> Path:
    """A PATH with a docker that works, and a podman that does not."""
    query = shutil.which("dpkg-query") or "false"
    programs = {
        "docker": DOCKER,
        "podman": "#!/bin/sh\nexit 1\n",
        "python3": f'#!/bin/sh\nexec {sys.executable} "$@"\n',
        "dpkg-query": f'#!/bin/sh\nexec {query} "$@"\n',
    }
    for name, text in programs.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    return tmp_path


def test_every_dependency_is_pinned_to_a_version_that_it_allows_by_hash() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    text = (ROOT / "image" / "requirements.txt").read_text().replace("\\\n", "")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    assert all("--hash=sha256:" in line for line in lines)
    pinned = dict(line.split(" ", 1)[0].split("==") for line in lines)
    for wanted in map(Requirement, project["dependencies"]):
        assert wanted.specifier.contains(pinned[wanted.name]), f"{wanted} is not met: run make lock"


def test_without_a_build_tool_the_error_names_what_to_install(tmp_path: Path) -> None:
    done = image("build", path=tmp_path)
    assert done.returncode == 1
    assert "none of docker, podman, buildah works here" in done.stderr


def test_the_build_knows_version_and_commit_and_passes_options_on(docker: Path) -> None:
    done = image("build", "example.test/it:2", "--pull", path=docker)
    assert done.returncode == 0, done.stderr
    words = done.stdout.splitlines()[0].split()
    assert words[0] == "build"
    assert {f"VERSION={__version__}", "COMMIT=abc1234", "example.test/it:2", "--pull"} <= set(words)


@pytest.mark.skipif(not shutil.which("dpkg-query"), reason="lists packages of Debian")
def test_the_bill_of_materials_lists_packages_and_distributions(docker: Path) -> None:
    done = image("sbom", "example.test/it:2", path=docker)
    assert done.returncode == 0, done.stderr
    bill = json.loads(done.stdout)
    assert (bill["bomFormat"], bill["metadata"]["component"]["version"]) == ("CycloneDX", "2")
    urls = {component["purl"].partition("@")[0] for component in bill["components"]}
    assert "pkg:deb/debian/dpkg" in urls
    assert any(url.startswith("pkg:pypi/") for url in urls)
