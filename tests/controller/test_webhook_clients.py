"""The authorities of clients that the admission webhook answers: without one there is no port, never an open one."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import pytest
from msgspec.structs import replace

from headgate.controller.webhook import Webhook
from headgate.flag_values import HostPort
from headgate.options import Options, parse
from headgate.reporting.http import BadCertificateError, tls_context
from tests.k8s.certificates import Authority

LOGGER = "headgate.controller.webhook"


class Turns:
    """Lets a Webhook look at its files when the test says so."""

    def __init__(self) -> None:
        self._asked, self._waiting = asyncio.Semaphore(0), asyncio.Semaphore(0)

    async def pause(self, _seconds: float) -> None:
        self._waiting.release()
        await self._asked.acquire()

    async def looked(self) -> None:
        """Return once it waits."""
        await self._waiting.acquire()

    async def look(self) -> None:
        self._asked.release()
        await self.looked()


async def shakes_hands(port: int, trusted: Authority, own: Path | None = None) -> bool:
    """Whether a client with the certificate *own* is answered."""
    context = ssl.create_default_context(cadata=trusted.pem.decode())
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if own:
        context.load_cert_chain(own)
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname="webhook.test")
    try:
        writer.write(b"GET / HTTP/1.0\r\n\r\n")
        return bool(await reader.read(1))
    except (ssl.SSLError, ConnectionError):
        return False
    finally:
        writer.close()


def told(caplog: pytest.LogCaptureFixture, message: str) -> list[Mapping[str, Any]]:
    return [cast(Any, record).fields for record in caplog.records if record.getMessage() == message]


@pytest.mark.parametrize("clients", [b"", b"\n", b"no certificate", b"\xff"])
def test_authorities_without_a_certificate_cannot_be_used(clients: bytes) -> None:
    with pytest.raises(BadCertificateError, match="the authorities of clients cannot be used"):
        tls_context(*Authority().issue("webhook.test"), clients)


async def test_a_file_without_authorities_lets_no_client_ask(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, LOGGER)
    authority = Authority()
    certificate, key, clients, client = (tmp_path / name for name in ("crt", "key", "clients", "client"))
    for file, data in zip((certificate, key), authority.issue("webhook.test"), strict=True):
        file.write_bytes(data)
    client.write_bytes(b"".join(authority.issue("client.test")))
    clients.write_bytes(b"")
    given = ("--validating-webhook=:1", f"--validating-webhook-certificate={certificate}",
             f"--validating-webhook-key={key}", f"--validating-webhook-client-ca={clients}")  # fmt: skip
    options = parse(list(given), {"POD_NAMESPACE": "ours"})
    assert isinstance(options, Options)
    turns = Turns()
    options = replace(options, validating_webhook=HostPort("127.0.0.1", 0))
    webhook = Webhook(options, cast(Any, None), lambda _: None, pause=turns.pause)
    running = asyncio.create_task(webhook.run())
    await turns.looked()
    assert told(caplog, "webhook") == []
    assert "authorities of clients cannot be used" in told(caplog, "webhook certificate")[0]["what"]
    clients.write_bytes(authority.pem)
    await turns.look()
    port = told(caplog, "webhook")[0]["port"]
    assert await shakes_hands(port, authority, client)
    for data in (b"", authority.pem):
        clients.write_bytes(data)
        await turns.look()
        assert not await shakes_hands(port, authority)
        assert await shakes_hands(port, authority, client)
    assert told(caplog, "webhook certificate")[1]["what"].endswith("; the last one stays in use")
    assert told(caplog, "webhook certificate renewed") == [{"file": str(certificate)}]
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
