"""What the flags of ingress-nginx decide together, and what holds where they say nothing."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any

import pytest
from cryptography import x509

from headgate import cli
from headgate.controller.fake_certificate import fallback
from headgate.options import LogLevel, NamespacedName, Options, listeners, parse

MANIFEST = (
    "--publish-service=ingress-nginx/ingress-nginx-controller",
    "--election-id=ingress-nginx-leader",
    "--controller-class=k8s.io/ingress-nginx",
    "--ingress-class=nginx",
    "--configmap=ingress-nginx/ingress-nginx-controller",
    "--validating-webhook=:8443",
    "--validating-webhook-certificate=/usr/local/certificates/cert",
    "--validating-webhook-key=/usr/local/certificates/key",
    "--enable-metrics=false",
)
"""The arguments of ingress-nginx's manifests and chart."""


def options(*flags: str) -> Options:
    found = parse(flags, {"POD_NAMESPACE": "ingress-nginx"})
    assert isinstance(found, Options), found
    return found


def test_the_arguments_of_its_manifest_start_with_its_defaults() -> None:
    found = options(*MANIFEST)
    assert found.published_service == NamespacedName("ingress-nginx", "ingress-nginx-controller")
    assert found.config_maps == (NamespacedName("ingress-nginx", "ingress-nginx-controller"),)
    assert (found.leader_election_lock_name, found.report_ingress_status) == ("ingress-nginx-leader", True)
    assert (found.controller_class, found.enable_custom_resources) == ("k8s.io/ingress-nginx", False)
    assert (found.health_status, found.health_status_uri) == (True, "/healthz")
    assert listeners(found) == {
        "-default-http-listener-port": 80, "-default-https-listener-port": 443, "--healthz-port": 10254,
        "--validating-webhook": 8443,
    }  # fmt: skip
    assert found.warnings == ()


@pytest.mark.parametrize(
    ("text", "host", "port"), [(":8443", "", 8443), ("127.0.0.1:9", "127.0.0.1", 9), ("[::1]:8443", "::1", 8443)]
)
def test_the_address_of_the_webhook(text: str, host: str, port: int) -> None:
    found = options(f"--validating-webhook={text}").validating_webhook
    assert found
    assert (found.host, found.port, str(found)) == (host, port, text)


@pytest.mark.parametrize("text", ["8443", ":", ":0", ":65536", ":https", "a.test:8443", "[::1:8443"])
def test_no_address(text: str) -> None:
    found = parse([f"--validating-webhook={text}"], {})
    assert isinstance(found, tuple)
    assert ":8443" in str(found[0])


def test_the_webhook_needs_its_files_and_decides_nothing_else() -> None:
    alone = options("--validating-webhook=:8443", "--validating-webhook-key=/key")
    assert not alone.community
    assert "needs --validating-webhook-certificate" in str(alone.warnings[0])
    assert "--validating-webhook" not in listeners(alone)


def test_the_webhook_takes_its_certificate_from_a_secret_of_a_cluster() -> None:
    found = options("--validating-webhook=:8443", "--validating-webhook-secret=a/b")
    assert not found.community
    assert not found.warnings
    assert listeners(found)["--validating-webhook"] == 8443
    folder = options("--validating-webhook=:8443", "--validating-webhook-secret=a/b", "--manifests=/here")
    assert "needs a cluster" in str(folder.warnings[0])
    assert "--validating-webhook" not in listeners(folder)
    alone = options("--validating-webhook-service=a/b", "--validating-webhook-configuration=c")
    assert [problem.effect for problem in alone.warnings] == ["no certificate is made", "its caBundle stays as it is"]
    both = parse([*MANIFEST, "--validating-webhook-secret=a/b"], {})
    assert isinstance(both, tuple)
    assert "name the Secret or the files" in str(both[0])


