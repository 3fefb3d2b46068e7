"""The admission webhook, registered with a real API server."""

from __future__ import annotations

import base64
from pathlib import Path

from showcase.ports import free_port

from headgate.k8s import K8sError
from tests.e2e.environment import Environment
from tests.e2e.objects import Object, ingress, ingress_class
from tests.e2e.test_custom_resources import define
from tests.k8s.certificates import Authority
from tests.waiting import eventually


def registration(name: str, url: str, authority: Authority) -> Object:
    """Return the registration for the namespace *name* alone, which other tests do not notice."""
    rules = (
        ("networking.k8s.io", ["ingresses"]),
        ("k8s.nginx.org", ["virtualservers", "virtualserverroutes", "transportservers", "policies"]),
    )
    webhook = {
        "name": "validate.headgate.test",
        "admissionReviewVersions": ["v1"],
        "sideEffects": "None",
        "failurePolicy": "Fail",
        "timeoutSeconds": 10,
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}},
        "clientConfig": {"url": url, "caBundle": base64.b64encode(authority.pem).decode()},
        "rules": [
            {"apiGroups": [group], "apiVersions": ["*"], "operations": ["CREATE", "UPDATE"], "resources": resources}
            for group, resources in rules
        ],
    }
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": name},
        "webhooks": [webhook],
    }


def policy(namespace: str, name: str, class_name: str, allow: str) -> Object:
    return {
        "apiVersion": "k8s.nginx.org/v1",
        "kind": "Policy",
        "metadata": {"namespace": namespace, "name": name},
        "spec": {"ingressClassName": class_name, "accessControl": {"allow": [allow]}},
    }


async def denial(env: Environment, item: Object) -> str:
    """Return why *item* is not admitted, ``""`` if it is."""
    try:
        await env.cluster.apply(item)
    except K8sError as error:
        return str(error)
    return ""


async def test_what_would_not_be_served_is_denied_by_the_api_server(
    env: Environment, address: str, tmp_path: Path
) -> None:
    name, cluster, authority = env.name, env.cluster, Authority()
    controller = f"headgate.test/{name}"
    await define(cluster)
    await cluster.delete("IngressClass", "", name)  # its controller cannot be changed
    await cluster.apply(ingress_class(name, controller))
    certificate, key = authority.issue(address)
    (tmp_path / "cert").write_bytes(certificate)
    (tmp_path / "key").write_bytes(key)
    port = free_port()
    replica = await env.start(
        f"--controller-class={controller}",
        f"--validating-webhook={address}:{port}",
        f"--validating-webhook-certificate={tmp_path}/cert",
        f"--validating-webhook-key={tmp_path}/key",
    )
    await eventually(lambda: replica.logged("webhook"), bool)
    env.discard_later("ValidatingWebhookConfiguration", "", name)
    await cluster.apply(registration(name, f"https://{address}:{port}/validate", authority))
    timeout = "nginx.ingress.kubernetes.io/proxy-read-timeout"
    bad = ingress(name, "bad", name, host="shop.test", path="/ {")
    # The API server takes a moment to know of a registration.
    await eventually(
        lambda: denial(env, bad), lambda why: "denied the request: spec.rules[0].http.paths[0].path" in why
    )

    assert await denial(env, ingress(name, "old", name, host="shop.test", annotations={timeout: "long"})) == ""
    await eventually(lambda: cluster.reasons(name, "old"), lambda found: "AddedOrUpdatedWithWarning" in found)
    assert "Ingress " + name + "/old" in await denial(env, ingress(name, "new", name, host="shop.test"))
    assert await denial(env, ingress(name, "new", name, host="shop.test", path="/more")) == ""
    assert await denial(env, ingress(name, "other", "else", host="shop.test", path="/ {")) == ""
    assert "denied the request: spec.accessControl" in await denial(env, policy(name, "nobody", name, "everybody"))
    assert await denial(env, policy(name, "some", name, "192.0.2.0/24")) == ""
    await cluster.delete("Ingress", name, "old")
    await eventually(lambda: denial(env, ingress(name, "new", name, host="shop.test")), lambda why: why == "")
    await replica.discard()
