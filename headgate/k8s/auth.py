"""Credentials for each request: token files are rotated, and exec plugins issue short-lived certificates."""

from __future__ import annotations

import base64
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import msgspec

from headgate.k8s.config import ClusterConfig, User
from headgate.k8s.errors import AuthError
from headgate.k8s.plugins import ExecPlugin

log = logging.getLogger(__name__)

TOKEN_PERIOD = 60.0
"""Seconds after which a token file is read again, as in client-go; the kubelet rotates it long before it expires."""


class Credentials(msgspec.Struct, frozen=True, eq=False):
    """The credentials of one request.

    Attributes:
        authorization: value of the Authorization header, empty for none.
        certificate: PEM chain of the client certificate, empty for none.
        key: its PEM private key.
    """

    authorization: str = ""
    certificate: bytes = b""
    key: bytes = b""

    def __repr__(self) -> str:
        """Hide everything."""
        return "Credentials(…)"


class Authenticator(Protocol):
    """Provides credentials; called before each request."""

    async def credentials(self) -> Credentials:
        """Return the present credentials.

        Raises:
            AuthError: there are none.
        """
        ...

    def reject(self, refused: Credentials) -> None:
        """Note that the server answered 401 to *refused*."""
        ...


def authenticator(config: ClusterConfig, *, clock: Callable[[], float] = time.time) -> Authenticator:
    """Return the Authenticator for *config*; *clock* returns seconds since the epoch."""
    user = config.user
    if user.token_file:
        return TokenFile(user, clock=clock)
    if user.exec is not None and not user.token and not user.username:
        return Exec(config, clock=clock)
    return Fixed(Credentials(_fixed_authorization(user), user.certificate, user.key))


def _fixed_authorization(user: User) -> str:
    if user.token:
        return _bearer(user.token, "the token of the kubeconfig")
    if user.username:
        return f"Basic {base64.b64encode(f'{user.username}:{user.password}'.encode()).decode()}"
    return ""


def _bearer(token: str, origin: str) -> str:
    """Return the value of the header.

    Raises:
        AuthError: the token is not valid in a header.
    """
    if not token.isascii() or not token.isprintable() or " " in token:
        raise AuthError(f"{origin} is not one printable word")
    return f"Bearer {token}"


class Fixed:
    """Credentials that do not change."""

    def __init__(self, credentials: Credentials) -> None:
        """Keep them."""
        self._credentials = credentials

    async def credentials(self) -> Credentials:
        """Return them."""
        return self._credentials

    def reject(self, refused: Credentials) -> None:
        """Do nothing: there are no others."""


class TokenFile:
    """A bearer token in a file that is rotated; read each minute and after a 401."""

    def __init__(self, user: User, *, clock: Callable[[], float]) -> None:
        """Prepare; the file is read at the first request."""
        self._user = user
        self._clock = clock
        self._current: Credentials | None = None
        self._read_at = 0.0

    async def credentials(self) -> Credentials:
        """Return the token; if the file can no longer be read, the last one."""
        if self._current is None or self._clock() - self._read_at >= TOKEN_PERIOD:
            self._current = self._read()
            self._read_at = self._clock()
        return self._current

    def reject(self, refused: Credentials) -> None:
        """Read the file again at the next request."""
        if refused is self._current:
            self._read_at = float("-inf")

    def _read(self) -> Credentials:
        path = self._user.token_file
        try:
            token = Path(path).read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError) as error:
            if self._current is None and not self._user.token:
                raise AuthError(f"token file {path} cannot be read: {error}") from None
            log.warning("token file unreadable, using the last token", extra={"fields": {"path": path}})
            return self._current or self._with(self._user.token)
        if not token:
            raise AuthError(f"token file {path} is empty")
        return self._with(token)

    def _with(self, token: str) -> Credentials:
        authorization = _bearer(token, f"token file {self._user.token_file}")
        return Credentials(authorization, self._user.certificate, self._user.key)


class Exec:
    """Credentials of an exec plugin, used until they expire or are refused."""

    EARLY = 10.0
    """Seconds before their expiry at which credentials are renewed."""

    def __init__(self, config: ClusterConfig, *, clock: Callable[[], float]) -> None:
        """Prepare; the program runs at the first request."""
        self._user = config.user
        self._plugin = ExecPlugin(config)
        self._clock = clock
        self._current: Credentials | None = None
        self._expires = float("inf")

    async def credentials(self) -> Credentials:
        """Return the credentials of the program, which is run if needed.

        Raises:
            AuthError: the program failed.
        """
        async with self._plugin.lock:
            if self._current is None or self._clock() >= self._expires - self.EARLY:
                answer = await self._plugin.run()
                self._current = Credentials(
                    _bearer(answer.token, f"the token of {self._plugin.command}") if answer.token else "",
                    answer.client_certificate_data.encode() or self._user.certificate,
                    answer.client_key_data.encode() or self._user.key,
                )
                self._expires = answer.expires
            return self._current

    def reject(self, refused: Credentials) -> None:
        """Run the program again at the next request."""
        if refused is self._current:
            self._current = None
