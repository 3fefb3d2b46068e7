"""Departure: when Headgate was told to stop, and how long what remains may take."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

log = logging.getLogger(__name__)


class Departure:
    """From the word to stop to the end: a time of grace with open doors, then the rest of the time to drain.

    The endpoints of Services, and with them what kube-proxy and load balancers do, change some time after a Pod was
    told to end (Kubernetes documentation, "Pod Lifecycle"). Whoever stops listening at once refuses the connections
    that come until then.
    """

    def __init__(self, grace_s: float, drain_s: float) -> None:
        """Nothing happens before ``begin``; the grace is a part of *drain_s*."""
        self._grace = min(grace_s, drain_s)
        self._drain = drain_s
        self._told: float | None = None
        self._end: asyncio.TimerHandle | None = None

    @property
    def begun(self) -> bool:
        """Whether Headgate was told to stop."""
        return self._told is not None

    def begin(self, end: Callable[[], object], *, serving: bool) -> None:
        """Call *end* after the time of grace; at once if nothing is *serving*, or if told again."""
        grace = self._grace if serving and not self.begun else 0
        self.remaining()
        if self._end:
            self._end.cancel()
        log.info("told to stop", extra={"fields": {"grace": grace}})
        self._end = asyncio.get_running_loop().call_later(grace, end)

    def remaining(self) -> float:
        """Return the seconds that requests in flight may still take; the first call begins the count."""
        now = asyncio.get_running_loop().time()
        if self._told is None:
            self._told = now
        return max(0.0, self._told + self._drain - now)
