"""What the manifests of every variant say agrees with the program, and with themselves."""

from __future__ import annotations

from headgate import __version__
from headgate.api.nginx_org.crds import DEFINED
from headgate.configuration.classes import CONTROLLER
from headgate.ir import Layout
from headgate.options import listeners
from headgate.watch.permissions import needed
from tests.deploy.manifests import DEPLOY, WORKLOADS, Manifests
from tests.deploy.pod_security import violations

COMMON = {
    "ClusterRole", "ClusterRoleBinding", "ConfigMap", "CustomResourceDefinition", "IngressClass", "Namespace",
    "NetworkPolicy", "Role", "RoleBinding", "Service", "ServiceAccount",
}  # fmt: skip


def test_each_variant_has_all_objects(manifests: Manifests) -> None:
    kinds = {item["kind"] for item in manifests.objects}
    workload = {"DaemonSet"} if manifests.name == "daemonset" else {"Deployment", "PodDisruptionBudget"}
    assert kinds == COMMON | workload
    more_definitions = len(DEFINED) - 1
    assert len(manifests.objects) == len(kinds) + more_definitions + 2 * (manifests.name == "namespaced")
    for item in manifests.objects:
        assert item["metadata"]["labels"]["app.kubernetes.io/name"] == "headgate"


def test_the_arguments_are_understood_without_a_warning(manifests: Manifests) -> None:
    options = manifests.options
    assert options.warnings == ()
    names = {env["name"] for env in manifests.container["env"]}
    assert names == {"POD_NAMESPACE", "POD_NAME"}
    named = options.nginx_configmaps
    assert named is not None
    config_map, service = manifests.one("ConfigMap")["metadata"], manifests.one("Service")["metadata"]
    assert (named.namespace, named.name) == (config_map["namespace"], config_map["name"])
    assert (options.pod_namespace, options.external_service) == (service["namespace"], service["name"])


def test_the_class_is_the_one_that_is_served(manifests: Manifests) -> None:
    found = manifests.one("IngressClass")
    assert found["metadata"]["name"] == manifests.options.ingress_class
    assert found["spec"]["controller"] == CONTROLLER


def test_the_roles_are_what_these_arguments_need_and_no_more(manifests: Manifests) -> None:
    granted = {where: role["rules"] for where, role in manifests.granted()}
    assert len(granted) == len(manifests.all("RoleBinding", "ClusterRoleBinding"))
    wanted = {where: [rule.manifest() for rule in rules] for where, rules in needed(manifests.options).items()}
    assert granted == wanted


def test_container_ports_are_those_that_are_listened_on(manifests: Manifests) -> None:
    options = manifests.options
    ours = set(listeners(options).values()) - {options.nginx_status_port}
    assert {port["containerPort"] for port in manifests.container["ports"]} == ours
    targets = {port["port"]: manifests.port(port["targetPort"]) for port in manifests.one("Service")["spec"]["ports"]}
    assert targets == {80: options.default_http_listener_port, 443: options.default_https_listener_port}
    notes = manifests.pod["metadata"]["annotations"]
    assert notes["prometheus.io/scrape"] == "true"
    assert int(notes["prometheus.io/port"]) == options.prometheus_metrics_listen_port == manifests.port("prometheus")


def test_the_network_policy_allows_clients_probes_and_scrapes(manifests: Manifests) -> None:
    anybody, inside = manifests.one("NetworkPolicy")["spec"]["ingress"]
    assert "from" not in anybody
    assert {port["port"] for port in anybody["ports"]} == {"http", "https", "readiness-port"}
    assert inside == {"from": [{"namespaceSelector": {}}], "ports": [{"port": "prometheus", "protocol": "TCP"}]}
    for rule in (anybody, inside):
        for port in rule["ports"]:
            manifests.port(port["port"])


def test_probes_request_paths_that_headgate_serves(manifests: Manifests) -> None:
    paths = {"startupProbe": "/livez", "readinessProbe": "/nginx-ready", "livenessProbe": "/livez"}
    for probe, path in paths.items():
        asked = manifests.container[probe]["httpGet"]
        assert asked["path"] == path
        assert manifests.port(asked["port"]) == manifests.options.ready_status_port
    assert manifests.container["readinessProbe"]["periodSeconds"] == 1


def test_the_termination_grace_period_covers_draining(manifests: Manifests) -> None:
    assert manifests.pod["spec"]["terminationGracePeriodSeconds"] > manifests.options.drain_timeout


def test_selectors_match_the_pods_and_nothing_else(manifests: Manifests) -> None:
    labels = manifests.pod["metadata"]["labels"]
    spread = manifests.pod["spec"].get("topologySpreadConstraints", [])
    selectors = [
        *(item["spec"]["selector"]["matchLabels"] for item in manifests.all(*WORKLOADS, "PodDisruptionBudget")),
        *(item["labelSelector"]["matchLabels"] for item in spread),
        manifests.one("NetworkPolicy")["spec"]["podSelector"]["matchLabels"],
        manifests.one("Service")["spec"]["selector"],
    ]
    assert all(selector and selector.items() <= labels.items() for selector in selectors)


def test_pod_security_allows_it_at_the_level_restricted(manifests: Manifests) -> None:
    assert manifests.one("Namespace")["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    assert violations(manifests.pod["spec"]) == []


def test_the_root_is_read_only_and_written_directories_are_volumes(manifests: Manifests) -> None:
    container = manifests.container
    assert container["securityContext"]["readOnlyRootFilesystem"]
    mounts = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
    layout = Layout.container()
    written = {layout.conf, layout.secrets, layout.run, layout.temp, layout.logs, "/tmp"}
    assert set(mounts) == written
    volumes = {volume["name"]: volume["emptyDir"] for volume in manifests.pod["spec"]["volumes"]}
    assert sorted(volumes) == sorted(mounts.values())
    assert volumes[mounts[layout.secrets]]["medium"] == "Memory"


def test_the_image_tag_is_this_version(manifests: Manifests) -> None:
    assert manifests.container["image"] == f"localhost/headgate:{__version__}"


def test_only_the_controller_mounts_the_token(manifests: Manifests) -> None:
    assert manifests.one("ServiceAccount")["automountServiceAccountToken"] is False
    assert manifests.pod["spec"]["automountServiceAccountToken"] is True


def test_every_file_is_part_of_a_kustomization() -> None:
    """Every file of deploy/ is named by a kustomization beside it."""
    files = {path for path in DEPLOY.rglob("*.yaml") if path.name != "kustomization.yaml"}
    assert files
    for path in files:
        assert path.name in (path.parent / "kustomization.yaml").read_text(), path
