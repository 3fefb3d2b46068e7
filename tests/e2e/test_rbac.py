"""With the rights that operators of the incumbent grant, and with fewer."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.cluster import RBAC
from tests.e2e.objects import Object, config_map, ingress_class, tls_secret
from tests.e2e.place import Place
from tests.e2e.replica import Replica
from tests.k8s.certificates import Authority
from tests.waiting import eventually

ROLE = Path(__file__).parent / "manifests" / "clusterrole.yaml"
ADDRESS = "203.0.113.7"
MOST_DENIALS = 10
"""Refused requests of a test that are no loop: a watch of IngressClasses at each of its lists, and what others ask."""


def cluster_role(place: Place, without: str = "") -> Object:
    """The incumbent's role under the place's name; *without* takes the rules for one resource away."""
    role: Object = yaml.safe_load(ROLE.read_text())
    role["metadata"]["name"] = place.name
    role["rules"] = [rule for rule in role["rules"] if without not in rule["resources"]]
    return role


@pytest.fixture
async def account(place: Place, tmp_path: Path) -> str:
    """The flag that makes Headgate a ServiceAccount with the incumbent's rights."""
    name = place.name
    subject = {"kind": "ServiceAccount", "name": "headgate", "namespace": name}
    role_ref = {"apiGroup": RBAC, "kind": "ClusterRole", "name": name}
    place.discard_later("ClusterRoleBinding", "", name)
    place.discard_later("ClusterRole", "", name)
    await place.cluster.apply(
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"namespace": name, "name": "headgate"}},
        cluster_role(place),
        {
            "apiVersion": f"{RBAC}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": name},
            "roleRef": role_ref,
            "subjects": [subject],
        },
    )
    file = tmp_path / "kubeconfig"
    file.write_text(json.dumps(kubeconfig(place, await place.cluster.token(name, "headgate"))))
    return f"--kubeconfig={file}"


def kubeconfig(place: Place, token: str) -> dict[str, Any]:
    """The test's own API server, with *token* in place of the test's own credentials."""
    config = place.cluster.client.config
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


def bare_pod(place: Place, name: str) -> Object:
    """A Pod without an owner that no node will ever run."""
    spec = {
        "serviceAccountName": "headgate",
        "automountServiceAccountToken": False,
        "nodeSelector": {"headgate.test/nowhere": "true"},
        "containers": [{"name": "headgate", "image": "headgate.invalid/headgate"}],
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"namespace": place.name, "name": name}, "spec": spec}


async def is_served(replica: Replica) -> bool:
    return (await replica.get("shop.test", tls=True)).status == 200


async def test_everything_works_with_the_incumbents_role(
    place: Place, echo: None, account: str, authority: Authority
) -> None:
    namespace, cluster = place.name, place.cluster
    secrets = [tls_secret(namespace, name, *authority.issue("shop.test")) for name in ("shop-tls", "default-tls")]
    settings = config_map(namespace, "settings", {"external-status-address": ADDRESS})
    await cluster.apply(*secrets, settings, bare_pod(place, "replica"))
    await place.add_ingress("shop", tls="shop-tls")
    denied = await cluster.denials()
    replica = await place.start(
        account,
        "-report-ingress-status",
        f"-nginx-configmaps={namespace}/settings",
        f"-default-server-tls-secret={namespace}/default-tls",
    )
    assert await is_served(replica)
    await eventually(lambda: cluster.addresses(namespace, "shop"), lambda found: found == [ADDRESS])
    await eventually(lambda: cluster.reasons(namespace, "shop"), lambda found: found == ["AddedOrUpdated"])
    await eventually(lambda: cluster.reasons(namespace, "replica"), lambda found: "SecretUpdated" in found)

    # The class may not be watched; it is listed now and then, and that this is so is said once.
    await cluster.delete("IngressClass", "", namespace)
    await cluster.apply(ingress_class(namespace, "example.com/another"))
    await eventually(lambda: replica.get("shop.test"), lambda answer: answer.status == 404)
    assert len(replica.logged("watch refused, listing instead", rule="ingressclasses")) == 1
    assert replica.logged("informer failed") == []
    assert replica.logged("status not written") == []
    assert replica.logged("event not sent") == []
    assert 1 <= await cluster.denials() - denied <= MOST_DENIALS


async def test_a_missing_rule_is_said_once_and_the_rest_goes_on(
    place: Place, echo: None, account: str, authority: Authority
) -> None:
    await place.cluster.apply(
        tls_secret(place.name, "shop-tls", *authority.issue("shop.test")), cluster_role(place, without="secrets")
    )
    await place.add_ingress("shop", tls="shop-tls")
    await place.add_ingress("plain")
    await eventually(lambda: may_list(place, "secrets"), lambda allowed: not allowed)
    replica = await place.start(account)
    assert (await replica.get("plain.test")).status == 200
    assert await replica.certificate("shop.test") is None
    # A second attempt at the list has been made, and nothing was said about it.
    denied = await place.cluster.denials()
    await eventually(place.cluster.denials, lambda now: now > denied)
    said = replica.logged("informer failed")
    assert [entry["informer"] for entry in said] == ["secrets"]
    assert "the role lacks the verb list on secrets in the whole cluster" in said[0]["error"]

    await place.cluster.apply(cluster_role(place))
    await eventually(lambda: is_served(replica))
    assert len(replica.logged("informer failed")) == 1
    assert len(replica.logged("informer recovered", informer="secrets")) == 1


async def may_list(place: Place, resource: str, group: str = "") -> bool:
    """What the authorizer of the API server says at present; it hears of changed roles a little later."""
    user = f"system:serviceaccount:{place.name}:headgate"
    asked = {"user": user, "resourceAttributes": {"verb": "list", "group": group, "resource": resource}}
    body = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": asked}
    path = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
    answer = json.loads(await place.cluster.client.request("POST", path, body=body))
    allowed: bool = answer["status"]["allowed"]
    return allowed
