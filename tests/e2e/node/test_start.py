"""Ways to make a Pod of it: who it is there, what it may write, what it may do, how much it may have."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import re
from collections.abc import Callable

import yaml

from headgate.k8s import K8sError
from tests.e2e.node.installation import NAME, SECURITY, Installation
from tests.e2e.objects import Object, config_map, tls_secret
from tests.e2e.service_account import ROLE
from tests.k8s.certificates import Authority
from tests.waiting import eventually

Note = Callable[[str, object], None]
WRITTEN = ("/etc/nginx", "/var/lib/nginx", "/var/cache/nginx", "/var/log/nginx")
VOLUMES = [{"name": f"v{number}", "emptyDir": {}} for number in range(len(WRITTEN))]
MOUNTS = [{"name": f"v{number}", "mountPath": path} for number, path in enumerate(WRITTEN)]
READ_ONLY = {"volumeMounts": MOUNTS}
LOW_PORTS_RESERVED = {"sysctls": [{"name": "net.ipv4.ip_unprivileged_port_start", "value": "1024"}]}
"""What some runtimes leave as it is: whoever is not root needs CAP_NET_BIND_SERVICE for port 80."""
NO_CAPABILITY = SECURITY | {"capabilities": {"drop": ["ALL"]}}
ANY_USER = NO_CAPABILITY | {"runAsUser": 1000680000, "runAsGroup": 0}
"""As OpenShift chooses users: a number of the namespace's own, in the group root."""

MAKES: dict[str, tuple[Object, Object]] = {
    "plain": ({}, {}),
    "read-only": (
        {"securityContext": SECURITY | {"readOnlyRootFilesystem": True}, **READ_ONLY},
        {"volumes": VOLUMES},
    ),
    "low-ports-reserved": ({}, {"securityContext": LOW_PORTS_RESERVED}),
    "escalation-allowed": (
        {"securityContext": SECURITY | {"allowPrivilegeEscalation": True}},
        {"securityContext": LOW_PORTS_RESERVED},
    ),
    "no-capability": ({"securityContext": NO_CAPABILITY}, {}),
    "any-user": ({"securityContext": ANY_USER}, {}),
    "any-user-read-only": (
        {"securityContext": ANY_USER | {"readOnlyRootFilesystem": True}, **READ_ONLY},
        {"volumes": VOLUMES},
    ),
}
"""A name → fields of the container and of the Pod that differ from an ordinary one."""

