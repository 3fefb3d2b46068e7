"""Where the certificate of the admission webhook comes from: files, or a Secret, in which Headgate may make it."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Protocol

import msgspec

from headgate.api import Secret, ValidatingWebhookConfiguration
from headgate.controller.webhook_certificate import Held, kept, usable
from headgate.k8s import Client, Conflict, K8sError, NotFound
from headgate.options import NamespacedName, Options

Json = dict[str, Any]

FILES_S: Final = 3.0
"""Seconds between two looks at files: the kubelet exchanges those of a Secret about a minute after it changed."""
SECRET_S: Final = 5.0
"""Seconds between two looks at a Secret, which every replica shares."""
AUTHORITIES, AUTHORITY_KEY, CERTIFICATE, KEY = "ca.crt", "ca.key", "tls.crt", "tls.key"
"""The keys of a Secret; one without ``ca.key`` was not made here, and is never written."""
OTHER_SPELLING: Final = {CERTIFICATE: "cert", KEY: "key", AUTHORITIES: "ca"}
"""The same keys in Secrets that are made for ingress-nginx."""


class Shown(msgspec.Struct, frozen=True):
    """What the port is opened with, as PEM; *clients* has authorities of clients, ``None`` if any client may ask."""

    certificate: bytes
    key: bytes
    clients: bytes | None = None

    def __repr__(self) -> str:
        """Hide the key."""
        return "Shown(…)"


class UnreadError(Exception):
    """There is no certificate, or not all that belongs to it; the text is one line for the operator."""


class CertificateSource(Protocol):
    """Where it comes from."""

    pause_s: float
    """Seconds between two looks."""
    where: Mapping[str, str]
    """A field of log records: the file, or the Secret."""

    async def read(self) -> Shown:
        """Return what is there now.

        Raises:
            UnreadError: it cannot be read.
        """
        ...


class Files:
    """The two files of flags, and that with the authorities of clients."""

    pause_s = FILES_S

    def __init__(self, certificate: Path, key: Path, clients: Path | None) -> None:
        """Prepare; nothing is read."""
        self._paths = certificate, key, clients
        self.where: Mapping[str, str] = {"file": str(certificate)}

    async def read(self) -> Shown:
        """Read all; see ``CertificateSource``."""
        certificate, key, clients = self._paths
        return Shown(await content(certificate), await content(key), await _authorities(clients))


class InSecret:
    """A Secret: one that has a certificate, or one in which Headgate makes and renews it.

    Where *options* name a ValidatingWebhookConfiguration, the API server learns there whom to trust.
    """

    pause_s = SECRET_S

    def __init__(
        self,
        client: Client,
        options: Options,
        secret: NamespacedName,
        tell: Callable[[str], None],
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Prepare; nothing is asked. *tell* logs what is wrong but does not keep the port closed."""
        self._client = client
        self._secret = secret
        self.where: Mapping[str, str] = {"secret": str(secret)}
        service = options.validating_webhook_service
        self._service = service
        self._names = (f"{service.name}.{service.namespace}.svc",) if service else ()
        self._configuration = options.validating_webhook_configuration
        self._clients = options.validating_webhook_client_ca
        self._writes = not options.read_only
        self._tell = tell
        self._now = now

    async def read(self) -> Shown:
        """Read the Secret, renew what is in it, and then tell the API server; see ``CertificateSource``."""
        held, troubles = await self._held()
        if self._configuration and self._writes and held.authorities:
            troubles += await self._register(held.authorities)
        self._tell("; ".join(troubles))
        return Shown(held.certificate, held.key, await _authorities(self._clients))

    async def _held(self) -> tuple[Held, list[str]]:
        """Return what the Secret has, and what keeps it from being renewed."""
        found: list[Held] = []

        def change(secret: Json) -> Json | None:
            held, mine = held_in(Secret.convert(secret))
            wanted = kept(held, self._names, self._now()) if mine and self._names and self._writes else held
            found[:] = [held]
            if wanted == held:
                return None
            found.append(wanted)
            return {**secret, "data": {**(secret.get("data") or {}), **as_data(wanted)}}

        named, kind = self._secret, Secret.KIND
        try:
            await self._client.update(kind, named.namespace, named.name, change)
        except NotFound:
            return await self._create(), []
        except (K8sError, msgspec.ValidationError) as error:
            if found and usable(found[0], self._now()):
                return found[0], [f"the Secret {named} cannot be renewed: {error}"]
            raise UnreadError(f"the Secret {named} cannot be used: {error}") from error
        held = found[-1]
        if not (held.certificate and held.key):
            lacking = f"the Secret {named} has no {CERTIFICATE} and {KEY}"
            raise UnreadError(lacking if self._names else f"{lacking}, and no --validating-webhook-service is given")
        return held, []

    async def _create(self) -> Held:
        named = self._secret
        if not (self._names and self._writes):
            raise UnreadError(f"there is no Secret {named}")
        held = kept(Held(), self._names, self._now())
        body = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"namespace": named.namespace, "name": named.name},
            "type": "kubernetes.io/tls",
            "data": as_data(held),
        }
        try:
            await self._client.create(Secret.KIND, named.namespace, body)
        except Conflict as error:
            raise UnreadError(f"another replica makes the Secret {named}") from error
        except K8sError as error:
            raise UnreadError(
                f"there is no Secret {named}, and it cannot be made: {error}; create an empty one, or permit that"
            ) from error
        return held

    async def _register(self, bundle: bytes) -> list[str]:
        """Write *bundle* where the API server looks; return why that was not possible."""
        name, text = self._configuration, base64.b64encode(bundle).decode()
        where = f"the ValidatingWebhookConfiguration {name}"
        count = 0

        def change(found: Json) -> Json | None:
            nonlocal count
            mine = list(webhooks_of(found, self._service))
            count = len(mine)
            stale = [each for each in mine if each.get("caBundle") != text]
            for each in stale:
                each["caBundle"] = text
            return found if stale else None

        try:
            await self._client.update(ValidatingWebhookConfiguration.KIND, "", name, change)
        except K8sError as error:
            return [f"{where} cannot be updated: {error}; its caBundle is to be {AUTHORITIES} of {self._secret}"]
        return [] if count else [f"{where} has no webhook for the Service {self._service or ''}".rstrip()]


