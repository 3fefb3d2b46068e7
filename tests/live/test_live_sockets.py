"""What ``headgate sockets`` says about the sockets of a running Headgate."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from tests.live.headgate_process import ROOT, HeadgateProcess, StartHeadgate
from tests.live.json_objects import ManifestFolder
from tests.nginx_binaries import ANY_NGINX, BINARIES, capabilities
from tests.waiting import wait_until


def seen(headgate: HeadgateProcess) -> dict[str, Any]:
    """Return what is said of each socket of ours, by its name."""
    command = [sys.executable, "-m", "headgate", "sockets", "--prefix", str(headgate.prefix), "-o", "json"]
    done = subprocess.run([*command, "--root", str(headgate.prefix)], capture_output=True, cwd=ROOT, check=False)
    assert done.returncode == (0 if headgate.is_alive else 1), "there is no container runtime below the prefix"
    return {row["path"].rpartition("/")[2]: row for row in json.loads(done.stdout)["headgate"]}


def warnings(headgate: HeadgateProcess) -> list[str]:
    """Return what was logged above INFO."""
    return [line["msg"] for line in headgate.log_records() if line["level"] != "INFO"]


@pytest.mark.skipif(not BINARIES or not capabilities(ANY_NGINX).stub_status, reason="this nginx has no stub_status")
def test_each_socket_of_headgate_is_listed_with_its_listener_and_answer(
    new_headgate: StartHeadgate, manifests: ManifestFolder
) -> None:
    headgate = new_headgate(f"--manifests={manifests.path}", "-enable-latency-metrics=true")
    headgate.start_ready()
    before = warnings(headgate)
    sockets = wait_until(lambda: found if (found := seen(headgate))["nginx-status.sock"]["answer"] else {})

    live = {"nginx.sock": headgate.master} if capabilities(ANY_NGINX).lua else {}
    assert {name: row["listener"]["pid"] for name, row in sockets.items()} == live | {
        "nginx-status.sock": headgate.master,
        "nginx-config-version.sock": headgate.master,
        "nginx-502-server.sock": headgate.master,
        "nginx-503-server.sock": headgate.master,
        "nginx-598-server.sock": headgate.master,
        "nginx-syslog.sock": headgate.pid,
        "headgate-control.sock": headgate.pid,
    }
    assert f", pid {headgate.pid}" in sockets["headgate-control.sock"]["answer"]
    assert sockets["headgate-control.sock"]["file"]["mode"] == "0600"
    assert sockets["nginx-status.sock"]["answer"].startswith("connections ")
    assert sockets["nginx-config-version.sock"]["answer"].startswith("configuration ")
    for status in (502, 503, 598):
        assert sockets[f"nginx-{status}-server.sock"]["answer"] == f"HTTP {status}"
    assert (sockets["nginx-syslog.sock"]["listener"]["kind"], sockets["nginx-syslog.sock"]["answer"]) == ("dgram", "")
    assert sockets["nginx-syslog.sock"]["file"]["mode"] == "0666"
    assert warnings(headgate) == before, "looking disturbs nobody"

    text = subprocess.run(
        [sys.executable, "-m", "headgate", "sockets", f"--prefix={headgate.prefix}", f"--root={headgate.prefix}"],
        capture_output=True, text=True, cwd=ROOT, check=True,
    ).stdout  # fmt: skip
    assert text.startswith(f"Headgate's own sockets in {headgate.prefix}/run\n")
    assert text.endswith("\n\nThere is no container runtime; Headgate needs none.\n")

    headgate.stop()
    assert {row["state"] for row in seen(headgate).values()} == {"absent"}


def test_stale_sockets_of_a_killed_headgate_are_distinguished_from_live_ones(
    new_headgate: StartHeadgate, manifests: ManifestFolder
) -> None:
    headgate = new_headgate(f"--manifests={manifests.path}", "-enable-latency-metrics=true")
    headgate.start_ready()
    headgate.kill()

    sockets = seen(headgate)

    assert sockets["nginx-syslog.sock"]["state"] == "stale", "the controller held it"
    assert sockets["nginx-config-version.sock"]["state"] == "listens", "nginx lives on"
    headgate.start_ready()
    assert seen(headgate)["nginx-syslog.sock"]["listener"]["pid"] == headgate.pid
