"""The API server under KUBECONFIG, as the person with kubectl uses it."""

from __future__ import annotations

import asyncio
import json
import shutil
from typing import Any

from headgate.api import (
    ConfigMap,
    EndpointSlice,
    Event,
    Ingress,
    IngressClass,
    Kind,
    Lease,
    Namespace,
    Pod,
    Secret,
    Service,
)
from headgate.api.nginx_org.crds import DEFINED
from headgate.k8s import Client, NotFound
from tests.e2e.objects import Object

SERVICE_ACCOUNT = Kind("ServiceAccount", "serviceaccounts")
RBAC = "rbac.authorization.k8s.io"
CLUSTER_ROLE = Kind("ClusterRole", "clusterroles", group=RBAC, namespaced=False)
CLUSTER_ROLE_BINDING = Kind("ClusterRoleBinding", "clusterrolebindings", group=RBAC, namespaced=False)
ROLES = (
    CLUSTER_ROLE,
    CLUSTER_ROLE_BINDING,
    Kind("Role", "roles", group=RBAC),
    Kind("RoleBinding", "rolebindings", group=RBAC),
)

MODELS = (ConfigMap, EndpointSlice, Event, Ingress, IngressClass, Lease, Namespace, Pod, Secret, Service)
DEPLOYMENT = Kind("Deployment", "deployments", group="apps")
DAEMON_SET = Kind("DaemonSet", "daemonsets", group="apps")
NODE = Kind("Node", "nodes", namespaced=False)
DEFINITION = Kind(
    "CustomResourceDefinition", "customresourcedefinitions", group="apiextensions.k8s.io", namespaced=False
)
WEBHOOK = Kind(
    "ValidatingWebhookConfiguration", "validatingwebhookconfigurations", group="admissionregistration.k8s.io",
    namespaced=False,
)  # fmt: skip
NOT_OURS = (SERVICE_ACCOUNT, *ROLES, DEPLOYMENT, DAEMON_SET, NODE, DEFINITION, WEBHOOK)
KINDS = {
    kind.name: kind
    for kind in (*(model.KIND for model in MODELS), *(custom.model.KIND for custom in DEFINED), *NOT_OURS)
}

APPLY = {"fieldManager": "headgate-e2e", "force": "true"}
APPLY_PATCH = "application/apply-patch+yaml"
"""Server-side apply; JSON is YAML."""


class Cluster:
    """Applies, reads and deletes objects."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.kubectl_path = shutil.which("kubectl")

    async def apply(self, *objects: Object) -> None:
        """Apply *objects* in their order, as ``kubectl apply --server-side`` does."""
        for item in objects:
            meta, kind = item["metadata"], KINDS[item["kind"]]
            path = kind.path(meta.get("namespace", ""), meta["name"])
            await self.client.request("PATCH", path, params=APPLY, body=item, content_type=APPLY_PATCH)

    async def kubectl_apply(self, *objects: Object) -> None:
        """Apply with kubectl if it is there, else by ourselves."""
        if not self.kubectl_path:
            await self.apply(*objects)
            return
        everything = {"apiVersion": "v1", "kind": "List", "items": objects}
        await self.kubectl("apply", "-f", "-", text=json.dumps(everything))

    async def kubectl(self, *arguments: str, text: str = "") -> str:
        """Run kubectl with *text* as its input and return what it prints."""
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            self.kubectl_path or "kubectl", *arguments, stdin=pipe, stdout=pipe, stderr=pipe
        )
        out, err = await process.communicate(text.encode())
        assert process.returncode == 0, f"kubectl {' '.join(arguments)}: {err.decode()}"
        return out.decode()

    async def get(self, kind: str, namespace: str, name: str) -> Object:
        return await self.client.get(KINDS[kind], namespace, name)

    async def objects(self, kind: str, namespace: str = "", **params: str) -> list[Object]:
        """Objects of a kind, of one namespace or of all; *params* as ``labelSelector`` limit them."""
        answer = await self.client.request("GET", KINDS[kind].path(namespace), params=params)
        items: list[Object] = json.loads(answer)["items"]
        return items

    async def delete(self, kind: str, namespace: str, name: str) -> None:
        """Delete an object; one that is gone already is fine."""
        try:
            await self.client.delete(KINDS[kind], namespace, name)
        except NotFound:
            return

    async def merge(self, kind: str, namespace: str, name: str, change: Object, subresource: str = "") -> None:
        await self.client.patch(KINDS[kind], namespace, name, change, subresource=subresource)

    async def events(self, namespace: str, name: str) -> list[dict[str, Any]]:
        """Events about the object *name*, oldest first."""
        found = await self.objects("Event", namespace, fieldSelector=f"involvedObject.name={name}")
        return sorted(found, key=lambda event: str(event["metadata"]["name"]))

    async def reasons(self, namespace: str, name: str) -> list[str]:
        return [event["reason"] for event in await self.events(namespace, name)]

    async def addresses(self, namespace: str, name: str) -> list[str]:
        """The addresses that the status of an Ingress shows."""
        balancer = (await self.get("Ingress", namespace, name)).get("status", {}).get("loadBalancer", {})
        return [item.get("ip") or item.get("hostname") for item in balancer.get("ingress") or []]

    async def denials(self) -> float:
        """Requests, of anybody, for which this API server found no permission so far."""
        text = (await self.client.request("GET", "/metrics")).decode()
        name = "authorization_attempts_total{"
        lines = [line for line in text.splitlines() if line.startswith(name) and '"allowed"' not in line]
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines)

    async def token(self, namespace: str, account: str) -> str:
        """A token for a ServiceAccount (TokenRequest), good for an hour."""
        path = SERVICE_ACCOUNT.path(namespace, account, "token")
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 3600}}
        answer = json.loads(await self.client.request("POST", path, body=body))
        token: str = answer["status"]["token"]
        return token