MEMORY_OF_PROCESSES = """
import json, pathlib
found = {}
for status in pathlib.Path("/proc").glob("[0-9]*/status"):
    fields = dict(line.split(":\\t", 1) for line in status.read_text().splitlines())
    if fields["Name"] in ("headgate", "nginx"):
        mebibytes = [int(fields[kind].split()[0]) >> 10 for kind in ("RssAnon", "VmRSS")]
        found[f"{fields['Name']} {fields['Pid']}"] = mebibytes
print(json.dumps(found))
"""
"""Prints MiB of memory by process: its own, and together with files that processes share (proc(5))."""
MANY = 100
INGRESSES = "nginx_ingress_controller_ingress_resources_total"
LATENCY = "nginx_ingress_controller_upstream_server_response_latency_ms_count"
MEMORY_LIMIT = {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": "128Mi"}}


def bare_pod(installation: Installation, name: str, container: Object, pod: Object) -> Object:
    """A Pod without an owner that differs in some fields from those of a Deployment."""
    template = installation.deployment("-health-status", container=container, **pod)["spec"]["template"]
    meta = {"namespace": installation.namespace, "name": name, "labels": {"app": "bare"}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": template["spec"]}


def condition(pod: Object, kind: str = "Ready") -> Object:
    found = (state for state in pod["status"].get("conditions", ()) if state["type"] == kind)
    return next(found, {"status": "False"})


async def healthy(installation: Installation, pod: str) -> str:
    """What port 80 of *pod*, which no Service need lead to, says at the address of ``-health-status``."""
    path = f"/api/v1/namespaces/{installation.namespace}/pods/{pod}:80/proxy/nginx-health"
    try:
        return (await installation.cluster.client.request("GET", path)).decode()
    except K8sError as error:
        return str(error)


async def test_it_starts_under_each_security_context(installation: Installation) -> None:
    await installation.account(yaml.safe_load(ROLE.read_text())["rules"])
    await installation.cluster.apply(*(bare_pod(installation, name, *make) for name, make in MAKES.items()))

    async def unready() -> list[str]:
        pods = await installation.pods("bare")
        return [pod["metadata"]["name"] for pod in pods if condition(pod)["status"] != "True"]

    try:
        await eventually(unready, lambda names: not names)
    except AssertionError as error:
        raise AssertionError(f"{error}: {await installation.summary()}") from None
    for name in MAKES:
        assert await healthy(installation, name) == "healthy", name
    restarts = [pod["status"]["containerStatuses"][0]["restartCount"] for pod in await installation.pods("bare")]
    assert restarts == [0] * len(MAKES)


async def test_a_pod_becomes_ready_and_its_start_is_measured(installation: Installation, record_property: Note) -> None:
    await installation.install()
    (pod,) = await installation.pods()
    started = dt.datetime.fromisoformat(pod["status"]["containerStatuses"][0]["state"]["running"]["startedAt"])
    # The API tells whole seconds only; the log tells of the time inside.
    ready = dt.datetime.fromisoformat(condition(pod)["lastTransitionTime"])
    lines = [json.loads(line) for line in (await installation.log(pod["metadata"]["name"])).splitlines() if "{" in line]
    (serving,) = [line for line in lines if line["msg"] == "ready"]
    first, applied = (dt.datetime.fromisoformat(line["time"]) for line in (lines[0], serving))
    record_property("start_to_ready_whole_s", (ready - started).total_seconds())
    record_property("first_line_to_serving_s", (applied - first).total_seconds())


async def test_it_stays_within_the_memory_that_it_requests(installation: Installation, record_property: Note) -> None:
    await installation.install(container={"resources": MEMORY_LIMIT})
    await installation.add_backend()
    empty = await memory(installation)
    await asyncio.gather(*(installation.env.add_ingress(f"shop{number}") for number in range(MANY)))
    await eventually(lambda: installation.metric(INGRESSES), lambda count: count == MANY)
    await installation.serves("shop99.test")
    full = await memory(installation)
    record_property("mib_own_and_with_shared_files", f"{empty}; with {MANY} Ingresses {full}")

    (pod,) = await installation.pods()
    assert pod["status"]["containerStatuses"][0]["restartCount"] == 0
    # All of them at the start are one reload, within the same memory.
    old = pod["metadata"]["name"]
    await installation.cluster.delete("Pod", installation.namespace, old)
    await eventually(installation.pods, lambda pods: old not in {pod["metadata"]["name"] for pod in pods})
    await installation.settled(1)
    assert await installation.reloads() == 1
    await installation.serves("shop0.test")


async def memory(installation: Installation) -> dict[str, list[int]]:
    """What MEMORY_OF_PROCESSES prints in the only Pod."""
    said = await installation.execute(await installation.pod(), "python3", "-c", MEMORY_OF_PROCESSES)
    found: dict[str, list[int]] = json.loads(said)
    return found


async def test_with_config_safety_it_is_ready_once_something_is_served(installation: Installation) -> None:
    env, cluster = installation.env, installation.cluster
    await env.add_ingress("shop", location_snippets="no_such_directive on;")
    await installation.account(yaml.safe_load(ROLE.read_text())["rules"])
    arguments = ("-enable-config-safety", "-enable-snippets", "-health-status")
    await cluster.apply(installation.service(), installation.deployment(*arguments))
    await installation.find_ports(NAME)

    async def pod() -> Object:
        return next(iter(await installation.pods()), {"status": {}})

    await eventually(pod, lambda found: condition(found, "PodReadyToStartContainers")["status"] == "True")
    name = await installation.pod()
    await eventually(lambda: healthy(installation, name), lambda said: said == "healthy")
    refused = await eventually(lambda: cluster.events(env.name, "shop"))
    assert "no_such_directive" in refused[-1]["message"]
    assert condition(await pod())["status"] == "False"

    await installation.add_backend()
    await env.add_ingress("shop", location_snippets="add_header X-Repaired yes;")
    await installation.serves("shop.test")
    assert condition(await pod())["status"] == "True"
    assert (await pod())["status"]["containerStatuses"][0]["restartCount"] == 0


async def test_flags_about_nginx_are_passed_on(installation: Installation, authority: Authority) -> None:
    env, cluster = installation.env, installation.env.cluster
    await cluster.apply(
        config_map(env.name, "settings", {"error-log-level": "debug"}),
        tls_secret(env.name, "shop-tls", *authority.issue("shop.test")),
    )
    await env.add_ingress("shop", tls="shop-tls")
    await installation.add_backend()
    await installation.install(
        f"-nginx-configmaps={env.name}/settings",
        "-nginx-debug",
        "-nginx-status-allow-cidrs=0.0.0.0/0,::/0",
        "-ssl-dynamic-reload=false",
        "-enable-latency-metrics",
    )
    pod = await installation.pod()
    path = f"/api/v1/namespaces/{env.name}/pods/{pod}:8080/proxy/stub_status"
    assert b"Active connections:" in await cluster.client.request("GET", path)
    commands = await installation.execute(pod, "sh", "-c", "cat /proc/[0-9]*/cmdline | tr '\\0' ' '")
    assert re.search(r"nginx: master process /\S+/nginx-debug ", commands)
    await installation.serves("shop.test", tls=True)
    assert [line for line in await installation.logged(pod, "nginx") if line.get("nginx_level") == "debug"]
    await eventually(lambda: installation.metric(LATENCY), lambda count: count >= 1)

    old, reloads = await installation.handshake("shop.test"), await installation.reloads()
    await cluster.apply(tls_secret(env.name, "shop-tls", *authority.issue("shop.test")))
    await eventually(lambda: installation.handshake("shop.test"), lambda found: found is not None and found != old)
    # The new workers serve before the controller has counted the reload that began them.
    await eventually(installation.reloads, lambda count: count == reloads + 1)
