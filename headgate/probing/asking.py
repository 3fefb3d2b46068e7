"""Two controllers are asked the same, at a limited rate; a difference counts only if it is there each time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Final

import msgspec

from headgate.probing.addresses import Controller
from headgate.probing.answers import Difference, Reply, differences, portless
from headgate.probing.probes import Probe
from headgate.probing.sending import CannotAskError, send

AT_ONCE: Final = 8
AGAIN: Final = 2
"""How often both are asked again about a difference: one of several backends may have answered."""

__all__ = ["CannotAskError", "Comparison", "compare"]


class Comparison(msgspec.Struct, frozen=True):
    """What came of a probe.

    Attributes:
        differences: what differed each time.
        unsteady: what differed between two answers of one controller as well, so that nothing follows from it.
    """

    probe: Probe
    differences: tuple[Difference, ...] = ()
    unsteady: tuple[str, ...] = ()


class Pace:
    """At most *rate* turns a second."""

    def __init__(self, rate: float) -> None:
        """Begin with a turn."""
        self._between = 1 / rate
        self._next = 0.0

    async def turn(self) -> None:
        """Wait for a turn."""
        now = asyncio.get_running_loop().time()
        mine = max(self._next, now)
        self._next = mine + self._between
        await asyncio.sleep(mine - now)


async def compare(
    probes: Iterable[Probe], a: Controller, b: Controller, rate: float, timeout_s: float
) -> list[Comparison]:
    """Send each of *probes* to *a* and to *b*, at most *rate* requests a second altogether.

    Raises:
        CannotAskError: one of them does not accept connections; no further request is sent.
    """
    pace, places = Pace(rate), asyncio.Semaphore(AT_ONCE)

    async def ask(controller: Controller, probe: Probe) -> Reply:
        await pace.turn()
        reply = await send(controller.addresses[probe.scheme], probe, timeout_s)
        return portless(reply, {each.port for each in controller.addresses.values()})

    async def one(probe: Probe) -> Comparison:
        async with places:
            return await _compared(probe, lambda: ask(a, probe), lambda: ask(b, probe))

    try:
        async with asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(one(probe)) for probe in probes]
    except* CannotAskError as group:
        raise _first(group) from None
    return [task.result() for task in running]


async def _compared(
    probe: Probe, ask_a: Callable[[], Awaitable[Reply]], ask_b: Callable[[], Awaitable[Reply]]
) -> Comparison:
    """Ask both, and where something differs ask both again, as long as that may show that one of them is unsteady."""
    first = await ask_a()
    found = differences(first, await ask_b(), certificate=probe.certificate)
    left = {each.name for each in found}
    for _ in range(AGAIN):
        if left:
            left -= {each.name for each in differences(first, await ask_a(), certificate=probe.certificate)}
        if left:
            left &= {each.name for each in differences(first, await ask_b(), certificate=probe.certificate)}
    steady = tuple(each for each in found if each.name in left)
    return Comparison(probe, steady, tuple(each.name for each in found if each.name not in left))


def _first(group: BaseExceptionGroup[CannotAskError]) -> CannotAskError:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    assert isinstance(error, CannotAskError)  # noqa: S101 - what the group was split by
    return error
