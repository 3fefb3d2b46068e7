"""TLS towards clients: what is agreed, where plain HTTP is sent, and HSTS. On each build of nginx."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.asymmetric import rsa
from showcase.ports import free_port

from tests.k8s.certificates import Authority
from tests.live.json_objects import Json, config_map, endpoints, secret, tls_secret
from tests.live.settings.backends import LOOPBACK
from tests.live.settings.hosts import CERTIFICATE, certificate, host, tls_host
from tests.live.settings.serving_nginx import ServingNginx, served, trusting_context
from tests.nginx_binaries import LUA

pytestmark = pytest.mark.asyncio(loop_scope="module")

HSTS = "Strict-Transport-Security"
A_MONTH = "max-age=2592000; preload"
STRONG, WEAK = "ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-ECDSA-AES128-GCM-SHA256"
DHE = "DHE-RSA-AES256-GCM-SHA384"
RSA = "ECDHE-RSA-AES256-GCM-SHA384"
GROUP = """-----BEGIN DH PARAMETERS-----
MIIBDAKCAQEA//////////+t+FRYortKmq/cViAnPTzx2LnFg84tNpWp4TZBFGQz
+8yTnc4kmz75fS/jY2MMddj2gbICrsRhetPfHtXV/WVhJDP1H18GbtCFY2VVPe0a
87VXE15/V8k1mE8McODmi3fipona8+/och3xWKE2rec1MKzKT0g6eXq8CrGCsyT7
YdEIqUuyyOP7uWrat2DX9GgdT0Kj3jlN9K5W7edjcrsZCwenyO4KbXCeAvzhzffi
7MA0BM0oNC9hkXL+nOmFg/+OTxIy7vKBg8P+OxtMb61zO7X8vC7CIAXFjvGDfRaD
ssbzSibBsu/6iGtCOGEoXJf//////////wIBAgICAOE=
-----END DH PARAMETERS-----
"""
"""The group ffdhe2048 of RFC 7919."""
PORT = free_port()


def deprecated(item: Json, value: str) -> Json:
    """Say the deprecated spelling of ssl-redirect too."""
    item["metadata"].setdefault("annotations", {})["ingress.kubernetes.io/ssl-redirect"] = value
    return item


def client(version: ssl.TLSVersion, ciphers: str = "") -> ssl.SSLContext:
    """A client that speaks one version of TLS, with its own order of *ciphers*."""
    context = trusting_context()
    context.minimum_version = context.maximum_version = version
    if ciphers:
        context.set_ciphers(ciphers)
    return context


def old(*ciphers: str) -> ssl.SSLContext:
    return client(ssl.TLSVersion.TLSv1_2, ":".join(ciphers))


def cipher(agreed: ssl.SSLObject) -> str:
    """Return the cipher that was agreed upon."""
    found = agreed.cipher()
    assert found
    return found[0]


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def nginx(nginx_binary: str) -> AsyncIterator[ServingNginx]:
    """Annotations of hosts with TLS, and of some without."""
    hosts = [
        certificate(),
        tls_host("usual"),
        tls_host("open", ssl_redirect="false"),
        deprecated(tls_host("former"), "false"),
        deprecated(tls_host("newer", ssl_redirect="true"), "false"),
        tls_host("code", http_redirect_code="308", redirect_to_https="true"),
        host("proxied", redirect_to_https="true"),
        tls_host("ports", listen_ports_ssl=str(PORT)),
        tls_host("hsts", hsts="true", ssl_redirect="false"),
        tls_host("age", hsts="true", hsts_max_age="60", hsts_include_subdomains="true"),
        host("plain", hsts="true"),
        host("behind", hsts="true", hsts_behind_proxy="true"),
        tls_host("strong", ssl_ciphers=STRONG),
        tls_host("server", ssl_ciphers=f"{STRONG}:{WEAK}", ssl_prefer_server_ciphers="true"),
        tls_host("client", ssl_ciphers=f"{STRONG}:{WEAK}"),
    ]
    async with served(hosts, binary=nginx_binary, problems=["ingress.kubernetes.io/ssl-redirect"]) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def modern(nginx_binary: str) -> AsyncIterator[ServingNginx]:
    """A ConfigMap that takes TLS 1.3 only, and speaks HTTP/2."""
    settings = config_map(
        ssl_protocols="TLSv1.3",
        http2="true",
        ssl_redirect="false",
        redirect_to_https="true",
        http_redirect_code="307",
        hsts="true",
        hsts_max_age="60",
        hsts_include_subdomains="true",
        hsts_behind_proxy="true",
    )
    hosts = [
        certificate(),
        tls_host("common"),
        tls_host("own", hsts="false"),
        tls_host("remote", grpc_services="remote"),
        endpoints("remote"),
    ]
    async with served(
        [settings, *hosts], binary=nginx_binary, problems=["No endpoints found for service remote"]
    ) as running:
        yield running


@pytest.fixture(scope="module")
def rsa_certificate() -> Json:
    """A Secret with a key for which there are ciphers with DHE."""
    pem, key = Authority().issue("dhe.test", key=rsa.generate_private_key(65537, 2048))
    return secret(CERTIFICATE, kind="kubernetes.io/tls", tls_crt=pem, tls_key=key)


# --- redirects ------------------------------------------------------------------------------------------


async def test_plain_http_is_redirected_to_https_where_there_is_tls(nginx: ServingNginx) -> None:
    answer = await nginx.get("usual.test", "/tea?x=1")
    assert (answer.status, answer.headers["Location"]) == (301, f"https://usual.test:{nginx.https}/tea?x=1")
    assert (await nginx.get("usual.test", "/tea", tls=True)).status == 200


@pytest.mark.parametrize(("name", "status"), [("open", 200), ("former", 200), ("newer", 301)])
async def test_the_redirect_can_be_turned_off(nginx: ServingNginx, name: str, status: int) -> None:
    assert (await nginx.get(f"{name}.test")).status == status


async def test_the_status_of_the_redirects_is_chosen(nginx: ServingNginx) -> None:
    assert (await nginx.get("code.test")).status == 308
    behind = await nginx.get("code.test", tls=True, headers={"X-Forwarded-Proto": "http"})
    assert (behind.status, behind.headers["Location"]) == (308, "https://code.test/")


async def test_plain_http_behind_a_proxy_is_redirected_to_https(nginx: ServingNginx) -> None:
    answer = await nginx.get("proxied.test", "/tea?x=1", headers={"X-Forwarded-Proto": "http"})
    assert (answer.status, answer.headers["Location"]) == (301, "https://proxied.test/tea?x=1")
    assert (await nginx.get("proxied.test", headers={"X-Forwarded-Proto": "https"})).status == 200
    assert (await nginx.get("proxied.test")).status == 200
    assert nginx.backend("proxied").last.headers["X-Forwarded-Proto"] == "https"


async def test_listen_ports_ssl_replace_the_default_port_and_redirects_lead_there(nginx: ServingNginx) -> None:
    assert (await nginx.get("ports.test")).headers["Location"] == f"https://ports.test:{PORT}/"
    assert (await nginx.get("ports.test", tls=True, port=PORT)).text == "ports"
    with pytest.raises(ssl.SSLError):  # the usual port knows no certificate for that name
        await nginx.handshake("ports.test")


async def test_redirects_of_the_configmap(modern: ServingNginx) -> None:
    assert (await modern.get("common.test")).status == 200
    assert (await modern.get("common.test", headers={"X-Forwarded-Proto": "http"})).status == 307


# --- HSTS -----------------------------------------------------------------------------------------------


async def test_hsts_is_sent_on_tls_only(nginx: ServingNginx) -> None:
    assert (await nginx.get("hsts.test", tls=True)).headers.getall(HSTS) == [A_MONTH]
    assert HSTS not in (await nginx.get("hsts.test")).headers
    assert HSTS not in (await nginx.get("plain.test")).headers
    assert HSTS not in (await nginx.get("plain.test", headers={"X-Forwarded-Proto": "https"})).headers


async def test_hsts_replaces_that_of_a_backend_and_is_on_errors(nginx: ServingNginx) -> None:
    nginx.backend("hsts").reply(404, headers={HSTS: "max-age=1"})
    answer = await nginx.get("hsts.test", tls=True)
    assert (answer.status, answer.headers.getall(HSTS)) == (404, [A_MONTH])


async def test_hsts_has_the_configured_age_and_subdomains(nginx: ServingNginx) -> None:
    answer = await nginx.get("age.test", tls=True)
    assert answer.headers[HSTS] == "max-age=60; includeSubDomains; preload"


async def test_behind_a_proxy_x_forwarded_proto_decides_hsts(nginx: ServingNginx) -> None:
    assert (await nginx.get("behind.test", headers={"X-Forwarded-Proto": "https"})).headers[HSTS] == A_MONTH
    assert HSTS not in (await nginx.get("behind.test", headers={"X-Forwarded-Proto": "http"})).headers
    assert HSTS not in (await nginx.get("behind.test")).headers


async def test_grpc_errors_keep_hsts(modern: ServingNginx) -> None:
    answer = await modern.get("remote.test", tls=True, headers={"X-Forwarded-Proto": "https"})
    assert (answer.status, answer.headers["grpc-status"], answer.headers["grpc-message"]) == (204, "14", "unavailable")
    assert answer.headers.getall(HSTS) == ["max-age=60; includeSubDomains; preload"]


async def test_hsts_of_the_configmap(modern: ServingNginx) -> None:
    answer = await modern.get("common.test", headers={"X-Forwarded-Proto": "https"})
    assert answer.headers[HSTS] == "max-age=60; includeSubDomains; preload"
    assert HSTS not in (await modern.get("common.test", tls=True)).headers
    assert HSTS not in (await modern.get("own.test", headers={"X-Forwarded-Proto": "https"})).headers


# --- the handshake --------------------------------------------------------------------------------------


async def test_only_configured_tls_protocols_are_accepted(nginx: ServingNginx, modern: ServingNginx) -> None:
    assert (await nginx.handshake("usual.test", old())).version() == "TLSv1.2"
    assert (await modern.handshake("common.test")).version() == "TLSv1.3"
    with pytest.raises(ssl.SSLError):
        await modern.handshake("common.test", old())


async def test_only_configured_ciphers_are_accepted(nginx: ServingNginx) -> None:
    assert cipher(await nginx.handshake("usual.test", old(WEAK))) == WEAK
    assert cipher(await nginx.handshake("strong.test", old(WEAK, STRONG))) == STRONG
    with pytest.raises(ssl.SSLError):
        await nginx.handshake("strong.test", old(WEAK))


@pytest.mark.parametrize(("name", "chosen"), [("server", STRONG), ("client", WEAK)])
async def test_ssl_prefer_server_ciphers_decides_the_order(nginx: ServingNginx, name: str, chosen: str) -> None:
    assert cipher(await nginx.handshake(f"{name}.test", old(WEAK, STRONG))) == chosen


async def test_a_client_gets_the_certificate_with_a_key_that_it_can_use(
    nginx_binary: str, rsa_certificate: Json
) -> None:
    both, same = tls_host("both"), tls_host("same")
    both["spec"]["tls"].append({"secretName": "rsa", "hosts": ["both.test"]})
    same["spec"]["tls"].append({"secretName": "other", "hosts": ["same.test"]})
    others = [
        {**rsa_certificate, "metadata": {"name": "rsa", "namespace": "default"}},
        tls_secret("other", "same.test"),
    ]
    for flags in ((), ("-data-plane=live", "-live-routes")) if nginx_binary == LUA else ((),):
        async with served([both, same, certificate(), *others], *flags, binary=nginx_binary) as nginx:
            assert cipher(await nginx.handshake("both.test", old(WEAK))) == WEAK
            assert cipher(await nginx.handshake("both.test", old(RSA))) == RSA
            assert cipher(await nginx.handshake("both.test", old(WEAK, RSA))) == WEAK
            shown = await nginx.certificate("both.test")
            assert shown == await nginx.certificate("same.test")  # the first entry counts
            with pytest.raises(ssl.SSLError):
                await nginx.handshake("same.test", old(RSA))


async def test_http2_is_negotiated_where_it_is_on(nginx: ServingNginx, modern: ServingNginx) -> None:
    both = trusting_context()
    both.set_alpn_protocols(["h2", "http/1.1"])
    assert (await nginx.handshake("usual.test", both)).selected_alpn_protocol() == "http/1.1"
    reader, writer = await asyncio.open_connection(LOOPBACK, modern.https, ssl=both, server_hostname="common.test")
    writer.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes.fromhex("000000040000000000"))
    length, kind = await reader.readexactly(3), await reader.readexactly(1)
    writer.transport.abort()
    assert (kind, len(length)) == (b"\x04", 3), "the first frame is SETTINGS (RFC 9113 §3.4)"


@pytest.mark.parametrize("parameters", [{"ssl_dhparam_file": GROUP}, {}], ids=["given", "none"])
async def test_dhe_ciphers_need_the_configured_diffie_hellman_group(
    nginx_binary: str, rsa_certificate: Json, parameters: dict[str, str]
) -> None:
    settings = config_map(
        ssl_protocols="TLSv1.2",
        ssl_ciphers=f"{DHE}:ECDHE-RSA-AES256-GCM-SHA384",
        ssl_prefer_server_ciphers="true",
        **parameters,
    )
    chosen = DHE if parameters else "ECDHE-RSA-AES256-GCM-SHA384"
    async with served([settings, rsa_certificate, tls_host("dhe")], binary=nginx_binary) as nginx:
        agreed = await nginx.handshake("dhe.test", old("ECDHE-RSA-AES256-GCM-SHA384", DHE))
        assert (agreed.version(), cipher(agreed)) == ("TLSv1.2", chosen)
        with pytest.raises(ssl.SSLError):
            await nginx.handshake("dhe.test", old("ECDHE-RSA-AES128-GCM-SHA256"))
