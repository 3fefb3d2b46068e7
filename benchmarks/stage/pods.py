"""Headgate as a Pod on a node: the duration of each part of its start, and its resource usage."""

from __future__ import annotations

import asyncio
import datetime as dt
import itertools
import json
import os
import time
from typing import Any

import msgspec

from tests.e2e.cluster import KINDS, Cluster
from tests.e2e.node.installation import Installation
from tests.waiting import eventually

from .watch import PATIENCE_S, Object, WatchedStates

Fields = dict[str, Any]
ENTRY = 'date +container-began=%s.%N; exec headgate "$@"'
"""Run by the shell of the container: prints the time at which the container began, and becomes Headgate."""
GAUGES = """
cat /proc/[0-9]*/stat; echo; cat /proc/1/status; cd /sys/fs/cgroup
if [ -e memory.current ]; then cat memory.current memory.stat
else cat memory/memory.usage_in_bytes memory/memory.stat; fi
"""
"""Run in the container by a shell, which needs little compared with Headgate."""
TICKS = os.sysconf("SC_CLK_TCK")
MIB = 1024 * 1024
QUIET_S = 2.0


class Start(msgspec.Struct, frozen=True):
    """When the steps of a start were done, in seconds since 1970.

    The first and the last time are of this machine's clock, the others of the node's: a difference of the clocks is
    part of the first and the last duration.

    Attributes:
        asked: the Pod was sent to the API server.
        entered: the container's program began.
        imported: Headgate wrote its first line.
        opened: nginx was found, directories were created, templates were compiled.
        listed: all lists were complete; the first batch began.
        advanced: the pipeline had been passed.
        ready: nginx served, and ``/nginx-ready`` answered 200.
        seen: a watch showed that the Pod is Ready.
    """

    asked: float
    entered: float
    imported: float
    opened: float
    listed: float
    advanced: float
    ready: float
    seen: float

    def parts(self) -> list[float]:
        """Return the seconds of each part: kubelet, Python, opening, lists, stages, nginx, probe."""
        return [after - before for before, after in itertools.pairwise(msgspec.structs.astuple(self))]

    def spans(self) -> list[float]:
        """Return the seconds from container to ready, from container to Ready, and from Pod to Ready."""
        return [self.ready - self.entered, self.seen - self.entered, self.seen - self.asked]


class Usage(msgspec.Struct, frozen=True):
    """Processor time since the start, in seconds; memory in MiB.

    Attributes:
        python_s: of the controller, without its children.
        nginx_s: of the present nginx processes.
        python: resident memory of the controller, shared files included.
        nginx: memory written by nginx, pages shared by its processes counted once.
        container: the working set, as the kubelet reports it.
    """

    python_s: float
    nginx_s: float
    python: float
    nginx: float
    container: float


async def start(installation: Installation, pods: WatchedStates, name: str, *arguments: str, memory: bool) -> Start:
    """Create a Pod of Headgate and wait until it is Ready; its Service finds it by its labels.

    With *memory* the configuration is written to a volume in memory, else to the container's own layer.
    """
    container: Fields = {"command": ["sh", "-c", ENTRY, "sh"]}
    volumes = [{"name": "configuration", "emptyDir": {"medium": "Memory"}}] if memory else []
    container["volumeMounts"] = [{"name": volume["name"], "mountPath": "/etc/nginx"} for volume in volumes]
    deployment = installation.deployment(*arguments, container=container, volumes=volumes)
    asked = time.time()
    await create(installation.cluster, installation.namespace, name, deployment)
    seen = await pods.first(lambda pod: pod["metadata"]["name"] == name and is_ready(pod))
    return _timeline(asked, (await installation.log(name)).splitlines(), seen)


async def create(cluster: Cluster, namespace: str, name: str, deployment: Object) -> None:
    """Create the Pod *name* as *deployment* would make it."""
    template = deployment["spec"]["template"]
    pod = {"apiVersion": "v1", "kind": "Pod", **template, "metadata": {**template["metadata"], "name": name}}
    await cluster.client.create(KINDS["Pod"], namespace, pod)


