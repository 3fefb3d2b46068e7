"""Installed in the place of ingress-nginx: its arguments, roles, class and ConfigMap, and another program."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from tests.e2e.cluster import RBAC
from tests.e2e.environment import Environment
from tests.e2e.objects import ADDRESS, Object, config_map, ingress_class
from tests.e2e.service_account import bare_pod, kubeconfig
from tests.waiting import eventually

ROLES = Path(__file__).parent / "manifests" / "community-roles.yaml"
ELECTION = "ingress-nginx-leader"


def binding(kind: str, name: str, namespace: str, account: str = "headgate") -> Object:
    """Bind a role to a ServiceAccount."""
    metadata = {"name": name} if kind == "ClusterRole" else {"name": name, "namespace": namespace}
    return {
        "apiVersion": f"{RBAC}/v1",
        "kind": f"{kind}Binding",
        "metadata": metadata,
        "roleRef": {"apiGroup": RBAC, "kind": kind, "name": name},
        "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": namespace}],
    }


@pytest.fixture
async def account(env: Environment, tmp_path: Path) -> str:
    """The flag that makes Headgate a ServiceAccount with the rights of ingress-nginx."""
    name = env.name
    cluster_role, role = yaml.safe_load_all(ROLES.read_text())
    cluster_role["metadata"]["name"] = name
    role["metadata"] = {"name": name, "namespace": name}
    env.discard_later("ClusterRoleBinding", "", name)
    env.discard_later("ClusterRole", "", name)
    await env.cluster.apply(
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"namespace": name, "name": "headgate"}},
        cluster_role,
        role,
        binding("ClusterRole", name, name),
        binding("Role", name, name),
    )
    file = tmp_path / "kubeconfig"
    file.write_text(json.dumps(kubeconfig(env, await env.cluster.token(name, "headgate"))))
    return f"--kubeconfig={file}"


async def test_its_arguments_and_roles_are_enough(env: Environment, echo: None, account: str) -> None:
    namespace, cluster = env.name, env.cluster
    controller = f"headgate.test/{namespace}"
    await cluster.delete("IngressClass", "", namespace)  # its controller cannot be changed
    await cluster.apply(
        ingress_class(namespace, controller),
        config_map(namespace, "ingress-nginx-controller", {"hsts-max-age": "77", "enable-brotli": "true"}),
        bare_pod(env, "replica"),
    )
    await env.add_ingress("shop")
    denied = await cluster.denials()
    replica = await env.start(
        account,
        f"--publish-status-address={ADDRESS}",
        f"--election-id={ELECTION}",
        f"--controller-class={controller}",
        f"--configmap={namespace}/ingress-nginx-controller",
        "--validating-webhook=:8443",
        "--enable-metrics",
    )
    await eventually(lambda: replica.get("shop.test"), lambda answer: answer.status == 200)
    await eventually(lambda: cluster.addresses(namespace, "shop"), lambda found: found == [ADDRESS])
    await eventually(
        lambda: cluster.reasons(namespace, "ingress-nginx-controller"), lambda found: "InvalidValue" in found
    )
    assert (await replica.get("shop.test", tls=True)).status == 200
    assert replica.logged("informer failed") == []
    assert replica.logged("status not written") == []
    assert replica.logged("event not sent") == []
    assert await cluster.denials() == denied
