"""The control socket: a running controller answers ``GET /status`` on a Unix socket that only its user may open.

Where changes are allowed, it also takes ``POST /drain`` and ``POST /log-level``, with JSON.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Annotated, Any, Final, Protocol, TypeVar

import aiohttp
import msgspec
from aiohttp import web

from headgate.status import Status
from headgate.uds import Access, Address, AddressError, ServerSocket

PATH: Final = "/status"
DRAIN: Final = "/drain"
LOG_LEVEL: Final = "/log-level"
READ_ONLY: Final = "changes over the control socket are not allowed; start headgate run with --control-writes"
HOST: Final = "http://headgate"
OWNER: Final = Access(mode=0o600)
LONGEST_WAIT_S: Final = 60.0
"""How long a request may wait for a change (``Prefer: wait``, RFC 7240)."""
LOOK_S: Final = 0.2
"""Interval of the checks for a change, in seconds."""
ANSWER_S: Final = 30.0


Handler = Callable[[web.Request], Awaitable[web.Response]]
Body = TypeVar("Body", bound=msgspec.Struct)


class ControlError(Exception):
    """The controller cannot be asked; the text is one line for the operator."""


class NoControllerError(ControlError):
    """Nothing listens on the control socket."""


class RefusedError(Exception):
    """A change is not made; the text is one line for the operator."""


class Writes(Protocol):
    """Carries out changes; each returns one line about what is different, or raises RefusedError."""

    def set_log_level(self, level: str) -> str:
        """Set the log level."""
        ...

    def drain(self, names: Sequence[str], *, undo: bool) -> str:
        """Take endpoints out of service, or (*undo*) into service again."""
        ...


class DrainRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of ``POST /drain``."""

    endpoints: Annotated[tuple[str, ...], msgspec.Meta(min_length=1)]
    undo: bool = False


class LogLevelRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of ``POST /log-level``."""

    level: str


class StatusSource(Protocol):
    """Describes a running controller."""

    def stamp(self) -> str:
        """Return a text that changes with the status; called often."""
        ...

    async def read(self) -> Callable[[], Status]:
        """Return a function that makes the status of this moment, for a worker thread."""
        ...


class Answer(msgspec.Struct, frozen=True):
    """A status with the entity tag by which a later request can wait for another one."""

    status: Status
    tag: str


def control_app(source: StatusSource, writes: Writes | None = None) -> web.Application:
    """Serve the status of *source*; with ``If-None-Match`` and ``Prefer: wait=N``, wait for another one (304: none).

    Without *writes* every change is answered 403.
    """

    async def status(request: web.Request) -> web.Response:
        known = request.headers.get("If-None-Match", "")
        deadline = asyncio.get_running_loop().time() + _wait(request.headers.get("Prefer", ""))
        while (tag := _tag(source.stamp())) == known:
            if asyncio.get_running_loop().time() >= deadline:
                return web.Response(status=HTTPStatus.NOT_MODIFIED, headers={"ETag": tag})
            await asyncio.sleep(LOOK_S)
        found = await asyncio.to_thread(await source.read())
        return web.Response(body=msgspec.json.encode(found), content_type="application/json", headers={"ETag": tag})

    app = web.Application()
    app.router.add_get(PATH, status)
    for target, handler in _changes(writes).items():
        app.router.add_post(target, handler)
    return app


def _changes(writes: Writes | None) -> Mapping[str, Handler]:
    if writes is None:
        return dict.fromkeys((DRAIN, LOG_LEVEL), _forbidden)
    return {
        DRAIN: _changing(DrainRequest, lambda it: writes.drain(it.endpoints, undo=it.undo)),
        LOG_LEVEL: _changing(LogLevelRequest, lambda it: writes.set_log_level(it.level)),
    }


def _changing(model: type[Body], carry_out: Callable[[Body], str]) -> Handler:
    """Return a handler that has *carry_out* make the change that the body asks for."""

    async def handle(request: web.Request) -> web.Response:
        try:
            return web.Response(text=carry_out(msgspec.json.decode(await request.read(), type=model)))
        except (RefusedError, msgspec.MsgspecError) as error:
            return web.Response(status=HTTPStatus.BAD_REQUEST, text=str(error))

    return handle


async def _forbidden(_: web.Request) -> web.Response:
    return web.Response(status=HTTPStatus.FORBIDDEN, text=READ_ONLY)


def _tag(stamp: str) -> str:
    return f'"{hash(stamp) & 0xFFFFFFFFFFFFFFFF:016x}"'


def _wait(prefer: str) -> float:
    """Return the seconds of ``wait=N``; 0 if there are none."""
    name, _, seconds = prefer.partition("=")
    if name.strip() != "wait" or not seconds.strip().isdecimal():
        return 0.0
    return min(float(seconds), LONGEST_WAIT_S)


@contextlib.asynccontextmanager
async def serving_control(source: StatusSource, path: str, writes: Writes | None = None) -> AsyncIterator[None]:
    """Serve the status, and take *writes*, at *path* (mode 0600) while the block runs; its file is removed at the end.

    Raises:
        AddressError: no socket can be created there.
    """
    with ServerSocket.open(Address(path), access=OWNER) as bound:
        runner = web.AppRunner(control_app(source, writes), access_log=None, handle_signals=False, shutdown_timeout=0.1)
        await runner.setup()
        try:
            await web.SockSite(runner, bound.socket).start()
            yield
        finally:  # before the socket is closed, without which its listener cannot be removed from the loop
            await runner.cleanup()


async def ask(path: str, known: str = "", wait_s: float = 0.0) -> Answer | None:
    """Return the status of the controller that listens at *path*.

    Args:
        path: its control socket.
        known: the tag of a status that is known; ``None`` is returned if it is still the same after *wait_s* seconds.
        wait_s: how long the controller may wait for another one.

    Raises:
        ControlError: nothing listens there, this user may not connect, or the answer is not a status.
    """
    headers = {"If-None-Match": known, "Prefer": f"wait={wait_s:.0f}"} if known else {}
    async with _session(path, wait_s) as session, session.get(f"{HOST}{PATH}", headers=headers) as response:
        if response.status == HTTPStatus.NOT_MODIFIED:
            return None
        if response.status != HTTPStatus.OK:
            raise _strange(path, response)
        return Answer(msgspec.json.decode(await response.read(), type=Status), response.headers.get("ETag", ""))


async def change(path: str, target: str, body: Mapping[str, Any]) -> str:
    """Have the controller that listens at *path* make a change; return what it answers.

    Raises:
        ControlError: nothing listens there, this user may not connect, or the change is refused.
    """
    async with _session(path) as session, session.post(f"{HOST}{target}", data=msgspec.json.encode(body)) as response:
        text = await response.text()
        if response.status in {HTTPStatus.FORBIDDEN, HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_ENTITY_TOO_LARGE}:
            raise ControlError(text)
        if response.status != HTTPStatus.OK:
            raise _strange(path, response)
        return text


def _strange(path: str, response: aiohttp.ClientResponse) -> ControlError:
    return ControlError(f"{path}: the answer is HTTP {response.status}; is another program listening there?")


@contextlib.asynccontextmanager
async def _session(path: str, wait_s: float = 0.0) -> AsyncIterator[aiohttp.ClientSession]:
    """Open a session with the controller at *path*; what fails within becomes a ControlError."""
    timeout = aiohttp.ClientTimeout(total=ANSWER_S + wait_s)
    try:
        async with aiohttp.ClientSession(connector=aiohttp.UnixConnector(path), timeout=timeout) as session:
            yield session
    except (aiohttp.ClientError, OSError, TimeoutError, msgspec.DecodeError) as error:
        cause = error.os_error if isinstance(error, aiohttp.ClientConnectorError) else error
        kind = NoControllerError if isinstance(cause, FileNotFoundError | ConnectionRefusedError) else ControlError
        raise kind(f"{path}: {_reason(cause)}") from None


def _reason(cause: Exception) -> str:
    if isinstance(cause, PermissionError):
        return "only the user that the controller runs as may ask it; run the command as that user or as root"
    if isinstance(cause, FileNotFoundError | ConnectionRefusedError):
        return (
            "no controller runs with these directories; start one, name the --prefix or the --socket of one that runs "
            "(`headgate sockets` lists them), or use -m DIR or --cluster"
        )
    if isinstance(cause, TimeoutError):
        return f"the controller did not answer within {ANSWER_S:g} s"
    return f"the answer cannot be read: {cause}"


__all__ = [
    "DRAIN",
    "LOG_LEVEL",
    "AddressError",
    "Answer",
    "ControlError",
    "NoControllerError",
    "RefusedError",
    "StatusSource",
    "Writes",
    "ask",
    "change",
    "control_app",
    "serving_control",
]
