"""Every values file of ``values/`` gives the manifests of ``golden/``; ``--update`` rewrites those."""

from __future__ import annotations

import functools
from pathlib import Path

import pytest

from headgate.ir import Layout
from headgate.options import listeners
from headgate.watch.permissions import needed
from tests.chart.helm import CHART, Rendered, helm, render, rights, template, without_covered
from tests.deploy.pod_security import violations

HERE = Path(__file__).parent
FILES = sorted((HERE / "values").glob("*.yaml"))
pytestmark = pytest.mark.parametrize("values", FILES, ids=lambda path: path.stem)


rendered = functools.cache(render)


@pytest.fixture(name="release")
def _release(values: Path) -> Rendered:
    """The objects of *values*, shared by the tests of one process; none changes them."""
    return rendered(values)


def test_the_manifests_are_the_golden_ones(values: Path, pytestconfig: pytest.Config) -> None:
    golden = HERE / "golden" / values.name
    printed = template(values)
    if pytestconfig.getoption("update"):
        golden.write_text(printed)
    assert printed == golden.read_text(), "pytest tests/chart --update writes the golden files"


def test_lint_reports_nothing(values: Path) -> None:
    assert "0 chart(s) failed" in helm("lint", "--strict", str(CHART), "--values", str(values))


def test_the_arguments_start_headgate(release: Rendered) -> None:
    options = release.options
    warned = {problem.field for problem in options.warnings}
    assert warned <= {"-enable-custom-resources"}
    ours = set(listeners(options).values()) - {options.nginx_status_port}
    assert ours <= {port["containerPort"] for port in release.container["ports"]}


def test_roles_grant_what_the_arguments_need_and_no_more(release: Rendered) -> None:
    wanted = {
        right
        for where, rules in needed(release.options).items()
        for right in rights(where, [rule.manifest() for rule in rules])
    }
    assert without_covered(release.rights()) == without_covered(wanted)


def test_selectors_match_the_pods(release: Rendered) -> None:
    labels = release.pod["metadata"]["labels"]
    selectors = [release.workload["spec"]["selector"]["matchLabels"]]
    selectors += [item["spec"]["selector"] for item in release.all("Service")]
    selectors += [item["spec"]["selector"]["matchLabels"] for item in release.all("PodDisruptionBudget")]
    selectors += [item["spec"]["podSelector"]["matchLabels"] for item in release.all("NetworkPolicy")]
    assert all(selector and selector.items() <= labels.items() for selector in selectors)


def test_written_directories_are_volumes_where_the_root_is_read_only(release: Rendered) -> None:
    container, volumes = release.container, release.pod["spec"].get("volumes", [])
    mounts = {mount["mountPath"]: mount["name"] for mount in container.get("volumeMounts", [])}
    layout = Layout.container()
    if container["securityContext"]["readOnlyRootFilesystem"]:
        assert {layout.conf, layout.secrets, layout.run, layout.temp, layout.logs, "/tmp"} <= set(mounts)
    claims = release.workload["spec"].get("volumeClaimTemplates", [])
    assert sorted(mounts.values()) == sorted([v["name"] for v in volumes] + [c["metadata"]["name"] for c in claims])


def test_pod_security_allows_it_at_the_level_restricted(release: Rendered, values: Path) -> None:
    spec = {**release.pod["spec"], "containers": [release.container], "initContainers": []}
    found = violations(spec)
    on_the_node = values.stem in {"daemonset", "ingress-nginx"}
    assert [each for each in found if not (on_the_node and "host" in each)] == []
    assert bool(found) == on_the_node


def test_the_termination_grace_period_covers_draining(release: Rendered) -> None:
    assert release.pod["spec"]["terminationGracePeriodSeconds"] > release.options.drain_timeout
