"""The control socket: a running controller answers ``GET /status`` on a Unix socket that only its user may open."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from http import HTTPStatus
from typing import Final, Protocol

import aiohttp
import msgspec
from aiohttp import web

from headgate.status import Status
from headgate.uds import Access, Address, AddressError, ServerSocket

PATH: Final = "/status"
OWNER: Final = Access(mode=0o600)
LONGEST_WAIT_S: Final = 60.0
"""How long a request may wait for a change (``Prefer: wait``, RFC 7240)."""
LOOK_S: Final = 0.2
"""Interval of the checks for a change, in seconds."""
ANSWER_S: Final = 30.0


class ControlError(Exception):
    """The controller cannot be asked; the text is one line for the operator."""


class NoControllerError(ControlError):
    """Nothing listens on the control socket."""


class StatusSource(Protocol):
    """Describes a running controller."""

    def stamp(self) -> str:
        """Return a text that changes with the status; called often."""
        ...

    def read(self) -> Callable[[], Status]:
        """Return a function that makes the status of this moment, for a worker thread."""
        ...


class Answer(msgspec.Struct, frozen=True):
    """A status with the entity tag by which a later request can wait for another one."""

    status: Status
    tag: str


def control_app(source: StatusSource) -> web.Application:
    """Serve the status of *source*; with ``If-None-Match`` and ``Prefer: wait=N``, wait for another one (304: none)."""

    async def status(request: web.Request) -> web.Response:
        known = request.headers.get("If-None-Match", "")
        deadline = asyncio.get_running_loop().time() + _wait(request.headers.get("Prefer", ""))
        while (tag := _tag(source.stamp())) == known:
            if asyncio.get_running_loop().time() >= deadline:
                return web.Response(status=HTTPStatus.NOT_MODIFIED, headers={"ETag": tag})
            await asyncio.sleep(LOOK_S)
        found = await asyncio.to_thread(source.read())
        return web.Response(body=msgspec.json.encode(found), content_type="application/json", headers={"ETag": tag})

    app = web.Application()
    app.router.add_get(PATH, status)
    return app


def _tag(stamp: str) -> str:
    return f'"{hash(stamp) & 0xFFFFFFFFFFFFFFFF:016x}"'


def _wait(prefer: str) -> float:
    """Return the seconds of ``wait=N``; 0 if there are none."""
    name, _, seconds = prefer.partition("=")
    if name.strip() != "wait" or not seconds.strip().isdecimal():
        return 0.0
    return min(float(seconds), LONGEST_WAIT_S)


@contextlib.asynccontextmanager
async def serving_control(source: StatusSource, path: str) -> AsyncIterator[None]:
    """Serve the status at *path* (mode 0600) while the block runs; its file is removed at the end.

    Raises:
        AddressError: no socket can be created there.
    """
    with ServerSocket.open(Address(path), access=OWNER) as bound:
        runner = web.AppRunner(control_app(source), access_log=None, handle_signals=False, shutdown_timeout=0.1)
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
    timeout = aiohttp.ClientTimeout(total=ANSWER_S + wait_s)
    try:
        async with (
            aiohttp.ClientSession(connector=aiohttp.UnixConnector(path), timeout=timeout) as session,
            session.get(f"http://headgate{PATH}", headers=headers) as response,
        ):
            if response.status == HTTPStatus.NOT_MODIFIED:
                return None
            if response.status != HTTPStatus.OK:
                raise ControlError(f"{path}: the answer is HTTP {response.status}; is another program listening there?")
            return Answer(msgspec.json.decode(await response.read(), type=Status), response.headers.get("ETag", ""))
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
    "AddressError",
    "Answer",
    "ControlError",
    "NoControllerError",
    "StatusSource",
    "ask",
    "control_app",
    "serving_control",
]
