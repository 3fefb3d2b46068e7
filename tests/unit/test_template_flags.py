"""What an operator reads of a template that a flag names and that cannot be used: the flag, the file and the line."""

from __future__ import annotations

from pathlib import Path

import pytest

from headgate.cli import run

ROOT = Path(__file__).resolve().parents[2]
FLAGS = {
    "-main-template-path": "main.conf.j2",
    "-ingress-template-path": "http.conf.j2",
    "-virtualserver-template-path": "http.conf.j2",
    "-transportserver-template-path": "stream.conf.j2",
}
Capture = pytest.CaptureFixture[str]


def rendered(capsys: Capture, flag: str, path: Path, manifests: str = "examples/cafe") -> tuple[int, str]:
    status = run(["render", str(ROOT / manifests), f"{flag}={path}"], {})
    return status, capsys.readouterr().err


@pytest.mark.parametrize(("flag", "builtin"), FLAGS.items())
def test_a_go_template_is_answered_with_how_to_write_it(
    flag: str, builtin: str, tmp_path: Path, capsys: Capture
) -> None:
    path = tmp_path / "nginx.tmpl"
    path.write_text("server {\n    listen {{ .Server.Port }};\n}\n")
    status, text = rendered(capsys, flag, path)
    assert status == 1
    assert text.startswith(f"headgate: {flag}={path}: is a Go template (line 2); Headgate reads Jinja2: write ")
    assert f'{{% extends "builtin/{builtin}" %}}' in text


@pytest.mark.parametrize("flag", FLAGS)
def test_a_template_that_is_not_jinja_is_named_with_its_line_and_the_way_out(
    flag: str, tmp_path: Path, capsys: Capture
) -> None:
    path = tmp_path / "own.j2"
    path.write_text("server {\n{% if %}\n}\n")
    status, text = rendered(capsys, flag, path)
    assert status == 1
    assert text.startswith(f"headgate: {flag}={path}: line 2: ")
    assert "leaving out the flag" in text


@pytest.mark.parametrize("flag", FLAGS)
def test_a_template_that_cannot_be_read_is_named_with_its_flag(flag: str, tmp_path: Path, capsys: Capture) -> None:
    path = tmp_path / "missing.j2"
    status, text = rendered(capsys, flag, path)
    assert (status, text) == (
        1,
        f"headgate: {flag}={path}: cannot be read: No such file or directory; name a file that this user may read\n",
    )


def test_an_object_for_which_a_template_of_a_flag_fails_names_flag_file_and_line(
    tmp_path: Path, capsys: Capture
) -> None:
    path = tmp_path / "own.j2"
    path.write_text("# first\n{{ nothing.at_all }}\n")
    status, text = rendered(capsys, "-virtualserver-template-path", path, "examples/virtualserver-routes")
    assert status == 1
    where = f"-virtualserver-template-path={path}: line 2: the template fails: 'nothing' is undefined"
    assert f"VirtualServer default/cafe: cannot be rendered by the user's template: {where}" in text
