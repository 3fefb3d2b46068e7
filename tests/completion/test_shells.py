"""``headgate completion`` in the three shells: what is offered for a command line that ends where the cursor is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from headgate.cli import COMMANDS, run
from headgate.options import DECLARED
from headgate.settings import REGISTRY
from tests.completion.shells import ASK, inserted_by_bash, missing

FORMATS = {"glog", "text", "json", "text-unix", "text-unix-ms", "json-unix", "json-unix-ms"}
EXPECTED: Mapping[str, set[str]] = {
    "headgate ": set(COMMANDS),
    "headgate com": {"compare", "completion"},
    "headgate uds ": {"serve", "send", "bench"},
    "headgate help ver": {"version"},
    "headgate completion ": {"bash", "zsh", "fish"},
    "headgate run -log-format ": FORMATS,
    "headgate run --log-format te": {"text", "text-unix", "text-unix-ms"},
    "headgate -log-format ": FORMATS,
    "headgate render demo -o js": set(),
    "headgate check demo -o sar": {"sarif"},
    "headgate status -o ": {"table", "wide", "json"},
    "headgate uds serve --type ": {"stream", "dgram", "seqpacket"},
    "headgate uds send --framing l": {"length"},
    "headgate check de": {"demo", "deploy.yaml"},
    "headgate check --strict de": {"demo", "deploy.yaml"},
    "headgate run --manifests de": {"demo", "deploy.yaml"},
    "headgate run -m de": {"demo", "deploy.yaml"},
    "headgate sockets --root de": {"demo"},
    "headgate run -ingress-class ": set(),
    "headgate run -health-status-uri de": set(),
    "headgate explain ": {"annotation", "configmap", "flag"},
    "headgate explain annotation nginx.org/lb": {"nginx.org/lb-method"},
    "headgate explain configmap ": set(REGISTRY.keys),
    "headgate explain flag -enable-cert": {"-enable-cert-manager"},
    "headgate explain http://a.test/ -o ": {"text", "json"},
}
FLAGS: Mapping[str, set[str]] = {
    "headgate run -log-l": {"log-level"},
    "headgate run --log-l": {"log-level"},
    "headgate --mani": {"manifests"},
    "headgate status --clu": {"cluster"},
    "headgate check -enable-sn": {"enable-snippets"},
    "headgate uds serve --all": {"allow-uid"},
    "headgate uds serve --manif": set(),
}
VALUES: Mapping[str, set[str]] = {
    "headgate run -log-level=de": {"debug"},
    "headgate run --log-level=de": {"debug"},
    "headgate run -enable-snippets=": {"true", "false"},
    "headgate run --manifests=de": {"demo", "deploy.yaml"},
}


@pytest.fixture(params=ASK)
def shell(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    if reason := missing(name):
        pytest.skip(reason)
    return name


def test_what_is_offered(shell: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["completion", shell], {}) == 0
    script = tmp_path / "script"
    script.write_text(capsys.readouterr().out)
    folder = tmp_path / "work"
    (folder / "demo").mkdir(parents=True)
    (folder / "deploy.yaml").touch()
    # fish has no flag whose value may be left out.
    values = {line: words for line, words in VALUES.items() if shell != "fish" or words != {"true", "false"}}
    lines = [*EXPECTED, *FLAGS, *values]
    answers = dict(zip(lines, ASK[shell](script, lines, folder), strict=True))
    assert {line: set(answers[line]) for line in EXPECTED} == EXPECTED
    # A shell offers one dash, two, or both; and a value after = with or without what stands before it.
    assert {line: {word.lstrip("-").rstrip("=") for word in answers[line]} for line in FLAGS} == FLAGS
    assert {line: {word.partition("=")[2] or word for word in answers[line]} for line in values} == values


def test_zsh_inserts_a_flag_that_is_the_only_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if reason := missing("zsh"):
        pytest.skip(reason)
    assert run(["completion", "zsh"], {}) == 0
    script = tmp_path / "script"
    script.write_text(capsys.readouterr().out)
    ASK["zsh"](script, ["headgate run -log-l", "headgate run -enable-sn", "headgate check --stri"], tmp_path)
    lines = (tmp_path / "script.out.lines").read_text().split("\n")
    assert [line.rstrip(" =") for line in lines if line] == [
        "headgate run -log-level", "headgate run -enable-snippets", "headgate check --strict",
    ]  # fmt: skip


def test_bash_inserts_only_what_is_not_there_yet(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    expected = {
        "headgate check a:": "headgate check a:b/",
        "headgate check a:b/": "headgate check a:b/c.yaml ",
        "headgate check a\\:": "headgate check a\\:b/",
        "headgate check x=": "headgate check x=y/",
        "headgate check x=y/": "headgate check x=y/d\\:e ",
        "headgate check x=y/d:": "headgate check x=y/d:e ",
        "headgate check sp\\ ace:": "headgate check sp\\ ace:f/",
        "headgate run --manifests=de": "headgate run --manifests=demo/",
        "headgate run --manifests=a:": "headgate run --manifests=a:b/",
        "headgate run -log-level=de": "headgate run -log-level=debug ",
    }
    assert run(["completion", "bash"], {}) == 0
    script, folder = tmp_path / "script", tmp_path / "work"
    script.write_text(capsys.readouterr().out)
    for name in ("a:b/c.yaml", "x=y/d:e", "sp ace:f/g", "demo/h"):
        (folder / name).parent.mkdir(parents=True)
        (folder / name).touch()
    assert dict(zip(expected, inserted_by_bash(script, list(expected), folder), strict=True)) == expected


def test_every_flag_of_run_is_offered(shell: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["completion", shell], {}) == 0
    script = tmp_path / "script"
    script.write_text(capsys.readouterr().out)
    (found,) = ASK[shell](script, ["headgate run -"], tmp_path)
    assert set(DECLARED) <= {word.lstrip("-").rstrip("=") for word in found}


def test_another_shell_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["completion", "tcsh"], {}) == 2
    assert "'tcsh' is not known; write one of bash, zsh, fish" in capsys.readouterr().err
