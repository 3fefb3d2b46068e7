"""The capability to bind low ports reaches nginx, in a process that has it without root's name."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from headgate.nginx.privileges import NET_BIND_SERVICE, pass_on_low_ports

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
