"""Two processes that share a directory, as the two containers of a Pod do."""

from __future__ import annotations

import secrets
import socket
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.uds.uds_processes import HEADGATE_UDS, UDS_ALONE, uds_send, uds_server
from tests.waiting import DEADLINE_S

ROOT = Path(__file__).parents[2]
POD = ROOT / "examples" / "uds-pod" / "pod.yaml"
ANSWER = "📥 Client received: Hello from server via UDS\n"


def test_the_commands_of_the_example_pod_talk_through_the_directory_they_share(shared: Path) -> None:
    pod = yaml.safe_load(POD.read_text())
    server, client = pod["spec"]["containers"]
    arguments = {
        name: [word.replace("/csi/", f"{shared}/") for word in container["args"]]
        for name, container in (("server", server), ("client", client))
    }
    # The client first: containers start in no order.
    with subprocess.Popen(
        [*HEADGATE_UDS, *arguments["client"]], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as waiting:
        with uds_server(*arguments["server"][1:], program=HEADGATE_UDS) as running:
            assert waiting.communicate(timeout=DEADLINE_S) == (ANSWER, "")
            status, said, errors = running.stop()
        assert waiting.returncode == 0
    assert status == 0
    assert [line.replace(str(shared), "/csi") for line in said] == [
        "🔌 Server listening on /csi/csi.sock",
        "📩 Server received: Hello from client",
        "👋 Server stopped, /csi/csi.sock is gone",
    ]
    assert f"🔑 Client: pid {waiting.pid}, uid " in errors
    assert list(shared.iterdir()) == []


def test_the_example_pod_shares_a_directory_and_exposes_nothing() -> None:
    pod = yaml.safe_load(POD.read_text())
    containers = pod["spec"]["containers"]
    assert [container["name"] for container in containers] == ["server", "client"]
    assert pod["spec"]["volumes"][0]["emptyDir"] is not None
    for container in containers:
        assert container["volumeMounts"] == [{"name": "csi", "mountPath": "/csi"}]
        assert container["args"][2] == "/csi/csi.sock"
        assert "ports" not in container
        assert container["securityContext"]["readOnlyRootFilesystem"]
    assert "hostNetwork" not in pod["spec"]


@pytest.mark.parametrize("kind", ["stream", "dgram", "seqpacket"])
@pytest.mark.parametrize("place", ["path", "abstract"])
def test_every_socket_type_delivers_messages_whole_and_in_order(shared: Path, kind: str, place: str) -> None:
    address = str(shared / "s") if place == "path" else f"@hg-{secrets.token_hex(8)}"
    both = ["--socket", address, "--type", kind, "--framing", "length"]
    messages = ["first", "two words", "a\nline", "last"]
    with uds_server(*both, "--reply", "ça va") as running:
        assert uds_send(*both, *messages).stdout == "📥 Client received: ça va\n" * 4
        assert [path.name for path in shared.iterdir()] == (["s"] if place == "path" else [])
        _, said, _ = running.stop()
    shown = ["first", "two words", r"a\nline", "last"]
    assert said[1:-1] == [f"📩 Server received: {message}" for message in shown]


@pytest.mark.parametrize("page", ["docs/unix-sockets.md", "examples/uds-pod/README.md"])
def test_the_pages_show_what_the_commands_print(shared: Path, page: str) -> None:
    text = (ROOT / page).read_text()
    path = str(shared / "csi.sock")
    with uds_server("--socket", path) as running:
        answered = uds_send("--socket", path, "Hello from client").stdout
        _, said, _ = running.stop()
    for line in (*said[:2], answered.strip()):
        assert line.replace(str(shared), "/csi") in text


def test_an_ascii_terminal_does_not_end_the_server(shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    path = str(shared / "s")
    with uds_server("--socket", path) as running:
        assert uds_send("--socket", path, "hello").stdout.endswith(" Client received: Hello from server via UDS\n")
        assert running.stop()[0] == 0


def test_megabytes_are_sent_from_standard_input(shared: Path) -> None:
    both = ["--socket", str(shared / "s"), "--framing", "length"]
    with uds_server(*both) as running:
        assert uds_send(*both, "-", data=bytes(5_000_000)).stdout == ANSWER
        _, said, _ = running.stop()
    assert said[1].endswith("(5000000 bytes)")


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_SEQPACKET])
def test_sigterm_closes_connections_and_removes_the_socket(shared: Path, kind: socket.SocketKind) -> None:
    path = shared / "s"
    name = "stream" if kind == socket.SOCK_STREAM else "seqpacket"
    with uds_server("--socket", str(path), "--type", name) as running, socket.socket(socket.AF_UNIX, kind) as client:
        client.settimeout(DEADLINE_S)
        client.connect(str(path))
        client.sendall(b"hello\n")
        assert client.recv(100).startswith(b"Hello from server")
        status, _, _ = running.stop()
        assert status == 0
        assert client.recv(100) == b""
    assert not path.exists()


def test_a_killed_server_leaves_a_stale_file_that_the_next_one_replaces(shared: Path) -> None:
    path = str(shared / "s")
    with uds_server("--socket", path) as killed:
        killed.process.kill()
        killed.process.wait()
        refused = uds_send("--socket", path, "hello")
        assert (refused.returncode, refused.stdout) == (1, "")
        assert "no process listens on this socket" in refused.stderr
        with uds_server("--socket", path):
            assert uds_send("--socket", path, "hello").stdout == ANSWER


@pytest.mark.parametrize("kind", ["stream", "dgram", "seqpacket"])
def test_a_socket_in_use_is_refused_with_the_pid_of_its_listener(
    shared: Path, kind: str, capfd: pytest.CaptureFixture[str]
) -> None:
    path = str(shared / "s")
    with uds_server("--socket", path, "--type", kind) as running:
        second = subprocess.run(
            [*UDS_ALONE, "serve", "--socket", path], capture_output=True, text=True, timeout=DEADLINE_S, check=False
        )
        assert second.returncode == 1
        assert f"{path}: pid {running.process.pid} listens on it ({kind})" in second.stderr
        assert uds_send("--socket", path, "--type", kind, "hello").stdout == ANSWER
