"""One request where clients log in and out: what its cookies hold, and the cookies of its answer."""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
import zlib
from collections.abc import Iterator, Mapping
from typing import Final

import msgspec

from headgate.oidc import cookies
from headgate.oidc.backchannel import Tokens
from headgate.oidc.keyring import CONTROLLER, NGINX, Keyring
from headgate.oidc.provider import Provider
from headgate.oidc.tokens import TokenError

MARGIN_S: Final = 30
"""Seconds before the end of a token at which its session ends, or a tenth of its life if that is less: a backend gets
no token that ends while it is on the way."""
MOST_LOGINS: Final = 6
"""Logins that a browser may have under way at a Policy; the oldest are forgotten, as a header has no room for more."""
MOST_TOGETHER: Final = cookies.MOST_TOGETHER
_TOKEN: Final = re.compile(r"[\x21-\x7e]+")


class TooLargeError(TokenError):
    """The cookies of a session would be too large for a request."""

    def __init__(self, length: int) -> None:
        """Say that they would have *length* bytes."""
        limit = f"more than {MOST_TOGETHER}, and nginx takes 8192 in one line"
        super().__init__(f"is too large: the cookies of its session would have {length} bytes, {limit}")


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """A request.

    Attributes:
        server: the name of the server of nginx; not what the client says.
        host: the host as nginx compares it; *netloc* with the port that the client uses.
        secure: whether the client speaks HTTPS.
        path: without a query.
        query: the arguments, the first of each name.
        cookies: by name.
        method: as sent.
    """

    server: str
    host: str
    netloc: str
    secure: bool
    path: str
    query: Mapping[str, str] = {}
    cookies: Mapping[str, str] = {}
    method: str = "GET"

    @property
    def origin(self) -> str:
        """The URL of the host."""
        return f"{'https' if self.secure else 'http'}://{self.netloc}"


class Begun(msgspec.Struct, frozen=True, array_like=True):
    """A login that is under way: from *seed* follow state, nonce and verifier."""

    seed: bytes
    begun: int
    to: str

    def derived(self, what: str) -> str:
        """Return *what*, which nobody can guess who does not know the seed."""
        digest = hashlib.sha256(f"{what} ".encode() + self.seed).digest()
        return base64.urlsafe_b64encode(digest).decode().rstrip("=")

    @property
    def state(self) -> str:
        """The state of the request to the provider."""
        return self.derived("state")[:32]


class Held(msgspec.Struct, frozen=True, array_like=True):
    """What a session needs besides itself, which only the controller reads."""

    user: str
    begun: int
    id_token: str = ""
    refresh_token: str = ""


class Turn:
    """One request at one time, with the keys of that time."""

    def __init__(self, asked: Asked, keys: Keyring, now: int) -> None:
        """Take *asked* at *now* (seconds since 1970)."""
        self.asked = asked
        self.now = now
        self._keys = keys

    @property
    def reads(self) -> bool:
        """Whether the request has no body."""
        return self.asked.method in {"GET", "HEAD"}

    def seal(self, provider: Provider, purpose: str, data: bytes, use: str = CONTROLLER) -> str:
        """Return *data*, sealed for *purpose* at this provider and host."""
        return self._keys.seal(data, use, f"{purpose}\n{provider.identity}\n{self.asked.host}", self.now)

    def open(self, provider: Provider, purpose: str, text: str) -> bytes | None:
        """Return what ``seal`` was given; ``None`` if *text* is not from it."""
        return self._keys.open(text, CONTROLLER, f"{purpose}\n{provider.identity}\n{self.asked.host}")

    def given(self, name: str, value: str, provider: Provider, seconds: int) -> str:
        """Return the line by which the browser has a cookie where clients log in."""
        return cookies.given(name, value, provider.policy.path, secure=self.asked.secure, seconds=seconds)

    def held(self, provider: Provider) -> Held | None:
        """Return what the controller holds of a session, in the browser; ``None`` if there is nothing."""
        name = cookies.tokens_name(provider.identity, secure=self.asked.secure)
        data = self.open(provider, "tokens", cookies.joined(name, self.asked.cookies))
        return msgspec.msgpack.decode(zlib.decompress(data), type=Held) if data else None

    def begun(self, candidates: Mapping[str, Provider], state: str) -> tuple[Provider | None, Begun | None]:
        """Return the login with *state*, of one of *candidates*; ``None`` if this browser did not begin it."""
        for provider in candidates.values():
            name = cookies.login_name(provider.identity, state, secure=self.asked.secure)
            data = self.open(provider, "login", self.asked.cookies.get(name, ""))
            begun = msgspec.msgpack.decode(data, type=Begun) if data else None
            if begun and secrets.compare_digest(begun.state.encode(), state.encode()):
                return provider, begun
        return None, None

    def forgotten(self, provider: Provider) -> Iterator[str]:
        """Yield the lines by which the browser forgets the oldest logins, where it has many."""
        begin = cookies.login_name(provider.identity, "", secure=self.asked.secure)
        found: list[tuple[int, str]] = []
        for name, value in self.asked.cookies.items():
            if name.startswith(begin):
                data = self.open(provider, "login", value)
                found.append((msgspec.msgpack.decode(data, type=Begun).begun if data else 0, name))
        for _, name in sorted(found, reverse=True)[MOST_LOGINS - 1 :]:
            yield cookies.deleted(name, provider.policy.path, secure=self.asked.secure)

    def session(
        self, provider: Provider, tokens: Tokens, user: str, ends: float | None, id_token: str
    ) -> tuple[str, ...]:
        """Return the lines by which the browser has a session.

        Raises:
            TokenError: a token cannot be passed on, or is too large.
        """
        policy, limits = provider.policy, provider.limits
        lives: list[float] = [limits.id_token]
        if ends is not None:
            lives.append(ends - self.now)
        if policy.passes or ends is None:
            lives += [limits.access_token, *([tokens.expires_in] if tokens.expires_in is not None else [])]
        life = max(int(min(lives)), 1)
        until = self.now + max(life - min(MARGIN_S, life // 10), 1)
        access = tokens.access_token if policy.passes else ""
        if access and not _TOKEN.fullmatch(access):
            raise TokenError("the access token has characters that no header can hold")
        text = f"{until}\n{'r' if tokens.refresh_token else '-'}\n{user}\n{access}"
        held = Held(user, self.now, id_token, tokens.refresh_token)
        packed = zlib.compress(msgspec.msgpack.encode(held))
        sealed = {
            (cookies.session_name(policy.identity, secure=self.asked.secure), "/", None):
                self.seal(provider, "session", text.encode(), NGINX),
            (cookies.tokens_name(policy.identity, secure=self.asked.secure), policy.path, limits.refresh):
                self.seal(provider, "tokens", packed),
        }  # fmt: skip
        if (length := sum(cookies.length(name, value) for (name, _, _), value in sealed.items())) > MOST_TOGETHER:
            raise TooLargeError(length)
        found = (
            cookies.replaced(name, value, path, self.asked.cookies, secure=self.asked.secure, seconds=seconds)
            for (name, path, seconds), value in sealed.items()
        )
        return tuple(line for lines in found for line in lines)


def ended(asked: Asked, provider: Provider) -> Iterator[str]:
    """Yield the lines by which the browser of *asked* has no session of *provider*."""
    secure, path = asked.secure, provider.policy.path
    session = cookies.session_name(provider.identity, secure=secure)
    yield from cookies.replaced(session, "", "/", asked.cookies, secure=secure)
    yield from cookies.replaced(cookies.tokens_name(provider.identity, secure=secure), "", path, asked.cookies,
                                secure=secure)  # fmt: skip
