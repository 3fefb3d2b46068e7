"""``headgate migrate convert``, as users call it: what is written, what the comments are, and the exit status."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from headgate.cli import run
from tests.live.json_objects import Json, ingress_class, path, secret, service
from tests.live.scripted_cluster import ScriptedCluster
from tests.live.test_live_community import community

CLASS = ingress_class(controller="k8s.io/ingress-nginx")
TEA = path("tea")


def convert(items: list[Json], folder: Path, *more: str, to: str = "virtualserver") -> int:
    (folder / "in.json").write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": [CLASS, *items]}))
    return run(["migrate", "convert", f"--to={to}", str(folder / "in.json"), *more], {})


def written(text: str) -> dict[tuple[str, str], Any]:
    return {(item["kind"], item["metadata"]["name"]): item for item in yaml.safe_load_all(text) if item}


def test_virtual_servers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = {
        "proxy_body_size": "8m",
        "proxy_read_timeout": "7",
        "configuration_snippet": "etag off;",
    }
    shop = community("shop", {"shop.test": [TEA, path("tea", "/x", "Exact")]}, **said)
    assert convert([service("tea"), shop], tmp_path, "--to-class=new", "-enable-snippets") == 0
    shown = capsys.readouterr()
    assert shown.err == (
        "headgate: 1 converted as they are, 0 with comments, 0 closed because of a guard, 0 not converted.\n"
    )
    found = written(shown.out)
    assert found["ConfigMap", "nginx-config"]["data"]["proxy-connect-timeout"] == "5s"
    spec = found["VirtualServer", "shop"]["spec"]
    assert (spec["ingressClassName"], spec["host"]) == ("new", "shop.test")
    assert [route["path"] for route in spec["routes"]] == ["=/x", "/"]
    assert {route["location-snippets"] for route in spec["routes"]} == {"etag off;"}
    assert spec["upstreams"] == [{
        "name": "tea-80", "service": "tea", "port": 80, "client-max-body-size": "8m", "read-timeout": "7s",
    }]  # fmt: skip


def test_sessions(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shop = community("shop", {"shop.test": [TEA]}, affinity="cookie", session_cookie_max_age="60")
    assert convert([service("tea"), shop], tmp_path) in {0, 1}  # not each nginx has sessions
    (upstream,) = written(capsys.readouterr().out)["VirtualServer", "shop"]["spec"]["upstreams"]
    assert upstream["sessionCookie"] == {
        "enable": True, "name": "INGRESSCOOKIE", "expires": "60s", "httpOnly": True, "path": "/",
    }  # fmt: skip


def test_ingresses(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shop = community("shop", {"shop.test": [TEA], "two.test": [TEA]}, limit_rps="5", proxy_body_size="8m")
    assert convert([service("tea"), shop], tmp_path, to="nginx.org") == 0
    item = written(capsys.readouterr().out)["Ingress", "shop"]
    assert [rule["host"] for rule in item["spec"]["rules"]] == ["shop.test", "two.test"]
    said = item["metadata"]["annotations"]
    assert {key: said[f"nginx.org/{key}"] for key in ("client-max-body-size", "limit-req-rate", "limit-req-burst")} == {
        "client-max-body-size": "8m", "limit-req-rate": "5r/s", "limit-req-burst": "25",
    }  # fmt: skip


@pytest.mark.parametrize("to", ["virtualserver", "nginx.org"])
def test_a_guard_that_has_no_equal_closes(to: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kept = community("kept", {"kept.test": [TEA]}, auth_url="https://login.example.com/check")
    assert convert([service("tea"), kept], tmp_path, to=to) == 1
    shown = capsys.readouterr()
    found = written(shown.out)
    assert found["Policy", "kept-closed"]["spec"]["accessControl"] == {"deny": ["0.0.0.0/0", "::/0"]}
    item = found["VirtualServer" if to == "virtualserver" else "Ingress", "kept"]
    assert "kept-closed" in json.dumps(item)
    assert "# CLOSED: default/kept: auth-url names login.example.com, which is no Service of the cluster;" in shown.out
    assert "1 closed because of a guard" in shown.err


def test_what_has_no_equal_is_a_comment(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = {"mirror_target": "http://tea.default.svc/copy", "limit_rate": "5\n# } injected"}
    assert convert([service("tea"), community("noted", {"noted.test": [TEA]}, **said)], tmp_path) == 1
    shown = capsys.readouterr()
    assert "# not carried over: default/noted: mirror-target has no equal; no copies are sent" in shown.out
    assert "# not carried over: default/noted: limit-rate " in shown.out
    assert not [line for line in shown.out.splitlines() if "injected" in line and not line.startswith("#")]


def test_passwords_are_written_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kept = community("kept", {"kept.test": [TEA]}, auth_type="basic", auth_secret="users")
    assert convert([service("tea"), secret("users", auth=b"ann:{PLAIN}x\n"), kept], tmp_path) == 0
    found = written(capsys.readouterr().out)
    assert found["Secret", "users-htpasswd"]["type"] == "nginx.org/htpasswd"
    assert found["Policy", "kept-passwords"]["spec"]["basicAuth"] == {"secret": "users-htpasswd"}
    assert convert([service("tea"), kept], tmp_path) == 1
    assert "needs a Secret of type nginx.org/htpasswd" in capsys.readouterr().out


def test_other_namespaces_have_virtual_server_routes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = community("first", {"shop.test": [TEA]}, 1)
    second = community("second", {"shop.test": [path("coffee", "/coffee", "Exact")]}, 2, namespace="bar")
    assert convert([service("tea"), service("coffee", "bar"), first, second], tmp_path) == 0
    found = written(capsys.readouterr().out)
    assert {"path": "=/coffee", "route": "bar/second"} in found["VirtualServer", "first"]["spec"]["routes"]
    route = found["VirtualServerRoute", "second"]["spec"]
    assert [each["path"] for each in route["subroutes"]] == ["=/coffee"]
    assert [each["service"] for each in route["upstreams"]] == ["coffee"]


def test_files_and_a_cluster(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    with ScriptedCluster(tmp_path) as cluster:
        cluster.put(CLASS, service("tea"), community("shop", {"shop.test": [TEA]}))
        argv = ["migrate", "convert", "--to=virtualserver", "--cluster", f"--kubeconfig={cluster.kubeconfig}"]
        assert run([*argv, f"--output={out}"], {}) == 0
    assert not capsys.readouterr().out
    assert sorted(file.name for file in out.iterdir()) == [
        "default-shop-virtualserver.yaml", "nginx-ingress-nginx-config-configmap.yaml",
    ]  # fmt: skip


def test_ingresses_of_others_are_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = community("other", {"other.test": [TEA]})
    other["spec"]["ingressClassName"] = "other"
    assert convert([service("tea"), other], tmp_path) == 0
    assert not written(capsys.readouterr().out)


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["convert", "x"], "--to: is missing"),
        (["convert", "--to=gateway", "x"], "write one of nginx.org, virtualserver"),
        (["convert", "--to=nginx.org"], "DIR|FILE|-"),
        (["convert", "--to=nginx.org", "/no/such/folder"], "/no/such/folder"),
        (["konvert"], "convert"),
    ],
)
def test_what_is_not_understood(argv: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["migrate", *argv], {}) == 2
    assert words in capsys.readouterr().err
