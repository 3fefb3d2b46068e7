"""Headgate's own sockets: the directory where the controller's nginx keeps them, who listens and what they answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

import msgspec

from headgate.ir import Layout
from headgate.ir.latency import SOCKET as SYSLOG
from headgate.nginx import status
from headgate.nginx.control import ask
from headgate.nginx.stats import SOCKET as STATUS
from headgate.nginx.verify import SOCKET as VERSION
from headgate.nginx.verify import ask as version
from headgate.sockets.sight import Sight, State, look
from headgate.translate.upstreams import NOBODY
from headgate.uds import Address

ANSWER_S: Final = 1.0


class Own(msgspec.Struct, frozen=True):
    """One socket of ours.

    Attributes:
        path: where it is.
        purpose: what it is for.
        sight: what is there.
        answer: what it answers, ``""`` if it does not.
    """

    path: str
    purpose: str
    sight: Sight
    answer: str = ""


async def survey(layout: Layout) -> tuple[Own, ...]:
    """Look at each socket of *layout* and speak to those where somebody listens."""
    return tuple([await _visit(layout, name, *row) for name, row in SOCKETS.items()])


async def _visit(layout: Layout, name: str, purpose: str, question: Callable[[Layout], Awaitable[str]]) -> Own:
    address = Address(layout.socket(name))
    sight = look(address)
    answer = await question(layout) if sight.state is State.LISTENS else ""
    return Own(address.text, purpose, sight, answer)


async def _status(layout: Layout) -> str:
    page = await status(layout)
    return "" if page is None else f"connections {page.active}, requests {page.requests}"


async def _version(layout: Layout) -> str:
    number = await version(layout)
    return "" if number is None else f"configuration {number}"


async def _syslog(_: Layout) -> str:
    return ""  # syslog has no answers


async def _nobody(layout: Layout) -> str:
    answer = await ask(layout.socket(NOBODY), "/", ANSWER_S)
    return "" if answer is None else f"HTTP {answer.code}"


SOCKETS: Final = {
    STATUS: ("nginx counts its connections and requests", _status),
    VERSION: ("nginx says which configuration it serves", _version),
    SYSLOG: ("the controller receives a line for each request and answers none", _syslog),
    NOBODY: ("nginx answers for a Service without endpoints", _nobody),
}
"""By the names that ``Layout.socket`` takes. There is no socket that commands nginx: that is done by signals."""
