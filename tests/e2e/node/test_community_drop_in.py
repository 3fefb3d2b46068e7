"""The manifests of ingress-nginx, with nothing changed but the image."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
import yaml

from tests.e2e.environment import Environment
from tests.e2e.node.installation import Installation
from tests.e2e.objects import BALANCER, Object, ingress
from tests.e2e.replica import total
from tests.e2e.test_community_install import ROLES, binding
from tests.e2e.test_webhook import denial
from tests.k8s.certificates import Authority
from tests.waiting import eventually

MANIFEST = Path(__file__).parent / "manifests" / "community.yaml"
NAME, NAMESPACE = "ingress-nginx-controller", "ingress-nginx"
TROUBLE = ("informer failed", "status not written", "event not sent", "leader election failed", "Traceback")
CLUSTER_WIDE = {"IngressClass", "ValidatingWebhookConfiguration", "ClusterRole", "ClusterRoleBinding"}


def manifests(installation: Installation, bundle: bytes) -> list[Object]:
    """The objects under names that are unique in the cluster; the webhook is asked about this namespace alone."""
    own = installation.namespace
    text = MANIFEST.read_text().replace("ingress-nginx/controller:v1.13.0", installation.image)
    text = text.replace("k8s.io/ingress-nginx", f"headgate.test/{own}")
    text = text.replace("--ingress-class=nginx", f"--ingress-class={own}")
    found: list[Object] = list(yaml.safe_load_all(text))
    for item in found:
        item["metadata"]["name"] = own if item["kind"] in CLUSTER_WIDE else item["metadata"]["name"]
        if "namespace" in item["metadata"]:
            item["metadata"]["namespace"] = own
        for webhook in item.get("webhooks", ()):
            webhook["namespaceSelector"] = {"matchLabels": {"kubernetes.io/metadata.name": own}}
            webhook["clientConfig"]["service"]["namespace"] = own
            webhook["clientConfig"]["caBundle"] = base64.b64encode(bundle).decode()
    return found


def roles(installation: Installation) -> list[Object]:
    own = installation.namespace
    cluster_role, role = yaml.safe_load_all(ROLES.read_text())
    cluster_role["metadata"]["name"] = own
    role["metadata"] = {"name": own, "namespace": own}
    account = "ingress-nginx"
    return [cluster_role, role, binding("ClusterRole", own, own, account), binding("Role", own, own, account)]


def certificate(installation: Installation, authority: Authority) -> Object:
    """The Secret that the Jobs of ingress-nginx make."""
    pair = authority.issue(f"{NAME}-admission.{installation.namespace}.svc")
    data = {"ca": authority.pem, "cert": pair[0], "key": pair[1]}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"namespace": installation.namespace, "name": "ingress-nginx-admission"},
        "data": {key: base64.b64encode(value).decode() for key, value in data.items()},
    }


async def scraped(installation: Installation, pod: str, path: str) -> str:
    """What a Pod answers on the port of ingress-nginx for health and metrics."""
    way = f"/api/v1/namespaces/{installation.namespace}/pods/{pod}:10254/proxy{path}"
    return (await installation.cluster.client.request("GET", way)).decode()


@pytest.fixture
async def community(installation: Installation, env: Environment) -> Installation:
    cluster, authority = installation.cluster, Authority()
    for kind in CLUSTER_WIDE:
        env.discard_later(kind, "", env.name)
    await cluster.delete("IngressClass", "", env.name)  # its controller cannot be changed
    await cluster.kubectl_apply(*roles(installation), certificate(installation, authority))
    await cluster.kubectl_apply(*manifests(installation, authority.pem))
    await installation.find_ports(NAME)
    await installation.settled(2, NAME)
    balancer = {"status": {"loadBalancer": {"ingress": [{"ip": BALANCER}]}}}
    await cluster.merge("Service", env.name, NAME, balancer, "status")
    return installation


async def test_its_manifests_work_with_headgates_image(community: Installation) -> None:
    namespace, cluster = community.namespace, community.cluster
    await community.add_backend()
    await community.env.add_ingress("shop")
    await eventually(lambda: community.get("shop.test", "/x"), lambda answer: answer.status == 200)
    # Of the two replicas one may be later; the certificate is made at the start.
    await eventually(lambda: community.get("shop.test", tls=True), lambda answer: answer.status == 200)
    assert (await community.get("nobody.test")).status == 404
    await eventually(lambda: cluster.addresses(namespace, "shop"), lambda found: found == [BALANCER])
    pods = [pod["metadata"]["name"] for pod in await community.pods(NAME)]
    assert len(pods) == 2
    for pod in pods:
        assert await scraped(community, pod, "/healthz") == "ok\n"
        text = await scraped(community, pod, "/metrics")
        assert total(text, "nginx_ingress_controller_nginx_last_reload_status", {}) == 1
        log = await community.log(pod)
        assert [word for word in TROUBLE if word in log] == []
        assert "is not supported" not in log
    lease = await cluster.get("Lease", namespace, "ingress-nginx-leader")
    assert lease["spec"]["holderIdentity"] in pods
    bad = ingress(namespace, "bad", namespace, host="bad.test", path="/ {")
    await eventually(lambda: denial(community.env, bad), lambda why: "denied the request: spec.rules[0]" in why)
    duplicate = ingress(namespace, "again", namespace, host="shop.test")
    assert f"Ingress {namespace}/shop" in await denial(community.env, duplicate)
