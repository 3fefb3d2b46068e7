"""Where the certificate of the webhook comes from: a Secret that replicas share, and the caBundle that follows it."""

from __future__ import annotations

import base64
import datetime as dt
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from headgate.controller.webhook_certificate import LIFETIME
from headgate.controller.webhook_sources import InSecret, Shown, UnreadError
from headgate.k8s import Client, ClusterConfig
from headgate.options import NamespacedName, Options, parse
from tests.k8s.apiserver import ApiServer
from tests.k8s.certificates import Authority

NAME = NamespacedName("ours", "admission")
START = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
FLAGS = (
    "--validating-webhook=:8443",
    "--validating-webhook-secret=ours/admission",
    "--validating-webhook-service=ours/headgate-admission",
    "--validating-webhook-configuration=headgate",
)


def given(*flags: str) -> Options:
    options = parse(list(flags), {"POD_NAMESPACE": "ours"})
    assert isinstance(options, Options)
    return options


def secret(**data: bytes) -> dict[str, Any]:
    fields = {key.replace("_", "."): base64.b64encode(value).decode() for key, value in data.items()}
    metadata = {"name": "admission", "namespace": "ours"}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "Opaque", "data": fields}


def configuration(*services: str) -> dict[str, Any]:
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": "headgate"},
        "webhooks": [
            {"name": name, "clientConfig": {"service": {"namespace": "ours", "name": name}}} for name in services
        ],
    }


@pytest.fixture
async def server() -> AsyncIterator[ApiServer]:
    async with ApiServer() as found:
        yield found


REGISTRATION = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations/headgate"


def puts(server: ApiServer) -> list[str]:
    """The objects that were written, in order."""
    return [path for method, path, *_ in server.requests if method == "PUT"]


class Replica:
    """One replica, whose clock the test sets."""

    def __init__(self, client: Client, *flags: str) -> None:
        self.now = START
        self.told = ""
        self._source = InSecret(client, given(*(flags or FLAGS)), NAME, self._tell, lambda: self.now)

    def _tell(self, what: str) -> None:
        self.told = what

    async def read(self) -> Shown:
        return await self._source.read()


@pytest.fixture
async def client(server: ApiServer) -> AsyncIterator[Client]:
    async with Client(ClusterConfig(server=server.url)) as found:
        yield found


def stored(server: ApiServer, key: str) -> bytes:
    return base64.b64decode(server.get("Secret", "ours", "admission")["data"][key])


def bundles(server: ApiServer) -> list[bytes]:
    found = server.get("ValidatingWebhookConfiguration", "", "headgate")["webhooks"]
    return [base64.b64decode(each["clientConfig"].get("caBundle", "")) for each in found]


@pytest.mark.parametrize("there", [True, False])
async def test_replicas_share_one_certificate_and_tell_the_api_server(
    server: ApiServer, client: Client, *, there: bool
) -> None:
    if there:
        server.put(secret())
    server.put(configuration("headgate-admission", "else"))
    one, other = Replica(client), Replica(client)
    shown = await one.read()
    assert await other.read() == shown
    assert (stored(server, "tls.crt"), stored(server, "tls.key")) == (shown.certificate, shown.key)
    assert bundles(server) == [stored(server, "ca.crt"), b""]
    assert puts(server) == (["/api/v1/namespaces/ours/secrets/admission"] if there else []) + [REGISTRATION]
    assert one.told == other.told == ""
    one.now += LIFETIME
    renewed = await one.read()
    assert renewed.certificate != shown.certificate
    assert (await other.read()).certificate == renewed.certificate


async def test_somebody_elses_certificate_is_used_and_never_written(server: ApiServer, client: Client) -> None:
    authority = Authority()
    certificate, key = authority.issue("headgate-admission.ours.svc")
    server.put(configuration("headgate-admission"))
    server.put(secret(tls_crt=certificate, tls_key=key, ca_crt=authority.pem))
    replica = Replica(client)
    replica.now += 200 * LIFETIME
    shown = await replica.read()
    assert (shown.certificate, shown.key) == (certificate, key)
    assert bundles(server) == [authority.pem]
    assert puts(server) == [REGISTRATION]
    server.put(secret(cert=key, key=certificate))  # as those that are made for ingress-nginx are spelled
    assert (await replica.read()).certificate == key


async def test_without_rights_a_certificate_that_is_there_is_shown(server: ApiServer, client: Client) -> None:
    server.put(secret())
    server.put(configuration("headgate-admission"))
    replica = Replica(client)
    first = await replica.read()
    server.forbid("update", "secrets")
    server.forbid("get", "validatingwebhookconfigurations")
    replica.now += LIFETIME * 0.8
    assert await replica.read() == first
    assert "the Secret ours/admission cannot be renewed" in replica.told
    assert "its caBundle is to be ca.crt of ours/admission" in replica.told
    replica.now += LIFETIME
    with pytest.raises(UnreadError, match="cannot be used"):
        await replica.read()


async def test_what_is_missing_is_named(server: ApiServer, client: Client) -> None:
    with pytest.raises(UnreadError, match="there is no Secret ours/admission"):
        await Replica(client, *FLAGS[:2]).read()
    server.forbid("create", "secrets")
    with pytest.raises(UnreadError, match="create an empty one, or permit that"):
        await Replica(client).read()
    server.put(secret())
    with pytest.raises(UnreadError, match="no --validating-webhook-service is given"):
        await Replica(client, *FLAGS[:2]).read()
    server.put(configuration("else"))
    replica = Replica(client)
    await replica.read()
    assert (
        replica.told
        == "the ValidatingWebhookConfiguration headgate has no webhook for the Service ours/headgate-admission"
    )


async def test_a_read_only_run_writes_nothing(server: ApiServer) -> None:
    server.put(secret())
    server.put(configuration("headgate-admission"))
    async with Client(ClusterConfig(server=server.url), read_only=True) as client:
        with pytest.raises(UnreadError, match="has no tls"):
            await Replica(client, *FLAGS, "--read-only").read()
    assert bundles(server) == [b""]


async def test_authorities_of_clients_are_read_with_it(server: ApiServer, client: Client, tmp_path: Path) -> None:
    server.put(secret())
    file = tmp_path / "ca.crt"
    replica = Replica(client, *FLAGS[:3], f"--validating-webhook-client-ca={file}")
    with pytest.raises(UnreadError, match=r"ca\.crt cannot be read"):
        await replica.read()
    file.write_bytes(b"text")
    assert (await replica.read()).clients == b"text"
