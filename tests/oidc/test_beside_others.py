"""Sessions beside other handlers of Lua for the access phase: none takes the place of another."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from headgate.cli import run
from tests.live.json_objects import Json, ManifestFolder, endpoints, ingress_class, service
from tests.nginx_binaries import LUA
from tests.oidc.objects import client_secret, policy, virtual_server

SESSION, TOKEN = "headgate.session(", 'headgate.admit("'
KEYS = '{"keys": [{"kty": "oct", "k": "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE"}]}'

pytestmark = pytest.mark.skipif(not LUA, reason="no nginx with Lua (make lua-nginx)")


def tokens() -> list[Json]:
    """A Policy of type jwt, with its Secret."""
    named: Json = {"namespace": "default", "name": "tokens"}
    spec = {"jwt": {"realm": "shop", "secret": "tokens"}}
    return [
        {"apiVersion": "v1", "kind": "Secret", "type": "nginx.org/jwk", "metadata": named, "stringData": {"jwk": KEYS}},
        {"apiVersion": "k8s.nginx.org/v1", "kind": "Policy", "metadata": named, "spec": spec},
    ]


def locations(manifests: ManifestFolder, capsys: pytest.CaptureFixture[str], server: Json) -> dict[str, list[str]]:
    """Return the handlers for the access phase of each location of *server*, ``server`` for those of itself."""
    manifests.put(
        ingress_class(), service("tea"), endpoints("tea", "192.0.2.1"), client_secret(), *tokens(),
        policy("login", None, issuer="https://login.test"), server,
    )  # fmt: skip
    flags = ("-enable-oidc", "-enable-snippets", "-data-plane=live", f"-nginx={LUA}")
    run(["render", str(manifests.path), *flags], {})
    text = capsys.readouterr().out
    found: dict[str, list[str]] = {}
    name = "server"
    for line in text[text.index("server_name cafe.test;") :].splitlines():
        name = location[1] if (location := re.match(r" {4}location (.*) \{", line)) else name
        if "access_by_lua_block" in line:
            found.setdefault(name, []).append(line.strip())
        if line == "}":
            break
    return found


def test_a_token_and_a_session_are_both_required(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    snippet = "location /of-a-snippet { return 204; }"
    server = virtual_server("cafe", "cafe.test", "login", "tokens", **{"server-snippets": snippet})
    found = locations(ManifestFolder(tmp_path), capsys, server)
    (around,) = found["server"]
    assert around.index(TOKEN) < around.index(SESSION)
    (tea,) = found["/"]
    assert tea.index(TOKEN) < tea.index(SESSION)
    assert found["= /_codexch"] == ["access_by_lua_block { }"]


def test_a_handler_of_a_snippet_does_not_replace_that_of_a_session(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifests = ManifestFolder(tmp_path)
    server = virtual_server("cafe", "cafe.test", "login")
    server["spec"]["routes"][0]["location-snippets"] = "access_by_lua_block { return }"
    found = locations(manifests, capsys, server)
    assert len(found["/"]) == 2, "nginx rejects two handlers, and the route is closed"
    assert any(SESSION in line for line in found["/"])
