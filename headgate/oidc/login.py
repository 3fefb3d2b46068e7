"""What is answered where clients log in and out: the authorization code flow with PKCE, refresh, and logouts.

Nothing is remembered between two requests: what a login needs is in a cookie, sealed with keys that all replicas have,
so that another replica can finish it, and several at the same time do not disturb each other.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import logging
import re
import secrets
import time
from collections.abc import Callable, Mapping
from typing import Final
from urllib.parse import quote, urlencode

import msgspec
from msgspec import structs

from headgate.oidc import cookies
from headgate.oidc.backchannel import Backchannel, ProviderError, RefusedError, Tokens
from headgate.oidc.keyring import Keyring
from headgate.oidc.provider import Current, Provider
from headgate.oidc.tokens import Claims, Expected, TokenError
from headgate.oidc.turn import Asked, Begun, Held, TooLargeError, Turn, ended
from headgate.validation.oidc import FRONT_CHANNEL, LOGOUT

log = logging.getLogger(__name__)

FORGOTTEN_S: Final = 3600
"""Seconds for which a browser keeps what a login needs; a late answer of the provider begins another login."""
SHARED_S: Final = 30.0
"""Seconds for which a refresh answers all requests that come with the same refresh token, which may count once."""
_PATH: Final = re.compile(r"/(?![/\\])[\x21-\x7e]{0,4095}")
"""A path of the same host, with a query: browsers read // and /\\ as another host."""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What is answered: a redirect to *location*, or a page with *text* and a link to *retry*."""

    status: int = 200
    location: str = ""
    cookies: tuple[str, ...] = ()
    text: str = ""
    retry: str = ""


