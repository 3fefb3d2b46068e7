"""Paths and hosts as nginx reads them, choosing a location, and where values come from, piece by piece."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from headgate.cli import run
from headgate.explain.matching import locate
from headgate.explain.uri import host_of
from headgate.ir.http import Location
from headgate.settings import NOTHING, Words
from headgate.validation.uri import path_of
from tests.live.scripted_cluster import ScriptedCluster


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        ("/", "/"),
        ("/a/b", "/a/b"),
        ("//a///b/", "/a/b/"),
        ("/a/./b/../c", "/a/c"),
        ("/a/..", "/"),
        ("/a/.", "/a/"),
        ("/a/%2e%2E/b", "/b"),
        ("/a%2Fb", "/a/b"),
        ("/a%252Fb", "/a%2Fb"),
        ("/a%3Fb%23c", "/a?b#c"),
        ("/..", None),
        ("/a/../..", None),
        ("/%zz", None),
        ("/%", None),
        ("/%00", None),
        ("/%C3%A4", "/ä"),
    ],
)
def test_path(sent: str, read: str | None) -> None:
    assert path_of(sent) == read


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        ("Cafe.Example.com.:8080", "cafe.example.com"),
        ("[::1]:80", "[::1]"),
        ("a..b", None),
        ("", None),
        (":80", None),
        ("a/b", None),
        ("a b", None),
    ],
)
def test_host(sent: str, read: str | None) -> None:
    assert host_of(sent) == read


def here(*names: str) -> list[Location]:
    """Return proxied locations, each written as in nginx."""
    found = []
    for name in names:
        modifier, _, path = name.rpartition(" ")
        found.append(Location(path=path, modifier=modifier, own=NOTHING, answer=Words(("200",))))
    return found


@pytest.mark.parametrize(
    ("names", "path", "wins"),
    [
        (["/", "/a", "= /a", "~ a"], "/a", "= /a"),
        (["/", "/a", "~ b$"], "/ab", "~ b$"),
        (["/", "^~ /a", "~ b$"], "/ab", "^~ /a"),
        (["/", "/a", "/a/b", "~ z"], "/a/b/c", "/a/b"),
        (["/", "~* ^/A", "~ ^/a"], "/a", "~* ^/A"),
        (["/", "~ ^/A"], "/a", "/"),
        (["/", "~ ^/(?<x>a)"], "/a", "~ ^/(?<x>a)"),
        (["/"], "/ä", "/"),
    ],
)
def test_location(names: list[str], path: str, wins: str) -> None:
    found = locate(here(*names), path).location
    assert found
    assert f"{found.modifier} {found.path}".strip() == wins


def test_an_expression_that_only_nginx_can_evaluate_is_named() -> None:
    found = locate(here("/", r"~ ^/[[:upper:]]", r"~ \Ka"), "/a")
    assert found.location
    assert found.location.path == "/"
    assert found.unjudged == (r"^/[[:upper:]]", r"\Ka")


def test_a_cluster_and_a_folder_give_the_same_answer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = Path(__file__).resolve().parents[2] / "examples" / "cafe"
    objects = [item for file in folder.glob("*.yaml") for item in yaml.safe_load_all(file.read_text()) if item]
    answers = []
    with ScriptedCluster(tmp_path) as cluster:
        cluster.put(*objects)
        for source in (f"--kubeconfig={cluster.kubeconfig}", f"--manifests={folder}"):
            assert run(["explain", "https://cafe.example.com/tea", "-o", "json", source], {}) == 0
            answers.append(json.loads(capsys.readouterr().out))
    assert answers[0]["upstream"]["service"] == "default/tea-svc"
    assert answers[0]["tls"] == answers[1]["tls"]
    assert answers[0]["settings"] == answers[1]["settings"]


def test_a_cluster_that_does_not_answer_is_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["explain", "https://cafe.example.com/tea", f"--kubeconfig={tmp_path / 'none'}"], {}) == 1
    assert "none" in capsys.readouterr().err