def held_in(secret: Secret) -> tuple[Held, bool]:
    """Return what *secret* has, and whether it is Headgate's: it is empty, or has the key of the authority."""

    def value(key: str) -> bytes:
        return secret.value(key) or secret.value(OTHER_SPELLING.get(key, "")) or b""

    held = Held(value(AUTHORITIES), secret.value(AUTHORITY_KEY) or b"", value(CERTIFICATE), value(KEY))
    return held, bool(held.authority_key) or not secret.data


def as_data(held: Held) -> Mapping[str, str]:
    """Return the ``data`` of a Secret."""
    values = {
        AUTHORITIES: held.authorities,
        AUTHORITY_KEY: held.authority_key,
        CERTIFICATE: held.certificate,
        KEY: held.key,
    }
    return {key: base64.b64encode(value).decode() for key, value in values.items()}


def webhooks_of(configuration: Json, service: NamespacedName | None) -> Iterator[Json]:
    """Yield the ``clientConfig`` of each webhook that leads to *service*, or to any if that is ``None``."""
    for webhook in configuration.get("webhooks") or ():
        client = webhook.get("clientConfig") or {}
        found = client.get("service")
        if found and (
            service is None or (found.get("namespace"), found.get("name")) == (service.namespace, service.name)
        ):
            yield client


async def _authorities(path: Path | None) -> bytes | None:
    """Return the bytes of the file with authorities of clients, ``None`` if no flag names one."""
    return await content(path) if path else None


async def content(path: Path) -> bytes:
    """Return the bytes of the file *path*.

    Raises:
        UnreadError: it cannot be read.
    """
    try:
        return await asyncio.to_thread(path.read_bytes)
    except OSError as error:
        raise UnreadError(f"{error.filename} cannot be read: {error.strerror or error}") from error
