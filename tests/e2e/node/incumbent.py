"""The manifests of somebody who runs the F5 NGINX Ingress Controller, with another image."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from tests.e2e.node.installation import Installation
from tests.e2e.objects import BALANCER, Object, tls_secret
from tests.e2e.service_account import cluster_role
from tests.k8s.certificates import Authority
from tests.waiting import eventually

MANIFESTS = Path(__file__).parent / "manifests"
IMAGE = "nginx/nginx-ingress:5.6.0"
NAME = "nginx-ingress"
NAMESPACE = NAME
CLASS = "nginx"
OF_THE_CLUSTER = {"Namespace", "IngressClass", "ClusterRoleBinding"}


class Incumbent(Installation):
    """An installation from files; only what must be unique in the cluster is called otherwise than there."""

    async def apply(self, workload: str, authority: Authority) -> None:
        """Apply everything as kubectl does and wait until the way in leads to nginx.

        *workload* is the file of the controller; ``chart`` means the Deployment with the chart's arguments.
        """
        namespace = self.namespace
        self.env.discard_later("ClusterRoleBinding", "", namespace)
        self.env.discard_later("ClusterRole", "", namespace)
        secret = tls_secret(namespace, "default-server-secret", *authority.issue("nobody.test"))
        await self.cluster.kubectl_apply(cluster_role(self.env), *self._read("common"), secret)
        await self.cluster.kubectl_apply(*self._workload(workload))
        balancer = {"status": {"loadBalancer": {"ingress": [{"ip": BALANCER}]}}}
        await self.cluster.merge("Service", namespace, NAME, balancer, "status")
        await self.find_ports(NAME)
        try:
            # Only a Pod that is ready gets traffic: readiness is in this.
            await eventually(lambda: self.get("nobody.test"), lambda answer: answer.status == 404)
        except AssertionError:
            raise AssertionError(f"no answer through the Service: {await self.summary()}") from None

    def _workload(self, name: str) -> list[Object]:
        found = self._read("deployment" if name == "chart" else name)
        if name == "chart":
            (container,) = found[0]["spec"]["template"]["spec"]["containers"]
            container["args"] = self._documents("chart-arguments")[0]
        return found

    def _read(self, file: str) -> list[Object]:
        """The objects of a file under the names that this installation has for itself."""
        found: list[Object] = self._documents(file)
        for item in found:
            if item["kind"] in OF_THE_CLUSTER:
                item["metadata"]["name"] = self.namespace
            else:
                item["metadata"]["namespace"] = self.namespace
            if item["kind"] == "ClusterRoleBinding":
                item["roleRef"]["name"] = item["subjects"][0]["namespace"] = self.namespace
        return found

    def _documents(self, file: str) -> list[Any]:
        text = (MANIFESTS / f"{file}.yaml").read_text().replace(IMAGE, self.image)
        return list(yaml.safe_load_all(text.replace(f"-ingress-class={CLASS}", f"-ingress-class={self.namespace}")))

    async def pods(self, name: str = NAME) -> list[Object]:
        return await super().pods(name)
