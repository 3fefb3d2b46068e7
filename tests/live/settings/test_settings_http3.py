"""HTTP/3 with a real client: hosts in server blocks, and hosts that are routed at run time."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from showcase.ports import free_ports

from tests.directories import short_directory
from tests.http3_client import Refused, get, http3_client
from tests.k8s.certificates import Authority
from tests.live.json_objects import Json, config_map, endpoints, ingress, secret, service, tls_secret
from tests.live.settings.backends import LOOPBACK
from tests.live.settings.hosts import CHOSEN_PORT, certificate, tls_host
from tests.live.settings.serving_nginx import ServingNginx, served
from tests.live.test_live_policies import EVERYBODY, NOBODY, policy
from tests.live.test_live_virtual_servers import virtual_server
from tests.nginx_binaries import LUA
from tests.waiting import eventually

pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(not LUA, reason="no nginx with HTTP/3 (tools/lua_nginx.sh)"),
]
PLANES = {"files": ("-data-plane=files",), "live": ("-data-plane=live", "-live-routes")}
PORT, BESIDE = free_ports(2)
OURS = Authority()
AGE = "ma=86400"
PROBLEMS = ("'none' does not exist", "it does not have HTTP/3 there")


def guarded(name: str, **spec: object) -> list[Json]:
    """A VirtualServer with one Policy, and that Policy."""
    server = virtual_server(name, {"path": "/", "action": {"pass": "tea"}}, tls={"secret": "certificate"})
    server["spec"] |= {"host": f"{name}.test", "policies": [{"name": name}]}
    return [server, policy(name, **spec)]


def objects() -> list[Json]:
    own = [
        tls_host("usual", ssl_redirect="true"),
        tls_host("hsts", hsts="true", client_max_body_size="10"),
        tls_host("backends"),
        tls_host("told", add_header="Alt-Svc: clear"),
        tls_host("limited", limit_req_rate="1r/m", limit_req_key="${binary_remote_addr}"),
        tls_host("ports", listen_ports_ssl=f"{PORT},{BESIDE}"),
        ingress("shown", "shown.test", tls={"other": ["shown.test"]}),
        ingress("wild", "*.wild.test", tls={"wild": ["*.wild.test"]}),
        tls_host("broken"),
    ]
    own[-1]["spec"]["tls"] = [{"hosts": ["broken.test"], "secretName": "none"}]
    return [
        config_map(http3="true", http2="true", http3_advertised_port="8443"),
        certificate(), tls_secret("other", "shown.test"), tls_secret("wild", "*.wild.test"),
        *own,
        service("tea"), endpoints("tea", LOOPBACK, port=CHOSEN_PORT),
        secret("users", kind="nginx.org/htpasswd", htpasswd=b"jane:{PLAIN}secret\n"),
        secret("keys", kind="nginx.org/apikey", jane=b"secret"),
        *guarded("everybody", accessControl=EVERYBODY),
        *guarded("deny", accessControl=NOBODY),
        *guarded("basic", basicAuth={"secret": "users", "realm": "tea"}),
        *guarded("key", apiKey={"suppliedIn": {"header": ["X-API-Key"]}, "clientSecret": "keys"}),
        *guarded("rate", rateLimit={"rate": "1r/m", "key": "${binary_remote_addr}", "zoneSize": "1M"}),
        {"apiVersion": "k8s.nginx.org/v1", "kind": "GlobalConfiguration",
         "metadata": {"name": "listeners", "namespace": "ours"},
         "spec": {"listeners": [{"name": "dns", "port": BESIDE, "protocol": "UDP"}]}},
    ]  # fmt: skip


@pytest_asyncio.fixture(loop_scope="module", scope="module", params=sorted(PLANES))
async def nginx(request: pytest.FixtureRequest) -> AsyncIterator[ServingNginx]:
    """All of them, on each data plane."""
    flags = ("-global-configuration=ours/listeners", *PLANES[request.param])
    async with served(objects(), *flags, binary=LUA or "", problems=PROBLEMS) as found:
        assert _routed(found) is (request.param == "live")
        yield found


def _routed(nginx: ServingNginx) -> bool:
    file = Path(nginx.layout.live_state)
    return file.exists() and b'"r:usual.test"' in file.read_bytes()


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def certified() -> AsyncIterator[ServingNginx]:
    """A host that demands certificates of its clients, and one that does not."""
    given = [
        config_map(http3="true"), certificate(), tls_host("usual"), service("tea"),
        endpoints("tea", LOOPBACK, port=CHOSEN_PORT), secret("clients", kind="nginx.org/ca", ca_crt=OURS.pem),
        *guarded("certified", ingressMTLS={"clientCertSecret": "clients"}),
    ]  # fmt: skip
    async with served(given, binary=LUA or "") as found:
        yield found


@pytest.fixture
def client_certificate() -> AsyncIterator[tuple[Path, Path]]:
    with short_directory() as folder:
        files = folder / "client.crt", folder / "client.key"
        for file, text in zip(files, OURS.issue("client"), strict=True):
            file.write_bytes(text)
        yield files


async def test_a_request_is_answered_as_over_the_other_protocols(nginx: ServingNginx) -> None:
    answer = await get(nginx.https, "usual.test", "/a?b")
    assert (answer.status, answer.text) == (200, "usual")
    assert nginx.backend("usual").last.path == "/a?b"
    assert nginx.backend("usual").last.headers["X-Forwarded-Proto"] == "https"
    assert nginx.backend("usual").last.headers["X-Forwarded-Port"] == str(nginx.https)
    assert '"GET /a?b HTTP/3.0" 200' in await nginx.logged("/a?b")
    assert (await get(nginx.https, "nobody.wild.test")).status == 200


async def test_clients_of_https_are_told_and_nobody_else(nginx: ServingNginx) -> None:
    over_tls = await nginx.get("usual.test", tls=True)
    assert over_tls.headers["Alt-Svc"] == f'h3=":8443"; {AGE}'
    plain = await nginx.get("usual.test")
    assert (plain.status, plain.headers.get("Alt-Svc")) == (301, None)
    assert (await get(nginx.https, "usual.test")).headers["alt-svc"] == f'h3=":8443"; {AGE}'
    nginx.backend("backends").reply(404, headers={"Alt-Svc": 'h3=":1"'})
    assert (await nginx.get("backends.test", tls=True)).headers.getall("Alt-Svc") == [f'h3=":8443"; {AGE}']
    assert (await nginx.get("told.test", tls=True)).headers.getall("Alt-Svc") == ["clear"]


async def test_ports_of_hosts_speak_it_unless_udp_is_for_something_else(nginx: ServingNginx) -> None:
    assert (await get(PORT, "ports.test")).status == 200
    assert (await nginx.get("ports.test", tls=True, port=PORT)).headers["Alt-Svc"] == f'h3=":{PORT}"; {AGE}'
    beside = await nginx.get("ports.test", tls=True, port=BESIDE)
    assert (beside.status, beside.headers.get("Alt-Svc")) == (200, None)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind((LOOPBACK, BESIDE))


@pytest.mark.parametrize("host", ["usual.test", "shown.test", "USUAL.test", "a.wild.test"])
async def test_the_certificate_is_that_of_the_name(nginx: ServingNginx, host: str) -> None:
    async with http3_client(nginx.https, host) as client:
        assert client.certificate == await nginx.certificate(host)


@pytest.mark.parametrize("host", ["nobody.test", "a.b.wild.test", "broken.test", "wild.test"])
async def test_handshakes_for_other_names_fail(nginx: ServingNginx, host: str) -> None:
    with pytest.raises(Refused, match="handshake failed"):
        await get(nginx.https, host)


async def test_a_host_is_the_one_that_the_request_names(nginx: ServingNginx) -> None:
    async with http3_client(nginx.https, "usual.test") as client:
        assert (await client.get("/", "shown.test")).text == "tea"
        assert (await client.get("/", "SHOWN.test:443")).text == "tea"
        assert (await client.get("/", "nobody.test")).status == 404
        assert (await client.get("/", "a.b.wild.test")).status == 404


async def test_hsts_and_sizes_of_bodies(nginx: ServingNginx) -> None:
    async with http3_client(nginx.https, "hsts.test") as client:
        small = await client.get("/", method="POST", body=b"0123456789")
        assert (small.status, "max-age" in small.headers["strict-transport-security"]) == (200, True)
        assert nginx.backend("hsts").last.body == b"0123456789"
        large = await client.get("/", method="POST", body=b"0123456789x")
        assert (large.status, "alt-svc" in large.headers) == (413, True)


async def test_requests_at_once(nginx: ServingNginx) -> None:
    async with http3_client(nginx.https, "usual.test") as client:
        answers = await asyncio.gather(*(client.get(f"/{number}") for number in range(50)))
    assert {(answer.status, answer.text) for answer in answers} == {(200, "usual")}


@pytest.mark.parametrize(
    ("host", "status", "more", "with_more"),
    [
        ("everybody.test", 200, {}, 200),
        ("deny.test", 403, {}, 403),
        ("basic.test", 401, {"authorization": "Basic amFuZTpzZWNyZXQ="}, 200),
        ("key.test", 401, {"x_api_key": "secret"}, 200),
    ],
)
async def test_policies_apply(
    nginx: ServingNginx, host: str, status: int, more: dict[str, str], with_more: int
) -> None:
    async with http3_client(nginx.https, host) as client:
        assert (await client.get("/")).status == status
        assert (await client.get("/", **more)).status == with_more


@pytest.mark.parametrize("host", ["rate.test", "limited.test"])
async def test_a_rate_is_shared_with_the_other_protocols(nginx: ServingNginx, host: str) -> None:
    assert (await nginx.get(host, tls=True)).status == 200
    assert (await get(nginx.https, host)).status in {429, 503}


async def test_clients_show_their_certificate(certified: ServingNginx, client_certificate: tuple[Path, Path]) -> None:
    host = "certified.test"
    async with http3_client(certified.https, host, certificate=client_certificate) as known:
        assert (await known.get("/")).status == 200
    async with http3_client(certified.https, host) as unknown:
        assert (await unknown.get("/")).status == 400
    # With the server name and with a session of another host.
    tickets = []
    async with http3_client(certified.https, "usual.test", tickets=tickets) as other:
        assert (await other.get("/")).status == 200
        assert (await other.get("/", host)).status in {400, 421}
    assert tickets
    async with http3_client(certified.https, host, ticket=tickets[-1]) as resuming:
        assert (await resuming.get("/")).status in {400, 421}


async def test_no_host_answers_for_others_while_the_default_server_does_not_have_it() -> None:
    """That file may be an older one: an Ingress without a host keeps it while nginx refuses the new one."""
    own = tls_host("own", ssl_ciphers="HIGH:!aNULL")  # has a certificate, and would be the first server of the port
    async with served([config_map(http3="true"), certificate(), own], binary=LUA or "") as nginx:
        file = Path(nginx.layout.conf, "conf.d", "_default-server.conf")
        lines = file.read_text().splitlines(keepends=True)  # noqa: ASYNC240 - nobody else waits
        file.write_text("".join(line for line in lines if " quic " not in line))  # noqa: ASYNC240
        before = set(nginx.workers())
        os.kill(nginx.pid, signal.SIGHUP)
        await eventually(lambda: bool(found := set(nginx.workers())) and before.isdisjoint(found))
        with pytest.raises(Refused, match="handshake failed"):
            await get(nginx.https, "nobody.test")
        assert (await nginx.get("own.test", tls=True)).status == 200
