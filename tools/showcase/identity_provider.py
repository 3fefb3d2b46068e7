"""A small provider of OpenID Connect for demonstrations and tests: strict about clients, and without passwords.

A user types a name. It insists on what a real one may insist on: PKCE (S256), registered redirect URIs, the secret of
the client, codes and refresh tokens that count once. Tokens are signed with keys of its own.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import secrets
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.cookies import SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, parse_qsl, unquote, urlencode, urlsplit

import msgspec
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from showcase.example import Client

FORM = (
    '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Provider</title></head><body>'
    '<form method="post" action="/login?{query}"><label>User <input name="username" autofocus></label> '
    '<button id="login">Log in</button></form></body></html>'
)


class _Grant(msgspec.Struct, frozen=True):
    client: str
    user: str
    redirect: str = ""
    challenge: str = ""
    nonce: str = ""
    session: str = ""


class Settings(msgspec.Struct):
    """What tests change while it runs.

    Attributes:
        id_token_s: seconds for which an ID token is valid; *access_token_s* an access token.
        padding: bytes that tokens are longer by.
        claims: claims that replace those of ID tokens; ``None`` leaves one out.
        algorithm: what the header of tokens says.
        refreshes: whether there are refresh tokens.
        down: whether all requests get 503.
    """

    id_token_s: int = 300
    access_token_s: int = 300
    padding: int = 0
    claims: Mapping[str, Any] = {}
    algorithm: str = "ES256"
    refreshes: bool = True
    down: bool = False


class IdentityProvider(ThreadingHTTPServer):
    """The provider; ``issuer`` is its URL."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: str, port: int, clients: Iterator[Client] | tuple[Client, ...] = (), *,
                 tls: ssl.SSLContext | None = None) -> None:  # fmt: skip
        """Listen; raises OSError if the port is taken. With ``any`` redirect URI, a client has none registered."""
        super().__init__((address, port), _Handler)
        if tls:
            self.socket = tls.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
        self.issuer = f"{'https' if tls else 'http'}://{address}:{self.server_address[1]}"
        self.clients = {client.id: client for client in clients}
        self.settings = Settings()
        self.requests: list[str] = []
        """The paths that it was asked for."""
        self.codes: dict[str, _Grant] = {}
        self.refresh_tokens: dict[str, _Grant] = {}
        self.sessions: dict[str, str] = {}
        self.faults: list[str] = []
        """What it refused, for the messages of tests."""
        self._turn = threading.Lock()
        self._keys: list[tuple[str, ec.EllipticCurvePrivateKey]] = []
        self.rotate_keys()

    def handle_error(self, *_: object) -> None:
        """Say nothing: a client that leaves in the middle is nobody's fault."""

    def rotate_keys(self) -> None:
        """Sign with a new key from now on; the old one is not in the key set any more."""
        self._keys = [(secrets.token_hex(4), ec.generate_private_key(ec.SECP256R1()))]

    def key_set(self) -> dict[str, Any]:
        """Return the public keys (RFC 7517)."""
        found = []
        for kid, key in self._keys:
            numbers = key.public_key().public_numbers()
            point = {
                name: _base64url(value.to_bytes(32, "big")) for name, value in (("x", numbers.x), ("y", numbers.y))
            }
            found.append({"kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": kid, **point})
        return {"keys": found}

    def signed(self, claims: Mapping[str, Any]) -> str:
        """Return a JSON Web Token."""
        kid, key = self._keys[-1]
        head = {"alg": self.settings.algorithm, "kid": kid, "typ": "JWT"}
        text = ".".join(_base64url(json.dumps(part).encode()) for part in (head, claims))
        if self.settings.algorithm == "none":
            return f"{text}."
        r, s = decode_dss_signature(key.sign(text.encode(), ec.ECDSA(hashes.SHA256())))
        return f"{text}.{_base64url(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"

    def tokens(self, grant: _Grant) -> dict[str, Any]:
        """Return the answer of the token endpoint."""
        settings, now = self.settings, int(time.time())
        access = self.signed({"sub": grant.user, "exp": now + settings.access_token_s, "pad": "x" * settings.padding})
        half = hashlib.sha256(access.encode()).digest()[:16]
        claims = {
            "iss": self.issuer, "sub": grant.user, "aud": grant.client, "iat": now, "exp": now + settings.id_token_s,
            "at_hash": _base64url(half), "sid": grant.session, **({"nonce": grant.nonce} if grant.nonce else {}),
            **settings.claims,
        }  # fmt: skip
        answer = {
            "access_token": access, "token_type": "Bearer", "expires_in": settings.access_token_s,
            "id_token": self.signed({name: value for name, value in claims.items() if value is not None}),
        }  # fmt: skip
        if settings.refreshes:
            answer["refresh_token"] = token = secrets.token_urlsafe(24)
            self.refresh_tokens[token] = msgspec.structs.replace(grant, nonce="")
        return answer

    def take(self, store: dict[str, _Grant], key: str) -> _Grant | None:
        """Return what *key* stands for, once."""
        with self._turn:
            return store.pop(key, None)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: IdentityProvider

    def do_GET(self) -> None:
        """Answer, or show the form."""
        provider, url = self.server, urlsplit(self.path)
        provider.requests.append(url.path)
        query = dict(parse_qsl(url.query))
        if provider.settings.down:
            self._send(503, "down")
        elif url.path == "/.well-known/openid-configuration":
            self._json(self._configuration())
        elif url.path == "/keys":
            self._json(provider.key_set())
        elif url.path == "/authorize":
            self._authorize(query, url.query)
        elif url.path == "/logout":
            self._logout(query)
        else:
            self._send(404, "not here")

    def do_POST(self) -> None:
        """Take the form, or give tokens."""
        provider, url = self.server, urlsplit(self.path)
        provider.requests.append(url.path)
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        form = {name: values[0] for name, values in parse_qs(body).items()}
        if provider.settings.down:
            self._send(503, "down")
        elif url.path == "/login" and form.get("username"):
            session = secrets.token_urlsafe(12)
            provider.sessions[session] = form["username"]
            self._redirect(f"/authorize?{url.query}", f"provider_session={session}; Path=/; HttpOnly")
        elif url.path == "/token":
            self._token(form)
        else:
            self._send(404, "not here")

    def _configuration(self) -> dict[str, Any]:
        issuer = self.server.issuer
        return {
            "issuer": issuer, "authorization_endpoint": f"{issuer}/authorize", "token_endpoint": f"{issuer}/token",
            "jwks_uri": f"{issuer}/keys", "end_session_endpoint": f"{issuer}/logout",
            "token_endpoint_auth_methods_supported": ["client_secret_post", "client_secret_basic"],
        }  # fmt: skip

    def _session(self) -> str:
        cookie = SimpleCookie(self.headers.get("Cookie", "")).get("provider_session")
        return cookie.value if cookie and cookie.value in self.server.sessions else ""

    def _authorize(self, query: Mapping[str, str], text: str) -> None:
        provider = self.server
        client = provider.clients.get(query.get("client_id", ""))
        redirect = query.get("redirect_uri", "")
        if client is None or (client.redirects and redirect not in client.redirects):
            self._refuse(400, f"client {query.get('client_id')!r} may not use {redirect!r}")
            return
        wrong = {
            "response_type": query.get("response_type") != "code",
            "scope": "openid" not in query.get("scope", "").split(),
            "code_challenge": len(query.get("code_challenge", "")) != 43,  # noqa: PLR2004 - SHA-256 in base64url
            "code_challenge_method": query.get("code_challenge_method") != "S256",
            "nonce": not query.get("nonce"),
            "state": not query.get("state"),
        }
        if any(wrong.values()):
            self._refuse(400, f"wrong: {', '.join(name for name, fault in wrong.items() if fault)}")
            return
        session = self._session()
        if not session:
            self._send(200, FORM.format(query=html.escape(text)), "text/html")
            return
        user = provider.sessions[session]
        back = {"state": query["state"], "iss": provider.issuer}
        if user == "nobody":
            back |= {"error": "access_denied", "error_description": "nobody may not log in"}
        else:
            back["code"] = secrets.token_urlsafe(16)
            provider.codes[back["code"]] = _Grant(
                client.id, user, redirect, query["code_challenge"], query["nonce"], session
            )
        self._redirect(f"{redirect}?{urlencode(back)}")

    def _token(self, form: Mapping[str, str]) -> None:
        provider, (name, secret) = self.server, self._credentials(form)
        client = provider.clients.get(name)
        if client is None or not secrets.compare_digest(client.secret, secret):
            self._refuse(401, "invalid_client")
            return
        if form.get("grant_type") == "refresh_token":
            grant = provider.take(provider.refresh_tokens, form.get("refresh_token", ""))
            good = grant is not None and grant.client == client.id and grant.session in provider.sessions
        else:
            grant = provider.take(provider.codes, form.get("code", ""))
            verifier = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
            good = (
                grant is not None
                and form.get("grant_type") == "authorization_code"
                and (grant.client, grant.redirect) == (client.id, form.get("redirect_uri"))
                and grant.challenge == _base64url(verifier)
            )
        if grant is None or not good:
            self._refuse(400, "invalid_grant")
            return
        self._json(provider.tokens(grant))

    def _credentials(self, form: Mapping[str, str]) -> tuple[str, str]:
        kind, _, text = self.headers.get("Authorization", "").partition(" ")
        if kind == "Basic":
            name, _, secret = base64.b64decode(text).decode().partition(":")
            return unquote(name), unquote(secret)
        return form.get("client_id", ""), form.get("client_secret", "")

    def _logout(self, query: Mapping[str, str]) -> None:
        provider = self.server
        client = provider.clients.get(query.get("client_id", ""))
        after = query.get("post_logout_redirect_uri", "")
        if client is None or (client.after_logout and after not in client.after_logout):
            self._refuse(400, f"no logout to {after!r}")
            return
        if not query.get("id_token_hint"):
            self._send(200, "Do you want to log out?")
            return
        provider.sessions.pop(self._session(), None)
        self._redirect(after, "provider_session=; Path=/; Max-Age=0")

    def _refuse(self, status: int, reason: str) -> None:
        self.server.faults.append(f"{self.path.partition('?')[0]}: {reason}")
        self._json({"error": reason}, status)

    def _redirect(self, location: str, cookie: str = "") -> None:
        self._send(302, "", headers={"Location": location, **({"Set-Cookie": cookie} if cookie else {})})

    def _json(self, value: object, status: int = 200) -> None:
        self._send(status, json.dumps(value), "application/json")

    def _send(self, status: int, text: str, kind: str = "text/plain", headers: Mapping[str, str] | None = None) -> None:
        body = text.encode()
        self.send_response(status)
        fields = {"Content-Type": f"{kind}; charset=utf-8", "Content-Length": str(len(body)), **(headers or {})}
        for name, value in fields.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Keep the terminal for Headgate's lines."""


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


@contextmanager
def providing(
    address: str, port: int, *clients: Client, tls: ssl.SSLContext | None = None
) -> Iterator[IdentityProvider]:
    """Serve from threads until the block ends; port 0 takes a free one."""
    with IdentityProvider(address, port, clients, tls=tls) as provider:
        threading.Thread(target=provider.serve_forever, args=(0.05,), daemon=True).start()
        try:
            yield provider
        finally:
            provider.shutdown()
