"""What annotations, the ConfigMap and Headgate itself say stays in force beside a snippet that says something too."""

from __future__ import annotations

import io
import ssl
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from showcase.ports import free_ports

from tests.live.json_objects import config_map, path, secret
from tests.live.settings.backends import LOOPBACK
from tests.live.settings.hosts import certificate, host, master, minion, tls_host
from tests.live.settings.serving_nginx import ServingNginx, served, trusting_context
from tests.nginx_binaries import BINARIES, SERVING, capabilities

pytestmark = pytest.mark.asyncio(loop_scope="module")

OURS = {"Host", "X-Real-IP", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Port", "X-Forwarded-Proto"}
ONE = 2**20
TWO = b"x" * (2 * ONE)
"""A body that some hosts take."""


def regular(name: str, **annotations: str):
    """Return a host with two paths."""
    return host(name, path(name, "/"), path(name, "/other"), **annotations)


@pytest_asyncio.fixture(loop_scope="module", scope="module", params=sorted(SERVING))
async def nginx(request: pytest.FixtureRequest) -> AsyncIterator[ServingNginx]:
    """Hosts with snippets in their Ingresses, on each nginx."""
    outer = f"http://{LOOPBACK}:$server_port/other"
    hosts = [
        certificate(),
        regular("set", location_snippets="proxy_set_header X-Zone north;"),
        regular("host", location_snippets="proxy_set_header Host inner.test;"),
        regular("both", proxy_set_headers="X-Tenant:blue", location_snippets="proxy_set_header X-Debug 1;"),
        regular("server", server_snippets="proxy_set_header X-Zone north;"),
        regular("socket", websocket_services="socket", server_snippets="proxy_set_header X-Zone north;"),
        regular("grown", client_max_body_size="1m", server_snippets="client_max_body_size 4m;"),
        regular("shrunk", client_max_body_size="3m", server_snippets="client_max_body_size 1m;"),
        regular("twice", client_max_body_size="1m", location_snippets="client_max_body_size 3m;"),
        regular("hidden", proxy_hide_headers="X-Powered-By", location_snippets="proxy_hide_header X-Version;"),
        regular("passed", proxy_pass_headers="Server", location_snippets="proxy_pass_header Date;"),
        regular("limited", limit_req_rate="1r/m", location_snippets="limit_req zone=wide burst=1000 nodelay;"),
        tls_host("strict", hsts="true", ssl_redirect="false", location_snippets="add_header X-Own 1;"),
        regular("added", add_header="X-All:1", location_snippets="add_header X-Own 1;"),
        regular("merged", add_header="X-All:1", server_snippets="add_header X-Own 1;"),
        regular("foreign", server_snippets=f"location = /own {{ proxy_pass {outer}; proxy_set_header X-Only 1; }}"),
        regular("plain", server_snippets=f"location = /own {{ proxy_pass {outer}; }}"),
        host("root", path("root", "/coffee", "Exact"), server_snippets="location / { return 302 /coffee; }"),
        tls_host("modern", ssl_redirect="false", server_snippets="ssl_protocols TLSv1.3;"),
        tls_host("usual", ssl_redirect="false"),
        master("shop", proxy_set_headers="X-Shop:1"),
        minion("shop", "/snippet", location_snippets="proxy_set_header X-Zone north;"),
        minion("shop", "/timeout", proxy_read_timeout="9s", location_snippets="proxy_read_timeout 8s;"),
        minion("shop", "/rate", limit_req_rate="1r/m", location_snippets="limit_req_status 430;"),
    ]
    settings = config_map(http_snippets="limit_req_zone $host zone=wide:1m rate=1000r/s;")
    binary = BINARIES[request.param]
    told = () if capabilities(binary).protocols_by_host else ("ssl_protocols",)
    async with served([settings, *hosts], "-enable-snippets", binary=binary, problems=told) as running:
        yield running


async def received(nginx: ServingNginx, name: str, uri: str = "/") -> dict[str, str]:
    assert (await nginx.get(f"{name}.test", uri)).status == 200
    return dict(nginx.backend(name).last.headers)


# --- lists ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("uri", ["/", "/other"])
async def test_a_request_header_of_a_location_snippet_costs_no_other(nginx: ServingNginx, uri: str) -> None:
    told = await received(nginx, "set", uri)
    assert told.keys() >= {*OURS, "X-Zone"}
    assert told["Host"] == "set.test"


async def test_a_snippets_request_header_replaces_headgates(nginx: ServingNginx) -> None:
    told = await received(nginx, "host")
    assert told["Host"] == "inner.test"
    assert nginx.backend("host").last.headers.getall("Host") == ["inner.test"]


async def test_annotation_and_snippet_both_set_headers(nginx: ServingNginx) -> None:
    told = await received(nginx, "both")
    assert (told["Host"], told["X-Tenant"], told["X-Debug"]) == ("both.test", "blue", "1")


@pytest.mark.parametrize("name", ["server", "socket"])
async def test_a_request_header_of_a_server_snippet_costs_no_other(nginx: ServingNginx, name: str) -> None:
    assert (await received(nginx, name)).keys() >= {*OURS, "X-Zone"}


async def test_a_minion_s_snippet_costs_neither_our_headers_nor_its_master_s(nginx: ServingNginx) -> None:
    assert (await received(nginx, "shop", "/snippet")).keys() >= {*OURS, "X-Zone", "X-Shop"}


async def test_a_limit_of_a_snippet_does_not_switch_the_annotation_s_off(nginx: ServingNginx) -> None:
    assert [(await nginx.get("limited.test")).status for _ in range(3)] == [200, 429, 429]


async def test_a_snippet_may_set_the_status_of_a_limit(nginx: ServingNginx) -> None:
    assert [(await nginx.get("shop.test", "/rate")).status for _ in range(2)] == [200, 430]


async def test_response_headers_of_a_snippet_cost_none_of_the_annotation_s(nginx: ServingNginx) -> None:
    for name in ("added", "merged"):
        assert {"X-All", "X-Own"} <= (await nginx.get(f"{name}.test")).headers.keys()


async def test_a_response_header_of_a_snippet_does_not_cost_hsts(nginx: ServingNginx) -> None:
    headers = (await nginx.get("strict.test", tls=True)).headers
    assert "X-Own" in headers
    assert len(headers.getall("Strict-Transport-Security")) == 1


async def test_hidden_and_passed_headers_join_those_of_a_snippet(nginx: ServingNginx) -> None:
    nginx.backend("hidden").reply(200, headers={"X-Powered-By": "steam", "X-Version": "1"})
    assert not {"X-Powered-By", "X-Version"} & (await nginx.get("hidden.test")).headers.keys()
    nginx.backend("passed").reply(200, headers={"Server": "tea/1"})
    assert (await nginx.get("passed.test")).headers["Server"] == "tea/1"


@pytest.mark.parametrize("name", ["foreign", "plain"])
async def test_a_location_of_a_snippet_is_sent_none_of_our_headers(nginx: ServingNginx, name: str) -> None:
    """It asks nginx itself, by address; with a Host of ours the answer would come from this very host."""
    assert (await nginx.get(f"{name}.test", "/own")).status == 404
    assert (await received(nginx, name)).keys() >= OURS


# --- single directives ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("grown", 413),  # as the incumbent: the annotation stands in the location, further in than the snippet
        ("shrunk", 200),
        ("twice", 200),
    ],
)
async def test_a_directive_may_come_from_annotation_and_snippet(nginx: ServingNginx, name: str, status: int) -> None:
    assert (await nginx.get(f"{name}.test", method="POST", data=io.BytesIO(TWO))).status == status


