"""``headgate check`` of folders that hold more than what Headgate reads: nothing that routes is ignored in silence."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
import yaml

from headgate.cli import run
from tests.live.headgate_process import ROOT

CHART = {"apiVersion": "v2", "name": "cafe", "version": "0.1.0"}
TEMPLATE = """\
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: {{ .Release.Name }}
"""


def put(folder: Path, name: str, *documents: object) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    text = documents[0] if isinstance(documents[0], str) else yaml.safe_dump_all(documents)
    path.write_text(str(text))
    return path


def custom(version: str, kind: str, name: str = "cafe") -> dict[str, object]:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name}}


def checked(folder: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, list[str]]:
    """Return the exit status and the findings, with names in *folder*; the last line is the summary."""
    status = run(["check", str(folder)], {})
    *lines, _ = capsys.readouterr().out.splitlines()
    return status, [re.sub(rf"^(\w+: ){re.escape(str(folder))}/", r"\1", line) for line in lines]


def test_a_kind_that_is_not_served_is_a_warning_once_for_each_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    routes = [custom("gateway.networking.k8s.io/v1", "HTTPRoute", name) for name in ("a", "b", "c")]
    put(tmp_path, "a.yaml", *routes, custom("gateway.networking.k8s.io/v1", "Gateway"))
    put(tmp_path, "b.yaml", custom("gateway.networking.k8s.io/v1", "HTTPRoute", "d"))
    status, lines = checked(tmp_path, capsys)
    assert status == 0
    assert [line.removesuffix(" is not served yet (it has no effect)") for line in lines] == [
        "warning: a.yaml:1: HTTPRoute gateway.networking.k8s.io/v1 (3 in this file)",
        "warning: a.yaml:16: Gateway gateway.networking.k8s.io/v1",
        "warning: b.yaml:1: HTTPRoute gateway.networking.k8s.io/v1",
    ]


def test_kinds_in_a_list_are_reported_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    items = [custom("traefik.io/v1alpha1", "IngressRoute"), custom("apps/v1", "Deployment")]
    put(tmp_path, "a.json", json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))
    status, (line,) = checked(tmp_path, capsys)
    assert status == 0
    assert "IngressRoute traefik.io/v1alpha1 is a kind of Traefik, which Headgate does not read" in line


def test_kinds_that_do_not_concern_an_ingress_controller_are_silent(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    put(tmp_path, "a.yaml", custom("apps/v1", "Deployment"), custom("batch/v1", "Job"), custom("v1", "ServiceAccount"))
    put(tmp_path, "b.yaml", custom("kustomize.toolkit.fluxcd.io/v1", "Kustomization"))
    put(tmp_path, "c.yaml", custom("projectcontour.io/v1alpha1", "ContourDeployment"))
    assert checked(tmp_path, capsys) == (0, [])


@pytest.mark.parametrize("version", ["extensions/v1beta1", "networking.k8s.io/v1beta1"])
def test_an_old_version_of_ingress_is_an_error(
    version: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    put(tmp_path, "a.yaml", custom(version, "Ingress"))
    status, (line,) = checked(tmp_path, capsys)
    assert status == 1
    assert line.startswith(f"error: a.yaml:1: '{version}' is an API version that Kubernetes has removed")
    assert "convert it" in line
    assert "networking.k8s.io/v1 only" in line


@pytest.mark.parametrize("content", [custom("kustomize.config.k8s.io/v1beta1", "Kustomization"), {"resources": ["a"]}])
@pytest.mark.parametrize("name", ["kustomization.yaml", "over lays/kustomization.yml"])
def test_a_kustomization_is_a_warning_that_says_how_to_build_it(
    content: dict[str, object], name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = put(tmp_path, name, content).parent
    put(tmp_path, "a.yaml", custom("v1", "ServiceAccount"))
    status, (line,) = checked(tmp_path, capsys)
    assert status == 0
    assert line.startswith(f"warning: {name}: is for kustomize, which Headgate does not run; build it first: ")
    shown = f"'{folder}'" if " " in name else str(folder)
    assert f"kustomize build {shown} | headgate check -" in line


def test_a_component_of_another_name_is_recognised_by_its_kind(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    put(tmp_path, "component.yaml", custom("kustomize.config.k8s.io/v1alpha1", "Component"))
    status, (line,) = checked(tmp_path, capsys)
    assert status == 0
    assert "kustomize build DIR | headgate check -" in line


@pytest.mark.parametrize("text", [TEMPLATE, 'apiVersion: v1\nkind: Secret\nmetadata: {name: "{{ .Values.name }}"}\n'])
def test_a_template_of_a_helm_chart_is_an_error_that_says_how_to_render_it(
    text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chart = tmp_path / "cafe"
    put(chart, "Chart.yaml", CHART)
    put(chart, "templates/sub/a.yaml", text)
    status, (about_chart, about_template) = checked(tmp_path, capsys)
    assert status == 1
    assert about_chart.startswith("warning: cafe/Chart.yaml: describes a Helm chart, and Headgate does not run Helm")
    assert about_template.startswith("error: cafe/templates/sub/a.yaml: ")
    for line in (about_chart, about_template):
        assert f"render it first: helm template {chart} | headgate check -" in line
    assert "is a template of a Helm chart" in about_template
    assert "nothing in the file is used" in about_template


def test_a_chart_in_a_chart_is_rendered_with_the_outer_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put(tmp_path, "Chart.yaml", CHART)
    put(tmp_path, "charts/tea/Chart.yaml", CHART)
    put(tmp_path, "charts/tea/templates/a.yaml", TEMPLATE)
    _, lines = checked(tmp_path / "charts" / "tea" / "templates", capsys)
    assert f"helm template {tmp_path} | headgate check -" in lines[0]


def test_a_template_beside_no_chart_is_recognised_if_it_is_not_yaml(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    put(tmp_path, "a.yaml", TEMPLATE)
    put(tmp_path, "b.yaml", "a: [1, 2\n")
    put(tmp_path, "c.yaml", 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata: {c: "{{ this is data }}"}\n')
    status, lines = checked(tmp_path, capsys)
    assert status == 1
    assert len(lines) == 2, lines
    assert "is not YAML but a template with {{ … }}" in lines[0]
    assert "helm template CHART | headgate check -" in lines[0]
    assert "is not YAML: " in lines[1]


def test_the_paths_in_advice_begin_where_the_user_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    put(tmp_path, "cafe/Chart.yaml", CHART)
    put(tmp_path, "cafe/templates/a.yaml", TEMPLATE)
    monkeypatch.chdir(tmp_path)
    assert "helm template cafe | headgate check -" in checked(Path("cafe/templates"), capsys)[1][0]
    monkeypatch.chdir(tmp_path / "cafe" / "templates")
    assert "helm template .. | headgate check -" in checked(Path(), capsys)[1][0]


def test_the_chart_of_headgate_is_recognised(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(ROOT / "charts" / "headgate", tmp_path / "headgate")
    status, lines = checked(tmp_path, capsys)
    assert status == 1
    assert sum("is a template of a Helm chart" in line for line in lines) > 3
    assert not [line for line in lines if "is not YAML" in line]


def test_render_warns_as_check_does(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put(tmp_path, "a.yaml", custom("gateway.networking.k8s.io/v1", "HTTPRoute"))
    assert run(["render", str(tmp_path)], {}) == 0
    assert "HTTPRoute gateway.networking.k8s.io/v1 is not served yet" in capsys.readouterr().err
