"""What ``headgate sockets`` says about the sockets of a program that runs."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from tests.binaries import BINARIES, capabilities
from tests.live.live_objects import Manifests
from tests.live.live_places import ANY
from tests.live.live_program import ROOT, Program, Start
from tests.waiting import wait_until


def seen(program: Program) -> dict[str, Any]:
    """Return what is said of each socket of ours, by its name."""
    command = [sys.executable, "-m", "headgate", "sockets", "--prefix", str(program.prefix), "-o", "json"]
    done = subprocess.run([*command, "--root", str(program.prefix)], capture_output=True, cwd=ROOT, check=False)
    assert done.returncode == 1, "there is no container runtime below the prefix"
    return {row["path"].rpartition("/")[2]: row for row in json.loads(done.stdout)["headgate"]}


def warnings(program: Program) -> list[str]:
    """Return what was logged above INFO."""
    return [line["msg"] for line in program.lines() if line["level"] != "INFO"]


@pytest.mark.skipif(not BINARIES or not capabilities(ANY).stub_status, reason="this nginx has no stub_status")
def test_each_of_our_sockets_says_who_listens_and_what_it_answers(run: Start, manifests: Manifests) -> None:
    program = run(f"--manifests={manifests.path}", "-enable-latency-metrics=true")
    program.start_ready()
    before = warnings(program)
    sockets = wait_until(lambda: found if (found := seen(program))["nginx-status.sock"]["answer"] else {})

    assert {name: row["listener"]["pid"] for name, row in sockets.items()} == {
        "nginx-status.sock": program.master,
        "nginx-config-version.sock": program.master,
        "nginx-502-server.sock": program.master,
        "nginx-syslog.sock": program.pid,
    }
    assert sockets["nginx-status.sock"]["answer"].startswith("connections ")
    assert sockets["nginx-config-version.sock"]["answer"].startswith("configuration ")
    assert sockets["nginx-502-server.sock"]["answer"] == "HTTP 502"
    assert (sockets["nginx-syslog.sock"]["listener"]["kind"], sockets["nginx-syslog.sock"]["answer"]) == ("dgram", "")
    assert sockets["nginx-syslog.sock"]["file"]["mode"] == "0666"
    assert warnings(program) == before, "looking disturbs nobody"

    program.stop()
    assert {row["state"] for row in seen(program).values()} == {"absent"}


def test_what_a_killed_program_left_behind_is_told_from_what_still_answers(run: Start, manifests: Manifests) -> None:
    program = run(f"--manifests={manifests.path}", "-enable-latency-metrics=true")
    program.start_ready()
    program.kill()

    sockets = seen(program)

    assert sockets["nginx-syslog.sock"]["state"] == "stale", "the controller held it"
    assert sockets["nginx-config-version.sock"]["state"] == "listens", "nginx lives on"
    program.start_ready()
    assert seen(program)["nginx-syslog.sock"]["listener"]["pid"] == program.pid
