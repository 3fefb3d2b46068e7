"""Logins of a running controller: which providers there are now, and the keys that all replicas seal with."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import logging
import os
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, Final

from headgate.api import Secret
from headgate.ir import Layout
from headgate.ir.live import LiveSessionKeys
from headgate.k8s import Client, Conflict, K8sError, NotFound
from headgate.oidc import Keyring, Provider, Providers, SealKey
from headgate.oidc.keyring import KEY_BYTES
from headgate.oidc.provider import Limits
from headgate.options import Options
from headgate.pipeline import Generation

log = logging.getLogger(__name__)

REREAD_S: Final = 30.0
"""Seconds between two looks at the keys; a new one is published much earlier than it is used."""
KEYS: Final = "keys.json"
"""The entry of the Secret that Headgate writes."""
OWN_KEY: Final = "key"
"""The entry of a Secret that somebody else makes: any 32 bytes or more."""
LABEL: Final = {"app.kubernetes.io/managed-by": "headgate"}


class CurrentProviders:
    """The Providers of the newest Generation, gathered when they are first asked for."""

    def __init__(self, generation: Callable[[], Generation | None], layout: Layout) -> None:
        """Read what *generation* returns; Secrets are files below *layout*."""
        self._generation = generation
        self._layout = layout
        self._known: tuple[Generation, Providers] | None = None

    def __call__(self) -> Providers:
        """Return them."""
        generation = self._generation()
        if generation is None:
            return Providers()
        if self._known is None or self._known[0] is not generation:
            self._known = generation, Providers.of(self._found(generation))
        return self._known[1]

    def _found(self, generation: Generation) -> Iterator[tuple[str, Provider]]:
        limits = limits_of(generation)
        for generated in generation.resources.values():
            for host in generated.served.table.hosts if generated.served else ():
                found = {policies.oidc for policies in host.every_policies if policies.oidc}
                for policy in found:
                    secret = policy.secret and f"{self._layout.conf}/{policy.secret.file}"
                    authority = policy.authority and f"{self._layout.conf}/{policy.authority.file}"
                    provider = Provider(policy=policy, secret=secret or "", authority=authority or "", limits=limits)
                    yield host.name, provider


def limits_of(generation: Generation) -> Limits:
    """Return what the ConfigMap says."""
    found = generation.env.params.sessions
    return Limits(
        login=int(found.oidc_pkce_timeout.seconds),
        id_token=int(found.oidc_id_tokens_timeout.seconds),
        access_token=int(found.oidc_access_tokens_timeout.seconds),
        refresh=int(found.oidc_refresh_tokens_timeout.seconds),
    )


def longest(generation: Generation | None) -> int:
    """Return for how many seconds something that was sealed may count."""
    found = limits_of(generation) if generation else Limits()
    return max(found.login, found.id_token, found.access_token, found.refresh)


class SessionKeys:
    """The keys of sessions: those of the Secret, or of a file where there is no cluster.

    A replica that finds them due for renewal writes new ones; of two replicas one gets a conflict, and reads what the
    other wrote.
    """

    def __init__(  # noqa: PLR0913 - where the keys are, whom to tell, and another pace for tests
        self,
        options: Options,
        client: Client | None,
        layout: Layout,
        share: Callable[[LiveSessionKeys], Awaitable[None]],
        kept_s: Callable[[], int],
        *,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Prepare; nothing is read before ``read``.

        Args:
            options: the flags, which name the Secret.
            client: the API server, ``None`` for a file below *layout*.
            layout: of nginx.
            share: pushes keys to nginx's workers, if they have others.
            kept_s: for how many seconds something that was sealed must be opened.
            pause: how to wait.
            clock: the time in seconds since 1970.
        """
        self._namespace, self._name = options.pod_namespace, options.oidc_keys_secret
        self._writes = not options.read_only
        self._client = client
        self._file = Path(layout.session_keys)
        self._share = share
        self._kept_s = kept_s
        self._pause = pause
        self._clock = clock
        self._told = ""
        self.keyring: Keyring | None = None
        """What is in use; ``None`` while there are no keys."""

    async def run(self) -> None:
        """Read again and again; ends only by cancellation."""
        while True:
            await self._pause(REREAD_S)
            await self.read()

    async def read(self) -> None:
        """Read the keys, renew them if they are due, and tell workers what is new; failures are logged."""
        try:
            found = await (self._of_secret(self._client) if self._client else asyncio.to_thread(self._of_file))
        except (K8sError, OSError, ValueError) as error:
            self._tell(str(error))
            return
        self._tell("")
        self.keyring = found
        await self._share(LiveSessionKeys(found.for_nginx()))  # again: workers may have missed the last ones

    def _tell(self, why: str) -> None:
        """Log *why* there are no newer keys, once."""
        if why and why != self._told:
            effect = "the last ones stay in use" if self.keyring else "requests of Policies of type oidc get 503"
            sentence = f"the keys of OpenID Connect sessions cannot be read or written: {why}; {effect}"
            fields = {"secret": f"{self._namespace}/{self._name}", "error": why}
            log.warning("session keys unknown", extra={"fields": fields, "sentence": sentence})
        self._told = why

    def _now(self) -> int:
        return int(self._clock())

    async def _of_secret(self, client: Client) -> Keyring:
        for _ in range(3):
            try:
                body = await client.get(Secret.KIND, self._namespace, self._name)
            except NotFound:
                with contextlib.suppress(Conflict):  # another replica was faster
                    return await self._create(client)
                continue
            data = body.get("data") or {}
            if KEYS not in data and OWN_KEY in data:
                return _own(data[OWN_KEY])
            present = Keyring.decode(base64.b64decode(data.get(KEYS, "")))
            renewed = present.renewed(self._now(), self._kept_s())
            if renewed is present or not self._writes:
                return present
            try:
                await client.replace(Secret.KIND, self._namespace, self._name, _with(body, renewed))
            except Conflict:
                continue
            except K8sError as error:
                self._tell(f"they cannot be renewed: {error}")
                return present
            return renewed
        raise ValueError(f"Secret {self._namespace}/{self._name} changes all the time")

    async def _create(self, client: Client) -> Keyring:
        if not self._writes:
            raise ValueError(f"there is no Secret {self._namespace}/{self._name}, and --read-only forbids to make it")
        first = Keyring.first(self._now())
        metadata = {"name": self._name, "namespace": self._namespace, "labels": LABEL}
        empty = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "Opaque"}
        await client.create(Secret.KIND, self._namespace, _with(empty, first))
        return first

    def _of_file(self) -> Keyring:
        present: Keyring | None = None
        with contextlib.suppress(FileNotFoundError):
            present = Keyring.decode(self._file.read_bytes())
        renewed = present.renewed(self._now(), self._kept_s()) if present else Keyring.first(self._now())
        if renewed is not present:
            fresh = self._file.with_suffix(".new")
            with open(fresh, "wb", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
                file.write(renewed.encode())
            fresh.replace(self._file)
        return renewed


def _with(body: dict[str, Any], keyring: Keyring) -> dict[str, Any]:
    """Return *body* of a Secret with *keyring* in it."""
    data = {**(body.get("data") or {}), KEYS: base64.b64encode(keyring.encode()).decode()}
    return {**body, "data": data}


def _own(text: str) -> Keyring:
    """Return the only key of a Secret that somebody else made; ``kubectl`` changes it, not Headgate."""
    data = base64.b64decode(text)
    if len(data) < KEY_BYTES:
        raise ValueError(f"the entry {OWN_KEY} of the Secret has {len(data)} bytes, and needs {KEY_BYTES} or more")
    digest = hashlib.sha256(b"headgate id " + data).hexdigest()[:8]
    return Keyring((SealKey(digest, hashlib.sha256(b"headgate key " + data).digest(), 0),))
