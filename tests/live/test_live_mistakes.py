"""Mistakes and interruptions of commands as a user runs them: one line each, the right status, never a traceback."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from headgate.cli import COMMANDS
from tests.live.forked import completed
from tests.live.headgate_process import ROOT, StartHeadgate
from tests.live.json_objects import ManifestFolder, ingress
from tests.waiting import DEADLINE_S, wait_until

CAFE = str(ROOT / "examples" / "cafe")
URL = "https://cafe.example.com/tea"
CONFIG = {
    "apiVersion": "v1",
    "kind": "Config",
    "current-context": "c",
    "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:1"}}],
    "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
    "users": [{"name": "u", "user": {"token": "t"}}],
}
"""A kubeconfig with an unreachable server: port 1 of the loopback is closed."""
EXEC = {
    "apiVersion": "client.authentication.k8s.io/v1",
    "command": "no-such-plugin",
    "installHint": "get it at the bar",
}


def command(*argv: str) -> list[str]:
    return [sys.executable, "-m", "headgate", *argv]


def environ(**more: str) -> dict[str, str]:
    """The environment without what makes Python write its output at once: a user's shell does not set it."""
    return {**{name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}, **more}


def run(*argv: str, **more: str) -> subprocess.CompletedProcess[str]:
    return completed(argv, environ(**more), ROOT)


def error(done: subprocess.CompletedProcess[str]) -> str:
    """Return the one line on standard error, without ``headgate: ``."""
    (line,) = done.stderr.splitlines()
    name, _, rest = line.partition(": ")
    assert name == "headgate"
    return rest


def kubeconfig(directory: Path, content: Mapping[str, object] | str) -> str:
    path = directory / "kubeconfig"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return str(path)


def test_render_into_a_file_names_it(directory: Path) -> None:
    (directory / "file").touch()
    for out in (f"{directory}/file", f"{directory}/file/deeper"):
        done = run("render", CAFE, "-o", out)
        assert (done.returncode, error(done)) == (
            1, f"--output: {directory}/file is a file, not a folder; name a folder that exists or can be created",
        )  # fmt: skip
    done = run("render", CAFE, "-o", "/proc/nowhere")
    assert done.returncode == 1
    assert error(done).startswith("--output: /proc/nowhere cannot be written: No such file or directory; name a folder")


@pytest.mark.parametrize(
    ("argv", "unbuffered"),
    [
        (("render", CAFE), ""),
        (("render", CAFE), "1"),
        (("check", CAFE, "-o", "json"), ""),
        (("explain", URL, "-m", CAFE), ""),
        (("explain", "annotation", "nginx.org/lb-method"), "1"),
        (("run", "--help"), ""),
        (("version",), ""),
        (("version",), "1"),
        (("uds", "--help"), ""),
    ],
)
def test_a_closed_pipe_ends_a_command_quietly(argv: tuple[str, ...], unbuffered: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        done = subprocess.run(
            command(*argv), cwd=ROOT, env=environ(PYTHONUNBUFFERED=unbuffered), stdout=writer, stderr=subprocess.PIPE,
            text=True, timeout=DEADLINE_S, check=False,
        )  # fmt: skip
    finally:
        os.close(writer)
    assert (done.returncode, done.stderr) == (141, ""), "as a shell reports SIGPIPE"


def test_a_full_disk_under_the_output_is_one_line() -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            command("version"), cwd=ROOT, env=environ(), stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert (done.returncode, error(done)) == (1, "the output cannot be written: No space left on device")


@pytest.mark.parametrize("argv", [("check",), ("render",), ("explain", URL, "-m")])
def test_a_missing_folder_is_named(argv: tuple[str, ...]) -> None:
    done = run(*argv, "/missing")
    assert (done.returncode, error(done)) == (
        1, "/missing cannot be read: No such file or directory; name a folder or a file that this user may read",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["rnder"], "'rnder' is not a command; did you mean render?"),
        (["help", "chexk"], "'chexk' is not a command; did you mean check?"),
        (["frobnicate"], f"'frobnicate' is not a command; use {', '.join(COMMANDS)}"),
        (["version", "now"], "'now' is an argument too many for headgate version"),
    ],
)
def test_a_guess_is_made_only_for_a_command_that_is_near(argv: list[str], said: str) -> None:
    done = run(*argv)
    assert (done.returncode, done.stdout, error(done)) == (2, "", said)


