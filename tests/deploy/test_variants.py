"""What tells the variants apart, and what users make of them as docs/install.md shows it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from headgate.controller.kinds import CLAIMANTS
from headgate.options import listeners
from headgate.watch.permissions import needed
from tests.deploy.manifests import DEPLOY, Object, build, overlay
from tests.deploy.pod_security import violations

CLUSTER_WIDE = {"ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition", "IngressClass", "Namespace"}


def test_a_daemon_set_runs_the_same_pods() -> None:
    usual, daemon = build(".").pod, build("daemonset").pod
    assert usual["spec"].pop("topologySpreadConstraints")
    assert daemon == usual


def test_a_rolling_update_never_has_fewer_replicas() -> None:
    wanted = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
    assert build(".").one("Deployment")["spec"]["strategy"] == wanted
    assert build("daemonset").one("DaemonSet")["spec"]["updateStrategy"] == wanted


def test_each_variant_has_its_service_type() -> None:
    balanced, plain = build(".").one("Service")["spec"], build("node-port").one("Service")["spec"]
    assert (balanced["type"], balanced["externalTrafficPolicy"]) == ("LoadBalancer", "Local")
    assert (plain["type"], plain["externalTrafficPolicy"]) == ("NodePort", "Cluster")


def test_namespaced_reads_only_classes_elsewhere() -> None:
    found = build("namespaced")
    (everywhere,) = (role for where, role in found.granted() if not where)
    assert [rule["resources"] for rule in everywhere["rules"]] == [["ingressclasses"]]
    assert {where for where, _ in found.granted()} == {"", "headgate", *found.options.watch_namespace}


def test_another_namespace_can_be_watched(tmp_path: Path) -> None:
    """As the comment in deploy/namespaced/kustomization.yaml says."""
    shutil.copytree(DEPLOY, tmp_path / "deploy")
    folder = tmp_path / "deploy" / "namespaced"
    role = (folder / "default.yaml").read_text()
    (folder / "shop.yaml").write_text(role.replace("namespace: default", "namespace: shop"))
    file = folder / "kustomization.yaml"
    text = file.read_text().replace("  - default.yaml\n", "  - default.yaml\n  - shop.yaml\n")
    file.write_text(text.replace("-watch-namespace=default", "-watch-namespace=default,shop"))
    found = build(folder)
    assert found.options.watch_namespace == ("default", "shop")
    assert {where for where, _ in found.granted()} == {"", "headgate", "default", "shop"}


def test_namespace_and_image_can_be_changed(tmp_path: Path) -> None:
    found = overlay(
        tmp_path,
        resources=["."],
        namespace="edge",
        images=[{"name": "localhost/headgate", "newName": "registry.example.com/headgate", "newTag": "1.2.3"}],
    )
    assert found.namespace == "edge"
    for item in found.objects:
        where = item["metadata"].get("namespace")
        assert where is None if item["kind"] in CLUSTER_WIDE else where == "edge", item
    assert {where for where, _ in found.granted()} == {"", "edge"}
    assert found.container["image"] == "registry.example.com/headgate:1.2.3"


def test_host_ports_are_bound(tmp_path: Path) -> None:
    found = overlay(tmp_path, resources=["daemonset"], components=["components/host-ports"])
    ports = {port["name"]: port.get("hostPort") for port in found.container["ports"]}
    assert {name: port for name, port in ports.items() if port} == {"http": 80, "https": 443}
    assert violations(found.pod["spec"]) == ["headgate: hostPort 80", "headgate: hostPort 443"]
    assert found.one("Namespace")["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "privileged"
    # The port of a node is free for the successor only when the old Pod is gone.
    assert found.one("DaemonSet")["spec"]["updateStrategy"]["rollingUpdate"]["maxSurge"] == 0


def test_http3_reaches_nginx_by_udp(tmp_path: Path) -> None:
    for number, variant in enumerate((".", "daemonset", "node-port")):
        folder = tmp_path / str(number)
        folder.mkdir()
        found = overlay(folder, resources=[variant], components=["components/http3"])
        (port,) = (port for port in found.one("Service")["spec"]["ports"] if port.get("protocol") == "UDP")
        assert (port["port"], port["targetPort"]) == (443, "http3")
        assert found.port("http3") == found.options.default_https_listener_port
        (udp,) = (port for port in found.container["ports"] if port.get("protocol") == "UDP")
        assert udp["name"] == "http3"
        open_ports = found.one("NetworkPolicy")["spec"]["ingress"][0]["ports"]
        assert {"port": "http3", "protocol": "UDP"} in open_ports
        (config,) = (item for item in found.all("ConfigMap") if item["metadata"]["name"] == "nginx-config")
        assert config["data"] == {"http3": "true"}


def test_the_webhook_has_what_it_asks_for(tmp_path: Path) -> None:
    for number, (variant, namespace) in enumerate(
        ((".", "headgate"), ("daemonset", "edge"), ("namespaced", "headgate"))
    ):
        folder = tmp_path / str(number)
        folder.mkdir()
        more = {} if namespace == "headgate" else {"namespace": namespace}
        found = overlay(folder, resources=[variant], components=["components/admission-webhook"], **more)
        registered = found.one("ValidatingWebhookConfiguration")
        (webhook,) = registered["webhooks"]
        service = webhook["clientConfig"]["service"]
        assert str(found.options.validating_webhook_service) == f"{service['namespace']}/{service['name']}"
        assert service["namespace"] == namespace
        assert found.options.validating_webhook_configuration == registered["metadata"]["name"]
        assert found.options.warnings == ()
        secret = found.one("Secret")["metadata"]
        assert str(found.options.validating_webhook_secret) == f"{secret['namespace']}/{secret['name']}"
        (target,) = (item for item in found.all("Service") if item["metadata"]["name"] == service["name"])
        assert target["spec"]["selector"].items() <= found.pod["metadata"]["labels"].items()
        (port,) = target["spec"]["ports"]
        assert found.port(port["targetPort"]) == listeners(found.options)["--validating-webhook"]
        granted = [(where, rule) for where, role in found.granted() for rule in role["rules"]]
        wanted = [(where, rule.manifest()) for where, rules in needed(found.options).items() for rule in rules]
        assert without_order(granted) == without_order(wanted)
        kinds = {
            (group, plural) for rule in webhook["rules"] for group in rule["apiGroups"] for plural in rule["resources"]
        }
        assert kinds == {(kind.model.KIND.group, kind.model.KIND.plural) for kind in CLAIMANTS}


def without_order(rules: list[tuple[str, Object]]) -> list[str]:
    return sorted(json.dumps(rule, sort_keys=True) for rule in rules)


def test_a_pod_monitor_replaces_the_scrape_annotations(tmp_path: Path) -> None:
    for number, variant in enumerate((".", "daemonset")):
        folder = tmp_path / str(number)
        folder.mkdir()
        found = overlay(folder, resources=[variant], components=["components/pod-monitor"])
        monitor = found.one("PodMonitor")["spec"]
        assert monitor["selector"]["matchLabels"].items() <= found.pod["metadata"]["labels"].items()
        (endpoint,) = monitor["podMetricsEndpoints"]
        assert found.port(endpoint["port"]) == found.options.prometheus_metrics_listen_port
        assert "annotations" not in found.pod["metadata"]


def test_the_dashboard_and_the_alerts_are_components(tmp_path: Path) -> None:
    components = [f"components/{name}" for name in ("alerts", "dashboard", "pod-monitor")]
    found = overlay(tmp_path, resources=["."], components=components, namespace="edge")
    assert found.one("PrometheusRule")["metadata"]["namespace"] == "edge"
    (board,) = (item for item in found.all("ConfigMap") if item["metadata"]["name"] == "headgate-dashboard")
    assert board["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert board["data"] == {"headgate.json": (DEPLOY / "components" / "dashboard" / "headgate.json").read_text()}