async def test_a_location_of_a_snippet_for_every_other_path(nginx: ServingNginx) -> None:
    answer = await nginx.get("root.test")
    assert (answer.status, answer.headers["Location"].endswith("/coffee")) == (302, True)
    assert (await nginx.get("root.test", "/coffee")).status == 200


async def test_tls_of_a_snippet_holds_for_its_host_alone(nginx: ServingNginx) -> None:
    old = trusting_context()
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    assert (await nginx.handshake("usual.test", old)).version() == "TLSv1.2"
    if any("ssl_protocols" in problem for problem in nginx.problems):
        return  # this nginx cannot, and the owner knows
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await nginx.handshake("modern.test", old)


# --- the ConfigMap --------------------------------------------------------------------------------------


async def test_snippets_of_the_config_map_cost_nothing_either() -> None:
    settings = config_map(
        add_header="X-All:1", client_max_body_size="1m", server_tokens="false", keepalive_timeout="30s",
        http_snippets="client_max_body_size 4m; server_tokens on; keepalive_timeout 5s; types_hash_max_size 2048;",
        server_snippets="add_header X-Server 1;",
        location_snippets="proxy_set_header X-Zone north; add_header X-Location 1;",
        main_snippets="worker_rlimit_nofile 4096;", worker_rlimit_nofile="2048",
    )  # fmt: skip
    async with served([settings, host("common")], "-enable-snippets") as nginx:
        answer = await nginx.get("common.test", method="POST", data=io.BytesIO(TWO))
        assert answer.status == 200
        assert {"X-All", "X-Location"} <= answer.headers.keys()
        assert answer.headers["Server"].startswith("nginx/")
        assert nginx.backend("common").last.headers.keys() >= {*OURS, "X-Zone"}


async def test_a_server_of_the_http_snippets_is_sent_none_of_our_headers() -> None:
    outer, inner = free_ports(2)
    asking = f"listen {LOOPBACK}:{outer}; location / {{ proxy_pass http://{LOOPBACK}:{inner}; }}"
    answering = f'listen {LOOPBACK}:{inner}; return 200 "$http_host $http_x_real_ip";'
    settings = config_map(http_snippets=f"server {{ {asking} }}\nserver {{ {answering} }}")
    async with served([settings, host("common")], "-enable-snippets") as nginx:
        assert (await nginx.get("any.test", port=outer)).text == f"{LOOPBACK}:{inner} "
        await nginx.get("common.test")
        assert nginx.backend("common").last.headers.keys() >= OURS


# --- guards ---------------------------------------------------------------------------------------------


async def test_without_a_password_no_response_reveals_which_paths_exist() -> None:
    paths = [path("locked", "/secret", "Exact")]
    hosts = [
        secret("users", kind="nginx.org/htpasswd", htpasswd=b"joe:{PLAIN}x\n"),
        host("locked", *paths, basic_auth_secret="users"),
        master("safe", basic_auth_secret="users"),
        minion("safe", "/secret"),
        host("slow", path("slow", "/there"), limit_req_rate="1r/m"),
    ]
    async with served(hosts) as nginx:
        for name in ("locked", "safe"):
            assert [(await nginx.get(f"{name}.test", uri)).status for uri in ("/secret", "/none")] == [401, 401]
        assert [(await nginx.get("slow.test", "/none")).status for _ in range(2)] == [404, 429]
