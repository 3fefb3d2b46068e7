"""Started with the arguments of ingress-nginx's manifests: probes, certificate, ConfigMap, status, Lease as there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from cryptography import x509

from headgate.cli import run
from headgate.controller.fake_certificate import COMMON_NAME
from tests.directories import short_directory
from tests.live.headgate_process import HeadgateProcess, ask
from tests.live.json_objects import config_map, ingress_class, service
from tests.live.scripted_cluster import Json, ScriptedCluster
from tests.nginx_binaries import ANY_NGINX
from tests.waiting import wait_until

Setup = tuple[HeadgateProcess, ScriptedCluster]
CONFIG, FRONT = "ingress-nginx-controller", "ingress-nginx-controller"


def settings(**data: str) -> Json:
    snippets = {"allow-snippet-annotations": "true", "annotations-risk-level": "Critical"}
    item = config_map("ours", CONFIG)
    return {**item, "data": {**snippets, **{key.replace("_", "-"): text for key, text in data.items()}}}


def shop(**more: str) -> Json:
    snippet = {"nginx.ingress.kubernetes.io/configuration-snippet": 'return 200 "shop";'}
    path = {"path": "/", "pathType": "Prefix", "backend": {"service": {"name": "shop", "port": {"number": 80}}}}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"name": "shop", "namespace": "default", "annotations": {**snippet, **more}},
        "spec": {
            "ingressClassName": "nginx",
            "tls": [{"hosts": ["shop.test"]}],
            "rules": [{"host": "shop.test", "http": {"paths": [path]}}],
        },
    }


@pytest.fixture(scope="module")
def setup() -> Iterator[Setup]:
    with ExitStack() as stack:
        directory = stack.enter_context(short_directory())
        cluster = stack.enter_context(ScriptedCluster(directory))
        front = service(FRONT, "ours", type="LoadBalancer")
        front["status"] = {"loadBalancer": {"ingress": [{"ip": "203.0.113.1"}]}}
        community = ingress_class()
        community["metadata"]["name"] = "nginx"
        community["spec"] = {"controller": "k8s.io/ingress-nginx"}
        cluster.put(community, settings(), front, shop())
        headgate = HeadgateProcess(
            directory, ANY_NGINX, f"--kubeconfig={cluster.kubeconfig}", f"--publish-service=ours/{FRONT}",
            "--election-id=ingress-nginx-leader", "--controller-class=k8s.io/ingress-nginx", "--ingress-class=nginx",
            f"--configmap=ours/{CONFIG}", "--validating-webhook=:8443",
            "--validating-webhook-certificate=/usr/local/certificates/cert",
            "--validating-webhook-key=/usr/local/certificates/key",
        )  # fmt: skip
        stack.callback(headgate.stop)
        headgate.start_ready()
        yield headgate, cluster


def test_the_health_check_answers_where_probes_and_load_balancers_ask(setup: Setup) -> None:
    headgate, _ = setup
    assert ask(headgate.probes, "probe", "/healthz")[:2] == (200, "ok\n")
    assert headgate.get("unknown.test", "/healthz").status == 200
    assert headgate.get("unknown.test").status == 404


def test_a_host_without_a_secret_answers_https(setup: Setup, capsys: pytest.CaptureFixture[str]) -> None:
    headgate, _ = setup
    wait_until(lambda: headgate.get_tls("shop.test").body == "shop")
    shown = x509.load_der_x509_certificate(headgate.certificate("shop.test"))
    assert COMMON_NAME in shown.subject.rfc4514_string()
    key = next(headgate.prefix.rglob("secrets/default"))
    assert key.stat().st_mode & 0o007 == 0
    assert headgate.get("shop.test").status == 308
    assert run(["status", f"--prefix={headgate.prefix}"], {}) == 0
    row = next(line.split() for line in capsys.readouterr().out.splitlines() if line.startswith("shop.test"))
    assert row[4:6] == ["default", "Ingress"]


def test_statuses_and_the_lease_are_written_under_its_names(setup: Setup) -> None:
    _, cluster = setup
    wait_until(lambda: cluster.addresses("shop") == [{"ip": "203.0.113.1"}])
    assert cluster.asked("POST", "leases") == 1
    assert cluster.do(lambda server: server.get("Lease", "ours", "ingress-nginx-leader"))


def test_the_config_map_is_followed_and_its_owner_is_told(setup: Setup) -> None:
    headgate, cluster = setup
    cluster.put(settings(hsts_max_age="77", enable_brotli="true"))
    wait_until(
        lambda: headgate.get_tls("shop.test").headers.get("Strict-Transport-Security", "").startswith("max-age=77")
    )
    wait_until(lambda: "InvalidValue" in cluster.reasons(CONFIG, "ConfigMap"))
    cluster.put(settings(block_cidrs="127.0.0.0/8"))
    wait_until(
        lambda: headgate.get_tls("shop.test").status == 403 or "deny" in headgate.file("conf.d/default-shop.conf")
    )


def test_config_maps_that_are_named_are_followed(setup: Setup) -> None:
    headgate, cluster = setup

    def headers(name: str, **data: str) -> Json:
        return {
            **config_map("default", name),
            "data": {key.replace("_", "-"): text for key, text in data.items()},
        }

    def sent(name: str) -> str | None:
        return headgate.get_tls("shop.test").headers.get(name)

    cluster.put(settings(add_headers="default/everywhere", global_allowed_response_headers="X-Own"))
    cluster.put(shop(**{"nginx.ingress.kubernetes.io/custom-headers": "own"}))
    wait_until(lambda: headgate.get_tls("shop.test").status == 500)
    cluster.put(headers("everywhere", X_All="1"), headers("own", X_Own="1"), headers("unrelated", X_Own="1"))
    wait_until(lambda: (sent("X-All"), sent("X-Own")) == ("1", "1"))
    cluster.put(headers("everywhere", X_All="2"))
    wait_until(lambda: (sent("X-All"), sent("X-Own")) == ("2", "1"))
    cluster.put(headers("own", X_Own="2"))
    wait_until(lambda: (sent("X-All"), sent("X-Own")) == ("2", "2"))
    cluster.put(headers("own", X_Secret="2"))
    wait_until(lambda: headgate.get_tls("shop.test").status == 500)
    assert not any("unrelated" in str(record) for record in headgate.log_records())
    cluster.put(settings(), shop())
    wait_until(lambda: headgate.get_tls("shop.test").status == 200)


def test_a_webhook_without_certificate_files_waits_for_them(setup: Setup) -> None:
    headgate, _ = setup
    assert headgate.log_records("flag") == []
    wait_until(lambda: len(headgate.log_records("webhook certificate")) == 1)
    assert "/usr/local/certificates/cert cannot be read" in headgate.log_records("webhook certificate")[0]["what"]