def test_no_annotation_is_guessed_that_only_has_the_same_prefix() -> None:
    done = run("explain", "annotation", "nope")
    assert (done.returncode, error(done)) == (2, "there is no annotation 'nginx.org/nope'")


@pytest.mark.parametrize("name", ["check", "render"])
def test_an_empty_folder_name_counts_as_missing(name: str) -> None:
    done = run(name, "")
    assert (done.returncode, done.stdout) == (2, "")
    said = "the argument DIR|FILE|- is missing: folders of manifests, files, and - for standard input"
    assert done.stderr.splitlines()[0] == f"headgate: {said}"


@pytest.mark.parametrize(("word", "said"), [("sned", "did you mean send?"), ("receive", "use serve, send, bench")])
def test_commands_of_uds_are_guessed_too(word: str, said: str) -> None:
    done = run("uds", word)
    assert done.returncode == 2
    assert done.stderr.splitlines()[0] == f"headgate: {word!r} is not a command of headgate uds; {said}"


@pytest.mark.parametrize(
    ("argv", "formats"),
    [
        (("check", CAFE), "text, json, github, sarif"),
        (("explain", URL, "-m", CAFE), "text, json"),
        (("sockets",), "text, json"),
    ],
)
def test_an_unknown_output_format_is_refused_with_those_that_there_are(argv: tuple[str, ...], formats: str) -> None:
    done = run(*argv, "-o", "xml")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines()[0] == f"headgate: --output: 'xml' is not known; write one of {formats}"


@pytest.mark.parametrize(
    ("argv", "same"),
    [
        (["help"], ["--help"]),
        (["help", "help"], ["-h"]),
        (["help", "run"], ["run", "--help"]),
        (["help", "uds", "serve"], ["uds", "serve", "-h"]),
        (["help", "version"], ["version", "--help"]),
    ],
)
def test_help_of_a_command_is_what_the_command_prints_with_help(argv: list[str], same: list[str]) -> None:
    one, other = run(*argv), run(*same)
    assert (one.returncode, one.stderr) == (0, "")
    assert one.stdout == other.stdout != ""


def test_explain_of_a_cluster_that_cannot_be_reached_ends_with_one_line(directory: Path) -> None:
    done = run("explain", URL, KUBECONFIG=kubeconfig(directory, CONFIG))
    assert (done.returncode, done.stdout) == (1, "")
    assert error(done).startswith("https://127.0.0.1:1 cannot be reached: Connection refused; start it, name another ")


def user(**plugin: object) -> dict[str, object]:
    """The kubeconfig with a plugin in place of the token."""
    return {**CONFIG, "users": [{"name": "u", "user": {"exec": {**EXEC, **plugin}}}]}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (CONFIG, "https://127.0.0.1:1 cannot be reached: Connection refused"),
        (user(command="false"), "exec plugin false ended with 1: no error output"),
    ],
)
def test_run_logs_once_that_it_waits_for_the_cluster(
    new_headgate: StartHeadgate, directory: Path, content: Mapping[str, object], said: str
) -> None:
    headgate = new_headgate("-log-level=debug", KUBECONFIG=kubeconfig(directory, content))
    headgate.start()

    def failures(*levels: str) -> list[str]:
        found = [line for line in headgate.log_records() if line.get("error") == said]
        return [line["msg"] for line in found if line["level"] in levels]

    wait_until(lambda: {"informer failed", "leader election failed"} <= set(failures("DEBUG", "WARN")))
    wait_until(lambda: len(failures("DEBUG", "WARN")) > 3)
    headgate.terminate()
    assert headgate.wait_ended() == 0
    assert len(failures("WARN")) == 1
    assert "Traceback" not in headgate.log_text()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (user(), "exec plugin no-such-plugin: there is no such program in PATH; get it at the bar"),
        ("a shopping list\n", "is not a kubeconfig, which begins with `apiVersion: v1`; name another file"),
        ("\x00", "is not YAML"),
    ],
)
def test_a_kubeconfig_that_cannot_be_used_ends_run_and_explain_with_one_line(
    new_headgate: StartHeadgate, directory: Path, content: Mapping[str, object] | str, said: str
) -> None:
    path = kubeconfig(directory, content)
    done = run("explain", URL, KUBECONFIG=path)
    assert done.returncode == 1
    assert error(done).startswith(path)
    assert said in error(done)
    headgate = new_headgate(KUBECONFIG=path)
    headgate.start()
    assert headgate.wait_ended() == 1
    assert headgate.last_words() == f"headgate: {error(done)}"
    assert len(headgate.log_records("Headgate ends")) == 1


