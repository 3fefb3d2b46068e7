"""The admission webhook of a running Headgate, asked over HTTPS as an API server does."""

from __future__ import annotations

import http.client
import json
import ssl
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from showcase.ports import free_port

from tests.directories import short_directory
from tests.k8s.certificates import Authority
from tests.live.headgate_process import LOOPBACK, HeadgateProcess
from tests.live.json_objects import Json, ingress, ingress_class
from tests.live.scripted_cluster import ScriptedCluster
from tests.nginx_binaries import ANY_NGINX
from tests.waiting import DEADLINE_S, wait_until

HOST = "webhook.ours.svc"
OLD, NEW = "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"


class Asked:
    """A Headgate with the webhook, and the files of its certificate."""

    def __init__(self, headgate: HeadgateProcess, port: int, directory: Path) -> None:
        self.headgate, self.port = headgate, port
        self._files = directory / "cert", directory / "key"
        self.authority = Authority()

    def write_certificate(self) -> None:
        """Write a certificate of another authority, as the kubelet does when a Secret changed."""
        self.authority = Authority()
        for file, data in zip(self._files, self.authority.issue(HOST), strict=True):
            file.write_bytes(data)

    def post(self, body: bytes, authority: Authority | None = None) -> tuple[int, str]:
        return post(self.port, body, (authority or self.authority).pem, HOST)

    def review(self, item: Json, operation: str = "CREATE") -> dict[str, Any]:
        group, _, version = item["apiVersion"].rpartition("/")
        request = {
            "uid": "1", "kind": {"group": group, "version": version, "kind": item["kind"]}, "operation": operation,
            "name": item["metadata"]["name"], "namespace": item["metadata"]["namespace"], "object": item,
        }  # fmt: skip
        status, text = self.post(json.dumps({"request": request}).encode())
        assert status == 200, text
        response: dict[str, Any] = json.loads(text)["response"]
        return response


def post(port: int, body: bytes, trusted: bytes, name: str, identity: Path | None = None) -> tuple[int, str]:
    """Ask as an API server that trusts the authorities *trusted*, with the certificate and key in *identity*."""
    context = ssl.create_default_context(cadata=trusted.decode())
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if identity:
        context.load_cert_chain(identity)
    connection = http.client.HTTPSConnection(LOOPBACK, port, timeout=DEADLINE_S, context=context)
    connection.connect = lambda: _connect(connection, context, name)  # type: ignore[method-assign]
    try:
        connection.request("POST", "/networking/v1/ingresses?timeout=10s", body)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def _connect(connection: http.client.HTTPSConnection, context: ssl.SSLContext, name: str) -> None:
    http.client.HTTPConnection.connect(connection)
    connection.sock = context.wrap_socket(connection.sock, server_hostname=name)


def shared(name: str, path: str, created: str) -> Json:
    backend = {"service": {"name": "tea", "port": {"number": 80}}}
    rule = {"host": "a.test", "http": {"paths": [{"path": path, "pathType": "Prefix", "backend": backend}]}}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"name": name, "namespace": "default", "creationTimestamp": created},
        "spec": {"ingressClassName": "community", "rules": [rule]},
    }


@pytest.fixture(scope="module")
def asked() -> Iterator[Asked]:
    with ExitStack() as stack:
        directory = stack.enter_context(short_directory())
        cluster = stack.enter_context(ScriptedCluster(directory))
        cluster.put(ingress_class(), ingress_class("community", "k8s.io/ingress-nginx"), shared("old", "/", OLD))
        port = free_port()
        headgate = HeadgateProcess(
            directory, ANY_NGINX, f"--kubeconfig={cluster.kubeconfig}", "--controller-class=k8s.io/ingress-nginx",
            f"--validating-webhook={LOOPBACK}:{port}", f"--validating-webhook-certificate={directory}/cert",
            f"--validating-webhook-key={directory}/key",
        )  # fmt: skip
        stack.callback(headgate.stop)
        headgate.start_ready()
        found = Asked(headgate, port, directory)
        wait_until(lambda: headgate.log_records("webhook certificate") != [])  # there is none yet
        found.write_certificate()
        wait_until(lambda: headgate.log_records("webhook") != [])
        yield found


def test_answers(asked: Asked) -> None:
    assert asked.review(ingress("good", "b.test")) == {"uid": "1", "allowed": True}
    bad = asked.review(ingress("bad", "-.test"))
    assert not bad["allowed"]
    assert bad["status"]["message"].startswith("spec.rules[0].host")
    assert asked.review(ingress("bad", "-.test"), "DELETE")["allowed"]
    assert asked.review(ingress("bad", "-.test", class_name="else")) == {"uid": "1", "allowed": True}
    duplicate = asked.review(shared("new", "/", NEW))
    assert "Ingress default/old" in duplicate["status"]["message"]
    assert asked.review(shared("new", "/more", NEW))["allowed"]
    assert asked.post(b"{")[0] == 400
    huge = b'{"request":{"uid":"2"},"x":"' + b"x" * (3 << 20)
    assert json.loads(asked.post(huge)[1])["response"]["allowed"]
    name = "headgate_admission_requests_total"
    counts = {result: asked.headgate.metric(name, result=result) for result in ("allowed", "denied", "failed")}
    assert counts == {"allowed": 4, "denied": 2, "failed": 2}


def test_a_new_certificate_is_used_without_a_restart(asked: Asked) -> None:
    old = asked.authority
    asked.write_certificate()
    wait_until(lambda: asked.headgate.log_records("webhook certificate renewed") != [])
    assert asked.review(ingress("good", "b.test"))["allowed"]
    with pytest.raises(ssl.SSLCertVerificationError):
        asked.post(b"{", old)
