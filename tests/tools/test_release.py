"""A release is refused until everything names its version; then the tag and the commands are printed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
import release
import version

from tests.chart.helm import HelmError, program

ROOT = Path(__file__).resolve().parents[2]
PARTS = (
    "headgate/__init__.py", "headgate/commit.py", "Containerfile", "pyproject.toml", "CONTRIBUTING.md", "README.md",
    "SECURITY.md", "tools", "charts/headgate", "deploy", "docs/install.md", "examples/README.md",
)  # fmt: skip
SECTION = "## 0.1.0 (2026-01-02)\n\nThe first release.\n\n### Added\n\n- One.\n"
DOCKER = """#!/bin/sh
case "$*" in
info) exit 0 ;;
*dpkg-query*) printf 'nginx\\t1.30.6\\tamd64\\n' ;;
*python3*) echo '[["headgate", "0.1.0", "Apache-2.0"]]' ;;
"image inspect "*)
    image=org.opencontainers.image
    printf '[{"Config": {"Labels": {"%s.version": "%s", "%s.revision": "%s"}}}]' $image "$VERSION" $image "$COMMIT" ;;
esac
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A repository in which 0.1.0 can be released."""
    root = tmp_path / "checkout"
    for part in PARTS:
        copy = shutil.copytree if (ROOT / part).is_dir() else shutil.copyfile
        (root / part).parent.mkdir(parents=True, exist_ok=True)
        copy(ROOT / part, root / part)
    (root / "headgate" / "__init__.py").write_text('__version__ = "0.1.0"\n')
    (root / "changes").mkdir()
    (root / "changes" / "README.md").write_text("how\n")
    (root / "CHANGELOG.md").write_text(f"# Changelog\n\n<!-- releases -->\n\n{SECTION}")
    (root / ".gitignore").write_text("build/\n__pycache__/\n")
    run(root, "tools/version.py")
    git(root, "init", "--quiet")
    commit(root)
    return root


def git(root: Path, *arguments: str) -> str:
    named = (
        "-c",
        "user.name=a",
        "-c",
        "user.email=a@example.com",
        "-c",
        "commit.gpgsign=false",
        "-c",
        "tag.gpgsign=false",
    )
    done = subprocess.run(["git", *named, *arguments], cwd=root, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def commit(root: Path) -> None:
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--allow-empty", "--message", "a")


def run(root: Path, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(root), "IMAGE": "", "CHART": "", **environ}
    environment.pop("HEADGATE_COMMIT", None)
    command = [sys.executable, *words]
    return subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)


def replace(name: str, old: str, new: str) -> Callable[[Path], None]:
    def change(root: Path) -> None:
        text = (root / name).read_text()
        assert old in text
        (root / name).write_text(text.replace(old, new))
        commit(root)

    return change


def fragment(root: Path) -> None:
    (root / "changes" / "0001-a.added.md").write_text("A.\n")
    commit(root)


def uncommitted(root: Path) -> None:
    (root / "new.txt").write_text("")


def tagged_elsewhere(root: Path) -> None:
    git(root, "tag", "v0.1.0")
    commit(root)


def test_what_is_ready_is_printed_with_the_tag_and_the_commands(checkout: Path) -> None:
    done = run(
        checkout,
        "tools/release.py",
        "check",
        "--image",
        "registry.example/headgate",
        "--chart",
        "oci://registry.example/charts",
    )
    assert "FAILED   image" in done.stdout  # there is no such image
    done = run(checkout, "tools/release.py", "check", "--chart", "oci://registry.example/charts")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "ok       changelog  section 0.1.0 (2026-01-02), no fragment is left" in done.stdout
    assert "skipped  image      no image is named" in done.stdout
    assert "helm push build/release/headgate-0.1.0.tgz oci://registry.example/charts" in done.stdout
    git(checkout, "tag", "--annotate", "v0.1.0", "--file", "build/release/tag.txt")
    message = git(checkout, "tag", "--list", "--format=%(contents)", "v0.1.0")
    assert message == "Headgate 0.1.0\n\nThe first release.\n\nAdded:\n\n- One."
    assert run(checkout, "tools/release.py", "check").returncode == 0


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (fragment, "changelog  changes/ has 1 fragments (0001-a.added.md, …); run `make changelog RELEASE=0.1.0`"),
        (replace("CHANGELOG.md", "0.1.0", "0.0.9"), "changelog  the newest section of CHANGELOG.md is 0.0.9; run"),
        (
            replace("CHANGELOG.md", "2026-01-02", "2126-01-02"),
            "changelog  the section 0.1.0 (2126-01-02) is empty or of the future",
        ),
        (uncommitted, "tree       1 files are not committed, for example new.txt"),
        (tagged_elsewhere, "tree       the tag v0.1.0 is of another commit"),
        (
            replace("charts/headgate/Chart.yaml", "appVersion: 0.1.0", "appVersion: 0.0.9"),
            "places     charts/headgate/Chart.yaml:",
        ),
        (
            replace("deploy/base/deployment.yaml", "headgate:0.1.0", "headgate:0.0.9"),
            "places     deploy/base/deployment.yaml:",
        ),
        (
            replace("Containerfile", "${VERSION}", "1"),
            "labels     Containerfile does not set org.opencontainers.image.version",
        ),
        (
            replace("headgate/__init__.py", "0.1.0", "0.1"),
            "version    '0.1' in headgate/__init__.py is not MAJOR.MINOR.PATCH",
        ),
    ],
)
def test_what_does_not_fit_is_named(change: Callable[[Path], None], line: str, checkout: Path) -> None:
    change(checkout)
    done = run(checkout, "tools/release.py", "check")
    assert done.returncode == 1
    assert f"FAILED   {line}" in done.stdout


@pytest.mark.parametrize(("number", "state"), [("0.1.0", "ok      "), ("0.0.9", "FAILED  ")])
def test_the_image_is_compared(number: str, state: str, checkout: Path, tmp_path: Path) -> None:
    (tmp_path / "docker").write_text(DOCKER)
    (tmp_path / "docker").chmod(0o755)
    head = git(checkout, "rev-parse", "--short", "HEAD")
    path = f"{tmp_path}:{os.environ['PATH']}"
    done = run(
        checkout,
        "tools/release.py",
        "check",
        "--image",
        "registry.example:5000/headgate",
        PATH=path,
        VERSION=number,
        COMMIT=head,
        IMAGE_TOOL="docker",
    )
    assert f"{state} image      registry.example:5000/headgate:0.1.0: " in done.stdout, done.stdout + done.stderr
    assert done.returncode == (number != "0.1.0")


def test_a_package_names_the_image_of_the_registry(checkout: Path) -> None:
    try:
        helm = program()
    except HelmError as why:
        pytest.skip(str(why))
    done = run(checkout, "tools/release.py", "package", "--image", "registry.example/web/headgate", HELM=helm)
    assert done.returncode == 0, done.stderr
    folder = checkout / "build" / "release"
    with tarfile.open(folder / "headgate-deploy-0.1.0.tar.gz") as archive:
        text = archive.extractfile("headgate-0.1.0/deploy/base/deployment.yaml").read().decode()
    assert "image: registry.example/web/headgate:0.1.0\n" in text
    shown = subprocess.run(
        [helm, "show", "values", folder / "headgate-0.1.0.tgz"], capture_output=True, text=True, check=True
    )
    assert "repository: registry.example/web/headgate\n" in shown.stdout
    assert not (folder / "source").exists()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("image: localhost/headgate:{version}\n", "image: localhost/headgate-edge:1\n"),
        ("repository: localhost/headgate\n", "repository: localhost/headgate-edge\n"),
        ("builds `localhost/headgate:VERSION`", "builds `localhost/headgate-edge:VERSION`"),
        ("localhost/headgate:{version}5", "localhost/headgate-edge:{version}5"),
        ("localhost/headgate-edge:{version}", "localhost/headgate-edge:{version}"),
    ],
)
def test_a_name_that_begins_with_the_local_one_is_written_once(text: str, expected: str) -> None:
    text, expected = (one.replace("{version}", version.__version__) for one in (text, expected))
    assert release.renamed(text, "localhost/headgate-edge", "1") == expected


def test_the_version_is_written_where_images_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(version, "__version__", "2.0.0")
    page = tmp_path / "page.md"
    page.write_text(
        "**Version 0.1.0, a first\nlocalhost/headgate:0.1.0, other:0.1.0\n    newTag: 0.1.0\nnginx 1.30.6\n"
    )
    assert version.text(page, version.TEXT) == (
        "**Version 2.0.0, a first\nlocalhost/headgate:2.0.0, other:0.1.0\n    newTag: 2.0.0\nnginx 1.30.6\n"
    )
    page.write_text("version: 0.1.0\nappVersion: 0.1.0\nkubeVersion: 1.27.0\n")
    assert version.text(page, version.CHART) == "version: 2.0.0\nappVersion: 2.0.0\nkubeVersion: 1.27.0\n"