def test_what_cannot_be_read_in_a_folder_is_reported_and_does_not_block(directory: Path) -> None:
    shutil.copytree(CAFE, directory / "d")
    (directory / "d" / "link.yaml").symlink_to("nowhere")
    os.mkfifo(directory / "d" / "pipe.yaml")
    done = run("check", str(directory / "d"))
    assert (done.returncode, done.stderr) == (1, "")
    effect = "(nothing in the file is used)"
    assert done.stdout.replace(f"{directory}/d/", "").splitlines()[:-1] == [
        f"error: link.yaml: is a link to nowhere and cannot be read: No such file or directory {effect}",
        f"error: pipe.yaml: is not a regular file {effect}",
    ]


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("setpriv"), reason="only root can drop the capability here")
def test_a_port_that_this_user_may_not_bind_names_the_flag(
    new_headgate: StartHeadgate, manifests: ManifestFolder
) -> None:
    limit = int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text())
    if limit <= 1:
        pytest.skip("any user may bind any port here")
    headgate = new_headgate(f"--manifests={manifests.path}", f"-default-http-listener-port={limit - 1}")
    headgate.wrapper = ("setpriv", "--bounding-set=-net_bind_service", "--inh-caps=-net_bind_service")
    headgate.start()
    answer = wait_until(lambda: headgate.readiness().body, lambda body: "cannot be used" in body)
    assert f"use a port above {limit - 1}, for example -default-http-listener-port=8000 " in answer
    assert "CAP_NET_BIND_SERVICE" in answer


@pytest.mark.parametrize("argv", [("render",), ("check",), ("explain", URL, "-m")])
def test_ctrl_c_prints_no_traceback(directory: Path, argv: tuple[str, ...]) -> None:
    pipe = directory / "pipe.yaml"  # named by the user, it is read, which waits for a writer
    os.mkfifo(pipe)
    with (
        subprocess.Popen(
            command(*argv, str(pipe)),
            cwd=ROOT,
            env=environ(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process,
        pipe.open("wb"),
    ):  # returns when the command has opened the other end
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=DEADLINE_S)
    assert (process.returncode, out, err) == (130, "", "")


def test_a_controller_whose_output_nobody_reads_serves_and_ends_without_a_traceback(
    new_headgate: StartHeadgate, manifests: ManifestFolder, directory: Path
) -> None:
    headgate = new_headgate(f"--manifests={manifests.path}")
    reader, writer = os.pipe()
    with (directory / "errors").open("w+") as errors:
        with subprocess.Popen(command("run", *headgate.flags), cwd=ROOT, stdout=writer, stderr=errors) as process:
            os.close(writer)
            os.read(reader, 1)
            os.close(reader)
            try:
                manifests.put(ingress("tea", "tea.test"))
                wait_until(lambda: headgate.get("tea.test").status == 200)
            finally:
                process.terminate()
        assert process.returncode in {0, 141}
        assert "Traceback" not in (directory / "errors").read_text()
        assert "BrokenPipe" not in (directory / "errors").read_text()


def test_with_json_a_mistake_of_the_command_line_is_json() -> None:
    done = run("run", "-log-format=json", "-enable-snipets", "-ingress-class=A_B")
    assert (done.returncode, done.stderr) == (2, "")
    records = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(record["level"], record["msg"]) for record in records] == [("FATAL", "Headgate ends")] * 2
    assert records[0]["error"] == (
        "-enable-snipets: is not a flag of Headgate; did you mean -enable-snippets? (Headgate does not start)"
    )
