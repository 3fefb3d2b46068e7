"""The admission webhook of a release of the chart, with a certificate that Headgate makes."""

from __future__ import annotations

import base64

import pytest

from tests.e2e.node.test_chart import Release, release  # noqa: F401
from tests.e2e.objects import Object, ingress
from tests.e2e.test_webhook import denial
from tests.waiting import eventually

BAD = "/ {"
"""A path that the API server takes and nginx would not."""


async def bundle(release: Release) -> bytes:  # noqa: F811
    """Whom the API server trusts."""
    found = await release.installation.cluster.get("ValidatingWebhookConfiguration", "", registration(release))
    return base64.b64decode(found["webhooks"][0]["clientConfig"].get("caBundle", ""))


def registration(release: Release) -> str:  # noqa: F811
    return f"{release.namespace}-headgate-admission"


async def kubectl_apply(release: Release, item: Object) -> str:  # noqa: F811
    """Return what kubectl says if the API server refuses *item*, else nothing."""
    try:
        await release.installation.cluster.kubectl_apply(item)
    except AssertionError as error:
        return str(error)
    return ""


async def test_kubectl_apply_shows_what_the_event_would_say(release: Release) -> None:  # noqa: F811
    namespace, cluster = release.namespace, release.installation.cluster
    if not cluster.kubectl_path:
        pytest.skip("kubectl is not there")
    before = await release.left()
    await cluster.apply(ingress(namespace, "old", namespace, host="old.test", path=BAD))
    selected = {"matchLabels": {"kubernetes.io/metadata.name": namespace}}
    hook = {"enabled": True, "failurePolicy": "Fail", "namespaceSelector": selected}
    await release.install(replicaCount=2, admissionWebhooks=hook)
    await eventually(lambda: bundle(release), bool)
    bad = ingress(namespace, "bad", namespace, host="bad.test", path=BAD)
    # The API server takes a moment to know whom to trust.
    told = await eventually(lambda: kubectl_apply(release, bad), lambda why: "denied the request: " in why)
    words = told.partition("denied the request: ")[2].strip()
    assert words.startswith("spec.rules[0].http.paths[0].path")
    (event, *_) = await eventually(lambda: cluster.events(namespace, "old"), bool)
    assert words in event["message"]
    assert await kubectl_apply(release, ingress(namespace, "good", namespace, host="good.test")) == ""

    # An empty Secret gets another certificate, without a restart.
    trusted, pods = await bundle(release), await release.pods()
    secret = "headgate-admission-certificate"
    await cluster.merge(
        "Secret", namespace, secret, {"data": dict.fromkeys(("ca.crt", "ca.key", "tls.crt", "tls.key"))}
    )
    await eventually(lambda: bundle(release), lambda found: found != trusted)
    for pod in pods:
        await eventually(
            lambda pod=pod: release.installation.log(pod), lambda log: "webhook certificate renewed" in log
        )
    await eventually(lambda: denial(release.installation.env, bad), lambda why: "denied the request: " in why)
    for _ in range(10):  # each asks one of the two replicas
        assert "denied the request: " in await denial(release.installation.env, bad)
    assert await release.pods() == pods

    await cluster.delete("Ingress", namespace, "old")
    await cluster.delete("Ingress", namespace, "good")
    await release.helm("uninstall", "--wait", "--timeout", "60s")
    await eventually(release.left, lambda left: left == before)