class Logins:
    """Answers requests; any number at a time."""

    def __init__(
        self,
        current: Current,
        keyring: Callable[[], Keyring | None],
        backchannel: Backchannel,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Join the parts; *clock* is the time in seconds since 1970."""
        self._current = current
        self._keyring = keyring
        self._backchannel = backchannel
        self._clock = clock
        self._refreshes: dict[bytes, asyncio.Task[Tokens]] = {}

    async def answer(self, asked: Asked) -> Answer:
        """Answer a request; faults of providers and clients become pages."""
        keys = self._keyring()
        if keys is None:
            return Answer(status=503, text="Logins are not possible yet. Please try again in a moment.")
        here = self._current().at(asked.server)
        if asked.path == FRONT_CHANNEL and here:
            return self._front_channel(asked, here)
        if asked.path == LOGOUT and here:
            return _logout(asked, here)
        candidates = {identity: found for identity, found in here.items() if found.policy.path == asked.path}
        turn = Turn(asked, keys, int(self._clock()))
        if not candidates:
            left = any(found.policy.left == asked.path for found in here.values())
            return Answer(text="You are logged out.") if left else Answer(status=404, text="There is no login here.")
        if "logout" in asked.query:
            return await self._leave(turn, here)
        if "state" in asked.query:
            return await self._finish(turn, candidates)
        provider = candidates.get(asked.query.get("policy", ""))
        if provider is None:
            return Answer(
                status=400, text="This address is where logins end. Please open the page that you want to see."
            )
        return await self._continue(turn, provider)

    # --- login ----------------------------------------------------------------------------------------

    async def _continue(self, turn: Turn, provider: Provider) -> Answer:
        """Refresh the session, or begin a login."""
        to = turn.asked.query.get("to", "")
        to = to if _PATH.fullmatch(to) else "/"
        only = turn.asked.query.get("only") == "refresh"
        held = turn.held(provider)
        try:
            if held and held.refresh_token and turn.now - held.begun < provider.limits.refresh:
                try:
                    return await self._refresh(turn, provider, held, to)
                except (RefusedError, TokenError) as error:
                    _note("session not refreshed", provider, error, logging.INFO)
            if only:
                return Answer(status=401, cookies=tuple(ended(turn.asked, provider)), text="Please log in again.")
            return await self._begin(turn, provider, to)
        except ProviderError as error:
            _note("provider not reached", provider, error, logging.WARNING)
            return Answer(status=503, text="The provider of logins cannot be reached. Please try again.", retry=to)

    async def _begin(self, turn: Turn, provider: Provider, to: str) -> Answer:
        endpoints, policy = await self._backchannel.endpoints(provider), provider.policy
        begun = Begun(secrets.token_bytes(16), turn.now, to)
        challenge = hashlib.sha256(begun.derived("verifier").encode()).digest()
        query = {
            "response_type": "code",
            "client_id": policy.client,
            "redirect_uri": turn.asked.origin + policy.path,
            "scope": " ".join(policy.scopes),
            "state": begun.state,
            "nonce": begun.derived("nonce"),
            "code_challenge": base64.urlsafe_b64encode(challenge).decode().rstrip("="),
            "code_challenge_method": "S256",
        }
        added = f"&{policy.arguments}" if policy.arguments else ""
        url = f"{endpoints.authorization}{_joint(endpoints.authorization)}{urlencode(query, quote_via=quote)}{added}"
        sealed = turn.seal(provider, "login", msgspec.msgpack.encode(begun))
        name = cookies.login_name(provider.identity, begun.state, secure=turn.asked.secure)
        lines = [*turn.forgotten(provider), turn.given(name, sealed, provider, FORGOTTEN_S)]
        return Answer(status=302, location=url, cookies=tuple(lines))

    async def _finish(self, turn: Turn, candidates: Mapping[str, Provider]) -> Answer:
        """Take the answer of a provider: only from the browser that began this login, and once."""
        state = turn.asked.query["state"]
        provider, begun = turn.begun(candidates, state)
        if provider is None or begun is None:
            text = "This login is not known: it is finished already, or your browser does not keep cookies."
            return Answer(status=400, text=text, retry="/")
        name = cookies.login_name(provider.identity, state, secure=turn.asked.secure)
        done = cookies.deleted(name, provider.policy.path, secure=turn.asked.secure)
        if turn.now - begun.begun > provider.limits.login:
            again = urlencode({"policy": provider.identity, "to": begun.to}, quote_via=quote)
            return Answer(status=302, location=f"{provider.policy.path}?{again}", cookies=(done,))
        try:
            tokens, claims = await self._exchanged(turn, provider, begun)
            lines = turn.session(provider, tokens, claims.sub, claims.exp, tokens.id_token)
        except TooLargeError as error:
            _note("login not accepted", provider, error, logging.WARNING)
            text = "The login is not accepted: the tokens of the provider are too large for cookies."
            return Answer(status=403, text=text, retry=begun.to, cookies=(done,))
        except TokenError as error:
            _note("login not accepted", provider, error, logging.WARNING)
            return Answer(status=403, text="The login is not accepted.", retry=begun.to, cookies=(done,))
        except RefusedError as error:
            _note("login refused", provider, error, logging.WARNING)
            return Answer(status=403, text="The provider refuses the login.", retry=begun.to, cookies=(done,))
        except ProviderError as error:
            _note("provider not reached", provider, error, logging.WARNING)
            text = "The provider of logins cannot be reached. Please try again."
            return Answer(status=503, text=text, retry=begun.to, cookies=(done,))
        return Answer(status=302, location=begun.to, cookies=(done, *lines))

    async def _exchanged(self, turn: Turn, provider: Provider, begun: Begun) -> tuple[Tokens, Claims]:
        """Return the tokens of a login and what the ID token says.

        Raises:
            TokenError, ProviderError: something is wrong with the answer, or with the provider.
        """
        policy, query = provider.policy, turn.asked.query
        if error := query.get("error"):
            raise RefusedError(
                error, f"the provider answers {error[:60]!r}: {query.get('error_description', '')[:200]!r}"
            )
        if policy.issuer and query.get("iss", policy.issuer) != policy.issuer:
            raise TokenError(f"the answer is of the issuer {query['iss'][:200]!r}")
        redirect = turn.asked.origin + policy.path
        verifier = begun.derived("verifier")
        tokens = await self._backchannel.exchange(provider, query.get("code", ""), verifier, redirect)
        expected = Expected(
            client=policy.client, issuer=policy.issuer, nonce=begun.derived("nonce"), access_token=tokens.access_token
        )
        return tokens, await self._backchannel.verified(provider, tokens.id_token, expected, turn.now)

    async def _refresh(self, turn: Turn, provider: Provider, held: Held, to: str) -> Answer:
        tokens = await self._refreshed(provider, held.refresh_token)
        ends: float | None = None
        if tokens.id_token:
            policy = provider.policy
            expected = Expected(client=policy.client, issuer=policy.issuer, access_token=tokens.access_token)
            claims = await self._backchannel.verified(provider, tokens.id_token, expected, turn.now)
            if claims.sub != held.user:
                raise TokenError("is for another user than before (sub)")
            ends = claims.exp
        tokens = structs.replace(tokens, refresh_token=tokens.refresh_token or held.refresh_token)
        lines = turn.session(provider, tokens, held.user, ends, tokens.id_token or held.id_token)
        return Answer(status=302 if turn.reads else 307, location=to, cookies=lines)

    async def _refreshed(self, provider: Provider, token: str) -> Tokens:
        """Ask once for all requests that come with *token* at about the same time."""
        key = hashlib.sha256(f"{provider.identity} {token}".encode()).digest()
        task = self._refreshes.get(key)
        if task is None:
            task = asyncio.ensure_future(self._backchannel.refresh(provider, token))
            self._refreshes[key] = task
            loop = asyncio.get_running_loop()

            def forget(done: asyncio.Task[Tokens]) -> None:
                failed = done.cancelled() or done.exception() is not None
                loop.call_later(0 if failed else SHARED_S, self._refreshes.pop, key, None)

            task.add_done_callback(forget)
        return await asyncio.shield(task)

    # --- logout ---------------------------------------------------------------------------------------

    def _front_channel(self, asked: Asked, here: Mapping[str, Provider]) -> Answer:
        """End sessions as a provider asks from a frame of the browser (OpenID Connect Front-Channel Logout 1.0)."""
        issuer = asked.query.get("iss", "")
        meant = [each for each in here.values() if not issuer or each.policy.issuer in {"", issuer}]
        return Answer(cookies=tuple(line for each in meant for line in ended(asked, each)), text="Logged out.")

    async def _leave(self, turn: Turn, here: Mapping[str, Provider]) -> Answer:
        """End the sessions of the Policies in the argument ``logout``, one a turn; the last also at its provider."""
        first, _, rest = turn.asked.query["logout"].partition(",")
        provider = here.get(first)
        if provider is None or provider.policy.path != turn.asked.path:
            return Answer(status=400, text="This logout is not known.", retry="/")
        held, lines = turn.held(provider), (*ended(turn.asked, provider),)
        if others := [name for name in dict.fromkeys(rest.split(",")) if name in here]:
            location = f"{here[others[0]].policy.path}?logout={','.join(others)}"
            return Answer(status=302, location=location, cookies=lines)
        left = provider.policy.left
        try:
            end_session = (await self._backchannel.endpoints(provider)).end_session
        except ProviderError as error:
            _note("provider not reached", provider, error, logging.WARNING)
            end_session = ""
        if not end_session:
            return Answer(status=302, location=left, cookies=lines)
        query = {"client_id": provider.policy.client, "post_logout_redirect_uri": turn.asked.origin + left}
        if held and held.id_token:
            query["id_token_hint"] = held.id_token
        url = f"{end_session}{_joint(end_session)}{urlencode(query, quote_via=quote)}"
        return Answer(status=302, location=url, cookies=lines)


def _logout(asked: Asked, here: Mapping[str, Provider]) -> Answer:
    """Begin a logout of all Policies of a server of which the browser has sessions: their tokens are elsewhere."""
    names = {identity: cookies.session_name(identity, secure=asked.secure) for identity in here}
    open_ones = [identity for identity, name in names.items() if name in asked.cookies] or list(here)
    lines = (line for identity in open_ones
             for line in cookies.replaced(names[identity], "", "/", asked.cookies, secure=asked.secure))  # fmt: skip
    location = f"{here[open_ones[0]].policy.path}?logout={','.join(open_ones)}"
    return Answer(status=302, location=location, cookies=tuple(lines))


def _joint(url: str) -> str:
    return "&" if "?" in url else "?"


def _note(what: str, provider: Provider, error: Exception, level: int) -> None:
    """Log what a user cannot know, without anything that is secret."""
    policy = provider.policy.policy
    text = f"the token {error}" if isinstance(error, TokenError) else str(error)
    fields = {"policy": policy.key, "error": text}
    log.log(level, what, extra={"fields": fields, "sentence": f"Policy {policy.key}: {what}: {text}"})
