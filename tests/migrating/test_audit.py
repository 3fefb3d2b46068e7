"""``headgate migrate audit``, as users call it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from headgate.cli import run
from tests.live.json_objects import Json, config_map, ingress, ingress_class, path
from tests.live.scripted_cluster import ScriptedCluster

PREFIX = "nginx.ingress.kubernetes.io/"


def community(name: str, class_name: str = "nginx", **said: str) -> Json:
    found = ingress(name, {f"{name}.test": [path("tea")]}, class_name=class_name)
    found["metadata"]["annotations"] = {PREFIX + key.replace("_", "-"): text for key, text in said.items()}
    return found


def written(folder: Path, *objects: Json) -> str:
    (folder / "objects.json").write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}))
    return str(folder)


def audited(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, str]:
    status = run(["migrate", "audit", *argv], {})
    return status, capsys.readouterr().out


def test_annotations_are_counted_by_what_becomes_of_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = written(
        tmp_path,
        community("a", proxy_body_size="8m", enable_rewrite_log="true"),
        community("b", proxy_body_size="9m", stream_snippet="x"),
        community("c", "other", proxy_body_size="9m"),
        community("d", modsecurity_snippet="SecRuleEngine On", typo_annotation="1"),
    )
    status, text = audited(capsys, folder, "-o", "json")
    found = json.loads(text)
    assert status == 1
    assert (found["ingresses"], found["other"], found["refused"]) == (3, 1, ["default/d"])
    outcomes = {use["name"].removeprefix(PREFIX): (use["outcome"], use["objects"]) for use in found["annotations"]}
    assert outcomes["proxy-body-size"] == ("same", ["default/a", "default/b"])
    assert outcomes["modsecurity-snippet"] == ("refused", ["default/d"])
    assert outcomes["typo-annotation"] == ("ignored", ["default/d"])
    assert found["annotations"][0]["outcome"] == "refused"


def test_nothing_is_lost(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, text = audited(capsys, written(tmp_path, community("a", proxy_body_size="8m")))
    assert status == 0
    assert text.splitlines() == [
        "1 Ingress, 0 of them refused or closed.",
        "",
        "Same as in ingress-nginx: 1 annotation",
        "      1  proxy-body-size",
    ]


def test_a_value_that_cannot_be_used_is_a_finding(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = written(tmp_path, community("a", whitelist_source_range="10.0.0.0/33"))
    status, text = audited(capsys, folder)
    assert status == 1
    assert "1 of them refused or closed" in text
    assert "default/a: nginx.ingress.kubernetes.io/whitelist-source-range: '10.0.0.0/33' is" in text


def test_an_annotation_whose_value_is_not_used_does_not_count_as_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = written(tmp_path, community("a", proxy_body_size="8m"), community("b", proxy_body_size="much"))
    status, text = audited(capsys, folder, "-o", "json")
    outcomes = [(use["outcome"], use["objects"]) for use in json.loads(text)["annotations"]]
    assert (status, outcomes) == (1, [("ignored", ["default/b"]), ("same", ["default/a"])])


def test_classes_of_ingress_nginx_are_looked_at_whatever_their_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    classes = [ingress_class("edge", "k8s.io/ingress-nginx"), ingress_class("nginx")]
    status, text = audited(capsys, written(tmp_path, *classes, community("a", "edge", use_regex="true")))
    assert status == 0
    assert "1 Ingress, 0 of them refused or closed." in text
    assert "use-regex" in text


def test_a_cluster_is_looked_at(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with ScriptedCluster(tmp_path) as cluster:
        cluster.put(ingress_class("edge", "k8s.io/ingress-nginx"), community("a", "edge", use_regex="true"))
        status, text = audited(capsys, "--cluster", f"--kubeconfig={cluster.kubeconfig}")
    assert status == 0
    assert text.startswith("1 Ingress, 0 of them refused or closed.")


@pytest.mark.parametrize("argv", [["audit"], ["audit", "--cluster", "x"], ["adit"]])
def test_what_is_not_understood(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["migrate", *argv], {}) == 2
    assert capsys.readouterr().err


def test_help_without_a_word(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["migrate"], {}) == 0
    assert "headgate migrate audit --cluster" in capsys.readouterr().out


def test_keys_of_the_config_map_are_looked_at(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keys = {"proxy_body_size": "8m", "enable_modsecurity": "true", "no_such_key": "1"}
    given = config_map("ingress-nginx", "ingress-nginx-controller", **keys)
    status, text = audited(capsys, written(tmp_path, community("a", proxy_body_size="8m"), given))
    assert status == 1
    assert "unguarded: 1 key of the ConfigMap\n      1  enable-modsecurity: " in text
    assert "1  no-such-key: not a key of ingress-nginx (ingress-nginx/ingress-nginx-controller)" in text
    assert text.count("proxy-body-size") == 2
