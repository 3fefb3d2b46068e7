"""The API server takes the Pod of ``examples/uds-pod`` as it is, in a namespace with the strictest rules for Pods."""

from __future__ import annotations

import json
from pathlib import Path

import yaml

from tests.e2e.environment import Environment

POD = Path(__file__).parents[2] / "examples" / "uds-pod" / "pod.yaml"


async def test_pod_security_restricted_admits_the_example_and_no_field_is_unknown(env: Environment) -> None:
    namespace = f"{env.name}-uds"
    await env.add_namespace(namespace, {"pod-security.kubernetes.io/enforce": "restricted"})
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": namespace}}
    await env.cluster.apply(account)
    answer = await env.cluster.client.request(
        "POST",
        f"/api/v1/namespaces/{namespace}/pods",
        params={"dryRun": "All", "fieldValidation": "Strict"},
        body=yaml.safe_load(POD.read_text()),
    )
    admitted = json.loads(answer)
    assert [container["name"] for container in admitted["spec"]["containers"]] == ["server", "client"]
    assert admitted["spec"]["volumes"] == [{"name": "csi", "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}}]