async def stop(cluster: Cluster, namespace: str, name: str) -> None:
    """Delete a Pod without grace period, and wait until it no longer exists."""
    path = KINDS["Pod"].path(namespace, name)
    await cluster.client.request("DELETE", path, params={"gracePeriodSeconds": "0"})

    async def names() -> set[str]:
        return {pod["metadata"]["name"] for pod in await cluster.objects("Pod", namespace)}

    await eventually(names, lambda found: name not in found)


async def batches(installation: Installation, name: str) -> list[Fields]:
    """Return the log lines of the batches so far for which nginx was reloaded."""
    lines = [line for line in (await installation.log(name)).splitlines() if '"msg": "batch"' in line]
    return [batch for batch in map(json.loads, lines) if batch["reload_ms"]]


async def quiet(installation: Installation, name: str) -> None:
    """Wait until nothing was logged for some time: the Events of a start are sent after it."""
    before = ""
    async with asyncio.timeout(PATIENCE_S):
        while before != (now := await installation.log(name)):
            before = now
            await asyncio.sleep(QUIET_S)


async def idle(installation: Installation, name: str, seconds: float) -> tuple[float, float, Usage]:
    """Wait *seconds*; return the usage of Python and of nginx in thousandths of a core, and the memory."""
    before, began = await usage(installation, name), time.monotonic()
    await asyncio.sleep(seconds)
    after, took = await usage(installation, name), time.monotonic() - began
    python, nginx = after.python_s - before.python_s, after.nginx_s - before.nginx_s
    return python / took * 1000, nginx / took * 1000, after


async def usage(installation: Installation, name: str) -> Usage:
    """Return the present usage of Headgate and its nginx; the node may have either version of cgroups."""
    stats, _, rest = (await installation.execute(name, "sh", "-c", GAUGES)).partition("\n\n")
    python_s, nginx_s = _seconds(stats)
    lines = [line.replace(":", "").split() for line in rest.splitlines()]
    known = {line[0]: int(line[1]) for line in lines if len(line) > 1 and line[1].isdigit()}
    (charged,) = (int(line[0]) for line in lines if len(line) == 1 and line[0].isdigit())
    written = known.get("total_rss", known.get("anon", 0)) - known["RssAnon"] * 1024
    unused = known.get("total_inactive_file", known.get("inactive_file", 0))
    return Usage(python_s, nginx_s, known["VmRSS"] / 1024, written / MIB, (charged - unused) / MIB)


def is_ready(pod: Object) -> bool:
    """Whether the Pod has the condition Ready."""
    conditions = pod.get("status", {}).get("conditions", ())
    return any(state["type"] == "Ready" and state["status"] == "True" for state in conditions)


def _timeline(asked: float, log: list[str], seen: float) -> Start:
    """Read the steps from the log of a container that ``ENTRY`` began."""
    first, *lines = log
    records = [json.loads(line) for line in lines if line.startswith("{")]
    batch = next(record for record in records if record["msg"] == "batch")
    if batch["problems"] or batch["refused"]:
        raise RuntimeError(f"the objects of the benchmark are not all served: {batch}")
    opened = next(_time(record) for record in records if record["msg"] == "starting")
    ready = _time(batch)
    listed = ready - batch["took_ms"] / 1000
    advanced = listed + batch["pipeline_ms"] / 1000
    return Start(asked, float(first.partition("=")[2]), _time(records[0]), opened, listed, advanced, ready, seen)


def _time(record: Fields) -> float:
    return dt.datetime.fromisoformat(record["time"]).timestamp()


def _seconds(stats: str) -> tuple[float, float]:
    """Return the processor time of process 1, and that of all nginx, from lines of ``/proc/PID/stat``."""
    python, nginx = 0, 0
    for line in stats.splitlines():
        process, _, fields = line.rpartition(") ")
        number, _, program = process.partition(" (")
        ticks = sum(map(int, fields.split()[11:13]))
        python += ticks if number == "1" else 0
        nginx += ticks if program.startswith("nginx") else 0
    return python / TICKS, nginx / TICKS
