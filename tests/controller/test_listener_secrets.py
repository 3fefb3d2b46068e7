"""The certificate and the login of the metrics follow their Secrets; a bad one leaves the last good one in use."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from headgate.controller.flag_secrets import ListenerSecrets
from headgate.k8s import Client, ConfigError, Folder
from headgate.options import Options, parse
from headgate.problems import ObjectRef
from headgate.reporting.http import BadCertificateError, HttpPort, Login, metrics_app, serving, tls_context
from headgate.reporting.metrics import Metrics
from headgate.reporting.verdicts import Subject, Verdict
from tests.background import in_background
from tests.k8s.apiserver import ApiServer
from tests.k8s.certificates import Authority

POD = Subject(ObjectRef("Pod", "ours", "headgate-0"), "uid-1")
NAME = "metrics.test"


def given(*flags: str) -> Options:
    options = parse(list(flags), {"POD_NAMESPACE": "ours", "POD_NAME": "headgate-0"})
    assert isinstance(options, Options)
    return options


FLAGS = given("-prometheus-tls-secret=ours/tls", "-prometheus-basic-auth-secret=ours/login")


def secret(name: str, **data: bytes) -> dict[str, Any]:
    fields = {key.replace("_", "."): base64.b64encode(value).decode() for key, value in data.items()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": "ours"}, "data": fields}


def login(password: bytes) -> dict[str, Any]:
    return secret("login", username=b"prom", password=password)


class Scrape:
    """Served metrics, whose Secrets are read again when the test says so."""

    def __init__(self, source: Client | Folder, options: Options = FLAGS) -> None:
        self.told: list[Verdict] = []
        self.secrets = ListenerSecrets(source, options, lambda: POD, self.told.append, pause=self._pause)
        self._asked = asyncio.Event()
        self._waiting = asyncio.Event()
        self.port = 0

    async def _pause(self, _: float) -> None:
        self._waiting.set()
        await self._asked.wait()
        self._asked.clear()

    async def again(self) -> None:
        """Let the time pass until the Secrets were read again."""
        self._waiting.clear()
        self._asked.set()
        await self._waiting.wait()

    async def get(self, authority: Authority, password: str) -> int:
        """Scrape over a new connection, trusting *authority* alone."""
        trust = ssl.create_default_context(cadata=authority.pem.decode())
        auth = {"Authorization": "Basic " + base64.b64encode(f"prom:{password}".encode()).decode()}
        url = f"https://127.0.0.1:{self.port}/metrics"
        async with (
            aiohttp.ClientSession() as session,
            session.get(url, headers=auth, ssl=trust, server_hostname=NAME) as answer,
        ):
            return answer.status

    def reasons(self) -> list[str]:
        return [verdict.reason for verdict in self.told]


@asynccontextmanager
async def scraping(source: Client | Folder) -> AsyncIterator[Scrape]:
    scrape = Scrape(source)
    await scrape.secrets.read()
    app = metrics_app(Metrics("nginx"), lambda: scrape.secrets.login)
    listener = HttpPort(0, "-prometheus-metrics-listen-port", "127.0.0.1", scrape.secrets.tls)
    async with serving(app, listener) as port, in_background(scrape.secrets.run()):
        scrape.port = port
        await scrape._waiting.wait()
        yield scrape


def pair(authority: Authority, key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | None = None) -> dict[str, Any]:
    certificate, private = authority.issue(NAME, key=key)
    return secret("tls", tls_crt=certificate, tls_key=private)


async def test_renewed_secrets_are_used_for_new_connections_and_reported(server: ApiServer, client: Client) -> None:
    """The old key is of another kind: OpenSSL keeps one certificate of each kind in a context."""
    old, new = Authority(), Authority()
    server.put(pair(old, rsa.generate_private_key(65537, 2048)))
    server.put(login(b"first"))
    async with scraping(client) as scrape:
        assert (await scrape.get(old, "first"), await scrape.get(old, "second")) == (200, 401)
        await scrape.again()
        assert scrape.told == []
        server.put(pair(new))
        server.put(login(b"second"))
        await scrape.again()
        assert (await scrape.get(new, "second"), await scrape.get(new, "first")) == (200, 401)
        with pytest.raises(aiohttp.ClientConnectorCertificateError):
            await scrape.get(old, "second")
    assert scrape.reasons() == ["SecretUpdated", "SecretUpdated"]
    assert {verdict.subject for verdict in scrape.told} == {POD}


BAD: dict[str, tuple[Callable[[ApiServer], object], list[str]]] = {
    "deleted": (lambda server: server.delete("Secret", "ours", "tls"), ["SecretDeleted"]),
    "garbage": (lambda server: server.put(secret("tls", tls_crt=b"x", tls_key=b"y")), ["Rejected"]),
    "no key": (lambda server: server.put(secret("tls", tls_crt=b"x")), ["Rejected"]),
    "numbers": (lambda server: server.put({**secret("tls"), "data": {"tls.crt": 7}}), ["Rejected"]),
    "forbidden": (lambda server: server.forbid("get", "secrets"), []),
    "unreachable": (lambda server: server.fail("GET", "secrets/tls", status=503, times=3), []),
}


@pytest.mark.parametrize("fault", BAD)
async def test_a_bad_secret_leaves_the_last_one_in_use_and_is_reported_once(
    server: ApiServer, client: Client, caplog: pytest.LogCaptureFixture, fault: str
) -> None:
    authority = Authority()
    server.put(pair(authority))
    server.put(login(b"first"))
    spoil, reasons = BAD[fault]
    async with scraping(client) as scrape:
        spoil(server)
        for _ in range(3):
            await scrape.again()
        assert await scrape.get(authority, "first") == 200
        assert scrape.reasons() == reasons
        server.allow("get", "secrets")
        newest = Authority()
        server.put(pair(newest))
        await scrape.again()
        assert await scrape.get(newest, "first") == 200
    said = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(said) == (0 if reasons else 2 if fault == "forbidden" else 1)


async def test_a_login_that_loses_its_password_stays_as_it_was(server: ApiServer, client: Client) -> None:
    authority = Authority()
    server.put(pair(authority))
    server.put(login(b"first"))
    async with scraping(client) as scrape:
        server.put(secret("login", username=b"prom"))
        await scrape.again()
        assert await scrape.get(authority, "first") == 200
    (verdict,) = scrape.told
    assert "needs the keys username and password" in verdict.message


async def test_a_folder_is_followed_too(tmp_path: Path) -> None:
    def write(password: str) -> None:
        item = {**secret("login"), "stringData": {"username": "prom", "password": password}}
        (tmp_path / "new").write_text(json.dumps(item))
        (tmp_path / "new").rename(tmp_path / "login.yaml")

    write("first")
    folder = Folder(tmp_path, poll=0.01)
    scrape = Scrape(folder, given("-prometheus-basic-auth-secret=ours/login"))
    await scrape.secrets.read()
    assert scrape.secrets.login == Login(b"prom", b"first")
    async with in_background(folder.run()), in_background(scrape.secrets.run()):
        write("second")
        async with asyncio.timeout(10):
            while scrape.secrets.login != Login(b"prom", b"second"):
                await scrape.again()
                await asyncio.sleep(0.01)
    assert scrape.reasons() == ["SecretUpdated"]


async def test_nothing_is_read_where_no_flag_asks_for_it(server: ApiServer, client: Client) -> None:
    secrets = ListenerSecrets(client, given(), lambda: POD, lambda _: None)
    await secrets.read()
    await secrets.run()
    assert (secrets.tls, secrets.login, server.requests) == (None, None, [])


async def test_what_is_missing_at_the_start_names_its_flag(server: ApiServer, client: Client) -> None:
    with pytest.raises(ConfigError, match="-prometheus-basic-auth-secret: the Secret ours/login cannot be read: 404"):
        await Scrape(client).secrets.read()


def test_an_encrypted_key_is_refused_without_a_password_prompt() -> None:
    certificate, plain = Authority().issue(NAME)
    key = serialization.load_pem_private_key(plain, None)
    encrypted = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"word")
    )
    with pytest.raises(BadCertificateError):
        tls_context(certificate, encrypted)
