"""A ServiceAccount with the rights that operators of the incumbent grant, or with fewer, and who acts for it."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import yaml

from tests.e2e.environment import Environment
from tests.e2e.objects import Object
from tests.e2e.replica import Replica

ROLE = Path(__file__).parent / "manifests" / "clusterrole.yaml"


def cluster_role(env: Environment, without: str = "") -> Object:
    """The incumbent's role under the environment's name; *without* takes the rules for one resource away."""
    role: Object = yaml.safe_load(ROLE.read_text())
    role["metadata"]["name"] = env.name
    role["rules"] = [rule for rule in role["rules"] if without not in rule["resources"]]
    return role


def kubeconfig(env: Environment, token: str) -> dict[str, Any]:
    """The test's own API server, with *token* in place of the test's own credentials."""
    config = env.cluster.client.config
    server: dict[str, Any] = {"server": config.server, "insecure-skip-tls-verify": config.insecure}
    if config.certificate_authority and not config.insecure:
        server["certificate-authority-data"] = base64.b64encode(config.certificate_authority).decode()
    if config.tls_server_name:
        server["tls-server-name"] = config.tls_server_name
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "it",
        "contexts": [{"name": "it", "context": {"cluster": "it", "user": "it"}}],
        "clusters": [{"name": "it", "cluster": server}],
        "users": [{"name": "it", "user": {"token": token}}],
    }


def bare_pod(env: Environment, name: str) -> Object:
    """A Pod without an owner that no node will ever run."""
    spec = {
        "serviceAccountName": "headgate",
        "automountServiceAccountToken": False,
        "nodeSelector": {"headgate.test/nowhere": "true"},
        "containers": [{"name": "headgate", "image": "headgate.invalid/headgate"}],
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"namespace": env.name, "name": name}, "spec": spec}


async def is_served(replica: Replica) -> bool:
    return (await replica.get("shop.test", tls=True)).status == 200


async def may_list(env: Environment, resource: str, group: str = "") -> bool:
    """What the authorizer of the API server says at present; it hears of changed roles a little later."""
    user = f"system:serviceaccount:{env.name}:headgate"
    asked = {"user": user, "resourceAttributes": {"verb": "list", "group": group, "resource": resource}}
    body = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": asked}
    path = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
    answer = json.loads(await env.cluster.client.request("POST", path, body=body))
    allowed: bool = answer["status"]["allowed"]
    return allowed
