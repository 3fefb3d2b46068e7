"""What single values do: every flag has one, wrong ones are refused with words, the incumbent's are understood."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import chart
import msgspec
import pytest
import yaml

from headgate import __version__
from headgate.flags import Declaration, boolean, printed
from headgate.options import DECLARED, Options
from tests.chart.helm import CHART, NAMESPACE, ROOT, HelmError, Rendered, nested, notes, render, template

PORTS = {"default-http-listener-port": 8000, "default-https-listener-port": 8443}
ODD = {
    "nginx-reload-timeout": 1_000_000,
    "nginx-status-port": 8180,
    "ready-status-port": 8181,
    "prometheus-metrics-listen-port": 9213,
    "drain-timeout": 12,
    "watch-namespace-label": "tier in (web, api),!old",
    "nginx-configmaps": "settings",
    **PORTS,
}
ALONE = frozenset(
    {
        "watch-namespace",
        "ready-status",
        "nginx-status",
        "enable-prometheus-metrics",
        "enable-custom-resources",
    }
)
"""Flags that forbid or spoil others: each is tried in a release of its own."""


def other(flag: Declaration) -> Any:
    """A value for *flag* that is not its default, as values.yaml spells it."""
    if flag.name in ODD:
        return ODD[flag.name]
    if flag.value.parse is boolean:
        return not CHART_DEFAULTS.get(flag.name, flag.default)
    text = flag.flag.example
    return int(text) if isinstance(flag.default, int) else text


CHART_DEFAULTS = {"report-ingress-status": True, "enable-prometheus-metrics": True, "live-routes": True}


def field(options: Options, flag: str) -> Any:
    return getattr(options, flag.replace("-", "_"))


def expected(flag: Declaration, value: Any) -> Any:
    text = f"{NAMESPACE}/{value}" if flag.name == "nginx-configmaps" else printed(value)
    return flag.value.parse(text)


def test_every_flag_has_a_value_or_a_reason_to_have_none() -> None:
    assert set(chart.FLAGS) | chart.BY_EXTRA_ARGS == set(DECLARED)
    assert not set(chart.FLAGS) & chart.BY_EXTRA_ARGS
    assert set(chart.FLAGS.values()) <= set(chart.VALUES)


def test_no_flag_is_passed_twice() -> None:
    said = [argument.partition("=")[0] for argument in render().container["args"]]
    assert sorted(said) == sorted(set(said))


def test_every_value_passes_its_flag() -> None:
    said = {flag: other(DECLARED[flag]) for flag in chart.FLAGS if flag not in ALONE}
    options = render(together(said)).options
    for flag, value in said.items():
        assert field(options, flag) == expected(DECLARED[flag], value), flag


@pytest.mark.parametrize("flag", sorted(ALONE))
def test_a_value_that_contradicts_others_passes_its_flag(flag: str) -> None:
    value = other(DECLARED[flag])
    options = render(together({flag: value})).options
    assert field(options, flag) == expected(DECLARED[flag], value)
    assert field(options, flag) != field(render().options, flag)


def together(said: dict[str, Any]) -> dict[str, Any]:
    """Values in which every flag of *said* is said."""
    found: dict[str, Any] = {}
    for flag, value in said.items():
        place, *keys = [found], *chart.FLAGS[flag].split(".")
        inner = place[0]
        for key in keys[:-1]:
            inner = inner.setdefault(key, {})
        inner[keys[-1]] = value
    return found


def test_defaults_are_those_of_the_program() -> None:
    """Except where the chart makes what the flag names, or turns on what the incumbent's chart does."""
    options = render().options
    chosen = {"nginx_configmaps", "external_service", "leader_election_lock_name", "pod_namespace", "pod_name"}
    chosen |= {flag.replace("-", "_") for flag in CHART_DEFAULTS} | {"log_format_given", "live_routes_given"}
    plain = msgspec.structs.asdict(Options())
    assert {key for key, value in msgspec.structs.asdict(options).items() if value != plain[key]} == chosen


def test_generated_files_are_up_to_date() -> None:
    for name, write in chart.FILES.items():
        assert (CHART / name).read_text() == write(), f"{name} is out of date: make generate"


def test_chart_and_program_have_one_version() -> None:
    about = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert (about["version"], about["appVersion"]) == (__version__, __version__)
    assert render().container["image"] == f"localhost/headgate:{__version__}"


