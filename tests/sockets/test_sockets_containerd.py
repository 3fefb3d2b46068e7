"""A real containerd, as Debian packages it, on paths of its own."""

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

from tests.sockets.container_runtimes import CONTAINERD, ROOT, Containerd, bound_socket, headgate_sockets

Start = Callable[..., Containerd]
USUAL, CRIO = "run/containerd/containerd.sock", "run/crio/crio.sock"


def test_containerd_is_found_and_identified(containerd: Start, directory: Path) -> None:
    running = containerd(USUAL)

    result = headgate_sockets("--root", str(directory), "--prefix", str(directory))

    version = subprocess.run([str(CONTAINERD), "--version"], capture_output=True, text=True, check=True).stdout.split()[
        2
    ]
    lines = [line.strip() for line in result.text.splitlines()]
    assert result.code == 0, result
    assert lines[1:6] == [
        f"{directory}/{USUAL}: answers",
        "file          0660 root:root",
        f"listens       containerd (pid {running.process.pid}, user root), stream",
        f"runtime       containerd {version}, CRI v1",
        "RuntimeReady  yes",
    ]
    assert lines[6].startswith("NetworkReady  no, NetworkPluginNotReady: ")
    assert f"{directory}/{CRIO}: absent" in lines
    assert "kubeadm would take unix:///var/run/containerd/containerd.sock." in lines


def test_the_page_shows_what_is_printed(containerd: Start, directory: Path) -> None:
    containerd(USUAL)

    printed = headgate_sockets("--root", str(directory)).text
    printed = printed.replace(f"{directory}/run/cri", "/var/run/cri").replace(str(directory), "")

    page = (ROOT / "docs/unix-sockets.md").read_text()
    shown = page.partition("# headgate sockets\n")[2].partition("```")[0]
    of_the_machine = r"pid \d+|(?<=containerd )\d\S+(?=, CRI)|(?<=NetworkPluginNotReady: ).*"
    assert re.sub(of_the_machine, "…", printed).startswith(re.sub(of_the_machine, "…", shown))
    assert shown.count("\n") == 11


def test_json_output_has_the_same_facts(containerd: Start, directory: Path) -> None:
    running = containerd("own.sock")

    result = headgate_sockets("--endpoint", f"unix://{running.path}", "-o", "json", "--prefix", str(directory))

    (found,) = result.json["runtimes"]
    assert (result.code, found["endpoint"], found["state"]) == (0, str(running.path), "listens")
    assert found["file"] == {"mode": "0660", "owner": "root", "group": "root"}
    assert found["listener"] == {"pid": running.process.pid, "command": "containerd", "user": "root", "kind": "stream"}
    assert (found["runtime"]["name"], found["runtime"]["api"]) == ("containerd", "v1")
    assert {row["type"]: row["ready"] for row in found["runtime"]["conditions"]} == {
        "RuntimeReady": True, "NetworkReady": False,
    }  # fmt: skip
    assert result.json["kubeadm"] is None, "kubeadm does not look at paths of one's own"
    assert result.json["advice"] == ""


def test_two_runtimes_are_a_choice_that_kubeadm_refuses(containerd: Start, directory: Path) -> None:
    containerd(USUAL)
    containerd(CRIO)
    with bound_socket(directory / "run/other.sock"):
        result = headgate_sockets("--root", str(directory), "-o", "json")

    assert result.code == 0
    assert [found["runtime"] is not None for found in result.json["runtimes"]] == [True, True, False]
    assert result.json["kubeadm"] == {
        "takes": "",
        "between": ["unix:///var/run/containerd/containerd.sock", "unix:///var/run/crio/crio.sock"],
    }
    assert (
        "kubeadm would refuse to choose between unix:///var/run/containerd/containerd.sock and"
        " unix:///var/run/crio/crio.sock; name one of them in nodeRegistration.criSocket or by --cri-socket."
    ) in headgate_sockets("--root", str(directory)).text


def test_containerd_without_its_cri_plugin_is_reported_with_advice(containerd: Start, directory: Path) -> None:
    containerd(USUAL, "io.containerd.grpc.v1.cri")

    result = headgate_sockets("--root", str(directory))

    assert result.code == 1
    assert f"{directory}/{USUAL}: silent" in result.text
    assert "speaks gRPC but not the CRI v1 (unknown service runtime.v1.RuntimeService)" in result.text
    assert "take cri out of disabled_plugins" in result.text


def test_a_socket_of_a_killed_containerd_is_stale(containerd: Start, directory: Path) -> None:
    containerd(USUAL).kill()

    result = headgate_sockets("--root", str(directory))

    assert result.code == 1
    assert f"{directory}/{USUAL}: stale" in result.text
    assert "no process listens" in result.text
    assert "kubeadm" not in result.text
