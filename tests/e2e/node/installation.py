"""Headgate in Pods of one Deployment, behind a NodePort Service."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

import aiohttp
import yaml

from headgate.k8s import K8sError
from tests.e2e.cluster import RBAC, Cluster
from tests.e2e.environment import Environment
from tests.e2e.handshake import Handshake, handshake, unverified
from tests.e2e.node.backend import POD_NAME, RESTRICTED, backend
from tests.e2e.node.load import Plan
from tests.e2e.objects import Object
from tests.e2e.replica import NOBODY, Answer, total
from tests.e2e.service_account import ROLE
from tests.waiting import eventually

NAME = "headgate"
WORKERS = "nginx_ingress_controller_nginx_worker_processes_total"
POD_NAMESPACE = {"name": "POD_NAMESPACE", "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}}
SECURITY = RESTRICTED | {"runAsUser": 101, "capabilities": {"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]}}


class Installation:
    """One Deployment of Headgate in the namespace of *env*, serving the class of that name.

    It has the rights that operators of the incumbent grant, unless ``account`` is called with others before.
    """

    def __init__(self, env: Environment, image: str, node: str) -> None:
        """Prepare; *node* is an address at which node ports answer."""
        self.env = env
        self.image = image
        self.node = node
        self.ports = {"http": 0, "https": 0}

    @property
    def cluster(self) -> Cluster:
        return self.env.cluster

    @property
    def namespace(self) -> str:
        return self.env.name

    # --- installing -----------------------------------------------------------------------------------

    async def install(self, *arguments: str, replicas: int = 1, **pod: Any) -> None:
        """Apply everything and wait until *replicas* Pods are ready; *pod* replaces fields of the Pod's spec."""
        await self.account(yaml.safe_load(ROLE.read_text())["rules"])
        await self.cluster.apply(self.service(), self.deployment(*arguments, replicas=replicas, **pod))
        await self.find_ports(NAME)
        await self.settled(replicas)

    async def find_ports(self, service: str) -> None:
        """Remember the node ports of *service*."""
        for port in (await self.cluster.get("Service", self.namespace, service))["spec"]["ports"]:
            self.ports[port["name"]] = port["nodePort"]

    async def account(self, rules: list[Object]) -> None:
        """Give the Pods' ServiceAccount exactly *rules*, in the whole cluster."""
        name = self.namespace
        self.env.discard_later("ClusterRoleBinding", "", name)
        self.env.discard_later("ClusterRole", "", name)
        subject = {"kind": "ServiceAccount", "name": NAME, "namespace": name}
        role_ref = {"apiGroup": RBAC, "kind": "ClusterRole", "name": name}
        await self.cluster.apply(
            {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"namespace": name, "name": NAME}},
            {"apiVersion": f"{RBAC}/v1", "kind": "ClusterRole", "metadata": {"name": name}, "rules": rules},
            {
                "apiVersion": f"{RBAC}/v1",
                "kind": "ClusterRoleBinding",
                "metadata": {"name": name},
                "roleRef": role_ref,
                "subjects": [subject],
            },
        )

    def deployment(self, *arguments: str, replicas: int = 1, revision: str = "1", **pod: Any) -> Object:
        """The Deployment, as an operator of the incumbent writes it; a new *revision* rolls the Pods over."""
        labels = {"app": NAME}
        container = {
            "name": NAME,
            "image": self.image,
            "args": [f"-ingress-class={self.namespace}", "-enable-prometheus-metrics", "-log-format=json", *arguments],
            "env": [POD_NAME, POD_NAMESPACE],
            "readinessProbe": {"httpGet": {"path": "/nginx-ready", "port": 8081}, "periodSeconds": 1},
            "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}},
            "securityContext": SECURITY,
        }
        container |= pod.pop("container", {})
        spec = {"serviceAccountName": NAME, "containers": [container], "terminationGracePeriodSeconds": 40} | pod
        template = {"metadata": {"labels": labels, "annotations": {"headgate.test/revision": revision}}, "spec": spec}
        return {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"namespace": self.namespace, "name": NAME},
            "spec": {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template},
        }

    def bare_pod(self, name: str, *arguments: str, label: str = NAME, **pod: Any) -> Object:
        """A Pod of its own that is as those of the Deployment; with another *label* the Service passes it by."""
        spec = self.deployment(*arguments, **pod)["spec"]["template"]["spec"]
        meta = {"namespace": self.namespace, "name": name, "labels": {"app": label}}
        return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec}

    def service(self) -> Object:
        ports = [{"name": name, "port": port, "targetPort": port} for name, port in (("http", 80), ("https", 443))]
        spec = {"type": "NodePort", "selector": {"app": NAME}, "ports": ports}
        return {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"namespace": self.namespace, "name": NAME},
            "spec": spec,
        }

    async def add_backend(self, name: str = "echo", **options: Any) -> None:
        """Apply a backend and wait until its Pods are ready."""
        await self.cluster.apply(*backend(self.namespace, name, self.image, **options))
        await self.settled(options.get("replicas", 1), name)

    async def scale(self, replicas: int, name: str = NAME) -> None:
        """Set the number of Pods of the Deployment *name*; they may take a while to come and to go."""
        await self.cluster.merge("Deployment", self.namespace, name, {"spec": {"replicas": replicas}})

    async def settled(self, replicas: int, name: str = NAME) -> None:
        """Wait until exactly *replicas* Pods of the Deployment *name* are there, all ready and of its newest form."""

        async def is_settled() -> bool:
            found = await self.cluster.get("Deployment", self.namespace, name)
            status = found.get("status", {})
            counts = [status.get(count, 0) for count in ("replicas", "updatedReplicas", "readyReplicas")]
            newest = status.get("observedGeneration") == found["metadata"]["generation"]
            return newest and counts == [replicas] * 3 and len(await self.pods(name)) == replicas

        try:
            await eventually(is_settled)
        except AssertionError:
            raise AssertionError(f"{name} does not get ready: {await self.summary()}") from None

    # --- asking ---------------------------------------------------------------------------------------

    async def pods(self, name: str = NAME) -> list[Object]:
        """The Pods of the Deployment *name* that are there, those that are being deleted too."""
        found = await self.cluster.objects("Pod", self.namespace, labelSelector=f"app={name}")
        return sorted(found, key=lambda pod: str(pod["metadata"]["creationTimestamp"]))

    async def pod(self) -> str:
        """The name of the only Pod of Headgate."""
        (found,) = await self.pods()
        name: str = found["metadata"]["name"]
        return name

    async def get(self, host: str, path: str = "/", *, tls: bool = False) -> Answer:
        """Ask for ``host/path`` through the node port, on a new connection."""
        url = f"{'https' if tls else 'http'}://{self.node}:{self.ports['https' if tls else 'http']}{path}"
        try:
            async with (
                aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=20)) as session,
                session.get(
                    url,
                    headers={"Host": host},
                    ssl=unverified(),
                    server_hostname=host if tls else None,
                    allow_redirects=False,
                ) as response,
            ):
                return Answer(response.status, await response.text())
        except (aiohttp.ClientError, OSError):
            return NOBODY

    async def serves(self, host: str, path: str = "/", *, tls: bool = False) -> Answer:
        """Wait until ``host/path`` is answered with 200 and no worker is left that may answer otherwise.

        The first 200 is no proof: nginx lets old workers accept for 0.1 s after it started the new ones.
        """
        answer = await eventually(lambda: self.get(host, path, tls=tls), lambda answer: answer.status == 200)
        processors = {int(node["status"]["capacity"]["cpu"]) for node in await self.cluster.objects("Node")}
        for pod in await self.pods():
            current = partial(self.metric, WORKERS, pod["metadata"]["name"], generation="current")
            await eventually(current, processors.__contains__)
        return answer

    async def handshake(self, host: str) -> Handshake | None:
        """What *host* shows at the node port of HTTPS; None if the handshake fails."""
        return await handshake((self.node, self.ports["https"]), host)

    def plan(self, host: str, *, tls: bool = False, **options: Any) -> Plan:
        """Clients that ask for *host* through the node port; *options* are fields of the plan."""
        port = self.ports["https" if tls else "http"]
        return Plan((self.node, port), host, tls=unverified() if tls else None, **options)

    async def metric(self, name: str, pod: str = "", **labels: str) -> float:
        """The sum of the series of *name* that have *labels*, of *pod* or of the only Pod."""
        path = f"/api/v1/namespaces/{self.namespace}/pods/{pod or await self.pod()}:9113/proxy/metrics"
        text = (await self.cluster.client.request("GET", path)).decode()
        return total(text, name, labels)

    async def reloads(self, pod: str = "") -> float:
        """Reloads so far; the start counts as one."""
        return await self.metric("nginx_ingress_controller_nginx_reloads_total", pod)

    async def log(self, pod: str, **params: str) -> str:
        """What *pod* wrote; ``previous="true"`` asks for its container before the last restart."""
        path = f"/api/v1/namespaces/{self.namespace}/pods/{pod}/log"
        return (await self.cluster.client.request("GET", path, params=params)).decode()

    async def lines(self, pod: str) -> list[dict[str, Any]]:
        """What the controller in *pod* wrote, line by line; nginx's own lines are left out."""
        text = (await self.log(pod)).rpartition("\n")[0]  # a line that is being written has no end
        return [json.loads(line) for line in text.splitlines() if line.startswith("{")]

    async def logged(self, pod: str, message: str, **fields: str) -> list[dict[str, Any]]:
        """The lines that the controller in *pod* wrote with this message whose fields contain these texts."""
        return [
            entry
            for entry in await self.lines(pod)
            if entry["msg"] == message and all(text in str(entry.get(name)) for name, text in fields.items())
        ]

    async def restarts(self, pod: str) -> int:
        """How often the container of *pod* was started again."""
        (status,) = (await self.cluster.get("Pod", self.namespace, pod))["status"]["containerStatuses"]
        return int(status["restartCount"])

    async def execute(self, pod: str, *command: str) -> str:
        """Run a command in a container, as ``kubectl exec`` does (with it)."""
        return await self.cluster.kubectl("exec", "-n", self.namespace, pod, "--", *command)

    async def summary(self) -> str:
        """States and last words of all Pods, for the report of a failed test."""
        parts = []
        for pod in await self.cluster.objects("Pod", self.namespace):
            name = pod["metadata"]["name"]
            states = [status.get("state") for status in pod["status"].get("containerStatuses", ())]
            parts.append(f"{name}: {pod['status'].get('phase')} {states}\n{await self._last_words(name)}")
        return "\n".join(parts)

    async def _last_words(self, pod: str) -> str:
        try:
            return await self.log(pod, tailLines="60")
        except K8sError as error:
            return str(error)


async def node_address(cluster: Cluster) -> str:
    """The internal address of a node that is ready; ``""`` if there is none."""
    for node in await cluster.objects("Node"):
        if any(state["type"] == "Ready" and state["status"] == "True" for state in node["status"]["conditions"]):
            return next((at["address"] for at in node["status"]["addresses"] if at["type"] == "InternalIP"), "")
    return ""
