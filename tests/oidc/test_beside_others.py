"""Sessions beside other handlers of Lua for the access phase: none takes the place of another."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from headgate.cli import run
from tests.live.json_objects import Json, ManifestFolder, config_map, endpoints, ingress_class, service
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


def rendered(
    manifests: ManifestFolder, capsys: pytest.CaptureFixture[str], server: Json, *more: Json
) -> tuple[str, str]:
    """Return what nginx is given of *server*, and what is reported."""
    manifests.put(
        ingress_class(), service("tea"), endpoints("tea", "192.0.2.1"), client_secret(), *tokens(),
        policy("login", None, issuer="https://login.test"), server, *more,
    )  # fmt: skip
    flags = (
        "-enable-oidc", "-enable-snippets", "-data-plane=live", f"-nginx={LUA}", "-nginx-configmaps=ours/config",
    )  # fmt: skip
    run(["render", str(manifests.path), *flags], {})
    text, told = capsys.readouterr()
    return text[text.index("server_name cafe.test;") :], told


def locations(
    manifests: ManifestFolder, capsys: pytest.CaptureFixture[str], server: Json, handler: str = "access_by_lua_block"
) -> dict[str, list[str]]:
    """Return the handlers (*handler*) of each location of *server*, ``server`` for those of itself."""
    text, _ = rendered(manifests, capsys, server)
    found: dict[str, list[str]] = {}
    name = "server"
    for line in text.splitlines():
        name = location[1] if (location := re.match(r" {4}location (.*) \{", line)) else name
        if handler in line:
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


@pytest.mark.parametrize("where", ["server-snippets", "location-snippets"])
def test_a_handler_of_a_snippet_for_the_rewrite_phase_stays(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], where: str
) -> None:
    snippet = "rewrite_by_lua_block { ngx.var.x = 1 }"
    server = virtual_server("cafe", "cafe.test", "login", routes={"/": "login"})
    (server["spec"] if where == "server-snippets" else server["spec"]["routes"][0])[where] = snippet
    found = locations(ManifestFolder(tmp_path), capsys, server, "rewrite_by_lua_block")
    assert found["server" if where == "server-snippets" else "/"].count(snippet) == 1
    assert where == "location-snippets" or len(found["server"]) == 1
    assert len(found.get("/", [snippet])) == 1
    assert found["= /_codexch"] == ["rewrite_by_lua_block { }"]


SATISFY = "satisfy any; allow all;"
HANDLER = "access_by_lua_block { return }"


@pytest.mark.parametrize(
    ("snippets", "why"),
    [
        (("", HANDLER), "has a handler of Lua for the access phase, as Policy default/login of type oidc has"),
        ((HANDLER, ""), "has a handler of Lua for the access phase"),
        (("", SATISFY), "has satisfy any, by which another check may let in clients without a session of Policy"),
        ((SATISFY, ""), "has satisfy any"),
        (("satisfy any; log_by_lua_block { print('}') }", ""), "has satisfy any"),
        (("satisfy all;", SATISFY), "has satisfy any"),
        ((SATISFY, "satisfy all;"), ""),
        (("satisfy all; location /own { satisfy any; access_by_lua_block { return } }", ""), ""),
    ],
)
@pytest.mark.parametrize("of_all", [True, False], ids=["server", "route"])
def test_what_lets_clients_in_without_a_session_closes_the_place(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], snippets: tuple[str, str], why: str, *, of_all: bool
) -> None:
    of_server, of_location = snippets
    server = virtual_server(
        "cafe", "cafe.test", *(["login"] if of_all else []), routes={"/": "" if of_all else "login"}
    )
    server["spec"]["server-snippets"] = of_server
    server["spec"]["routes"][0]["location-snippets"] = of_location
    text, told = rendered(ManifestFolder(tmp_path), capsys, server)
    location = text[text.index("    location / {") :].partition("\n    }\n")[0]
    closed = "return 500;" in location or "\n    return 500;" in text
    assert closed == bool(why) or (of_server, of_location, of_all) == (SATISFY, "satisfy all;", True)
    assert why in told
    assert HANDLER not in location
    assert SESSION in text or closed


def test_satisfy_of_the_config_map_closes_what_sessions_guard(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server = virtual_server("cafe", "cafe.test", routes={"/": "login", "/open": ""})
    text, told = rendered(ManifestFolder(tmp_path), capsys, server, config_map(http_snippets=SATISFY))
    assert text.count("return 500;") == 1
    assert "has satisfy any" in told