WRONG = {
    "controller.replicas": (3, "at '/controller': additional properties 'replicas' not allowed"),
    "controllers": ({}, "additional properties 'controllers' not allowed"),
    "controller.kind": ("pod", "must be one of 'deployment', 'daemonset', 'statefulset'"),
    "controller.logLevel": ("loud", "at '/controller/logLevel': value must be one of"),
    "controller.nginxStatus.port": (80, "at '/controller/nginxStatus/port': minimum: got 80, want 1,023"),
    "controller.readyStatus.port": ("8081", "at '/controller/readyStatus/port': got string, want integer"),
    "controller.defaultTLS.secret": ("cafe-tls", "at '/controller/defaultTLS/secret': 'cafe-tls' does not match"),
    "controller.watchNamespace": ("shop;blog", "at '/controller/watchNamespace': 'shop;blog' does not match"),
    "controller.enableSnippets": ("yes", "at '/controller/enableSnippets': got string, want boolean"),
    "controller.service.type": ("Ingress", "at '/controller/service/type': value must be one of"),
    "controller.config.entries": ({"http2": ["on"]}, "/controller/config/entries/http2"),
    "controller.image.digest": ("abc", "at '/controller/image/digest': 'abc' does not match"),
}


@pytest.mark.parametrize("path", WRONG)
def test_the_schema_rejects_wrong_values_and_names_the_field(path: str) -> None:
    value, message = WRONG[path]
    with pytest.raises(HelmError) as refused:
        template(nested(path, value))
    assert message in str(refused.value)


def test_all_declined_values_are_reported_at_once_with_reason_and_advice() -> None:
    refused = {value: said for value, said in chart.refusals().items() if said["refused"]}
    values: dict[str, Any] = {}
    for value, said in refused.items():
        merge(values, nested(value, "one" if said["off"] == "" else True))
    with pytest.raises(HelmError) as failed:
        template(values)
    for value, said in refused.items():
        assert f"- {value}={'one' if said['off'] == '' else 'true'} {said['reason']}\n" in str(failed.value)


def test_reasons_name_values_not_flags() -> None:
    for said in chart.refusals().values():
        assert "flag" not in said["reason"]
        assert " -" not in said["reason"]


def test_notes_list_declined_values_that_change_no_traffic(tmp_path: Path) -> None:
    told = {value: said for value, said in chart.refusals().items() if not said["refused"]}
    values: dict[str, Any] = {}
    for value, said in told.items():
        merge(values, nested(value, "5,10" if said["off"] == "" else True))
    text = notes(tmp_path, values)
    for value, said in told.items():
        assert f"NOTE: {value}={'5,10' if said['off'] == '' else 'true'} {said['reason']}." in text


def merge(into: dict[str, Any], values: dict[str, Any]) -> None:
    for key, value in values.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            merge(into[key], value)
        else:
            into[key] = value


CONTRADICTIONS: dict[str, tuple[dict[str, Any], str]] = {
    "both ways to choose namespaces": (
        {"controller": {"watchNamespace": "a", "watchNamespaceLabel": "b=c"}},
        "name the namespaces or select them by label, not both",
    ),
    "a certificate without key": ({"controller": {"defaultTLS": {"cert": "Yw=="}}}, "has only one of cert and key"),
    "a budget of two kinds": (
        {"controller": {"podDisruptionBudget": {"minAvailable": 1, "maxUnavailable": "10%"}}},
        "has both minAvailable and maxUnavailable",
    ),
    "scaling on every node": (
        {"controller": {"kind": "daemonset", "autoscaling": {"enabled": True}}},
        "runs one Pod on each node; choose another kind",
    ),
    "https without certificate": ({"prometheus": {"scheme": "https"}}, "name its Secret in prometheus.secret"),
    "draining longer than life": (
        {"controller": {"drainTimeout": 30}},
        "controller.drainTimeout=30 is not shorter than controller.terminationGracePeriodSeconds=30",
    ),
}


@pytest.mark.parametrize("name", CONTRADICTIONS)
def test_contradictions_are_reported_before_anything_is_installed(name: str) -> None:
    values, message = CONTRADICTIONS[name]
    with pytest.raises(HelmError) as failed:
        template(values)
    assert message in str(failed.value)


def config_map(release: Rendered) -> dict[str, str]:
    data: dict[str, str] = release.one("ConfigMap")["data"]
    return data


def test_entries_reach_the_config_map_as_they_are_written() -> None:
    entries = {"http2": True, "keepalive-requests": 10_000_000, "proxy-read-timeout": "1e3", "unknown": "1.50"}
    said = config_map(render(nested("controller.config.entries", entries)))
    assert said == {"http2": "true", "keepalive-requests": "10000000", "proxy-read-timeout": "1e3", "unknown": "1.50"}


