"""The capability to bind low ports reaches nginx, in a process that has it without root's name."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from headgate.nginx.privileges import NET_BIND_SERVICE, pass_on_low_ports, permission_advice

PERMITTED = """
import ctypes, os, subprocess, sys
from headgate.nginx.privileges import pass_on_low_ports
keep = sys.argv[1] == "keep"
if keep:  # permitted survives the change of user, but is neither effective nor passed on: as after exec in a Pod
    ctypes.CDLL(None).prctl(8, 1, 0, 0, 0)
os.setgroups([]); os.setgid(65534); os.setuid(65534)
print(pass_on_low_ports())
print(open("/proc/self/status").read().partition("CapEff:\\t")[2].partition("\\n")[0])
print(subprocess.run(["cat", "/proc/self/status"], capture_output=True, text=True).stdout)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give itself a capability and then another name")
@pytest.mark.parametrize(("how", "passed"), [("keep", True), ("lose", False)])
def test_a_permitted_capability_is_passed_on(how: str, passed: bool) -> None:
    done = subprocess.run([sys.executable, "-c", PERMITTED, how], capture_output=True, text=True, check=True)
    said, own, status = done.stdout.split("\n", 2)
    sets = dict(line.split(":\t", 1) for line in status.splitlines() if line.startswith("Cap"))
    assert said == str(passed)
    # What nginx has, its parent must have in effect: else the kernel hides nginx's working directory from it.
    assert int(own, 16) == int(sets["CapEff"], 16)
    assert bool(int(sets["CapEff"], 16) & 1 << NET_BIND_SERVICE) is passed
    assert int(sets["CapEff"], 16) & ~(1 << NET_BIND_SERVICE) == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="root is told so, others have no capability here")
def test_root_needs_no_ambient_capability() -> None:
    assert pass_on_low_ports()


@pytest.mark.parametrize(
    ("limit", "port", "text"),
    [
        ("1024\n", "80", "use a port above 1023, for example -default-http-listener-port=8000 "),
        ("81\n", "80", "use a port above 80, for example -default-http-listener-port=8000 "),
        ("", "443", "use a port above 1023, "),
        ("1024\n", "8000", "semanage port -a -t http_port_t -p tcp 8000"),
    ],
)
def test_what_to_do_about_a_port_depends_on_what_the_kernel_reserves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, port: str, text: str
) -> None:
    (tmp_path / "limit").write_text(limit)
    monkeypatch.setattr("headgate.nginx.privileges.FIRST_OPEN_PORT", tmp_path / "limit")
    assert text in permission_advice(port)
