"""How long a fault was felt, and whether what is left of it is what a fresh start would give."""

from __future__ import annotations

import json

from headgate.ir.layout import ROUTES_FILE, VERSION_FILE
from tests.e2e.cluster import Cluster
from tests.e2e.node.installation import NAME, Installation
from tests.e2e.node.load import Load
from tests.e2e.objects import Object
from tests.waiting import eventually

READ = """
import json, pathlib, sys

root = pathlib.Path("/etc/nginx")
print(json.dumps({str(at.relative_to(root)): at.read_text() for at in root.rglob("*") if at.is_file()}))
"""


def seconds_disturbed(traffic: Load, since: float) -> float:
    """Seconds from *since* until the last request that failed had ended; 0 if none failed."""
    return max((request.ended - since for request in traffic.requests if request.failure), default=0.0)


async def configuration(installation: Installation, pod: str) -> dict[str, str]:
    """Every file of nginx's configuration in *pod* but the number of the version, which counts the changes."""
    files: dict[str, str] = json.loads(await installation.execute(pod, "python3", "-c", READ))
    assert files.pop(VERSION_FILE)
    return files


async def failed_informers(installation: Installation, pod: str = "") -> set[str]:
    """The informers of *pod*, or of the only Pod, whose last word is that they failed."""
    last: dict[str, str] = {}
    for entry in await installation.lines(pod or await installation.pod()):
        if entry["msg"] in {"informer failed", "informer recovered"}:
            last[entry["informer"]] = entry["msg"]
    return {name for name, message in last.items() if message == "informer failed"}


async def assert_same_as_fresh_start(installation: Installation, pod: str) -> None:
    """Start another Pod as those of the Deployment and compare what it makes of the cluster with what *pod* has."""
    cluster, namespace = installation.cluster, installation.namespace
    template = (await cluster.get("Deployment", namespace, NAME))["spec"]["template"]
    meta = {"namespace": namespace, "name": "fresh", "labels": {"app": "fresh"}}
    await cluster.apply({"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": template["spec"]})
    await wait_ready(cluster, namespace, "fresh")
    await assert_same_configuration(installation, pod, "fresh")


async def assert_same_configuration(installation: Installation, pod: str, fresh: str) -> None:
    """Compare what *pod* has with what the Pod *fresh* made of the cluster when it started."""
    wanted = await configuration(installation, fresh)
    assert any(name.startswith("conf.d/") for name in wanted)
    needed = shared_locations(wanted)

    def is_same(found: dict[str, str]) -> bool:
        # Shared locations stay when their last host goes.
        return shared_locations(found) >= needed and found == wanted

    await eventually(lambda: configuration(installation, pod), is_same)


def shared_locations(files: dict[str, str]) -> set[str]:
    """Take the locations of hosts without a server block out of *files*."""
    _, *locations = files.pop(ROUTES_FILE, "").split("\n    location ")
    return {text.strip() for text in locations}


async def wait_ready(cluster: Cluster, namespace: str, pod: str) -> None:
    """Wait until *pod* is ready."""

    async def conditions() -> dict[str, str]:
        found: Object = await cluster.get("Pod", namespace, pod)
        return {state["type"]: state["status"] for state in found["status"].get("conditions", ())}

    await eventually(conditions, lambda found: found.get("Ready") == "True")
