"""``kubectl headgate``: which Pod it asks, and how; kubectl is a script that prints what it is asked."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

KUBECTL = """\
#!/bin/sh
echo "$@" >>{calls}
case " $* " in *" get "*) cat {pods}; exit {status};; esac
echo "output of the Pod"
exit 3
"""


class Kubectl:
    """A kubectl on the PATH of the plugin."""

    def __init__(self, directory: Path, *pods: dict[str, Any], status: int = 0) -> None:
        self._directory = directory
        self._calls = directory / "calls"
        (directory / "pods").write_text(json.dumps({"items": pods}))
        script = directory / "kubectl"
        script.write_text(KUBECTL.format(calls=self._calls, pods=directory / "pods", status=status))
        script.chmod(0o755)

    def plugin(self, *words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", "from headgate.kubectl import main; main()", *words]
        path = {"PATH": f"{self._directory}:/usr/bin:/bin"}
        return subprocess.run(command, env=path, capture_output=True, text=True, check=False)

    @property
    def calls(self) -> list[str]:
        return self._calls.read_text().splitlines()


def pod(name: str, *, ready: bool = True, namespace: str = "headgate") -> dict[str, Any]:
    condition = {"type": "Ready", "status": "True" if ready else "False"}
    return {"metadata": {"name": name, "namespace": namespace}, "status": {"conditions": [condition]}}


def test_status_runs_in_the_first_pod_that_is_ready(tmp_path: Path) -> None:
    kubectl = Kubectl(tmp_path, pod("a", ready=False), pod("c"), pod("b"))
    found = kubectl.plugin("status", "-o", "wide")
    assert (found.returncode, found.stdout, found.stderr) == (3, "output of the Pod\n", "")
    assert kubectl.calls == [
        "get pods --all-namespaces -l app.kubernetes.io/name in (headgate, nginx-ingress) -o json",
        "exec -n headgate b -- headgate status -o wide",
    ]


def test_its_flags_select_cluster_namespace_and_pod(tmp_path: Path) -> None:
    kubectl = Kubectl(tmp_path, pod("a"), pod("b"))
    kubectl.plugin("--context=kind", "-n", "headgate", "-l", "app=x", "--pod", "b", "routes")
    assert kubectl.calls == [
        "--context=kind get pods -n headgate -l app=x -o json",
        "--context=kind exec -n headgate b -- headgate routes",
    ]


def test_its_flags_may_follow_a_command_that_runs_in_the_pod(tmp_path: Path) -> None:
    kubectl = Kubectl(tmp_path, pod("a"), pod("b"))
    kubectl.plugin("status", "--context", "kind", "-o", "wide", "-n=headgate", "--pod", "b")
    assert kubectl.calls == [
        "--context=kind get pods -n headgate -l app.kubernetes.io/name in (headgate, nginx-ingress) -o json",
        "--context=kind exec -n headgate b -- headgate status -o wide",
    ]


def test_no_pod_is_one_line_that_says_which_were_looked_for(tmp_path: Path) -> None:
    found = Kubectl(tmp_path).plugin("-n", "edge", "status")
    assert (found.returncode, found.stdout) == (1, "")
    assert found.stderr == (
        "headgate: there is no Pod with the labels 'app.kubernetes.io/name in (headgate, nginx-ingress)' in namespace "
        "edge; name others with -n, -l and --pod\n"
    )


def test_a_kubectl_that_fails_or_is_missing_is_reported(tmp_path: Path) -> None:
    found = Kubectl(tmp_path, status=1).plugin("status")
    assert (found.returncode, found.stderr) == (
        1, "headgate: the Pods of the controller cannot be listed; the line above is kubectl's\n"
    )  # fmt: skip
    (tmp_path / "kubectl").unlink()
    command = [sys.executable, "-c", "from headgate.kubectl import main; main()", "status"]
    found = subprocess.run(command, env={"PATH": str(tmp_path)}, capture_output=True, text=True, check=False)
    assert found.stderr == "headgate: kubectl is not on the PATH; install it, or run: headgate status --cluster\n"


AFTER = "write the flags of a command after its name"


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--replicas", "2", "status"], f"--replicas is not a flag of kubectl headgate; {AFTER}"),
        (["-n"], "-n needs a value"),
        (["status", "--context"], "--context needs a value"),
    ],
)
def test_a_flag_that_it_does_not_have_is_one_line(tmp_path: Path, words: list[str], line: str) -> None:
    found = Kubectl(tmp_path).plugin(*words)
    assert (found.returncode, found.stderr) == (1, f"headgate: {line}\n")


def test_other_commands_run_here(tmp_path: Path) -> None:
    kubectl = Kubectl(tmp_path)
    found = kubectl.plugin("explain", "annotation", "nginx.org/lb-method")
    assert found.returncode == 0
    assert "nginx.org/lb-method" in found.stdout
    assert kubectl.plugin().returncode == 2
    assert "kubectl headgate status" in kubectl.plugin("--help").stdout


@pytest.mark.parametrize("flag", ["-n=edge", "--namespace=edge", "-l=app=x", "--selector=app=x", "--pod=a"])
def test_a_command_that_runs_here_refuses_the_flags_that_select_a_pod(tmp_path: Path, flag: str) -> None:
    kubectl = Kubectl(tmp_path, pod("a"))
    (tmp_path / "manifests").mkdir()
    found = kubectl.plugin(flag, "check", str(tmp_path / "manifests"))
    name = flag.partition("=")[0]
    assert (found.returncode, found.stdout) == (1, "")
    assert found.stderr == (
        f"headgate: {name} selects the Pod for routes, sockets, status and version; headgate check runs on this machine"
        f" and asks no Pod: remove {name}\n"
    )