def test_a_changed_entry_restarts_no_pod() -> None:
    before, after = render(), render(nested("controller.config.entries", {"http2": "true"}))
    assert config_map(before) != config_map(after)
    assert before.pod == after.pod


def test_an_existing_config_map_replaces_that_of_the_chart() -> None:
    release = render(nested("controller.customConfigMap", "mine"))
    assert release.all("ConfigMap") == []
    assert str(release.options.nginx_configmaps) == f"{NAMESPACE}/mine"


def test_draining_follows_the_grace_period() -> None:
    assert render(nested("controller.terminationGracePeriodSeconds", 600)).options.drain_timeout == 595
    assert render(nested("controller.terminationGracePeriodSeconds", 3)).options.drain_timeout == 0


def test_host_network_ports_are_bound_by_the_same_capability() -> None:
    release = render(nested("controller.hostNetwork", value=True))
    assert release.pod["spec"]["hostNetwork"] is True
    security = release.container["securityContext"]
    assert security["capabilities"] == {"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]}
    assert security["allowPrivilegeEscalation"] is False


def test_a_given_security_context_replaces_the_whole_default() -> None:
    mine = {"runAsUser": 101, "readOnlyRootFilesystem": True}
    release = render(nested("controller.securityContext", mine))
    assert release.container["securityContext"] == mine
    assert len(release.container["volumeMounts"]) == 6
    writable = render(nested("controller.securityContext", {"runAsUser": 101}))
    assert "volumeMounts" not in writable.container


def test_probes_use_the_ready_status_port_and_are_absent_without_it() -> None:
    release = render({"controller": {"readyStatus": {"port": 9000}}})
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert release.port(release.container[probe]["httpGet"]["port"]) == 9000
    bare = render({"controller": {"readyStatus": {"enable": False}}})
    assert not {"startupProbe", "readinessProbe", "livenessProbe"} & bare.container.keys()


def test_rbac_can_be_left_out() -> None:
    kinds = ("Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding")
    assert render(nested("rbac.create", value=False)).all(*kinds) == []
    assert {item["kind"] for item in render(nested("rbac.clusterrole.create", value=False)).all(*kinds)} == {
        "Role",
        "RoleBinding",
    }


def test_a_release_of_the_incumbents_chart_keeps_its_names() -> None:
    """Names and selectors that an upgrade cannot change, as its chart makes them of the release ``headgate``."""
    release = render({"nameOverride": "nginx-ingress"})
    own = {"app.kubernetes.io/name": "nginx-ingress", "app.kubernetes.io/instance": "headgate"}
    assert release.workload["spec"]["selector"]["matchLabels"] == own
    named = {(item["kind"], item["metadata"]["name"]) for item in release.objects}
    assert {
        ("Deployment", "headgate-nginx-ingress-controller"),
        ("Service", "headgate-nginx-ingress-controller"),
        ("ConfigMap", "headgate-nginx-ingress"),
        ("ServiceAccount", "headgate-nginx-ingress"),
        ("Lease", "headgate-nginx-ingress-leader-election"),
        ("IngressClass", "nginx"),
    } <= named


@pytest.mark.parametrize(
    ("service", "words"),
    [
        ({}, "get service headgate-controller -o jsonpath='{.status.loadBalancer"),
        ({"type": "NodePort"}, '(@.name=="http")].nodePort}'),
        ({"type": "ClusterIP"}, "port-forward service/headgate-controller 8000:80"),
        ({"create": False}, "port-forward deployment/headgate-controller 8000:80"),
    ],
)
def test_notes_show_the_addresses(tmp_path: Path, service: dict[str, Any], words: str) -> None:
    told = notes(tmp_path, nested("controller.service", service))
    assert words in told
    assert f"kubectl -n {NAMESPACE} rollout status deployment/headgate-controller" in told
    assert "kubectl create ingress hello --class=nginx" in told
    assert "NOTE" not in told


def test_notes_look_at_the_namespaces_that_are_watched(tmp_path: Path) -> None:
    told = notes(tmp_path, nested("controller.watchNamespace", "shop, blog"))
    assert "serves Ingresses of the class nginx in shop, blog." in told
    assert "kubectl -n shop create ingress" in told
    assert "kubectl -n shop describe ingress" in told


@pytest.mark.parametrize("emptied", ["podSecurityContext", "resources", "service.annotations", "env", "strategy"])
def test_null_removes_a_default(emptied: str) -> None:
    assert render(nested(f"controller.{emptied}", None)).options == render().options


def test_the_dashboard_is_a_config_map_that_the_sidecar_finds() -> None:
    release = render(nested("prometheus.dashboard", {"create": True, "namespace": "grafana"}))
    (board,) = (item for item in release.all("ConfigMap") if item["metadata"]["name"].endswith("-dashboard"))
    assert board["metadata"]["namespace"] == "grafana"
    assert board["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert board["data"] == {"headgate.json": (CHART / "files" / "dashboard.json").read_text()}


def test_alerts_that_are_disabled_are_left_out_and_names_of_others_are_refused() -> None:
    whole = yaml.safe_load((CHART / "files" / "alerts.yaml").read_text())
    assert render(nested("prometheus.rules.create", value=True)).one("PrometheusRule")["spec"] == whole
    fewer = render(nested("prometheus.rules", {"create": True, "disabled": ["HeadgateLatency"]}))
    names = [rule["alert"] for rule in fewer.one("PrometheusRule")["spec"]["groups"][0]["rules"]]
    assert names == [rule["alert"] for rule in whole["groups"][0]["rules"] if rule["alert"] != "HeadgateLatency"]
    with pytest.raises(HelmError, match="/prometheus/rules/disabled/0"):
        template(nested("prometheus.rules.disabled", ["HeadgateSlow"]))
    none = render(nested("prometheus.rules", {"create": True, "disabled": [*names, "HeadgateLatency"]}))
    assert none.all("PrometheusRule") == []  # rather than one without rules
    without = {"create": False, "rules": {"create": True}, "dashboard": {"create": True}}
    assert {item["kind"] for item in render({"prometheus": without}).objects}.isdisjoint({"PrometheusRule"})


LABELLED = {
    "prometheus.rules": ("PrometheusRule", "labels"),
    "prometheus.dashboard": ("ConfigMap", "labels"),
    "prometheus.service": ("Service", "labels"),
    "prometheus.serviceMonitor": ("ServiceMonitor", "labels"),
    "controller.service": ("Service", "extraLabels"),
}


@pytest.mark.parametrize("path", LABELLED)
def test_a_label_replaces_that_of_the_chart_and_is_written_once(path: str) -> None:
    kind, key = LABELLED[path]
    text = template(nested(path, {"create": True, key: {"app.kubernetes.io/name": "other", "release": "mine"}}))
    labels = [item["metadata"]["labels"] for item in yaml.load_all(text, OneOfEach) if item and item["kind"] == kind]
    (own,) = (found for found in labels if found.get("release") == "mine")
    assert own["app.kubernetes.io/name"] == "other"
    assert own["app.kubernetes.io/instance"] == "headgate"


class OneOfEach(yaml.SafeLoader):
    """Refuses a key that is written twice."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [key.value for key, _ in node.value]
        assert sorted(keys) == sorted(set(keys))
        found: dict[Any, Any] = super().construct_mapping(node, deep)
        return found


@pytest.mark.parametrize("emptied", ["rules", "dashboard", "service", "serviceMonitor"])
def test_null_removes_a_section_of_the_metrics(emptied: str) -> None:
    assert render(nested(f"prometheus.{emptied}", None)).options == render().options


def test_the_network_policy_admits_everybody_to_the_ports_of_clients_and_pods_to_the_metrics() -> None:
    opened = {"networkPolicy": {"enabled": True}, "customPorts": [{"containerPort": 9000}]}
    everybody, pods = render({"controller": opened}).one("NetworkPolicy")["spec"]["ingress"]
    assert [one["port"] for one in everybody["ports"]] == [80, 443, 8081, 9000]
    assert "from" not in everybody
    assert pods == {"from": [{"namespaceSelector": {}}], "ports": [{"port": 9113, "protocol": "TCP"}]}
    without = {"controller": {"networkPolicy": {"enabled": True}}, "prometheus": {"create": False}}
    assert len(render(without).one("NetworkPolicy")["spec"]["ingress"]) == 1


@pytest.mark.parametrize("page", ["docs/observability.md", "docs/install.md", "charts/headgate/README.md"])
def test_helm_accepts_the_values_that_pages_set(page: str) -> None:
    found = re.findall(r"`--set ('?)(\S+=\S+)\1`", (ROOT / page).read_text())
    assert found
    for _, setting in found:
        assert template({}, "--set", setting)
