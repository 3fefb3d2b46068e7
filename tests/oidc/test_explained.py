"""What explain, check and render say of logins."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from headgate.cli import run
from tests.live.json_objects import ManifestFolder, endpoints, ingress_class, service
from tests.oidc.objects import client_secret, policy, virtual_server

SECRET = "not-for-people"
ISSUER = "https://login.test"


@pytest.fixture
def folder(tmp_path: Path) -> str:
    manifests = ManifestFolder(tmp_path / "manifests")
    manifests.put(
        ingress_class(), service("tea"), endpoints("tea", "192.0.2.1"), client_secret(value=SECRET),
        policy("login", None, issuer=ISSUER, redirectURI="/back"),
        virtual_server("cafe", "cafe.test", "login", routes={"/": "", "=/back": ""}),
        virtual_server("shop", "shop.test", "login"),
    )  # fmt: skip
    return str(manifests.path)


def said(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    run(list(words), {})
    return capsys.readouterr().out


def test_explain(folder: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = said(capsys, "explain", "http://shop.test/x", "-m", folder, "-enable-oidc")
    assert "if the client is logged in" in " ".join(text.split())
    assert f"a login at {ISSUER} by way of /back" in " ".join(text.split())
    assert "Policy default/login: spec.oidc" in text
    text = said(capsys, "explain", "http://shop.test/back", "-m", folder, "-enable-oidc")
    assert "the controller answers" in text
    assert "logged in" not in text
    text = said(
        capsys, "explain", "http://shop.test/x", "-m", folder, "-enable-oidc", "-data-plane=files", "-o", "json"
    )
    assert json.loads(text)["status"] == 500
    text = said(capsys, "explain", "http://shop.test/x", "-m", folder)
    assert "start Headgate with -enable-oidc" in " ".join(text.split())


def test_check_finds_a_redirect_uri_that_a_route_has(folder: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = said(capsys, "check", folder, "-enable-oidc")
    assert "'/back' is where logins end with Policy default/login, and the path of this route" in text
    assert "nobody can log in" in text


@pytest.mark.parametrize("plane", ["auto", "live"])
def test_nothing_prints_the_secret_of_a_client(folder: str, capsys: pytest.CaptureFixture[str], plane: str) -> None:
    for command in (("render", folder), ("diff", folder, folder), ("check", folder)):
        text = said(capsys, *command, "-enable-oidc", *([f"-data-plane={plane}"] if plane == "live" else []))
        assert SECRET not in text
