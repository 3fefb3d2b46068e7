"""With the rights that operators of the incumbent grant, and with fewer."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.e2e.cluster import RBAC
from tests.e2e.environment import Environment
from tests.e2e.objects import ADDRESS, config_map, ingress_class, tls_secret
from tests.e2e.service_account import bare_pod, cluster_role, is_served, kubeconfig, may_list
from tests.k8s.certificates import Authority
from tests.waiting import eventually

MOST_DENIALS = 10
"""Refused requests of a test that are no loop: a watch of IngressClasses at each of its lists, and what others ask."""


@pytest.fixture
async def account(env: Environment, tmp_path: Path) -> str:
    """The flag that makes Headgate a ServiceAccount with the incumbent's rights."""
    name = env.name
    subject = {"kind": "ServiceAccount", "name": "headgate", "namespace": name}
    role_ref = {"apiGroup": RBAC, "kind": "ClusterRole", "name": name}
    env.discard_later("ClusterRoleBinding", "", name)
    env.discard_later("ClusterRole", "", name)
    await env.cluster.apply(
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"namespace": name, "name": "headgate"}},
        cluster_role(env),
        {
            "apiVersion": f"{RBAC}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": name},
            "roleRef": role_ref,
            "subjects": [subject],
        },
    )
    file = tmp_path / "kubeconfig"
    file.write_text(json.dumps(kubeconfig(env, await env.cluster.token(name, "headgate"))))
    return f"--kubeconfig={file}"


async def test_the_incumbents_role_is_enough(env: Environment, echo: None, account: str, authority: Authority) -> None:
    namespace, cluster = env.name, env.cluster
    secrets = [tls_secret(namespace, name, *authority.issue("shop.test")) for name in ("shop-tls", "default-tls")]
    settings = config_map(namespace, "settings", {"external-status-address": ADDRESS})
    await cluster.apply(*secrets, settings, bare_pod(env, "replica"))
    await env.add_ingress("shop", tls="shop-tls")
    denied = await cluster.denials()
    replica = await env.start(
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


async def test_a_missing_rule_is_logged_once_and_the_rest_continues(
    env: Environment, echo: None, account: str, authority: Authority
) -> None:
    await env.cluster.apply(
        tls_secret(env.name, "shop-tls", *authority.issue("shop.test")), cluster_role(env, without="secrets")
    )
    await env.add_ingress("shop", tls="shop-tls")
    await env.add_ingress("plain")
    await eventually(lambda: may_list(env, "secrets"), lambda allowed: not allowed)
    replica = await env.start(account)
    assert (await replica.get("plain.test")).status == 200
    assert await replica.certificate("shop.test") is None
    # A second attempt at the list has been made, and nothing was said about it.
    denied = await env.cluster.denials()
    await eventually(env.cluster.denials, lambda now: now > denied)
    said = replica.logged("informer failed")
    assert [entry["informer"] for entry in said] == ["secrets"]
    assert "the role lacks the verb list on secrets in the whole cluster" in said[0]["error"]

    await env.cluster.apply(cluster_role(env))
    await eventually(lambda: is_served(replica))
    assert len(replica.logged("informer failed")) == 1
    assert len(replica.logged("informer recovered", informer="secrets")) == 1
