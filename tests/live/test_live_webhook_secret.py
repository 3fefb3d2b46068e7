"""The webhook of a running Headgate that makes its own certificate, and asks API servers for theirs."""

from __future__ import annotations

import base64
import ssl
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from showcase.ports import free_port

from tests.directories import short_directory
from tests.k8s.certificates import Authority
from tests.live.headgate_process import LOOPBACK, HeadgateProcess
from tests.live.json_objects import Json, ingress_class
from tests.live.scripted_cluster import ScriptedCluster
from tests.live.test_live_webhook import post
from tests.nginx_binaries import ANY_NGINX
from tests.waiting import wait_until

NAME = "headgate-admission.default.svc"
SECRET: Json = {
    "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "admission", "namespace": "default"}, "type": "Opaque",
}  # fmt: skip
REGISTRATION: Json = {
    "apiVersion": "admissionregistration.k8s.io/v1",
    "kind": "ValidatingWebhookConfiguration",
    "metadata": {"name": "headgate"},
    "webhooks": [
        {
            "name": "validate.headgate.test",
            "clientConfig": {"service": {"namespace": "default", "name": "headgate-admission", "path": "/"}},
        }
    ],
}


class Registered:
    """A cluster with a Headgate that it asks, and the identity that it shows."""

    def __init__(self, cluster: ScriptedCluster, headgate: HeadgateProcess, port: int, identity: Path) -> None:
        self.headgate = headgate
        self._cluster, self._port, self._identity = cluster, port, identity

    def bundle(self) -> bytes:
        """What the API server trusts."""
        found = self._cluster.do(lambda server: server.get("ValidatingWebhookConfiguration", "", "headgate"))
        return base64.b64decode(found["webhooks"][0]["clientConfig"].get("caBundle", ""))

    def ask(self, *, known: bool = True) -> int:
        return post(self._port, b"{", self.bundle(), NAME, self._identity if known else None)[0]

    def empty_secret(self) -> None:
        self._cluster.put(SECRET)


@pytest.fixture(scope="module")
def registered() -> Iterator[Registered]:
    with ExitStack() as stack:
        directory = stack.enter_context(short_directory())
        cluster = stack.enter_context(ScriptedCluster(directory))
        cluster.put(ingress_class(), SECRET, REGISTRATION)
        port, clients, identity = free_port(), Authority(), directory / "identity"
        (directory / "clients").write_bytes(clients.pem)
        identity.write_bytes(b"".join(clients.issue("kube-apiserver")))
        headgate = HeadgateProcess(
            directory, ANY_NGINX, f"--kubeconfig={cluster.kubeconfig}",
            f"--validating-webhook={LOOPBACK}:{port}", "--validating-webhook-secret=default/admission",
            "--validating-webhook-service=default/headgate-admission", "--validating-webhook-configuration=headgate",
            f"--validating-webhook-client-ca={directory}/clients",
        )  # fmt: skip
        stack.callback(headgate.stop)
        headgate.start_ready()
        wait_until(lambda: headgate.log_records("webhook") != [])
        yield Registered(cluster, headgate, port, identity)


def test_the_api_server_is_answered_and_nobody_else(registered: Registered) -> None:
    assert registered.ask() == 400
    with pytest.raises((ssl.SSLError, ConnectionError)):
        registered.ask(known=False)
    assert registered.headgate.log_records("webhook certificate") == []


def test_a_secret_that_was_emptied_gets_another_certificate(registered: Registered) -> None:
    before = registered.bundle()
    registered.empty_secret()
    wait_until(lambda: registered.headgate.log_records("webhook certificate renewed") != [])
    assert registered.bundle() != before
    assert registered.ask() == 400
    with pytest.raises((ssl.SSLError, ConnectionError)):
        registered.ask(known=False)