@pytest.mark.parametrize(
    ("flags", "field", "value"),
    [
        (("--http-port=8000",), "default_http_listener_port", 8000),
        (("--enable-ssl-passthrough", "--https-port=8443"), "tls_passthrough_port", 8443),
        (("--watch-namespace-selector=team=web",), "watch_namespace_label", "team=web"),
        (("--default-ssl-certificate=a/b",), "default_server_tls_secret", NamespacedName("a", "b")),
        (("--healthz-port=9000",), "ready_status_port", 9000),
        (("--healthz-port=9000", "-ready-status-port=9001"), "ready_status_port", 9001),
        (("--disable-leader-election",), "report_ingress_status", False),
        (("--update-status=false",), "report_ingress_status", False),
        (("--sync-rate-limit=0.5",), "reload_spacing", 2000),
        (("--sync-rate-limit=0.5", "--reload-spacing=7"), "reload_spacing", 7),
        (("--v=3",), "log_level", LogLevel.DEBUG),
        (("-v=5",), "log_level", LogLevel.TRACE),
        (("-v=5", "-log-level=error"), "log_level", LogLevel.ERROR),
        (("--configmap=a/b", "-enable-custom-resources"), "enable_custom_resources", True),
        (("--configmap=a/b",), "drain_timeout", 240),
        (("--configmap=a/b", "--drain-timeout=9"), "drain_timeout", 9),
        (("--publish-status-address=192.0.2.1,lb.test",), "publish_status_address", ("192.0.2.1", "lb.test")),
    ],
)
def test_a_flag(flags: tuple[str, ...], field: str, value: Any) -> None:
    assert getattr(options(*flags), field) == value


def test_its_defaults_do_not_hold_without_its_flags_or_beside_the_config_map_of_the_other_controller() -> None:
    assert options() == Options(pod_namespace="ingress-nginx")
    both = options("-nginx-configmaps=a/b", "--configmap=c/d", "--controller-class=k8s.io/ingress-nginx")
    usual = options("-nginx-configmaps=a/b", "--controller-class=k8s.io/ingress-nginx")
    assert not both.community
    assert (both.ready_status_port, both.report_ingress_status, both.drain_timeout) == (
        usual.ready_status_port, usual.report_ingress_status, usual.drain_timeout,
    )  # fmt: skip
    assert both.config_maps == (NamespacedName("a", "b"), NamespacedName("c", "d"))


@pytest.mark.parametrize(
    ("flags", "field"),
    [
        (("--http-port=1", "-default-http-listener-port=2"), "--http-port"),
        (("--publish-service=a/b", "--publish-status-address=192.0.2.1"), "--publish-status-address"),
        (("--publish-service=a/b", "-external-service=c"), "--publish-service"),
        (("--apiserver-host=https://192.0.2.1",), "--apiserver-host"),
        (("--annotations-prefix=example.com",), "--annotations-prefix"),
        (("--healthz-port=80", "--election-id=a"), "--healthz-port"),
    ],
)
def test_what_stops_the_start(flags: tuple[str, ...], field: str) -> None:
    found = parse(flags, {})
    assert isinstance(found, tuple)
    assert [problem.field for problem in found] == [field]


def test_metrics_share_the_port_of_the_probes() -> None:
    found = options("--enable-metrics", "--election-id=a")
    assert found.metrics_beside_probes
    assert found.prometheus_metrics_listen_port == found.ready_status_port == 10254
    alone = parse(["--enable-metrics", "-prometheus-tls-secret=a/b"], {})
    assert isinstance(alone, tuple)
    assert [problem.field for problem in alone] == ["-prometheus-metrics-listen-port"]


def test_the_name_of_its_program_alone_means_run_with_its_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[tuple[str, ...]] = []

    def run(argv: Sequence[str], _: object) -> int:
        said.append(tuple(argv))
        return 0

    monkeypatch.setattr(cli, "COMMANDS", {"run": run})
    assert cli.run(["/nginx-ingress-controller", "--ingress-class=public"], {}) == 0
    assert options(*said[0]).community
    assert options(*said[0]).leader_election_lock_name == "ingress-controller-leader"


def test_a_host_without_a_certificate_has_one_that_is_made_at_the_start() -> None:
    secret = fallback(options("--election-id=a"))
    assert secret is not None
    assert secret is fallback(options("--election-id=b"))
    made = x509.load_pem_x509_certificate(base64.b64decode((secret.data or {})["tls.crt"]))
    assert made.subject.rfc4514_string() == "CN=Kubernetes Ingress Controller Fake Certificate,O=Acme Co"
    assert fallback(options()) is None
    assert fallback(options("--configmap=a/b", "-nginx-configmaps=c/d")) is None
