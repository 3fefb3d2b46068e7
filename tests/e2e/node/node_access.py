"""The node under the Pods: what happens to processes from outside their container."""

from __future__ import annotations

import json
import signal
from typing import Literal

from tests.e2e.node.installation import Installation
from tests.e2e.objects import Object
from tests.waiting import eventually

NAME = "node-access"
Role = Literal["init", "master", "worker", "container", "sandbox"]
"""The first process of a container, an nginx master or worker in it, all in it, all of its Pod."""

AGENT = """
import contextlib, ctypes, json, os, pathlib, socket, sys

container, role, action = sys.argv[1:4]
API_SERVER, PIDFD_GETFD = (443, 6443), 438

def read(pid, name):
    try:
        return pathlib.Path("/proc", str(pid), name).read_bytes().replace(b"\\0", b" ").decode(errors="replace")
    except OSError:
        return ""

def network(pid):
    try:
        return os.readlink(f"/proc/{pid}/ns/net")
    except OSError:
        return ""

def is_first(pid):
    state = dict(line.split(":", 1) for line in read(pid, "status").splitlines())
    return state.get("NSpid", "").split()[-1:] == ["1"]

def cut(pid):
    # A copy of another process's socket (pidfd_getfd(2)) is the same connection.
    process = os.pidfd_open(pid)
    for name in os.listdir(f"/proc/{pid}/fd"):
        copy = ctypes.CDLL(None, use_errno=True).syscall(PIDFD_GETFD, process, int(name), 0)
        try:
            with socket.socket(fileno=copy) as found:
                if found.family != socket.AF_UNIX and found.getpeername()[1] in API_SERVER:
                    found.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

everybody = [int(name) for name in os.listdir("/proc") if name.isdecimal()]
pids = [pid for pid in everybody if container in read(pid, "cgroup")]
if role == "sandbox":
    homes = {network(pid) for pid in pids} - {""}
    pids = [pid for pid in everybody if network(pid) in homes]
elif role == "init":
    pids = [pid for pid in pids if is_first(pid)]
elif role != "container":
    pids = [pid for pid in pids if read(pid, "cmdline").startswith("nginx: " + role)]
states = [stat.rpartition(")")[2].split()[0] for pid in pids if (stat := read(pid, "stat"))]
for pid in pids[:1] if role == "worker" else pids:
    if action == "cut":
        cut(pid)
    elif action != "look":
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, int(action))
print(json.dumps(states))
"""
"""Finds the processes of a container by its cgroup, prints their states (proc(5)), and does something to them."""
RUN = "import os; exec(os.environ['AGENT'])"


class NodeAccess:
    """Root on the node, by way of a privileged Pod that sees the node's processes."""

    def __init__(self, installation: Installation) -> None:
        self._installation = installation
        self._env = installation.env

    async def start(self) -> None:
        """Run the Pod; it goes with the namespace."""
        await self._env.cluster.apply(self._pod())

        async def runs() -> bool:
            found = await self._env.cluster.get("Pod", self._env.name, NAME)
            return bool(found["status"].get("phase") == "Running")

        await eventually(runs)

    def _pod(self) -> Object:
        container = {
            "name": NAME,
            "image": self._installation.image,
            "command": ["python3", "-c", "import signal; signal.pause()"],
            "env": [{"name": "AGENT", "value": AGENT}],
            "securityContext": {"privileged": True, "runAsUser": 0},
        }
        spec = {
            "hostPID": True,
            "containers": [container],
            "terminationGracePeriodSeconds": 0,
            "automountServiceAccountToken": False,
        }
        meta = {"namespace": self._env.name, "name": NAME}
        return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec}

    async def signal(self, pod: str, role: Role, number: signal.Signals) -> None:
        """Send a signal to the processes of *pod* in that role, of the workers to one, as soon as there are some."""
        await eventually(lambda: self._act(pod, role, str(int(number))))

    async def cut(self, pod: str) -> None:
        """End the connections that the first process of *pod* has to the API server, as soon as there is one."""
        await eventually(lambda: self._act(pod, "init", "cut"))

    async def zombies(self, pod: str) -> int:
        """Count the processes of *pod* that have ended and that nobody has asked about."""
        return (await self._act(pod, "container", "look")).count("Z")

    async def _act(self, pod: str, role: Role, action: str) -> list[str]:
        """Return the states of the processes; none where the Pod's status still names a container that has ended."""
        (status,) = (await self._env.cluster.get("Pod", self._env.name, pod))["status"]["containerStatuses"]
        container = status["containerID"].rpartition("/")[2]
        answer = await self._installation.execute(NAME, "python3", "-c", RUN, container, role, action)
        states: list[str] = json.loads(answer)
        return states
