"""The dashboard and the alerts as files: they agree with the table of metrics, and promtool accepts them."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import board
import pytest
import yaml
from monitoring import alerts
from monitoring.panels import ROWS
from monitoring.queries import UnknownMetric, rows_of

from headgate.reporting.table import TABLE
from tests.waiting import DEADLINE_S

ROOT = Path(__file__).resolve().parents[2]
DASHBOARD = json.loads((ROOT / "charts" / "headgate" / "files" / "dashboard.json").read_text())
RULES = ROOT / "deploy" / "components" / "alerts" / "headgate.rules.yaml"
CASES = Path(__file__).parent / "alerts.yaml"
needs_promtool = pytest.mark.skipif(
    not shutil.which("promtool"), reason="promtool is not installed (Debian: prometheus)"
)


def promtool(*arguments: str) -> str:
    done = subprocess.run(["promtool", *arguments], capture_output=True, text=True, timeout=DEADLINE_S, check=False)
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout


def test_generated_files_are_up_to_date() -> None:
    for name, write in board.FILES.items():
        assert (ROOT / name).read_text() == write(), f"{name} is out of date: make generate"


def test_a_query_of_an_unknown_metric_ends_the_generator() -> None:
    with pytest.raises(UnknownMetric, match="headgate_objects_refuse in "):
        tuple(rows_of("max(headgate_objects_refuse)"))
    with pytest.raises(UnknownMetric):  # a histogram has no series of its own name
        tuple(rows_of("rate(headgate_batch_stage_seconds[5m])"))


def test_every_metric_is_on_the_dashboard() -> None:
    shown = {
        row.name for part in ROWS for panel in part.panels for query in panel.queries for row in rows_of(query.expr)
    }
    assert shown == {row.name for row in TABLE}


def test_panels_have_different_numbers_and_do_not_overlap() -> None:
    panels = DASHBOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        place = panel["gridPos"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not cells & taken, panel["title"]
        assert place["x"] + place["w"] <= 24
        taken |= cells


def test_panels_say_what_their_metrics_are_and_which_flag_they_require() -> None:
    for panel in DASHBOARD["panels"]:
        if panel["type"] == "row":
            continue
        assert panel["description"], panel["title"]
        reads = [row for target in panel["targets"] for row in rows_of(target["expr"])]
        flags = {row.optional for row in reads if row.optional}
        assert all(f"Requires {flag}." in panel["description"] for flag in flags)


def test_variables_of_queries_are_declared_and_every_declared_one_is_used() -> None:
    declared = {variable["name"] for variable in DASHBOARD["templating"]["list"]}
    text = json.dumps(DASHBOARD["panels"])
    assert all(f"${name}" in text or f"${{{name}}}" in text for name in declared)
    assert declared == {"datasource", "class", "instance", "host", "service"}


def test_all_of_the_dashboard_are_only_pods_of_headgate_while_the_f5_controller_runs_too() -> None:
    """The F5 controller exports metrics of the same names: every panel selects Pods, by what only Headgate has."""
    variables = {one["name"]: one for one in DASHBOARD["templating"]["list"] if one["type"] == "query"}
    assert all("(headgate_" in one["query"]["query"] for one in variables.values())
    assert variables["class"]["allValue"] is variables["instance"]["allValue"] is None  # the names that were found
    for panel in DASHBOARD["panels"]:
        for target in panel.get("targets", ()):
            assert 'instance=~"$instance"' in target["expr"], panel["title"]


def test_panels_of_the_process_do_not_describe_the_metric_that_selects_it() -> None:
    said = {panel["title"]: panel.get("description") for panel in DASHBOARD["panels"]}
    assert said["Memory"] == "Without nginx."


def test_the_work_queue_has_no_quantile_which_its_buckets_cannot_give() -> None:
    shown = {panel.title: panel for part in ROWS for panel in part.panels}
    for query in shown["Work queue, mean of the wait and of a batch"].queries:
        assert "_sum" in query.expr
        assert "histogram_quantile" not in query.expr


@needs_promtool
def test_promtool_accepts_the_rules() -> None:
    assert f"SUCCESS: {len(alerts.ALERTS)} rules found" in promtool("check", "rules", str(RULES))


def cases() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = yaml.safe_load(CASES.read_text())["tests"]
    return [check for case in found for check in case["alert_rule_test"]]


def test_each_alert_has_a_case_in_which_it_fires_and_one_in_which_it_does_not() -> None:
    names = {alert.name for alert in alerts.ALERTS}
    assert {check["alertname"] for check in cases() if check["exp_alerts"]} == names
    assert {check["alertname"] for check in cases() if not check["exp_alerts"]} == names


@needs_promtool
def test_alerts_fire_when_they_should(tmp_path: Path) -> None:
    rules = yaml.safe_load(RULES.read_text())
    for rule in rules["groups"][0]["rules"]:
        assert rule["annotations"].pop("description")
    (tmp_path / "headgate.rules.yaml").write_text(yaml.safe_dump(rules))
    (tmp_path / "alerts.yaml").write_text(CASES.read_text())
    assert "SUCCESS" in promtool("test", "rules", str(tmp_path / "alerts.yaml"))


def test_the_object_of_the_operator_and_the_chart_have_the_same_rules() -> None:
    deployed = yaml.safe_load((RULES.parent / "prometheus-rule.yaml").read_text())
    assert deployed["kind"] == "PrometheusRule"
    assert deployed["spec"] == yaml.safe_load(RULES.read_text()) == alerts.groups()


def test_the_reference_has_every_alert_with_what_to_do() -> None:
    page = (ROOT / "docs" / "reference" / "alerts.md").read_text()
    for alert in alerts.ALERTS:
        assert f"## {alert.name}\n" in page
    assert "{{" not in page


def test_the_page_about_observability_names_every_alert_and_shows_the_picture() -> None:
    page = (ROOT / "docs" / "observability.md").read_text()
    assert re.findall(r"\(reference/alerts\.md#(\w+)\)", page) == [alert.name.lower() for alert in alerts.ALERTS]
    assert "](observability.png)" in page
    assert (ROOT / "docs" / "observability.png").read_bytes().startswith(b"\x89PNG")
