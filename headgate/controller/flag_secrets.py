"""Secrets that flags name for our own listeners: read at the start, and again every minute."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Awaitable, Callable

import msgspec

from headgate.api import Secret
from headgate.k8s import Client, ConfigError, Fixed, Folder, K8sError, NotFound
from headgate.options import NamespacedName, Options
from headgate.problems import ObjectRef, Problem
from headgate.reporting.http import BadCertificateError, Login, renew, tls_context
from headgate.reporting.verdicts import Subject, Verdict, secret_deleted, secret_rejected, secret_updated

log = logging.getLogger(__name__)

REREAD_S = 60.0
"""Seconds between two looks: a renewed certificate is there long before the old one ends."""
TLS_FLAG = "-prometheus-tls-secret"
LOGIN_FLAG = "-prometheus-basic-auth-secret"


class ListenerSecrets:
    """The certificate and the login of the metrics.

    A Secret that is gone, cannot be read or is invalid leaves what was read last in use.
    """

    def __init__(
        self,
        source: Client | Folder | Fixed,
        options: Options,
        pod: Callable[[], Subject],
        record: Callable[[Verdict], None],
        *,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Prepare; nothing is read before ``read``.

        Args:
            source: the cluster, the folder, or the objects in memory.
            options: which flags are given.
            pod: our own Pod, on which changes of the Secrets are reported.
            record: tells.
            pause: how to wait; tests put their own here.
        """
        self._source = source
        self._tls_name = options.prometheus_tls_secret
        self._login_name = options.prometheus_basic_auth_secret
        self._pod = pod
        self._record = record
        self._pause = pause
        self._pair: tuple[bytes, bytes] | None = None
        self._said: dict[str, str] = {}
        self.tls: ssl.SSLContext | None = None
        """For connections that come from now on; the same object for ever."""
        self.login: Login | None = None
        """What a scrape must bring now."""

    async def read(self) -> None:
        """Read what the flags name for the first time.

        Raises:
            ConfigError: a Secret cannot be used; the message names the flag.
            BadCertificateError: certificate and key do not make a TLS server.
        """
        if not isinstance(self._source, Client) and (self._login_name or self._tls_name):
            self._source.load()
        if self._login_name:
            self.login = _login(await self._read(self._login_name, LOGIN_FLAG), LOGIN_FLAG)
        if self._tls_name:
            self._pair = _pair(await self._read(self._tls_name, TLS_FLAG), TLS_FLAG)
            self.tls = tls_context(*self._pair)

    async def run(self) -> None:
        """Read again every minute; ends only by cancellation, or at once if no flag names a Secret."""
        while self._tls_name or self._login_name:
            await self._pause(REREAD_S)
            if self._login_name:
                await self._renew(self._login_name, LOGIN_FLAG, self._take_login)
            if self._tls_name:
                await self._renew(self._tls_name, TLS_FLAG, self._take_certificate)

    async def _renew(self, named: NamespacedName, flag: str, take: Callable[[Secret], bool]) -> None:
        """Read a Secret again and say what is news."""
        ref = _ref(named)
        try:
            news = take(await self._read(named, flag))
        except _GoneError as error:
            self._fail(flag, error, secret_deleted(self._pod(), ref))
        except _UnreadError as error:
            self._fail(flag, error)
        except (ConfigError, BadCertificateError) as error:
            self._fail(flag, error, secret_rejected(self._pod(), ref, [Problem(ref, "", "", str(error))]))
        else:
            mended = self._said.pop(flag, None)
            if news:
                self._record(secret_updated(self._pod(), ref))
            elif mended:
                log.info("secret read again", extra={"fields": {"secret": ref.key, "flag": flag}})

    def _fail(self, flag: str, error: Exception, verdict: Verdict | None = None) -> None:
        """Say once why the last content stays in use."""
        if self._said.get(flag) == str(error):
            return
        self._said[flag] = str(error)
        if verdict:
            self._record(verdict)
        else:
            log.warning("secret not read", extra={"fields": {"error": str(error), "effect": "its last content stays"}})

    def _take_login(self, secret: Secret) -> bool:
        before, self.login = self.login, _login(secret, LOGIN_FLAG)
        return before != self.login

    def _take_certificate(self, secret: Secret) -> bool:
        pair = _pair(secret, TLS_FLAG)
        if pair == self._pair or self.tls is None:
            return False
        renew(self.tls, *pair)
        self._pair = pair
        return True

    async def _read(self, named: NamespacedName, flag: str) -> Secret:
        if not isinstance(self._source, Client):
            found = self._source.find(_ref(named))
            if isinstance(found, Secret):
                return found
            raise _GoneError(f"{flag}: the folder has no Secret {named}")
        try:
            return Secret.convert(await self._source.get(Secret.KIND, named.namespace, named.name))
        except msgspec.ValidationError as error:
            raise ConfigError(f"{flag}: the Secret {named} does not decode: {error}") from error
        except K8sError as error:
            kind = _GoneError if isinstance(error, NotFound) else _UnreadError
            raise kind(f"{flag}: the Secret {named} cannot be read: {error}") from error


class _GoneError(ConfigError):
    """There is no such Secret."""


class _UnreadError(ConfigError):
    """Whether there is such a Secret cannot be asked."""


def _ref(named: NamespacedName) -> ObjectRef:
    return Secret.KIND.ref(named.namespace, named.name)


def _login(secret: Secret, flag: str) -> Login:
    """Take the name and password of a ``kubernetes.io/basic-auth`` Secret (ConfigError if it has none)."""
    name, word = secret.value("username"), secret.value("password")
    if name is None or word is None:
        raise ConfigError(f"{flag}: {secret.ref.key} needs the keys username and password")
    return Login(name, word)


def _pair(secret: Secret, flag: str) -> tuple[bytes, bytes]:
    """Take certificate and key of a ``kubernetes.io/tls`` Secret (ConfigError if it has none)."""
    certificate, key = secret.value("tls.crt"), secret.value("tls.key")
    if certificate is None or key is None:
        raise ConfigError(f"{flag}: {secret.ref.key} needs the keys tls.crt and tls.key")
    return certificate, key
