"""``check``, ``render`` and the teaching of the command line, without nginx running."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from headgate.cli import run
from headgate.options import Options, parse
from tests.live.headgate_process import ROOT
from tests.live.json_objects import ManifestFolder, endpoints, ingress, ingress_class, path, service, tls_secret
from tests.nginx_binaries import LUA


@pytest.fixture
def good(directory: Path) -> ManifestFolder:
    manifests = ManifestFolder(directory / "manifests")
    manifests.put(ingress_class(), service("tea"), endpoints("tea", "192.0.2.1"), tls_secret("cert", "safe.test"))
    manifests.put(ingress("safe", "safe.test", tls={"cert": ["safe.test"]}))
    return manifests


def spoil(manifests: ManifestFolder) -> None:
    manifests.put(ingress("bad", {"bad.test": [path("tea", "no/slash")]}))


def test_check_reports_place_value_reason_and_effect(good: ManifestFolder, capsys: pytest.CaptureFixture[str]) -> None:
    spoil(good)
    assert run(["check", str(good.path)], {}) == 1
    line = next(line for line in capsys.readouterr().out.splitlines() if "bad" in line)
    for part in (
        "ingress-default-bad.json",
        "Ingress default/bad",
        "spec.rules[0].http.paths[0].path",
        "'no/slash'",
        "the Ingress is refused",
    ):
        assert part in line


def test_check_of_valid_manifests_exits_with_0(good: ManifestFolder, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["check", str(good.path)], {}) == 0
    assert capsys.readouterr().out == "5 objects: all fine\n"


def test_check_asks_nginx_about_regular_expressions(good: ManifestFolder, capsys: pytest.CaptureFixture[str]) -> None:
    regex = {"path_regex": "case_sensitive"}
    paths = [path("tea", "/(?i)fine", "ImplementationSpecific"), path("tea", "/[[:foo:]]", "ImplementationSpecific")]
    good.put(ingress("bad", {"bad.test": paths}, **regex))
    good.put(ingress("from", "from.test", proxy_redirect_from="~a(?<=b*)", proxy_redirect_to="/"))
    assert run(["check", str(good.path)], {}) == 1
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3, lines
    assert "spec.rules[0].http.paths[1].path: '/[[:foo:]]' is refused by nginx: pcre" in lines[0]
    assert "nginx.org/proxy-redirect-from: '~a(?<=b*)' is refused by nginx: pcre" in lines[1]
    assert "/tmp/" not in lines[0].partition("Ingress default/bad")[2]


def test_check_prints_json(good: ManifestFolder, capsys: pytest.CaptureFixture[str]) -> None:
    spoil(good)
    assert run(["check", str(good.path), "-o", "json"], {}) == 1
    rows = json.loads(capsys.readouterr().out)
    row = next(row for row in rows if row["object"] == "Ingress default/bad")
    assert row["file"] == str(good.path / "ingress-default-bad.json")
    assert (row["field"], row["value"]) == ("spec.rules[0].http.paths[0].path", "no/slash")
    assert row["reason"]
    assert row["effect"]
    assert row["severity"] == "error"


@pytest.mark.parametrize("form", ["xml", "JSON"])
def test_check_refuses_unknown_output_formats(
    good: ManifestFolder, capsys: pytest.CaptureFixture[str], form: str
) -> None:
    assert run(["check", str(good.path), "-o", form], {}) == 2
    assert "json" in capsys.readouterr().err


def test_check_of_an_unreadable_file_exits_with_1(good: ManifestFolder, capsys: pytest.CaptureFixture[str]) -> None:
    (good.path / "broken.yaml").write_text("a: [")
    assert run(["check", str(good.path)], {}) == 1
    assert "broken.yaml" in capsys.readouterr().out


def test_render_prints_the_configuration_without_private_keys(
    good: ManifestFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["render", str(good.path)], {}) == 0
    out = capsys.readouterr().out
    assert "server_name safe.test;" in out
    assert "conf.d/default-safe.conf" in out
    assert "nginx.conf" in out
    assert "PRIVATE KEY" not in out


def test_render_writes_what_nginx_reads(
    good: ManifestFolder, directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = directory / "out"
    assert run(["render", str(good.path), "-o", str(out)], {}) == 0
    assert "server_name safe.test;" in (out / "conf.d/default-safe.conf").read_text()
    key = out / "secrets/default-cert"
    assert "PRIVATE KEY" in key.read_text()
    assert key.stat().st_mode & 0o777 == 0o600
    assert "PRIVATE KEY" not in capsys.readouterr().out


def test_render_of_invalid_manifests_prints_the_rest_and_exits_with_1(
    good: ManifestFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    spoil(good)
    assert run(["render", str(good.path)], {}) == 1
    found = capsys.readouterr()
    assert "server_name safe.test;" in found.out
    assert "Ingress default/bad" in found.err


@pytest.mark.skipif(not LUA, reason="no nginx with the Lua module (make lua-nginx)")
def test_render_shows_profiles_and_the_live_state_or_files(
    good: ManifestFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    live = ["render", str(good.path), "-data-plane=live", f"-nginx={LUA}"]
    assert run(live, {}) == 0
    shown = capsys.readouterr().out
    assert "server_name safe.test;" not in shown
    assert "location @p_" in shown
    assert '"r:safe.test"' in shown.partition("# --- live-state.json\n")[2]
    assert run([*live, "--as-files"], {}) == 0
    shown = capsys.readouterr().out
    assert "server_name safe.test;" in shown
    assert "live-state.json" not in shown


def test_check_and_render_take_the_flags_of_run(good: ManifestFolder, capsys: pytest.CaptureFixture[str]) -> None:
    good.put(ingress("extra", "extra.test", server_snippets="# a note"))
    assert run(["check", str(good.path)], {}) == 1
    assert "-enable-snippets" in capsys.readouterr().out
    assert run(["render", str(good.path), "-enable-snippets", "-default-http-listener-port=8123"], {}) == 0
    out = capsys.readouterr().out
    assert "# a note" in out
    assert "listen 8123;" in out


@pytest.mark.parametrize(
    "argv", [["--help"], ["help"], ["run", "--help"], ["render", "-h"], ["check", "-help"], ["run", "-help"]]
)
def test_help_contains_working_examples(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(argv, {}) == 0
    out = capsys.readouterr().out
    assert "  headgate " in out
    assert "examples/cafe" in out
    for command in commands(out):
        assert isinstance(parse(command, {}), Options), command


@pytest.mark.parametrize("command", ["drain", "set-log-level"])
def test_help_of_a_command_with_arguments_needs_none(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([command, "--help"], {}) == 0
    assert capsys.readouterr().out.startswith(f"usage: headgate {command} ")
    assert run([command], {}) == 2
    assert " is missing: " in capsys.readouterr().err


def commands(text: str) -> list[list[str]]:
    """The flags of every ``headgate run`` that *text* tells people to type."""
    lines = [line.partition("#")[0].split() for line in text.splitlines() if "headgate run -" in line]
    return [words[words.index("run") + 1 :] for words in lines]


def test_the_commands_of_the_readme_parse() -> None:
    found = commands((ROOT / "README.md").read_text())
    assert found
    for command in found:
        assert isinstance(parse(command, {}), Options), command


@pytest.mark.parametrize("argv", [["--version"], ["-version"], ["version"], ["run", "-version"]])
def test_the_version_is_printed(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(argv, {"HEADGATE_COMMIT": "abc1234"}) == 0
    assert capsys.readouterr().out.startswith("Headgate ")


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["run", "-no-such-flag"], "no-such-flag"),
        (["-ingress-clas=nginx"], "ingress-class"),
        (["run", "-nginx-reload-timeout=soon"], "soon"),
        (["run", "-nginx-plus"], "NGINX Plus"),
        (["run", "-default-http-listener-port=8081"], "-ready-status-port"),
        (["frobnicate"], "run, render, check"),
        (["check"], "headgate check DIR"),
        (["render"], "headgate render DIR"),
        (["render", "-o"], "headgate render DIR"),
    ],
)
def test_a_wrong_command_line_exits_with_2_and_a_reason(
    argv: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(argv, {}) == 2
    assert says in capsys.readouterr().err


def test_a_missing_folder_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("check", "render"):
        assert run([command, "/no/such/folder"], {}) in {1, 2}
        assert "/no/such/folder" in capsys.readouterr().err


def test_the_exit_status_is_that_of_the_command(good: ManifestFolder) -> None:
    command = [sys.executable, "-m", "headgate", "check", str(good.path)]
    assert subprocess.run(command, cwd=ROOT, capture_output=True, check=False).returncode == 0
    spoil(good)
    assert subprocess.run(command, cwd=ROOT, capture_output=True, check=False).returncode == 1
