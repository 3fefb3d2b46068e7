"""Headgate's own sockets: which of them exist, which process listens, and what it answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Final

import msgspec

from headgate.ir import Layout
from headgate.ir.layout import (
    CONTROL_SOCKET,
    EMPTY_SOCKET,
    LIVE_SOCKET,
    LOGIN_SOCKET,
    NO_ENDPOINTS_SOCKET,
    REPLACED_SOCKET,
    STATUS_SOCKET,
    STREAMS_SOCKET,
    SYSLOG_SOCKET,
    VERSION_SOCKET,
)
from headgate.nginx import status
from headgate.nginx.control import ask
from headgate.nginx.live import StateReply, live_state, stream_state
from headgate.nginx.verify import ask as version
from headgate.reporting.control import ControlError
from headgate.reporting.control import ask as ask_controller
from headgate.sockets.inspection import Inspection, SocketState, inspect
from headgate.uds import Address

ANSWER_S: Final = 1.0


class OwnSocket(msgspec.Struct, frozen=True):
    """One socket of Headgate.

    Attributes:
        path: where it is.
        purpose: what it is for.
        found: what is at its address.
        answer: what it answers, ``""`` if it does not answer.
    """

    path: str
    purpose: str
    found: Inspection
    answer: str = ""


async def inspect_own(layout: Layout) -> tuple[OwnSocket, ...]:
    """Inspect each socket of *layout*, and send a request to those where a process listens.

    The sockets of the live data plane are left out if they are absent, as they are with `-data-plane=files`, and so is
    that of logins, which needs `-enable-oidc`.
    """
    found = {name: await _inspect(layout, name, *row) for name, row in SOCKETS.items()}
    for name in (LIVE_SOCKET, STREAMS_SOCKET, LOGIN_SOCKET):
        if found[name].found.state is SocketState.ABSENT:
            del found[name]
    return tuple(found.values())


async def _inspect(layout: Layout, name: str, purpose: str, question: Callable[[Layout], Awaitable[str]]) -> OwnSocket:
    address = Address(layout.socket(name))
    found = inspect(address)
    answer = await question(layout) if found.state is SocketState.LISTENS else ""
    return OwnSocket(address.text, purpose, found, answer)


async def _status(layout: Layout) -> str:
    page = await status(layout)
    return "" if page is None else f"connections {page.active}, requests {page.requests}"


async def _version(layout: Layout) -> str:
    number = await version(layout)
    return "" if number is None else f"configuration {number}"


async def _syslog(_: Layout) -> str:
    return ""  # the syslog protocol has no answers


async def _status_of(socket: str, layout: Layout) -> str:
    answer = await ask(layout.socket(socket), "/", ANSWER_S)
    return "" if answer is None else f"HTTP {answer.code}"


async def _live(layout: Layout) -> str:
    return _said(await live_state(layout))


async def _streams(layout: Layout) -> str:
    return _said(await stream_state(layout))


def _said(state: StateReply | None) -> str:
    return "" if state is None else f"revision {state.revision}, {state.used} of {state.capacity} bytes used"


async def _control(layout: Layout) -> str:
    try:
        answer = await ask_controller(layout.socket(CONTROL_SOCKET))
    except ControlError:
        return ""
    controller = answer.status.controller if answer else None
    return f"{controller.version}, pid {controller.pid}" if controller else ""


SOCKETS: Final[Mapping[str, tuple[str, Callable[[Layout], Awaitable[str]]]]] = {
    CONTROL_SOCKET: ("the controller answers `headgate status`", _control),
    STATUS_SOCKET: ("nginx counts its connections and requests", _status),
    VERSION_SOCKET: ("nginx says which configuration it serves", _version),
    SYSLOG_SOCKET: ("the controller receives a line for each request and answers none", _syslog),
    LIVE_SOCKET: ("nginx receives the servers of upstreams", _live),
    LOGIN_SOCKET: ("the controller answers where clients log in", partial(_status_of, LOGIN_SOCKET)),
    STREAMS_SOCKET: ("nginx receives the servers of TCP and UDP", _streams),
    NO_ENDPOINTS_SOCKET: ("nginx answers for a Service without endpoints", partial(_status_of, NO_ENDPOINTS_SOCKET)),
    EMPTY_SOCKET: ("the same for Ingresses of ingress-nginx", partial(_status_of, EMPTY_SOCKET)),
    REPLACED_SOCKET: ("the same where their default-backend answers", partial(_status_of, REPLACED_SOCKET)),
}
"""By the names that ``Layout.socket`` takes. nginx itself is controlled by signals."""
