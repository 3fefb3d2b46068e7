"""What nginx's workers found out about servers by health checks (``lua/headgate/health.lua``)."""

from __future__ import annotations

from typing import Final

import msgspec

from headgate.ir import Layout
from headgate.ir.check import ServerHealth
from headgate.ir.layout import LIVE_SOCKET
from headgate.nginx.control import ask

TARGET: Final = "/v1/health"
ANSWER_S: Final = 2.0
LIMIT: Final = 64 * 1024 * 1024
"""Bytes of an answer that are read: about 100 for each server."""


class _Report(msgspec.Struct, frozen=True):
    servers: tuple[ServerHealth, ...]


async def server_health(layout: Layout) -> tuple[ServerHealth, ...] | None:
    """Ask nginx; ``None`` if it does not answer. Without the live data plane nothing is checked."""
    answer = await ask(layout.socket(LIVE_SOCKET), TARGET, ANSWER_S, limit=LIMIT)
    try:
        return msgspec.json.decode(answer.body, type=_Report).servers if answer else None
    except msgspec.DecodeError:
        return None
