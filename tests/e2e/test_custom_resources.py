"""Custom resources on a real API server: the definitions of `headgate crds`, statuses, and a cluster without them."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from headgate.api.nginx_org.crds import CUSTOM
from headgate.k8s import K8sError
from headgate.validation.fields import field_faults
from tests.e2e.cluster import KINDS, Cluster
from tests.e2e.environment import Environment
from tests.e2e.objects import Object
from tests.waiting import eventually

CASES = Path(__file__).parents[1] / "cases"
FOLDERS = ("virtualserver", "virtualserverroute", "transportserver", "globalconfiguration", "policy")
MISTAKES = {"first-mistakes", "unknown-fields"}
"""Cases with fields and types that no API server stores."""
NAMES = {custom.model.KIND.name for custom in CUSTOM}


def definitions() -> list[Object]:
    printed = subprocess.run([sys.executable, "-m", "headgate", "crds"], check=True, capture_output=True, text=True)
    return list(yaml.safe_load_all(printed.stdout))


async def define(cluster: Cluster) -> None:
    """Apply the definitions, and wait until the API server serves them."""
    found = definitions()
    await cluster.apply(*found)
    for item in found:
        await eventually(
            lambda item=item: cluster.get("CustomResourceDefinition", "", item["metadata"]["name"]), _serves
        )


def _serves(found: Object) -> bool:
    conditions = {one["type"]: one["status"] for one in found.get("status", {}).get("conditions", ())}
    return conditions.get("Established") == "True"


def virtual_server(env: Environment, name: str, **spec: Any) -> Object:
    route = {"path": "/", "action": {"pass": "echo"}}
    upstream = {"name": "echo", "service": "echo", "port": 80}
    return {
        "apiVersion": "k8s.nginx.org/v1",
        "kind": "VirtualServer",
        "metadata": {"name": name, "namespace": env.name},
        "spec": {
            "ingressClassName": env.name, "host": f"{name}.test", "upstreams": [upstream], "routes": [route], **spec
        },
    }  # fmt: skip


def inputs() -> Iterator[Object]:
    """Every custom resource of the cases about these kinds, under a name of its own."""
    files = (file for folder in FOLDERS for file in sorted((CASES / folder).rglob("in*.yaml")))
    written = (file.read_text() for file in files if file.parent.name not in MISTAKES)
    found = (item for text in written for item in yaml.safe_load_all(text))
    for number, item in enumerate(item for item in found if item and item["kind"] in NAMES and "spec" in item):
        yield {**item, "metadata": {"name": f"case-{number}"}}


def faulty(item: Object) -> bool:
    """Whether Headgate refuses a field of *item*, too."""
    model = next(custom.model for custom in CUSTOM if custom.model.KIND.name == item["kind"])
    try:
        spec = getattr(model.convert(item), "spec", None)
    except msgspec.ValidationError:
        return True
    return spec is not None and any(field_faults(spec, "spec"))


async def test_a_virtual_server_is_served_and_has_a_status(env: Environment, echo: None) -> None:
    await define(env.cluster)
    replica = await env.start()
    await env.cluster.kubectl_apply(virtual_server(env, "shop"))
    assert (
        await eventually(lambda: replica.get("shop.test", "/a"), lambda found: found.status == 200)
    ).text == "GET /a"

    async def state(name: str = "shop") -> tuple[str, str]:
        status = (await env.cluster.get("VirtualServer", env.name, name)).get("status", {})
        return status.get("state", ""), status.get("message", "")

    message = f"Configuration for {env.name}/shop was added or updated"
    await eventually(state, lambda found: found == ("Valid", message))
    await env.cluster.kubectl_apply(virtual_server(env, "shop", gunzip=True, host="shop .test"))
    await eventually(state, lambda found: found[0] == "Invalid")
    assert (await state())[1].startswith(
        f"VirtualServer {env.name}/shop was rejected with error: spec.host: 'shop .test'"
    )
    await eventually(lambda: replica.get("shop.test"), lambda found: found.status == 404)
    if env.cluster.kubectl_path:
        lines = (await env.cluster.kubectl("get", "vs", "-n", env.name)).splitlines()
        assert lines[0].split() == ["NAME", "STATE", "HOST", "IP", "PORTS", "AGE"]
        assert lines[1].split()[:3] == ["shop", "Invalid", "shop"]


async def test_the_definitions_accept_what_headgate_accepts_and_lose_nothing(env: Environment) -> None:
    await define(env.cluster)
    refused = []
    for item in inputs():
        kind = KINDS[item["kind"]]
        if (
            kind.name != "GlobalConfiguration"
        ):  # other controllers must not report on objects that go with the namespace
            item["spec"]["ingressClassName"] = env.name
        try:
            stored = await env.cluster.client.create(kind, env.name, item)
        except K8sError as error:
            if not faulty(item):
                refused.append(str(error))
        else:
            assert stored["spec"] == item["spec"], f"{item['kind']} {item['metadata']['name']}"
    assert refused == []


@pytest.mark.disruptive
async def test_definitions_that_are_deleted_and_come_back(env: Environment, echo: None) -> None:
    await define(env.cluster)
    await env.add_ingress("inn")
    replica = await env.start()
    server = virtual_server(env, "shop")
    await env.cluster.apply(server)
    await eventually(lambda: replica.get("shop.test"), lambda found: found.status == 200)
    for name in (item["metadata"]["name"] for item in definitions()):
        await env.cluster.delete("CustomResourceDefinition", "", name)
    await eventually(lambda: replica.get("shop.test"), lambda found: found.status == 404)
    assert (await replica.get("inn.test")).status == 200
    await eventually(lambda: _gone(env.cluster))
    await define(env.cluster)
    await env.cluster.apply(server)
    await eventually(lambda: replica.get("shop.test"), lambda found: found.status == 200)


async def _gone(cluster: Cluster) -> bool:
    found = await asyncio.gather(
        *(cluster.objects("CustomResourceDefinition", fieldSelector=f"metadata.name={item['metadata']['name']}")
          for item in definitions())
    )  # fmt: skip
    return not any(found)
