"""Metrics and probes over real sockets."""

import asyncio
import base64
import datetime as dt
import socket
import ssl

import aiohttp
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from showcase.ports import free_port

from headgate.reporting.http import (
    BadCertificateError,
    HttpPort,
    Login,
    PortTakenError,
    metrics_app,
    probes_app,
    renew,
    serving,
    tls_context,
)
from headgate.reporting.metrics import Metrics

LOCAL = HttpPort(0, "-prometheus-metrics-listen-port", host="127.0.0.1")


def certificate(name: str) -> tuple[bytes, bytes]:
    """Return a self-signed certificate and its key, both PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    form = serialization.PrivateFormat.PKCS8
    secret = key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
    return made.public_bytes(serialization.Encoding.PEM), secret


async def get(url: str, **options: object) -> tuple[int, str, dict[str, str]]:
    async with aiohttp.ClientSession() as session, session.get(url, **options) as answer:
        return answer.status, await answer.text(), dict(answer.headers)


@pytest.mark.parametrize("path", ["/metrics", "/"])
async def test_metrics(path: str) -> None:
    async with serving(metrics_app(Metrics("nginx")), LOCAL) as port:
        status, text, headers = await get(f"http://127.0.0.1:{port}{path}")
    assert status == 200
    assert headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert 'nginx_ingress_controller_nginx_reloads_total{class="nginx",reason="other"} 0\n' in text


def basic(credentials: bytes) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(credentials).decode()}


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (basic(b"scraper:open sesame"), 200),
        ({"Authorization": basic(b"scraper:open sesame")["Authorization"].replace("Basic", "basic")}, 200),
        (basic(b"scraper:open"), 401),
        (basic(b"other:open sesame"), 401),
        (basic(b""), 401),
        ({"Authorization": "Basic not*base64"}, 401),
        ({"Authorization": "Bearer token"}, 401),
        ({}, 401),
    ],
)
async def test_metrics_with_a_login(headers: dict[str, str], status: int) -> None:
    login = Login(b"scraper", b"open sesame")
    app = metrics_app(Metrics("nginx"), lambda: login)
    async with serving(app, LOCAL) as port:
        got, text, answered = await get(f"http://127.0.0.1:{port}/metrics", headers=headers)
    assert got == status
    assert ("nginx_reloads_total" in text) == (status == 200)
    assert ("WWW-Authenticate" in answered) == (status == 401)


def test_a_login_never_prints_itself() -> None:
    assert "sesame" not in repr(Login(b"scraper", b"open sesame"))


async def test_metrics_over_tls_and_a_renewed_certificate() -> None:
    old, new = certificate("old.example"), certificate("new.example")
    context = tls_context(*old)
    app = metrics_app(Metrics("nginx"))
    async with serving(app, HttpPort(0, "-prometheus-metrics-listen-port", "127.0.0.1", context)) as port:
        for name, pair in (("old.example", old), ("new.example", new)):
            renew(context, *pair)
            trust = ssl.create_default_context(cadata=pair[0].decode())
            url = f"https://127.0.0.1:{port}/metrics"
            status, _, _ = await get(url, ssl=trust, server_hostname=name)
            assert status == 200
        with pytest.raises(BadCertificateError):
            renew(context, new[0], old[1])
        status, _, _ = await get(url, ssl=trust, server_hostname="new.example")
        assert status == 200


@pytest.mark.parametrize("broken", ["mismatch", "garbage", "empty"])
def test_a_certificate_that_cannot_serve(broken: str) -> None:
    one, other = certificate("a.example"), certificate("b.example")
    pairs = {"mismatch": (one[0], other[1]), "garbage": (b"x", b"y"), "empty": (b"", b"")}
    with pytest.raises(BadCertificateError, match="the certificate and key cannot be used"):
        tls_context(*pairs[broken])


async def test_probes_answer_the_current_state() -> None:
    why = {"ready": "nginx has not served a configuration yet", "live": ""}
    app = probes_app(lambda: why["ready"], lambda: why["live"])
    async with serving(app, LOCAL) as port:
        base = f"http://127.0.0.1:{port}"
        for path in ("/nginx-ready", "/readyz"):
            assert (await get(base + path))[:2] == (503, "nginx has not served a configuration yet\n")
        assert (await get(f"{base}/livez"))[:2] == (200, "Alive\n")
        why.update(ready="", live="the nginx master does not come up")
        for path in ("/nginx-ready", "/readyz"):
            assert (await get(base + path))[:2] == (200, "Ready\n")
        assert (await get(f"{base}/livez"))[:2] == (503, "the nginx master does not come up\n")
        assert (await get(f"{base}/other"))[0] == 404


async def test_the_health_check_of_ingress_nginx_stands_beside_them() -> None:
    why = {"ready": "Headgate is starting", "live": ""}
    app = probes_app(lambda: why["ready"], lambda: why["live"], "/healthz")
    async with serving(app, LOCAL) as port:
        url = f"http://127.0.0.1:{port}/healthz"
        assert (await get(url))[:2] == (500, "Headgate is starting\n")
        why["ready"] = ""
        assert (await get(url))[:2] == (200, "ok\n")
        why["live"] = "a batch has made no progress for 99 s"
        assert (await get(url))[0] == 500


async def test_a_port_in_use_names_its_flag() -> None:
    app = probes_app(lambda: "", lambda: "")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(PortTakenError) as caught:
            async with serving(app, HttpPort(port, "-ready-status-port", "127.0.0.1")):
                pytest.fail("two listeners on one port")
    assert str(caught.value) == (
        f"-ready-status-port: port {port} is in use by another process; "
        "stop that process or set -ready-status-port to a free port"
    )


async def test_the_port_is_free_after_cancellation() -> None:
    port, listening = free_port(), asyncio.Event()

    async def serve() -> None:
        async with serving(probes_app(lambda: "", lambda: ""), HttpPort(port, "-ready-status-port", "127.0.0.1")):
            listening.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(serve())
    await listening.wait()
    async with aiohttp.ClientSession() as session:
        await (await session.get(f"http://127.0.0.1:{port}/livez")).read()
        task.cancel()
        await asyncio.wait([task])
    assert task.cancelled()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)


async def test_all_addresses_are_served_by_default() -> None:
    async with serving(probes_app(lambda: "", lambda: ""), HttpPort(0, "-ready-status-port")) as port:
        assert (await get(f"http://127.0.0.1:{port}/livez"))[0] == 200
